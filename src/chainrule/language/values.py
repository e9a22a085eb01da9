"""What a piece of the whiteboard language denotes: an expression over axes, with an orientation.

`Value.expr` is in index notation over the free indices −1 … −n of its axes. Columns and rows both have one axis; their
orientation decides how products contract, which is all that "D × 1" and "1 × D" mean inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from chainrule.algebra.expr import (
    Expr,
    Index,
    add,
    delta,
    free,
    multiply,
    rename,
)
from chainrule.dims import Dim, display_dim, format_shape
from chainrule.errors import DimensionError, Span

__all__ = ["Value", "add_values", "broadcast", "hadamard", "in_brackets", "matrix_product", "transpose"]


@dataclass(frozen=True, slots=True)
class Value:
    """An expression over axes of sizes `dims`; `orientation` is scalar, column, row, matrix, tensor or identity.

    `identity` is I before its size is known: a multiple of δ_ij that takes the size of what it is added to.
    `text` is the user's own spelling, for messages. `kept`: of a sum over some axes of an array of three or more, the
    number of axes of that array and those that are left, along which the sum is repeated where it meets such an array.
    `spread`: this is x 1ᵀ or 1 xᵀ with ones of no stated length, which what it is added to decides.
    """

    expr: Expr
    dims: tuple[Dim, ...]
    orientation: str
    text: str = ""
    span: Span | None = None
    kept: tuple[int, tuple[int, ...]] | None = None
    spread: bool = False

    @property
    def indices(self) -> tuple[Index, ...]:
        """Its free indices."""
        return free(self.dims)

    @property
    def shape(self) -> str:
        """Its size as on paper."""
        if self.orientation == "scalar":
            return "a scalar"
        if self.orientation == "column":
            return format_shape((*self.dims, 1))
        if self.orientation == "row":
            return format_shape((1, *self.dims))
        if self.orientation == "identity":
            return "an identity"
        return format_shape(self.dims)

    def says(self) -> str:
        """`W x is D_h × 1`, for messages."""
        return f"{self.text or 'this'} is {self.shape}"


def orientation_of(count: int) -> str:
    """The orientation that a number of axes has by default."""
    return ("scalar", "column", "matrix")[count] if count < 3 else "tensor"


def transpose(value: Value) -> Value:
    """xᵀ. Raises DimensionError for a tensor of three or more axes."""
    turned = {"column": "row", "row": "column"}.get(value.orientation, value.orientation)
    if value.orientation == "tensor":
        raise DimensionError(
            f"{value.says()}: the transpose of a tensor of {len(value.dims)} axes has no one meaning",
            "index notation, such as B[j,i,k] = A[i,j,k]",
            value.span,
        )
    if value.orientation != "matrix":
        return Value(value.expr, value.dims, turned, spread=value.spread)
    (m, n), (i, j) = value.dims, value.indices
    return Value(rename(value.expr, {i: (-2, m), j: (-1, n)}), (n, m), "matrix")


def broadcast(left: Value, right: Value, what: str, span: Span | None) -> tuple[Value, Value, str]:
    """Two values over the same axes, for an elementwise operation, and the orientation of the result.

    A scalar is repeated everywhere, a row over the rows of a matrix, a column over its columns. In an array of three or
    more axes a smaller array is repeated along the axes whose sizes it does not have, where there is one way.
    """
    if left.orientation == "identity" or right.orientation == "identity":
        left, right = _size_identity(left, right, what, span), _size_identity(right, left, what, span)
    if left.orientation == right.orientation and left.dims == right.dims:
        return left, right, left.orientation
    if left.orientation == "scalar":
        return Value(left.expr, right.dims, right.orientation), right, right.orientation
    if right.orientation == "scalar":
        return left, Value(right.expr, left.dims, left.orientation), left.orientation
    for small, big, swap in ((left, right, False), (right, left, True)):
        if big.orientation == "matrix" and small.orientation in ("row", "column"):
            axis = 1 if small.orientation == "row" else 0
            if small.dims[0] != big.dims[axis]:
                raise _clash(left, right, what, span)
            moved = Value(rename(small.expr, {(-1, small.dims[0]): (-1 - axis, small.dims[0])}), big.dims, "matrix")
            return (big, moved, "matrix") if swap else (moved, big, "matrix")
        if big.orientation == "tensor" and len(small.dims) < len(big.dims):
            axes = _places(small, big, what, span)
            moves = {(-1 - k, small.dims[k]): (-1 - a, small.dims[k]) for k, a in enumerate(axes)}
            moved = Value(rename(small.expr, moves), big.dims, "tensor")
            return (big, moved, "tensor") if swap else (moved, big, "tensor")
    raise _clash(left, right, what, span)


def _places(small: Value, big: Value, what: str, span: Span | None) -> tuple[int, ...]:
    """The axes of `big` that a vector or a matrix goes along, by their sizes and in their order; a row the last one."""
    count = len(big.dims)
    if small.kept is not None and small.kept[0] == count and tuple(big.dims[a] for a in small.kept[1]) == small.dims:
        return small.kept[1]
    ways = [
        axes
        for axes in combinations(range(count), len(small.dims))
        if tuple(big.dims[a] for a in axes) == small.dims and (small.orientation != "row" or axes == (count - 1,))
    ]
    if len(ways) > 1:
        raise DimensionError(
            f"{small.says()} and {big.says()}: it could be repeated in {len(ways)} ways",
            "a name for each size, or index notation, such as C[b,t,d] = A[b,t,d] + B[t,d]", span,
        )  # fmt: skip
    if not ways:
        raise _clash(small, big, what, span)
    return ways[0]


def _size_identity(value: Value, other: Value, what: str, span: Span | None) -> Value:
    if value.orientation != "identity":
        return value
    if other.orientation != "matrix" or other.dims[0] != other.dims[1]:
        raise DimensionError(
            f"the size of I is not known here: {other.says()}, not square", "eye(D), or a square matrix", span
        )
    i, j = other.indices
    return Value(multiply(value.expr, delta(i, j)), other.dims, "matrix", value.text, value.span)


def _clash(left: Value, right: Value, what: str, span: Span | None) -> DimensionError:
    hint = (
        f"give {left.text or 'the left side'} and {right.text or 'the right side'} the same size, or take another name"
    )
    if {left.orientation, right.orientation} == {"row", "column"} and left.dims == right.dims:
        hint = f"transpose one of them: {in_brackets(left.text)}ᵀ or {in_brackets(right.text)}ᵀ"
    elif {left.orientation, right.orientation} <= {"row", "column", "matrix"} and set(left.dims) & set(right.dims):
        hint = "check the order of the sizes, or transpose one of the two"
        for small, big in ((left, right), (right, left)):
            axis = 1 if small.orientation == "column" else 0
            if len(small.dims) == 1 and big.orientation == "matrix" and small.dims[0] == big.dims[axis]:
                hint = f"{in_brackets(small.text or 'x')}ᵀ, repeated over the {('columns', 'rows')[axis]}"
    return DimensionError(
        f"sizes do not agree: {left.says()}, but {right.says()}; {what} needs the same size on both sides", hint, span
    )


def in_brackets(text: str) -> str:
    """The text of an operand as it must stand in a larger expression."""
    whole = text.startswith("[") and text.find("]") == len(text) - 1
    return f"({text})" if any(c in text for c in " +-*/∘@") and not whole else text


def add_values(left: Value, right: Value, span: Span | None) -> Value:
    """left + right."""
    if left.orientation == right.orientation == "identity":
        return Value(add(left.expr, right.expr), (), "identity")
    if left.spread and right.spread and {left.orientation, right.orientation} == {"column", "row"}:
        # x 1ᵀ + 1 yᵀ: each decides how many ones the other has
        (m,), (n,) = (side.dims for side in ((left, right) if left.orientation == "column" else (right, left)))
        left, right = (
            Value(rename(x.expr, {(-1, n): (-2, n)}) if x.orientation == "row" else x.expr, (m, n), "matrix")
            for x in (left, right)
        )
    a, b, orientation = broadcast(left, right, "a sum", span)
    return Value(add(a.expr, b.expr), a.dims, orientation, kept=_kept(left, right))


def hadamard(left: Value, right: Value, span: Span | None) -> Value:
    """left ∘ right."""
    a, b, orientation = broadcast(left, right, "an elementwise product", span)
    return Value(multiply(a.expr, b.expr), a.dims, orientation, kept=_kept(left, right))


def _kept(left: Value, right: Value) -> tuple[int, tuple[int, ...]] | None:
    """What is known of the axes of an elementwise result, where both sides agree on it."""
    known = {value.kept for value in (left, right) if value.dims}
    return known.pop() if len(known) == 1 else None


def matrix_product(left: Value, right: Value, span: Span | None) -> Value:
    """The product of the whiteboard: W x, x W, A B, xᵀ y, x yᵀ, X W along the last axis of a tensor, or by a scalar."""
    pair = (left.orientation, right.orientation)
    if "scalar" in pair or "identity" in pair:
        if pair[0] in ("scalar", "identity") and pair[1] in ("scalar", "identity"):
            kind = "identity" if "identity" in pair else "scalar"
            return Value(multiply(left.expr, right.expr), (), kind)
        other = right if pair[0] in ("scalar", "identity") else left
        return Value(multiply(left.expr, right.expr), other.dims, other.orientation, kept=other.kept)
    if left.orientation == "tensor" and right.orientation in ("column", "matrix"):
        return _product_along_last(left, right, span)
    if "tensor" in pair:
        raise DimensionError(
            f"{left.says()} and {right.says()}: a product of tensors needs named indices",
            "index notation, such as S[b,i,j] = sum(k, Q[b,i,k] K[b,j,k])",
            span,
        )
    # (rows?, columns?) of both sides; None is a size of 1.
    a_row, a_col = _axes(left)
    b_row, b_col = _axes(right)
    if (a_col is None) != (b_row is None) or (a_col is not None and left.dims[a_col] != right.dims[b_row or 0]):
        raise _product_clash(left, right, span)
    mapping_left: dict[Index, Index] = {}
    mapping_right: dict[Index, Index] = {}
    dims: list[Dim] = []
    over: list[Index] = []
    if a_row is not None:
        dims.append(left.dims[a_row])
        mapping_left[left.indices[a_row]] = (-len(dims), dims[-1])
    if b_col is not None:
        dims.append(right.dims[b_col])
        mapping_right[right.indices[b_col]] = (-len(dims), dims[-1])
    if a_col is not None and b_row is not None:
        # A marker that both sides share; negative, since only summed indices have numbers from 0.
        summed: Index = (-999_999, left.dims[a_col])
        mapping_left[left.indices[a_col]] = summed
        mapping_right[right.indices[b_row]] = summed
        over.append(summed)
    expr = multiply(rename(left.expr, mapping_left), rename(right.expr, mapping_right), over)
    orientation = {
        (False, False): "scalar", (True, False): "column", (False, True): "row", (True, True): "matrix",
    }[a_row is not None, b_col is not None]  # fmt: skip
    return Value(expr, tuple(dims), orientation)


def _product_along_last(left: Value, right: Value, span: Span | None) -> Value:
    """X W and X w for an array X of three or more axes: the last axis meets the rows of W, the others stay."""
    count = len(left.dims)
    if left.dims[-1] != right.dims[0]:
        hint = f"{in_brackets(left.text)} {in_brackets(right.text)}ᵀ" if left.dims[-1] == right.dims[-1] else None
        raise DimensionError(
            f"sizes do not agree: {left.says()}, but {right.says()}; the last axis meets the rows", hint, span
        )
    summed: Index = (-999_999, left.dims[-1])
    moved = {i: (-count - k, i[1]) for k, i in enumerate(right.indices[1:])}
    expr = multiply(
        rename(left.expr, {left.indices[-1]: summed}), rename(right.expr, {**moved, right.indices[0]: summed}), [summed]
    )
    dims = (*left.dims[:-1], *right.dims[1:])
    return Value(expr, dims, orientation_of(len(dims)))


def _axes(value: Value) -> tuple[int | None, int | None]:
    return {"column": (0, None), "row": (None, 0), "matrix": (0, 1)}[value.orientation]


def _product_clash(left: Value, right: Value, span: Span | None) -> DimensionError:
    a, b = in_brackets(left.text), in_brackets(right.text)
    hint = f"a size that {a} and {b} share, or other names"
    if left.orientation == right.orientation and left.orientation in ("column", "row"):
        if left.dims == right.dims:
            inner = f"{a}ᵀ {b}" if left.orientation == "column" else f"{a} {b}ᵀ"
            hint = f"{a} ∘ {b} (elementwise) or {inner} (inner product)"
        else:
            hint = f"{a} {b}ᵀ (outer product)" if left.orientation == "column" else f"{a}ᵀ {b} (outer product)"
    else:
        for flipped_left, flipped_right, text in (
            (left, transpose(right), f"{a} {b}ᵀ"),
            (transpose(left), right, f"{a}ᵀ {b}"),
            (right, left, f"{b} {a}"),
        ):
            _, inner_left = _axes(flipped_left)
            inner_right, _ = _axes(flipped_right)
            if inner_left is None or inner_right is None:
                continue
            if flipped_left.dims[inner_left] == flipped_right.dims[inner_right]:
                hint = text
                break
    columns = _columns(left)
    rows = _rows(right)
    return DimensionError(
        f"sizes do not agree: {left.says()}, but {right.says()}; "
        f"a product needs as many columns on its left ({display_dim(columns)}) as rows on its right "
        f"({display_dim(rows)})",
        hint,
        span,
    )


def _columns(value: Value) -> Dim:
    axis = _axes(value)[1]
    return 1 if axis is None else value.dims[axis]


def _rows(value: Value) -> Dim:
    axis = _axes(value)[0]
    return 1 if axis is None else value.dims[axis]
