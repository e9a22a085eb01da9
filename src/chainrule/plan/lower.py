"""From equations in index notation to a graph of array operations.

A term becomes a product of `Part`s (an array with a label per axis), multiplied in the cheapest order; a sum of terms
is formed with what all terms share taken out: scalars and factors of free indices. Exponentials are shifted where
`chainrule.plan.shifts` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from chainrule.algebra.expr import Atom, Expr, Factor, Index
from chainrule.algebra.loops import LAG
from chainrule.algebra.program import Equation, Operation, Program, is_anonymous
from chainrule.errors import UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.functions.onehot import counts_from_0
from chainrule.functions.operations import OPERATIONS, defined_by
from chainrule.plan.complements import BUILD, complemented, groups
from chainrule.plan.contraction import Part, SizeGuess, natural_order, product, reduce_labels, relabel
from chainrule.plan.deltas import embed
from chainrule.plan.factoring import Term, common_scalar, outside, take_out
from chainrule.plan.graph import Graph, Operand
from chainrule.plan.guards import find_guarded
from chainrule.plan.numbers import MINUS_ONE, ONE, Coefficient, coefficient_of
from chainrule.plan.relations import Labels, dense_part, gathered, scattered
from chainrule.plan.rules import Builder, hint
from chainrule.plan.shifts import Scale, Shift, choose_scales, exponential_of, find_shifts, paired_logs
from chainrule.simplify.complements import parted

__all__ = ["Lowering"]


@dataclass(slots=True)
class _Value:
    """What a variable is: a whole operand (made when asked for), or a mantissa with a scale exp(m)."""

    whole: Operand | None
    mantissa: Operand | None = None
    scale: Scale | None = None


class Lowering:
    """Lowers the equations of a program, in order, those that are needed; `operand(name)` gives a value."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = Graph()
        self.builder = Builder(self.graph)
        self.guess = SizeGuess(program)
        self._shifts = find_shifts(program)
        self._guarded = find_guarded(program)
        self._values: dict[str, _Value] = {}

    # -- variables ----------------------------------------------------------------------------------------------

    def declare(self, name: str) -> None:
        """An argument of the step."""
        variable = self.program.variables[name]
        node = self.graph.make("input", (), variable.dims, (name,))
        node.name = name
        self._values[name] = _Value(node.whole)

    def define(self, equation: Equation) -> None:
        """Lower an equation; everything that it uses must be there already."""
        self.graph.equation = equation.name
        variable = self.program.variables[equation.name]
        if isinstance(equation.value, Operation):
            self._values[equation.name] = _Value(self._operation(equation.name, equation.value))
        else:
            self._values[equation.name] = self._expression(equation.value, variable.indices)
        whole = self._values[equation.name].whole
        nameless = whole is not None and not whole.node.name and whole.node.op not in ("input", "number")
        if whole is not None and nameless and not is_anonymous(equation.name):
            whole.node.name = equation.name

    def operand(self, name: str) -> Operand:
        """The whole value of a variable over its axes (missing axes: constant along them)."""
        value = self._values[name]
        if value.whole is None:
            assert value.mantissa is not None
            assert value.scale is not None
            parts = [Part(*value.mantissa), *self._scale_parts(value.scale)]
            labels = {label for part in parts for label in part.labels}
            made = product(self.builder, parts, labels, ONE, self.guess)
            value.whole = Operand(*made)
            if not made.node.name and not is_anonymous(name):
                made.node.name = name
        return value.whole

    def give(self, name: str, operand: Operand) -> None:
        """A variable's value, where a loop has computed it."""
        self._values[name] = _Value(operand)

    def _operation(self, name: str, operation: Operation) -> Operand:
        record = OPERATIONS.get(operation.op)
        if record is None or record.numpy is None:
            raise UnsupportedError(
                f"{name} is computed by {operation.op}, for which there is no code",
                hint="compile the parts of the program that do not use it",
            )
        operands = tuple(self.array(argument) for argument in operation.args)
        dims = self.program.variables[name].dims
        template = record.numpy
        if operation.op == LAG and len(operands) > 1:
            template = template[:-1] + ", {1})"  # the initial value
        attributes = (template, operation.op, operation.attributes, record.helpers)
        return self.graph.make("opaque", operands, dims, attributes).whole

    def array(self, name: str) -> Operand:
        """A variable as an array of its own sizes, for those who need one."""
        operand = self.builder.real(self.operand(name))
        dims = self.program.variables[name].dims
        if len(operand.axes) == len(dims):
            return operand
        return self.graph.make("broadcast", (operand,), dims).whole

    # -- expressions --------------------------------------------------------------------------------------------

    def _expression(self, expression: Expr, indices: tuple[Index, ...]) -> _Value:
        terms: list[Term] = []
        for (factors, bound), value in expression.items():
            coefficient, rest = coefficient_of(value, factors)
            terms.append((rest, set(bound), coefficient))
        labels = {index: label for label, index in enumerate(indices)}
        if not terms:
            return _Value(Operand(self.builder.number(Coefficient(Fraction(0))).node, ()))
        if len(terms) == 1 or not any(atom[0] == "δ" for factors, _, _ in terms for atom, _ in factors):
            mantissas = self._scaled_sum(terms, labels)
            if mantissas is not None:
                return mantissas
        return _Value(Operand(*self._sum(terms, labels)))

    def _scaled_sum(self, terms: list[Term], labels: dict[Index, int]) -> _Value | None:
        """A sum whose terms have one common scale, as a mantissa with that scale; None where they do not."""
        if not self._shifts:
            return None
        scales = [self._factors(factors, bound, labels, allow_scale=True, dry=True)[1] for factors, bound, _ in terms]
        if not scales[0] or any(scale != scales[0] for scale in scales):
            return None
        parts = [self._term(term, labels, allow_scale=True) for term in terms]
        mantissa = self._add_parts([(part, ONE) for part in parts])
        return _Value(None, Operand(*mantissa), scales[0])

    def _sum(self, terms: list[Term], labels: dict[Index, int]) -> Part:
        """Σ terms over the free labels; a label that is missing from the result means: constant along it."""
        if self._shifts and len(terms) > 1:
            terms = paired_logs(self.program, terms, self._scale_of)
        pair = parted(self.program, terms, lambda c: -c, labels=True) if len(terms) > 1 else None
        if pair is not None:
            return self._add_parts([(self._sum(group, labels), ONE) for group in groups(terms, pair)])
        terms = complemented(self.program, terms, self._has_scale, self._values)
        if len(terms) == 1:
            return self._term(terms[0], labels)
        common, terms = take_out(terms, lambda f: self._is_related(f) or self._has_scale(f))
        scalar, terms = common_scalar(terms)
        if common or scalar != ONE:
            return self._shared(common, terms, scalar, labels)
        plain = [term for term in terms if not any(atom[0] == "δ" for atom, _ in term[0])]
        diagonal = [term for term in terms if any(atom[0] == "δ" for atom, _ in term[0])]
        signed = [(f, b, -c if c.value < 0 else c, MINUS_ONE if c.value < 0 else ONE) for f, b, c in plain]
        total = self._add_parts([(self._term((f, b, c), labels), sign) for f, b, c, sign in signed]) if plain else None
        by_deltas: dict[tuple[Atom, ...], list[Term]] = {}
        for factors, bound, coefficient in diagonal:
            key = tuple(sorted(atom for atom, _ in factors if atom[0] == "δ"))
            by_deltas.setdefault(key, []).append(
                ([factor for factor in factors if factor[0][0] != "δ"], bound, coefficient)
            )
        for atoms, group in by_deltas.items():
            value = self._sum(group, labels)
            total = embed(self.builder, value, [(atom, 1) for atom in atoms], labels, total)
        assert total is not None
        return total

    def _shared(self, common: list[Factor], terms: list[Term], scalar: Coefficient, labels: dict[Index, int]) -> Part:
        """scalar · Σ Π common · (Σ terms); the sum is outermost where the common factors have summed indices."""
        bound = {index for atom, _ in common for index in atom[2] if index[0] >= 0}
        inner_labels = labels
        if bound:
            bound = outside(common, terms)
            inner_labels = {**labels, **self._bound_labels(bound, labels)}
            terms = [(factors, sums - bound, coefficient) for factors, sums, coefficient in terms]
        inner = self._inner(terms, inner_labels) if bound else self._sum(terms, labels)
        deltas = [factor for factor in common if factor[0][0] == "δ"]
        others = [factor for factor in common if factor[0][0] != "δ"]
        parts, _ = self._factors(others, bound, labels)
        present = {label for part in (*parts, inner) for label in part.labels}
        for index in bound:
            if inner_labels[index] not in present:
                scalar = scalar.times_size(index[1])
        result = product(self.builder, [*parts, inner], present & set(labels.values()), scalar, self.guess)
        return embed(self.builder, result, deltas, labels) if deltas else result

    def _inner(self, terms: list[Term], labels: dict[Index, int]) -> Part:
        """A sum that is summed further: its axes are in the order which its factors have."""
        arrays = [[labels[i] for i in indices if i in labels] for f, _, _ in terms for (_, _, indices), _ in f]
        order = natural_order(labels.values(), arrays)
        made = self._sum(terms, {index: order[label] for index, label in labels.items()})
        return relabel(made, {new: old for old, new in order.items()})

    def _has_scale(self, factor: Factor) -> bool:
        site = exponential_of(self.program, factor)
        if site is not None and site[0] in self._shifts:
            return True
        name = factor[0][1]
        return isinstance(name, str) and bool(self._scale_of(name))

    def _add_parts(self, parts: list[tuple[Part, Coefficient]]) -> Part:
        """Σ coefficient · part: small arrays are added among themselves first, a positive one leads."""
        groups: dict[frozenset[int], list[tuple[Part, Coefficient]]] = {}
        for part, coefficient in parts:
            if coefficient not in (ONE, MINUS_ONE):
                negative = coefficient.value < 0
                size = -coefficient if negative else coefficient
                part = Part(self.builder.scale(size, part.node.whole).node, part.labels)
                coefficient = MINUS_ONE if negative else ONE
            groups.setdefault(frozenset(part.labels), []).append((part, coefficient))
        sums = [self._chain(group) for group in sorted(groups.values(), key=lambda g: -len(g[0][0].labels))]
        result, sign = self._chain(sums)
        if sign == MINUS_ONE:
            result = Part(self.builder.negative(result.node.whole).node, result.labels)
        return result

    def _chain(self, parts: list[tuple[Part, Coefficient]]) -> tuple[Part, Coefficient]:
        """± a ± b ± …, as a part and a sign."""
        order = sorted(parts, key=lambda item: item[1] == MINUS_ONE)
        lead = order[0][1]
        total = Operand(*order[0][0])
        for part, sign in order[1:]:
            join = self.builder.add if sign == lead else self.builder.subtract
            total = join(total, Operand(*part))
        return Part(*total), lead

    # -- terms --------------------------------------------------------------------------------------------------

    def _term(self, term: Term, labels: dict[Index, int], allow_scale: bool = False) -> Part:
        factors, bound, coefficient = term
        deltas = [factor for factor in factors if factor[0][0] == "δ"]
        related = [factor for factor in factors if self._is_related(factor)]
        others = [factor for factor in factors if factor[0][0] != "δ" and factor not in related]
        parts, _ = self._factors(others, bound, labels, allow_scale)
        present = {label for part in parts for label in part.labels}
        local = {**labels, **self._bound_labels(bound, labels)}
        present |= {local[i] for (_, _, indices), _ in related for i in indices}
        for index in bound:
            if local[index] not in present:
                coefficient = coefficient.times_size(index[1])
        out = set(labels.values())
        result = self._related(parts, related, local, out, coefficient)
        return embed(self.builder, result, deltas, labels) if deltas else result

    def _related(
        self, parts: list[Part], related: list[Factor], local: dict[Index, int], out: set[int], coefficient: Coefficient
    ) -> Part:
        """coefficient · Σ Π parts with index relations: windows first, what adds up afterwards."""
        if not related:
            return product(self.builder, parts, out, coefficient, self.guess)
        relations = []
        for (head, name, indices), _ in related:
            operation = None if head == "rel" else defined_by(self.program, str(name))
            ids = None if operation is None else self.array(operation.args[0])
            from_0 = operation is None or counts_from_0(operation)
            names = tuple(local[i] for i in indices)
            relations.append(Labels(str(name) if ids is None else "", names, tuple(i[1] for i in indices), ids, from_0))
        parts, scatters, kept = gathered(self.builder, parts, relations, out, self.guess)
        result = product(self.builder, parts, kept, coefficient, self.guess)
        missing = {label for scatter in scatters for label in scatter.others} - set(result.labels)
        assert not missing
        return scattered(self.builder, result, scatters)

    def _is_related(self, factor: Factor) -> bool:
        (head, name, indices), _ = factor
        if head == "" and isinstance(name, str) and len(set(indices)) == len(indices):
            operation = defined_by(self.program, name)
            return operation is not None and operation.op == "onehot"
        return head == "rel"

    @staticmethod
    def _bound_labels(bound: set[Index], labels: dict[Index, int]) -> dict[Index, int]:
        return {index: len(labels) + k for k, index in enumerate(sorted(bound))}

    def _factors(
        self,
        factors: Sequence[Factor],
        bound: set[Index],
        labels: dict[Index, int],
        allow_scale: bool = False,
        dry: bool = False,
    ) -> tuple[list[Part], Scale]:
        """The factors of a term as parts, and the scale that remains (multiplied in unless `allow_scale`)."""
        local = {**labels, **self._bound_labels(bound, labels)}
        chosen, scale = choose_scales(
            self.program, self._shifts, self._scale_of, factors, local, {local[i] for i in bound}, allow_scale
        )
        if dry:
            return [], scale
        parts = [self._factor(factor, local, shift) for factor, shift in zip(factors, chosen, strict=True)]
        return self._cancel(parts), scale

    def _factor(self, factor: Factor, local: dict[Index, int], shift: Shift | bool | None) -> Part:
        (head, name, indices), exponent = factor
        if head == "rel":
            return dense_part(self.builder, str(name), tuple(local[i] for i in indices), tuple(i[1] for i in indices))
        if isinstance(name, tuple):
            operand = self._several(head, name, indices, local)
        elif isinstance(shift, tuple):
            site = exponential_of(self.program, factor)
            assert site is not None
            operand = self._at(self._shifted(shift), site[1], local)
        elif head == "log mantissa":
            mantissa = self._values[str(name)].mantissa
            assert mantissa is not None
            operand = self._at(self.builder.log(mantissa), indices, local)
        elif head.startswith("shifted "):
            axes = tuple(map(int, head.removeprefix("shifted ").split(",")))
            operand = self._at(self._difference((str(name), axes)), indices, local)
        else:
            value = self._values[str(name)]
            if shift is True:
                assert value.mantissa is not None
                operand = self._at(value.mantissa, indices, local)
            elif head == "log" and value.scale and value.whole is None:
                operand = self._at(self._log_scaled(value), indices, local)
            else:
                operand = self._at(self.operand(str(name)), indices, local)
                if head in ("exp", "expm1") and name in self._guarded:
                    operand = self.builder.below_limit(operand)
                if head:
                    operand = BUILD[head](self.builder, operand) if head in BUILD else self.builder.map(head, operand)
        return Part(*self.builder.power(operand, exponent))

    def _scale_of(self, name: str) -> Scale | None:
        value = self._values.get(name)
        return value.scale if value is not None else None

    def _several(
        self, head: str, name: tuple[tuple[str, int], ...], indices: tuple[Index, ...], local: dict[Index, int]
    ) -> Operand:
        """An elementwise function of several variables."""
        if head not in FUNCTIONS:
            raise UnsupportedError(f"{head} is an unknown function: it has no code")
        operands: list[Operand] = []
        start = 0
        for argument, arity in name:
            mine = indices[start : start + arity]
            start += arity
            operand = self._at(self.operand(argument), mine, local)
            operands.append(operand if head == "where" and not operands else self.builder.real(operand))
        axes = tuple(dict.fromkeys(label for operand in operands for label in operand.axes))
        axes = tuple(sorted(axes))
        place = {label: k for k, label in enumerate(axes)}
        size = {label: d for o in operands for label, d in zip(o.axes, o.node.dims, strict=True)}
        node = self.graph.make(
            "apply",
            tuple(Operand(o.node, tuple(place[a] for a in o.axes)) for o in operands),
            tuple(size[label] for label in axes),
            (head,),
            hint=head,
        )
        return Operand(node, axes)

    def _at(self, operand: Operand, indices: tuple[Index, ...], local: dict[Index, int]) -> Operand:
        """An operand over a variable's axes, at indices: its axes become labels; repeated ones a diagonal."""
        labels = tuple(local[indices[axis]] for axis in operand.axes)
        if len(set(labels)) == len(labels):
            return Operand(operand.node, labels)
        order = tuple(dict.fromkeys(labels))
        place = {label: k for k, label in enumerate(order)}
        node = self.builder.real(operand).node
        size = dict(zip(labels, node.dims, strict=True))
        made = self.graph.make(
            "diagonal",
            (Operand(node, tuple(place[label] for label in labels)),),
            tuple(size[label] for label in order),
            hint="diagonal",
        )
        return Operand(made, order)

    def _cancel(self, parts: list[Part]) -> list[Part]:
        """exp(x) σ(−x) = σ(x) wherever two factors are such a pair; exp(x) σ(−x)² = σ(x) σ(−x)."""
        for i, first in enumerate(parts):
            for j, second in enumerate(parts):
                if i != j and first.labels == second.labels and first.node.is_map("exp"):
                    squared = second.node.is_map("square")
                    inner = Part(second.node.operands[0].node, second.labels) if squared else second
                    if not inner.node.is_map("sigmoid"):
                        continue
                    made = self.builder.multiply(Operand(*first), Operand(*inner))
                    if made.node.is_map("sigmoid"):
                        rest = [part for k, part in enumerate(parts) if k not in (i, j)]
                        return self._cancel([*rest, Part(*made), *([inner] if squared else [])])
        return parts

    # -- shifted exponentials -----------------------------------------------------------------------------------

    def _maximum(self, shift: Shift) -> Part:
        """m = max of t over the shift's axes, with t's other axes (by position) as labels."""
        t, axes = shift
        operand = self.builder.real(self.operand(t))
        return reduce_labels(self.builder, "max", Part(*operand), set(axes))

    def _shifted(self, shift: Shift) -> Operand:
        """exp(t − m) over t's axes."""
        return self.builder.map("exp", self._difference(shift))

    def _difference(self, shift: Shift) -> Operand:
        """t − m over t's axes."""
        t = self.builder.real(self.operand(shift[0]))
        shifted = self.builder.subtract(t, Operand(*self._maximum(shift)))
        shifted.node.hint = shifted.node.hint or hint(t.node, "shifted")
        return shifted

    def _maximum_at(self, shift: Shift, where: tuple[int, ...]) -> Part:
        maximum = self._maximum(shift)
        kept = [a for a in range(len(self.program.variables[shift[0]].dims)) if a not in shift[1]]
        place = dict(zip(kept, where, strict=True))
        return Part(maximum.node, tuple(place[label] for label in maximum.labels))

    def _log_scaled(self, value: _Value) -> Operand:
        """log(mantissa · exp(Σ e m)) = log mantissa + Σ e m."""
        assert value.mantissa is not None
        assert value.scale is not None
        total = self.builder.log(value.mantissa)
        for (shift, where), exponent in value.scale.items():
            m = self.builder.scale(Coefficient(Fraction(exponent)), Operand(*self._maximum_at(shift, where)))
            total = self.builder.add(total, m)
        return total

    def _scale_parts(self, scale: Scale) -> list[Part]:
        parts = []
        for (shift, where), exponent in scale.items():
            m = self.builder.scale(Coefficient(Fraction(exponent)), Operand(*self._maximum_at(shift, where)))
            parts.append(Part(*self.builder.map("exp", m)))
        return parts
