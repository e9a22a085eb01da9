"""What a program knows of its names, indexed for the rules: products, sums, signs, constant sums.

Knowledge is drawn from equations and declared facts alone; nothing here is keyed to an example. It is three-valued: a
fact that is not known is None, never False.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Rational, is_constant, rename, variables
from chainrule.algebra.program import Equation, Program, is_anonymous
from chainrule.algebra.relations import INDICATORS
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import defined_by
from chainrule.simplify.expand import expanded
from chainrule.simplify.masks import has_masks
from chainrule.simplify.matrices import has_matrices
from chainrule.simplify.ratios import has_ratios

__all__ = ["LONGEST", "Application", "Knowledge", "Relation", "SumDefinition"]


LONGEST = 8.0  # an unnamed sum weighs no more than this while rules compare terms
DERIVATIVE = 1.8  # ∂J/∂x is one name that is read as two; exp(x) is shorter, diag(x ∘ exp(x)) is not


@dataclass(frozen=True, slots=True)
class Relation:
    """A product of powers that is 1: name[I] · Π aᵏ^(−eᵏ) = coefficient. `factors[0]` is the name's."""

    name: str
    factors: tuple[Factor, ...]
    coefficient: Rational
    indices: tuple[Index, ...]
    heads: frozenset[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class SumDefinition:
    """name[I] = coefficient · Σ_bound Π factors."""

    name: str
    factors: tuple[Factor, ...]
    bound: tuple[Index, ...]
    coefficient: Rational
    indices: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Application:
    """One application of a rule: the whole expression before and after; `subject` is the name that justifies it."""

    rule: str
    subject: str
    before: Expr
    after: Expr


class Knowledge:
    """The rules' view of a program. `add` takes an equation in; it is built once per derivation."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.relations: dict[tuple[str, object], list[Relation]] = {}  # by every atom that occurs in them
        self.sums: dict[tuple[str, object], list[SumDefinition]] = {}  # by their first factor
        self.affine: dict[str, list[Equation]] = {}  # equations with several terms, by every name in them
        self.weights: dict[str, float] = {}
        self._nonnegative: dict[str, bool] = {}
        self.sum_facts: dict[tuple[str, tuple[int, ...]], Expr | None] = {}
        self.memory: dict[object, tuple[Expr, Any, str]] = {}  # term -> what it becomes, the rule, what justifies it
        self.record: list[Application] | None = None  # filled while somebody wants to see the steps
        self.matrices = has_matrices(program)  # whether the rules of `chainrule.simplify.matrices` can apply
        self.assumed: dict[tuple[str, str], None] = {}  # rules of FACTUAL that were applied, with whose fact it is
        self.ratios = has_ratios(program)  # and those of `chainrule.simplify.ratios`
        self.masks = has_masks(program)  # and those of `chainrule.simplify.masks`
        self.blocked: frozenset[str] = frozenset()  # names that no rule may bring in: that whose facts are being found
        for equation in program:
            self.add(equation)

    def add(self, equation: Equation) -> None:
        """Index an equation."""
        value = equation.value
        if not isinstance(value, dict) or not value:
            return
        variable = self.program.variables[equation.name]
        if len(value) > 1:
            for name in (equation.name, *variables(value)):
                self.affine.setdefault(name, []).append(equation)
            return
        ((factors, bound), coefficient) = next(iter(value.items()))
        if bound:
            if all(f[0][0] != "δ" for f in factors):
                definition = SumDefinition(equation.name, factors, bound, coefficient, variable.indices)
                first = max(factors, key=lambda f: (len(f[0][2]), f[0][0] == ""))
                self.sums.setdefault(first[0][:2], []).append(definition)
            return
        if not factors or any(f[0][0] in INDICATORS for f in factors):
            return
        self._relate(equation.name, factors, coefficient)
        if any(e != 1 and is_anonymous(str(atom[1])) for atom, e in factors):
            shorter = self._aside(equation.name, value)  # y = m s^(−1/2) is y = m r where r = s^(−1/2) has a name
            if len(shorter) == 1 and shorter != value:
                ((inner, summed), number) = next(iter(shorter.items()))
                if not summed:
                    self._relate(equation.name, inner, number)

    def _aside(self, name: str, expression: Expr) -> Expr:
        """The expression simplified, no use made of `name`, nothing recorded."""
        from chainrule.simplify.engine import simplify_terms

        outer = (self.blocked, self.memory, self.record)
        self.blocked, self.memory, self.record = self.blocked | {name}, {}, None
        try:
            return simplify_terms(expression, self)
        finally:
            self.blocked, self.memory, self.record = outer

    def _relate(self, name: str, factors: tuple[Factor, ...], coefficient: Rational) -> None:
        """Index name[I] = coefficient · Π factors."""
        variable = self.program.variables[name]
        own: Atom = ("", name, variable.indices)
        whole = ((own, 1), *((atom, -e) for atom, e in factors))
        covered = {i for atom, _ in factors for i in atom[2]}
        if covered != set(variable.indices):
            return
        relation = Relation(name, whole, coefficient, variable.indices, frozenset(a[:2] for a, _ in whole))
        for atom, _ in whole:
            if atom[0] not in ("#", "n"):
                self.relations.setdefault(atom[:2], []).append(relation)

    def weight(self, atom: Atom) -> float:
        """How much reading an atom takes: 1 for a name, what it stands for where it has none."""
        head, name, _ = atom
        if head in ("#", "n"):
            return 0.6
        if head in INDICATORS:
            return 1.0
        if isinstance(name, tuple):
            return 0.6 + sum(self.name_weight(n) for n, _ in name)
        return self.name_weight(str(name)) + (0.6 if head else 0)

    def name_weight(self, name: str) -> float:
        """The weight of a variable."""
        if not is_anonymous(name):
            return DERIVATIVE if name.startswith("∂") else 1.0
        known = self.weights.get(name)
        if known is None:
            self.weights[name] = 4.0  # while it is being found
            equation = self.program.equations.get(name)
            known = 1.0
            value = equation.value if equation is not None else None
            spelled = getattr(equation.source, "args", None) if equation is not None else None
            ((factors, _), coefficient) = (
                next(iter(value.items()), (((), ()), 0)) if isinstance(value, dict) else (((), ()), 0)
            )
            if isinstance(value, dict) and len(value) == len(factors) == coefficient == 1 and factors[0][1] == 1:
                known = self.weight(factors[0][0]) - 0.1  # one spelling for exp(θ) and the name that it has
            elif spelled is not None and all(argument in self.program.variables for argument in spelled):
                known = 0.6 + sum(self.name_weight(argument) for argument in spelled)  # read as a call: softmax(x)
            elif isinstance(value, dict):
                known = min(LONGEST, self.cost(value))
            self.weights[name] = known
        return known

    def factor_cost(self, atom: Atom, exponent: Rational) -> float:
        """The weight of a power."""
        return self.weight(atom) * (1.0 if exponent == 1 else 1.0 + 0.3 * min(3, abs(float(exponent))))

    def cost(self, expression: Expr) -> float:
        """The weight of an expression, in symbols: factors, sums, numbers and signs."""
        total = 0.0
        for (factors, bound), coefficient in expression.items():
            total += 0.6 + 0.2 * len(bound)
            if abs(coefficient) != 1 or not factors:
                total += 0.5 if isinstance(coefficient, int) else 0.8
            for atom, exponent in factors:
                total += self.factor_cost(atom, exponent)
        return total

    def zero_or_one(self, name: str) -> bool:
        """True where every entry of `name` is declared to be 0 or 1."""
        variable = self.program.variables.get(name)
        return variable is not None and bool(set(variable.facts) & {"one-hot", "mask"})

    def nonnegative(self, name: str) -> bool:
        """True where every entry of `name` is known to be ≥ 0 (False means: not known)."""
        known = self._nonnegative.get(name)
        if known is None:
            self._nonnegative[name] = False
            known = self._find_nonnegative(name)
            self._nonnegative[name] = known
        return known

    def _find_nonnegative(self, name: str) -> bool:
        variable = self.program.variables.get(name)
        if variable is not None and set(variable.facts) & {"one-hot", "mask", "positive", "nonnegative"}:
            return True
        equation = self.program.equations.get(name)
        if equation is None or not isinstance(equation.value, dict):
            operation = defined_by(self.program, name)
            return (operation is not None and operation.op == "svdvals") or self.positive(name)
        for (factors, _), coefficient in equation.value.items():
            if coefficient < 0:
                return False
            for (head, inner, _), exponent in factors:
                if head == "#" or head in INDICATORS:
                    continue
                even = Fraction(exponent).denominator == 1 and Fraction(exponent).numerator % 2 == 0
                if even or (head in FUNCTIONS and FUNCTIONS[head].nonnegative):
                    continue
                if head == "" and self.nonnegative(str(inner)):
                    continue
                if head == "pow" and isinstance(inner, tuple) and self.nonnegative(inner[0][0]):
                    continue  # of a negative base not even the sign is known: (−1)ᵏ
                if head == "sgn" and self.nonnegative(str(inner)):
                    continue
                return False
        return True

    def positive(self, name: str, depth: int = 0) -> bool:
        """True where every entry of `name` is known to be > 0 (False means: not known)."""
        variable = self.program.variables.get(name)
        if variable is not None and "positive" in variable.facts:
            return True
        operation = defined_by(self.program, name)
        if operation is not None and operation.op in ("det", "eigvalsh"):
            inside = self.program.variables.get(operation.args[0])
            return inside is not None and "positive definite" in inside.facts
        value = self.program.expression(name)
        if not value or depth > 3 or not self.nonnegative(name):
            return False
        return any(
            all(
                head in ("#", "n") or (head in FUNCTIONS and FUNCTIONS[head].positive)
                or (head == "" and self.positive(str(inner), depth + 1))
                or (head == "pow" and isinstance(inner, tuple) and self.positive(inner[0][0], depth + 1))
                for (head, inner, _), _ in factors
            )
            for factors, _ in value
        )  # fmt: skip

    def constant_sum(self, name: str, *positions: int) -> Expr | None:
        """Σ over some indices of a variable together, where that is constant or declared. None: unknown."""
        key = (name, positions)
        if key in self.sum_facts:
            return self.sum_facts[key]
        self.sum_facts[key] = None
        found: Expr | None = None
        variable = self.program.variables.get(name)
        if variable is None:
            return None
        if set(variable.facts) & {"one-hot", "rows sum to 1"} and positions == (len(variable.dims) - 1,):
            found = {((), ()): 1}
        else:
            value = self.program.expression(name)
            if value is not None and variable.kind != "signal" and 0 < len(value) <= 6:
                found = self._found_sum(name, value, [variable.indices[p] for p in positions])
        self.sum_facts[key] = found
        return found

    def _found_sum(self, name: str, value: Expr, indices: list[Index]) -> Expr | None:
        """Σ of a definition, where it is constant; a mean without a name may have to be written out for that."""
        inner = {old: (10_000 + k, old[1]) for k, old in enumerate(indices)}
        summed = rename(value, inner, list(inner.values()))
        reduced = self._aside(name, summed)
        if not is_constant(reduced):
            longer = expanded(reduced, self.program)
            reduced = self._aside(name, longer) if longer != reduced else reduced
        return reduced if is_constant(reduced) else None
