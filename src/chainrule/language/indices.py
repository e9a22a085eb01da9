"""What stands in brackets: entries such as x[2i+a], slices such as X[:, 2:5], lookups such as E[ids].

Positions count from 1, and a slice has both of its ends, as in mathematics. An entry whose index lies outside of its
range is 0, which is said. Labels such as ids hold whole numbers from 0, as NumPy's do. What an index may be, and how
far a letter runs, stands in `formulas`.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.expr import Expr, Index, constant, fresh_bound, multiply, variable
from chainrule.algebra.relations import Atom, relation, within
from chainrule.algebra.structure import AWAY, Array, entry_of, placed, related, slice_of
from chainrule.dims import Dim, canonical_name, display_dim
from chainrule.errors import DimensionError, LanguageError, Span, UnknownNameError, UnsupportedError
from chainrule.functions.onehot import onehot_of
from chainrule.functions.sequences import unit_variable
from chainrule.language import ast
from chainrule.language.formulas import Affine, Formulas, at_most, whole_of
from chainrule.language.printer import print_expression
from chainrule.language.values import Value, orientation_of
from chainrule.sizes import minus, plus

__all__ = ["Indices"]


class Indices(Formulas):
    """Reads what stands in brackets."""

    def base_value(self, node: ast.Name) -> Value:
        """What the brackets stand behind: an argument of a definition, or a name of the program."""
        if self.scopes and node.name in self.scopes[-1]:
            return self.scopes[-1][node.name]
        name, var = self.known_variable(node)
        return Value(variable(name, var.indices), var.dims, var.orientation or orientation_of(len(var.dims)), name)

    def bracketed(self, node: ast.Indexed) -> Value:
        """x[…]: an entry, where every index is a formula of letters; else an array."""
        value = self.base_value(node.base)
        if self.is_of_a_step(node, value):  # z[t,1:H]: of one step
            first, *rest = node.indices
            one = self.step(replace(node, indices=(first,)))
            inner = replace(node, indices=tuple(rest))
            return self.part(inner, one) if self.is_part(inner) else self.entry(inner, one, of_a_step=True)
        if self.is_part(node):
            return self.part(self.filled(node, len(value.dims)), value)
        if len(node.indices) != len(value.dims):
            count = len(value.dims)
            letters = ",".join("ijklmnopq"[:count])
            raise DimensionError(
                f"{node.base.name} has {count} indices, not {len(node.indices)}",
                f"{node.base.name}[{letters}]" if letters else node.base.name, node.span,
            )  # fmt: skip
        return self.entry(node, value)

    def is_of_a_step(self, node: ast.Indexed, value: Value) -> bool:
        """True where the first index is a step of a loop, and the others say what of that step."""
        first = node.indices[0]
        if (
            self.scopes
            or first.kind
            or first.name is None
            or len(node.indices) != len(value.dims)
            or len(value.dims) < 2
        ):
            return False
        if self.index_scope.get(first.name) not in self.time:
            return False
        return canonical_name(node.base.name) in self.pending or self.is_part(node)

    def is_part(self, node: ast.Indexed) -> bool:
        """True for an array: a slice or labels among the indices."""
        return any(ref.kind == "slice" or self.labels(ref) is not None for ref in node.indices)

    def filled(self, node: ast.Indexed, count: int) -> ast.Indexed:
        """E[ids] is E[ids,:]."""
        if len(node.indices) > count:
            raise DimensionError(f"{node.base.name} has {count} indices, not {len(node.indices)}", None, node.span)
        rest = (ast.IndexRef(None, 0, node.span, "slice"),) * (count - len(node.indices))
        return replace(node, indices=(*node.indices, *rest))

    def labels(self, ref: ast.IndexRef) -> Value | None:
        """The labels of E[ids], where the index is an array."""
        if ref.name is None or ref.offset or ref.name in self.index_scope:
            return None
        if self.scopes and ref.name in self.scopes[-1]:
            value = self.scopes[-1][ref.name]
            return value if value.orientation != "scalar" or whole_of(value.expr) is None else None
        if self.scopes:
            return None
        if canonical_name(ref.name) not in self.names:
            return None
        return self.variable_value(self.resolve(ast.Name(ref.name, ref.span)))

    def entry(self, node: ast.Indexed, value: Value, of_a_step: bool = False) -> Value:
        at: list[Index | None] = []
        relations: list[Atom] = []
        inner: dict[int, Index] = {}
        lookups: Expr = constant(1)
        summed: list[Index] = []
        for axis, (ref, dim) in enumerate(zip(node.indices, value.dims, strict=True)):
            if ref.name is not None and not ref.offset and not ref.kind and ref.name in self.index_scope:
                index = self.index_scope[ref.name]
                longer = self.known_letters and at_most(dim, index[1])  # by a given letter: what lies outside is 0
                longer = longer or (ref.name in self.limited and not at_most(plus(dim, 1), index[1]))
                if index[1] == dim or not (longer or within([(1, index)], 0, dim)):
                    at.append(self.letter_index(ref.name, dim, node, ref.span))
                    continue  # else the first entries of a longer array
            looked = self.lookup(ref, dim)
            if looked is not None:
                index = fresh_bound(dim)
                at.append((AWAY - 100 - axis, dim))
                lookups = multiply(lookups, looked((AWAY - 100 - axis, dim)))
                summed.append((AWAY - 100 - axis, dim))
                continue
            found = self.offset(ref)
            if found is None:
                raise LanguageError("an index is a letter, a sum such as 2i+a, or a label", None, ref.span or node.span)
            unit = self.unit_of(node, axis, found, dim) if not of_a_step else None
            if unit is not None:
                index = (AWAY - 100 - axis, dim)
                at.append(index)
                lookups = multiply(lookups, variable(unit, (index,)))
                summed.append(index)
                continue
            index = fresh_bound(dim)
            terms: list[tuple[Dim, Index]] = []
            start: Dim = minus(found.constant, 1)
            for letter, c in found.terms.items():
                terms.append((c, self.letter_index(letter, None, node, ref.span)))
                start = plus(start, c)
            self.check_inside(node, ref, terms, start, dim)
            at.append(None)
            inner[axis] = index
            relations.append(relation("=", [(1, index), *((minus(0, c), i) for c, i in terms)], start))
        expr = placed((value.expr, value.dims), at, relations, inner)
        if summed:
            expr = multiply(expr, lookups, summed)
        return Value(expr, (), "scalar")

    def unit_of(self, node: ast.Indexed, axis: int, place: Affine, dim: Dim) -> str | None:
        """1[t = T] for h[T,2], an entry of the last or the first step of a sequence; else None."""
        if axis or place.terms or self.scopes or place.constant not in (1, dim):
            return None
        steps = self.known_variable(node.base)[1].steps
        if steps is None or steps.axis or steps.sheet:
            return None
        return unit_variable(self.program, -1 if place.constant == dim else 0, dim, steps.letter)

    def check_inside(
        self, node: ast.Indexed, ref: ast.IndexRef, terms: list[tuple[Dim, Index]], start: Dim, dim: Dim
    ) -> None:  # fmt: skip
        """Refuse a place that is outside for certain; say where it may be."""
        if within(terms, start, dim):
            return
        shown = print_expression(node)
        if not terms and (at_most(start, -1) or at_most(dim, start)):
            raise DimensionError(
                f"{shown}: {node.base.name} has {display_dim(dim)} entries there",
                f"a position from 1 to {display_dim(dim)}", ref.span,
            )  # fmt: skip
        if not self.scopes:
            said = f"{shown} is 0 where its index lies outside of {node.base.name}"
            if said not in self.outside:
                self.outside.append(said)

    def letter_index(self, letter: str, dim: Dim | None, node: ast.Indexed, span: Span | None) -> Index:
        index = self.index_scope.get(letter)
        if index is None:
            raise UnknownNameError(
                f"the index {letter} is not bound", f"sum({letter}, …), or put it on the left side", span
            )
        if dim is not None and index[1] != dim:
            raise DimensionError(
                f"sizes do not agree: index {letter} runs over {display_dim(index[1])}"
                f", but {node.base.name} has {display_dim(dim)} there",
                "another index name, or check the order of the indices", node.span,
            )  # fmt: skip
        return index

    def lookup(self, ref: ast.IndexRef, dim: Dim):  # type: ignore[no-untyped-def]
        """For ids[t] as an index: the factor 1[k = ids[t]] as a function of k; None for other indices."""
        if ref.kind != "sum" or not isinstance(ref.first, ast.Indexed):
            return None
        inner = ref.first
        labels = self.base_value(inner.base)
        if len(inner.indices) != len(labels.dims) or any(
            r.name not in self.index_scope or r.offset for r in inner.indices
        ):
            raise UnsupportedError(
                f"{print_expression(inner)} as an index: labels stand with letters alone", "ids[t]", ref.span
            )
        places = [
            self.letter_index(str(r.name), d, inner, r.span) for r, d in zip(inner.indices, labels.dims, strict=True)
        ]
        name = self.one_hot(labels, dim, ref.span)
        return lambda k: variable(name, (*places, k))

    def one_hot(self, labels: Value, classes: Dim, span: Span | None) -> str:
        """The name of onehot(labels). Raises LanguageError where the labels are not declared as whole numbers."""
        name = self.whole_name(labels)
        stack = [name]
        while stack:
            used = stack.pop()
            if used in self.program.equations:
                stack += self.program.equations[used].arguments
            elif "integer" not in self.program.variables[used].facts:
                raise LanguageError(
                    f"{used} must hold whole numbers (from 0) to be looked up", f"label {used} : …, integer", span
                )
        return onehot_of(self.program, name, classes)

    def part(self, node: ast.Indexed, value: Value) -> Value:
        """X[:, 2:5], E[ids], X[2,:]: one axis after the other, from the last."""
        array: Array = (value.expr, value.dims)
        kept: list[bool] = []
        for axis in reversed(range(len(value.dims))):
            ref, dim = node.indices[axis], value.dims[axis]
            labels = self.labels(ref)
            if labels is not None:
                array = self.gathered(array, axis, labels, ref.span)
                kept.append(bool(labels.dims))
                continue
            if ref.kind == "slice":
                first = 1 if ref.first is None else self.whole(ref.first, "the first position of a slice")
                last = dim if ref.last is None else self.whole(ref.last, "the last position of a slice")
                length = plus(minus(last, first), 1)
                if at_most(length, 0):
                    raise DimensionError(
                        f"{print_expression(node)}: the slice is empty; positions count from 1, both ends belong to it",
                        None, ref.span,
                    )  # fmt: skip
                if (first, last) == (1, dim):
                    kept.append(True)
                    continue
                if length != 1 or len(value.dims) > 2:
                    array = slice_of(array, axis, minus(first, 1), length)
                    kept.append(True)
                    continue
                place: Dim = first
            else:
                found = self.offset(ref)
                if found is None or found.terms:
                    raise UnsupportedError(
                        f"{print_expression(node)}: letters do not stand beside slices and labels",
                        "an equation entry by entry, or slices alone", ref.span or node.span,
                    )  # fmt: skip
                place = found.constant
            self.check_inside(node, ref, [], minus(place, 1), dim)
            array = entry_of(array, axis, minus(place, 1))
            kept.append(False)
        expr, dims = array
        kept.reverse()
        orientation = orientation_of(len(dims))
        if len(dims) == 1 and (value.orientation == "row" or (value.orientation == "matrix" and kept == [False, True])):
            orientation = "row"
        return Value(expr, dims, orientation)

    def gathered(self, array: Array, axis: int, labels: Value, span: Span | None) -> Array:
        """The axis replaced by those of the labels."""
        expr, dims = array
        name = self.one_hot(labels, dims[axis], span)
        result = (*dims[:axis], *labels.dims, *dims[axis + 1 :])
        own = tuple((-k, d) for k, d in enumerate(result, 1))
        marker: Index = (AWAY - 100, dims[axis])
        at: list[Index | None] = [*own[:axis], marker, *own[axis + len(labels.dims) :]]
        moved = placed((expr, dims), at, [], {})
        factor = variable(name, (*own[axis : axis + len(labels.dims)], marker))
        return multiply(moved, factor, [marker]), result

    def compared(self, node: ast.Expr) -> Value | None:
        """1[k = 2i+a], 1[k ≤ i], 1[k = ids[t]]: a constant factor. None where it is no comparison of indices."""
        if not isinstance(node, ast.Binary) or node.op not in ("==", "=", "<=", ">=", "<", ">", "≤", "≥"):
            return None
        sides = [node.left, node.right]
        for letter, other in (sides, sides[::-1]):
            if isinstance(letter, ast.Name) and letter.name in self.index_scope and isinstance(other, ast.Indexed):
                index = self.index_scope[letter.name]
                looked = self.lookup(ast.IndexRef(None, 0, node.span, "sum", other), index[1])
                if looked is not None and node.op in ("=", "=="):
                    return Value(looked(index), (), "scalar")
        left, right = (self.affine(side) for side in sides)
        if left is None or right is None or not (left.terms or right.terms):
            return None
        names = [*left.terms, *right.terms]
        if not all(name in self.index_scope for name in names):
            return None
        terms = [(c, self.index_scope[n]) for n, c in left.terms.items()]
        terms += [(minus(0, c), self.index_scope[n]) for n, c in right.terms.items()]
        offset = minus(right.constant, left.constant)  # counted from 1: each letter is its index + 1
        for c, _ in terms:
            offset = minus(offset, c)
        if node.op in (">", ">=", "≥"):
            terms, offset = [(minus(0, c), i) for c, i in terms], minus(0, offset)
        if node.op in ("<", ">"):
            offset = minus(offset, 1)
        return Value(related("=" if node.op in ("=", "==") else "≤", terms, offset), (), "scalar")
