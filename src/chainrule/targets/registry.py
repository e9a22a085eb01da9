"""The registry of targets: which languages a plan can be compiled to, and what each needs and lacks.

A target is one file, `targets/NAME.py`, that ends in `register(Target("NAME", …))`; files beside it help. Nothing else
has to be told: `compile(target="NAME")`, the command line, the list of what a target lacks and the conformance tests
read this registry. A target's file is imported when it is asked for by name, or when all are listed; its optional
packages are imported inside its functions, so listing targets needs none of them.

What `compile` takes and gives:

    compile(program, outputs, *, loss=None, gradients=None, dtype="float64", comments=None, name=None, **options)

outputs: equations of the program whose values are wanted.  loss: the scalar among them that a step returns first.
gradients: key in the dictionary → output.  comments: a comment for each equation.  name: of the function.
It gives a callable with `.source`, the text that runs, and `.names`, the arrays that it takes: `step(**arrays)` is
(loss, {name: gradient}), or {name: value} where there is no loss, for NumPy arrays whatever the target is.
It raises UnsupportedError for what the target cannot spell, before any number is computed.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.algebra.program import Program
from chainrule.errors import UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import OPERATIONS
from chainrule.plan.graph import MAPS, STEPS
from chainrule.plan.relations import STRUCTURAL

__all__ = ["Compiled", "Recipe", "Target", "find", "names", "register", "vocabulary"]


@dataclass(frozen=True, slots=True)
class Target:
    """A language.

    name: also its file's.  summary: a line for help pages.  compile: see above.  spells: whether it has code for
    ("function", "tanh"), ("operation", "inv") or ("step", "contract"), a name of `vocabulary`.
    options: what `compile` takes besides, each with a sentence.  packages: what must be importable;  extra: the extra
    of chainrule that installs it.  suffix: of a file with the source.
    """

    name: str
    summary: str
    compile: Callable[..., Any]
    spells: Callable[[str, str], bool]
    options: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    extra: str = ""
    suffix: str = ".py"

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that it needs and that are not installed."""
        return tuple(package for package in self.packages if importlib.util.find_spec(package) is None)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What a plan may hold and the target has no code for: a program with one of these is refused."""
        return tuple(f"{kind} {name}" for kind, name in vocabulary() if not self.spells(kind, name))

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises UnsupportedError for an option that it does not know, and where a package is missing."""
        for option in options:
            if option not in self.options:
                known = ", ".join(self.options)
                raise UnsupportedError(
                    f"the target {self.name} has no option {option}",
                    f"one of: {known}" if known else f"compile({self.name!r}) without it",
                )
        if self.missing:
            raise UnsupportedError(
                f"the target {self.name} needs {' and '.join(self.missing)}, which is not installed",
                f'pip install "chainrule[{self.extra}]"' if self.extra else f"pip install {' '.join(self.missing)}",
            )


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a step was compiled from."""

    target: str
    program: Program
    outputs: tuple[str, ...]
    options: Mapping[str, Any]

    def make(self) -> Any:
        """The step anew."""
        step = find(self.target).compile(self.program, self.outputs, **self.options)
        step.recipe = self
        return step


class Compiled:
    """What compiled steps have in common: they can be copied and pickled, and are compiled anew where they arrive."""

    recipe: Recipe | None = None

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.recipe is None:
            raise TypeError("a step that was not made by compile() cannot be pickled")
        return Recipe.make, (self.recipe,)


_TARGETS: dict[str, Target] = {}


def register(target: Target) -> Target:
    """Add a record. Raises ValueError where the name is taken."""
    if target.name in _TARGETS:
        raise ValueError(f"target {target.name} is registered already")
    _TARGETS[target.name] = target
    return target


def names() -> list[str]:
    """All targets, the default first."""
    package = importlib.import_module("chainrule.targets")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"chainrule.targets.{module.name}")
    return sorted(_TARGETS, key=lambda name: (name != "numpy", name))


def find(name: str) -> Target:
    """The target of that name. Raises UnsupportedError where there is none."""
    if not isinstance(name, str):
        raise UnsupportedError(f"{name!r} is not the name of a target", f"one of: {', '.join(names())}")
    if name not in _TARGETS and name.isidentifier() and importlib.util.find_spec(f"chainrule.targets.{name}"):
        importlib.import_module(f"chainrule.targets.{name}")
    if name not in _TARGETS:
        raise UnsupportedError(f"there is no target {name}", f"one of: {', '.join(names())}")
    return _TARGETS[name]


def vocabulary() -> list[tuple[str, str]]:
    """Everything that a plan may ask a target to spell: steps, elementwise functions, operations on whole arrays."""
    return [
        *(("step", step) for step in STEPS),
        *(("function", name) for name in (*MAPS, *FUNCTIONS)),
        *(("operation", name) for name in (*OPERATIONS, *sorted(STRUCTURAL))),
    ]
