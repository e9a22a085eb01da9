"""Checks of the arrays given to a compiled step: names, shapes, dtypes; and, when a result is not finite, why.

A set of arrays that passed is remembered by shapes and dtypes, so the next call with the same costs one look-up.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.algebra.program import Variable
from chainrule.dims import Dim, canonical_name, format_shape
from chainrule.errors import ArrayError
from chainrule.targets.held_facts import HOLDS, SUMS, broken, furthest

__all__ = ["ArrayChecker", "Checked"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What to do with arrays of certain shapes and dtypes: which to convert or reshape (by position)."""

    changes: tuple[tuple[int, tuple[int, ...] | None, np.dtype[Any] | None], ...]
    shapes: tuple[tuple[int, ...], ...]


class ArrayChecker:
    """Knows what a program takes. `arguments`: the arrays that are used; `declared`: those that may be given."""

    def __init__(
        self, variables: Mapping[str, Variable], arguments: tuple[str, ...], declared: tuple[str, ...], dtype: str
    ) -> None:
        self.variables = variables
        self.arguments = arguments
        self.declared = declared
        self.dtype = np.dtype(dtype)
        self._keys = {canonical_name(name): name for name in declared}
        # Gradients such as ŷ − y hold only where the entries of y sum to 1, so that is checked at each call.
        self.stated = tuple(k for k, name in enumerate(arguments) if HOLDS.keys() & set(variables[name].facts))
        facts = {fact for name in arguments for fact in variables[name].facts}
        self.beyond_sums = bool((HOLDS.keys() - SUMS) & facts)

    def by_name(self, given: Mapping[str, Any]) -> list[Any]:
        """The arrays in the order of the arguments. Any spelling of a name will do; extra declared ones are ignored.

        Raises ArrayError for a missing, an unknown and a doubled name.
        """
        found: dict[str, Any] = {}
        for name, array in given.items():
            declared = self._keys.get(canonical_name(name))
            if declared is None:
                open_ = [n for n in self.arguments if canonical_name(n) not in map(canonical_name, given)]
                near = difflib.get_close_matches(name, open_, 1) or open_[:1]
                raise ArrayError(
                    f"{name} is not an array of this program: it takes {', '.join(self.arguments)}",
                    hint=f"{near[0]}=…" if near else f"leave out {name}",
                )
            if declared in found:
                raise ArrayError(f"{declared} is given twice", hint=f"leave out {name}")
            found[declared] = array
        missing = [name for name in self.arguments if name not in found]
        if missing:
            shapes = ", ".join(f"{n} ({format_shape(self.variables[n].shape)})" for n in missing)
            raise ArrayError(f"missing: {shapes}", hint="step(" + ", ".join(f"{n}={n}" for n in self.arguments) + ")")
        return [found[name] for name in self.arguments]

    def check(self, arrays: list[Any]) -> Checked:
        """What must be done with these arrays. Raises ArrayError for a dtype or shape that does not fit."""
        sizes: dict[str, tuple[int, str]] = {}
        changes = []
        shapes = []
        for position, (name, array) in enumerate(zip(self.arguments, arrays, strict=True)):
            if not isinstance(array, np.ndarray | np.generic | float | int):
                raise ArrayError(
                    f"{name} is {_kind(array)}, not a NumPy array", hint=f"{name}=np.asarray({name}, np.{self.dtype})"
                )
            self.refuse_masked(name, array)
            value = np.asarray(array)
            convert = self._convert(name, value, isinstance(array, float | int) and not isinstance(array, np.generic))
            wanted = self.fit(name, value.shape, sizes)
            reshape = None if wanted == value.shape else wanted
            if convert or reshape is not None or type(array) is not np.ndarray:
                changes.append((position, reshape, self.dtype if convert else None))
            shapes.append(value.shape)
        return Checked(tuple(changes), tuple(shapes))

    @staticmethod
    def refuse_masked(name: str, array: Any) -> None:
        """Raises ArrayError for an array with a mask: no target knows of it, and it would count for nothing."""
        if isinstance(array, np.ma.MaskedArray):
            raise ArrayError(
                f"{name} is a masked array, and its mask would be ignored",
                hint=f"{name}.filled(0), and a mask among the inputs of the program",
            )

    def _convert(self, name: str, value: np.ndarray[Any, Any], python_number: bool) -> bool:
        """True where the array must be converted: only where no value can change."""
        if value.dtype == self.dtype:
            return False
        numeric = value.dtype.kind in "biuf"
        whole = "integer" in self.variables[name].facts and value.dtype.kind in "iu"  # labels: small enough to be exact
        if whole and (not value.size or max(-int(value.min()), int(value.max())) <= 2**24):
            return True
        if numeric and (python_number or np.can_cast(value.dtype, self.dtype, "safe")):
            return True
        if value.dtype.kind == "f":
            wider = ', or compile with dtype="float64"' if value.dtype == np.float64 else ""
            raise ArrayError(
                f"{name} is {value.dtype}, but the step was compiled for {self.dtype}: converting would lose digits",
                hint=f"{name}.astype(np.{self.dtype}){wider}",
            )
        if numeric:
            raise ArrayError(
                f"{name} is {value.dtype}; not all its values are {self.dtype} numbers",
                hint=f"{name}.astype(np.{self.dtype})",
            )
        raise ArrayError(f"{name} is {_kind(value)}, not an array of {self.dtype}", hint="give it numbers")

    def fit(self, name: str, shape: tuple[int, ...], sizes: dict[str, tuple[int, str]]) -> tuple[int, ...]:
        """The shape in which the step takes the array (without axes of a column or row that have size 1)."""
        variable = self.variables[name]
        dims = variable.dims
        plain = shape
        if len(shape) != len(dims):
            if len(shape) == len(variable.shape) and variable.shape != dims:
                plain = tuple(n for n, d in zip(shape, _positions(variable), strict=True) if d is not None)
                ones = [n for n, d in zip(shape, _positions(variable), strict=True) if d is None]
                if any(n != 1 for n in ones):
                    raise self._shape_error(name, shape, sizes)
            elif not dims and all(n == 1 for n in shape):
                plain = ()
            else:
                raise self._shape_error(name, shape, sizes)
        for got, dim in zip(plain, dims, strict=True):
            if isinstance(dim, int):
                if got != dim:
                    raise self._shape_error(name, shape, sizes)
            elif dim in sizes:
                if sizes[dim][0] != got:
                    raise self._shape_error(name, shape, sizes, dim)
            else:
                sizes[dim] = got, name
        return plain

    def _shape_error(
        self, name: str, shape: tuple[int, ...], sizes: dict[str, tuple[int, str]], clash: Dim | None = None
    ) -> ArrayError:
        variable = self.variables[name]
        expected = format_shape(variable.shape)
        known = {d: sizes[d] for d in variable.dims if isinstance(d, str) and d in sizes}
        numbers = tuple(known[d][0] if d in known else d for d in variable.shape)
        got = " × ".join(map(str, shape)) if shape else "a single number"
        message = f"{name} is {got}, but it must be {expected}"
        if known:
            message += f" = {format_shape(numbers)}" if numbers != variable.shape else ""
        if clash is not None:
            message += f" ({clash} = {sizes[str(clash)][0]} comes from {sizes[str(clash)][1]})"
        elif known:
            message += " (" + ", ".join(f"{d} = {n} comes from {who}" for d, (n, who) in known.items()) + ")"
        hint = None
        if len(shape) == 2 and len(variable.dims) == 2:
            turned = shape[::-1]
            if all(d not in sizes or sizes[str(d)][0] == n for d, n in zip(variable.dims, turned, strict=True)):
                hint = f"{name}.T" if shape[0] != shape[1] else None
        elif len(shape) == len(variable.dims) + 1 and variable.dims:
            hint = "a batch of samples needs a program that is lifted: compile(batch=…)"
        return ArrayError(message, hint=hint)

    def check_facts(self, arrays: list[Any]) -> None:
        """Raises ArrayError where an array is not what it was declared to be: the gradients would be wrong."""
        for position in self.stated:
            name = self.arguments[position]
            facts = self.variables[name].facts
            fact = broken(arrays[position], facts)
            if fact is None:
                continue
            if fact in SUMS and (worst := furthest(arrays[position])) is not None:
                raise ArrayError(
                    f"{name} is declared {', '.join(facts)}, but a row of it sums to {worst:g}: the gradients hold for "
                    "sums of 1",
                    hint=f"one-hot rows, or leave the fact out of the declaration of {name}",
                )
            instead = "stochastic, for soft labels, or " if fact == "one-hot" else ""
            raise ArrayError(
                f"{name} is declared {fact}, but it is not: the gradients hold where it is",
                hint=f"{instead}leave the fact out of the declaration of {name}",
            )

    def explain_not_finite(self, arrays: list[Any], what: str) -> ArrayError:
        """Why `what` came out as NaN or infinite: an array that holds such values or none, or an overflow."""
        for name, array in zip(self.arguments, arrays, strict=True):
            if not np.size(array):
                return ArrayError(
                    f"{name} is empty: its shape is {np.shape(array)}", hint="at least one entry along each axis"
                )
        for name, array in zip(self.arguments, arrays, strict=True):
            bad = ~np.isfinite(array)
            if bad.any():
                place = np.argwhere(bad)[0].tolist()
                kind = "NaN" if np.isnan(np.asarray(array)[tuple(place)]) else "an infinite value"
                where = f" at {place}" if place else ""
                count = int(bad.sum())
                more = f" ({count} such entries)" if count > 1 else ""
                return ArrayError(f"{name} has {kind}{where}{more}", hint=f"np.isfinite({name}).all() finds it before")
        return ArrayError(
            f"{what} is not finite though all arrays are: it overflows {self.dtype}, or a logarithm or root "
            "was taken outside its domain",
            hint='smaller parameters or a smaller learning rate; dtype="float64" tells the two apart',
        )


def _positions(variable: Variable) -> tuple[Dim | None, ...]:
    """The shape on paper with None for the axis that `dims` leaves out."""
    if variable.orientation == "column":
        return (*variable.dims, None)
    if variable.orientation == "row":
        return (None, *variable.dims)
    return tuple(variable.dims)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray | np.generic):
        return {"O": "an array of objects", "U": "text", "S": "bytes", "c": "complex"}.get(
            value.dtype.kind, f"of dtype {value.dtype}"
        )
    return f"a {type(value).__name__}"
