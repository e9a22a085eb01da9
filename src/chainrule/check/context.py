"""What a check knows of a network: its backward pass, and the values of every name at many random points.

It is made once for each network. The signals and their numbers are those of `derive()`; gradients at other names are
derived when they are asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from itertools import count
from weakref import WeakKeyDictionary

from chainrule.algebra.expr import Expr, add, monomial, variables
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.check.points import Points, points_of
from chainrule.derivation import Derivation, Gradient
from chainrule.dims import display_name
from chainrule.errors import ChainruleWarning
from chainrule.language import ast
from chainrule.network import Network
from chainrule.notation.matrix import MatrixNotation
from chainrule.notation.written import Written
from chainrule.verification import verify_gradients

__all__ = ["Context", "context_of"]


class Context:
    """A network with its backward pass (where it has a loss). `program`: forward equations, then the signals."""

    def __init__(self, net: Network) -> None:
        self.net = net
        leaves = [v.name for v in net.program.variables.values() if v.kind in ("param", "input")]
        self.derivation = _derive(net, leaves) if net.loss is not None else None
        source = self.derivation.program if self.derivation is not None else net.program
        self.program = source.copy()
        self.gradients: dict[str, Expr] = {}  # the gradient at each name, over the indices of that name
        self.signal_at: dict[str, str] = {}
        if self.derivation is not None:
            backward = self.derivation.backward
            self.signal_at = {of: s for s, of in backward.signals.items()}
            for name, gradient in backward.gradients.items():
                value = self.program.equations[gradient].value
                assert isinstance(value, dict)
                self.gradients[name] = value
                del self.program.equations[gradient], self.program.variables[gradient]
        self._trusted: dict[str, bool] = {}
        self._supposed: dict[object, list[Points]] = {}
        self._derived: dict[str, tuple[Expr, Derivation]] = {}

    def derived(self, name: str) -> tuple[Expr, Derivation]:
        """The gradient at a name that is no parameter and no input, in names of `program`, and its derivation.

        That derivation has one more name to differentiate by, so its signals may be others; what this one has not is
        taken in without a name.
        """
        if name not in self._derived:
            assert self.derivation is not None
            derivation = _derive(self.net, [*self.derivation.wrt, name])
            gradient = derivation.gradients[name].expression
            self._derived[name] = (self.adopt(derivation.program, gradient), derivation)
        return self._derived[name]

    def explained(self, name: str, derivation: Derivation) -> Gradient | None:
        """The gradient with its steps, where they speak of the signals that this context has."""
        assert self.derivation is not None
        same = derivation.backward.signals == self.derivation.backward.signals
        return derivation.gradients[name] if same else None

    def adopt(self, source: Program, expression: Expr) -> Expr:
        """The expression with what it needs of another program (one that continues the network's) taken in here."""
        names: dict[str, str] = {}
        needed: list[str] = []
        stack = list(variables(expression))
        while stack:
            name = stack.pop()
            if name in needed or name in self.net.program.variables:
                continue
            needed.append(name)
            stack.extend(source.equations[name].arguments)
        for name in (n for n in source.equations if n in needed):
            equation, variable = source.equations[name], source.variables[name]
            if isinstance(equation.value, Operation):
                value: Expr | Operation = replace(
                    equation.value, args=tuple(names.get(a, a) for a in equation.value.args)
                )
            else:
                value = _renamed(equation.value, names)
            same = self.program.equations.get(name)
            if same is not None and same.value == value:
                continue
            known = name.startswith("∂") and same is None  # the Jacobian of an unknown function keeps its name
            names[name] = name if known else f"%{next(_adopted)}"
            self.program.define(replace(variable, name=names[name]), value, equation.source)
        return _renamed(expression, names)

    @cached_property
    def points(self) -> list[Points]:
        """Points at which the forward pass and every signal are finite, where there are any."""
        return points_of(self.program)

    def trusted(self, name: str) -> bool:
        """False where the derivation's own gradient at a name fails against central differences."""
        if name not in self._trusted:
            derivation = self.derivation
            if derivation is None or name not in derivation.backward.gradients:
                derivation = self.derived(name)[1]
            gradients = {name: derivation.backward.gradients[name]}
            report = verify_gradients(self.net.program, derivation.program, derivation.loss, gradients)
            self._trusted[name] = report.ok or bool(report.reason)
        return self._trusted[name]

    def drawn(self, seed: int, sizes: Mapping[str, int] | None) -> list[Points]:
        """The points of another seed, or at given sizes."""
        if not seed and not sizes:
            return self.points
        return points_of(self.program, seed, given=sizes)

    def supposed(self, facts: Mapping[str, tuple[str, ...]]) -> list[Points]:
        """Points that obey other facts as well."""
        key = tuple(sorted(facts.items()))
        if key not in self._supposed:
            self._supposed[key] = points_of(self.program, facts=facts)
        return self._supposed[key]

    @cached_property
    def definitions(self) -> list[ast.Definition]:
        """Functions that the user defined."""
        elaborated = self.net._elaborated
        return [s for s in elaborated.tree.statements if isinstance(s, ast.Definition)] if elaborated else []

    @cached_property
    def user_names(self) -> list[str]:
        """Names that may stand in a claim: those of the network, and the signals."""
        return [*(n for n in self.net.program.variables if not is_anonymous(n)), *self.signal_at.values()]

    def describe(self, name: str) -> str:
        """A name as people read it; an anonymous one by what it stands for."""
        if not is_anonymous(name):
            return display_name(name)
        variable, value = self.program.variables.get(name), self.program.expression(name)
        if variable is None or value is None:
            return "(…)"
        written = Written(self.program, MatrixNotation(self.program), value, variable.dims, variable.orientation)
        return f"({written.text})"


def _derive(net: Network, wrt: list[str]) -> Derivation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        return Derivation(net, wrt)


def _renamed(expression: Expr, names: Mapping[str, str]) -> Expr:
    """The same expression with some variables under other names."""
    if not names:
        return expression
    out: Expr = {}
    for (factors, bound), coefficient in expression.items():
        moved = []
        for (head, name, indices), exponent in factors:
            if isinstance(name, tuple):
                new: object = tuple((names.get(n, n), arity) for n, arity in name)
            else:
                new = name if head in ("#", "n") else names.get(str(name), name)
            moved.append(((head, new, indices), exponent))
        out = add(out, monomial(coefficient, moved, bound))  # type: ignore[arg-type]
    return out


_adopted = count(1_000_000)  # anonymous names that no reading of a claim can come to use
_contexts: WeakKeyDictionary[Network, Context] = WeakKeyDictionary()


def context_of(net: Network) -> Context:
    """The context of a network, made once."""
    found = _contexts.get(net)
    if found is None:
        found = _contexts[net] = Context(net)
    return found
