"""Arrays of NumPy and of a framework at the door of a compiled program: checked alike, converted, given back alike.

NumPy in, NumPy out: the contract of every target. A framework's own arrays stay where and what they are (device,
dtype), and so do the results; they may be mixed with NumPy arrays, which follow them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from chainrule.algebra.program import Program
from chainrule.errors import ArrayError
from chainrule.targets.arrays import ArrayChecker

__all__ = ["Door", "Given"]


@dataclass(frozen=True, slots=True)
class Given:
    """Arrays as the generated code takes them, the shapes in which they came, and whether all were NumPy's."""

    arrays: list[Any]
    shapes: dict[str, tuple[int, ...]]
    numpy: bool


class Door:
    """Checks and converts. The functions know the framework.

    owns: is this one of its arrays?  make: (NumPy array, one of its arrays or None) -> its array, like the other's
    device and dtype where there is one.  back: its array -> NumPy.  known: are the numbers of it known (not traced)?
    """

    def __init__(
        self, program: Program, arguments: Sequence[str], dtype: str, loss: str | None, framework: str, *,
        owns: Callable[[Any], bool], make: Callable[[Any, Any], Any], back: Callable[[Any], Any],
        known: Callable[[Any], bool] = lambda array: True,
    ) -> None:  # fmt: skip
        declared = tuple(n for n in program.variables if n not in program.equations)
        self.checker = ArrayChecker(program.variables, tuple(arguments), declared, dtype)
        self._dtype = np.dtype(dtype)
        self._loss = loss
        self._framework = framework
        self._owns, self._make, self._back, self._known = owns, make, back, known

    def enter(self, given: Mapping[str, Any]) -> Given:
        """The arrays by name, in order. Raises ArrayError for a name, shape, dtype or value that does not fit."""
        checker = self.checker
        arrays = checker.by_name(given)
        own = next((array for array in arrays if self._owns(array)), None)
        if own is None:
            checked = checker.check(arrays)
            plain = [np.asarray(array) for array in arrays]
            for position, shape, dtype in checked.changes:
                array = np.asarray(plain[position], dtype=dtype)
                plain[position] = array if shape is None else array.reshape(shape)
            if self._loss is not None and checker.stated:
                checker.check_facts(plain)
            made = [self._make(array, None) for array in plain]
            return Given(made, dict(zip(checker.arguments, checked.shapes, strict=True)), True)
        sizes: dict[str, tuple[int, str]] = {}
        shapes = {}
        ready = []
        for name, array in zip(checker.arguments, arrays, strict=True):
            if not self._owns(array):
                if not isinstance(array, np.ndarray | np.generic | float | int):
                    raise ArrayError(
                        f"{name} is a {type(array).__name__}, neither a NumPy nor a {self._framework} array"
                    )
                checker.refuse_masked(name, array)
                array = self._make(np.asarray(array), own)
            shapes[name] = tuple(array.shape)
            plain_shape = checker.fit(name, shapes[name], sizes)
            ready.append(array if plain_shape == shapes[name] else array.reshape(plain_shape))
        if self._loss is not None and checker.stated and all(self._known(ready[k]) for k in checker.stated):
            checker.check_facts([self._back(a) if k in checker.stated else a for k, a in enumerate(ready)])
        return Given(ready, shapes, False)

    def leave(self, given: Given, loss: Any, values: Mapping[str, Any]) -> Any:
        """(loss, {name: array}) or {name: array}: NumPy's where NumPy came in, gradients in the shapes that came in."""
        if not given.numpy:
            shaped = {
                key: value.reshape(given.shapes[key]) if value.shape != given.shapes.get(key, value.shape) else value
                for key, value in values.items()
            }
            return shaped if self._loss is None else (loss, shaped)
        plain = {}
        for key, value in values.items():
            array = self._back(value)
            shape = given.shapes.get(key, array.shape) if self._loss is not None else array.shape
            plain[key] = array if array.shape == shape else array.reshape(shape)
        if self._loss is None:
            return plain
        number = float(self._back(loss))
        if not isfinite(number):
            raise self.checker.explain_not_finite([self._back(a) for a in given.arrays], f"the loss {self._loss}")
        return number, plain
