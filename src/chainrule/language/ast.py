"""The whiteboard language as a tree: what the parser makes and the printer prints.

The tree is neutral: dialects differ only in how text becomes a tree. Products are resolved, so a tree
says what is meant: `@` is the (matrix) product, however it was written; `∘` is elementwise; `*` is left
only where the whiteboard dialect saw a star, which is legal with a scalar on one side. `T` is transposition.

Names are kept in the user's spelling; `chainrule.dims.canonical_name` says which spellings are one name.
Spans point into the user's text and take no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from chainrule.errors import Span

__all__ = [
    "AXES",
    "Binary",
    "Call",
    "Declaration",
    "Definition",
    "Equation",
    "Expr",
    "FunctionDeclaration",
    "IndexRef",
    "Indexed",
    "Name",
    "Negate",
    "Number",
    "Program",
    "Recurrence",
    "Transpose",
    "TypeDim",
]


AXES = ("last", "first", "rows", "columns", "all")  # words for axes, in over=last


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, kept exactly: 0.5 is 1/2. `text` is how the user wrote it."""

    value: Fraction
    text: str = field(default="", compare=False)
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, a size such as N, or one of the constants `I`, `1` as a vector is `ones(D)`."""

    name: str
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Negate:
    """−x."""

    operand: Expr
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`op` is one of + - @ * ∘ / ./ ^ .^ and the comparisons < <= > >= == (elementwise, 0 or 1)."""

    op: str
    left: Expr
    right: Expr
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Transpose:
    """xᵀ."""

    operand: Expr
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """f(a, b, over=rows). `primes` counts derivative marks: f′(x) has one."""

    function: str
    args: tuple[Expr, ...]
    options: tuple[tuple[str, Expr], ...] = ()
    primes: int = 0
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class IndexRef:
    """One index of A[i, t-1]: a name with an integer offset, or (name None) the integer itself.

    kind: "sum" is any other formula, 2i+a, which is `first`; "slice" is first:last, either of which may be None.
    """

    name: str | None
    offset: int = 0
    span: Span | None = field(default=None, compare=False)
    kind: str = ""
    first: Expr | None = None
    last: Expr | None = None


@dataclass(frozen=True, slots=True)
class Indexed:
    """A[i, k]."""

    base: Name
    indices: tuple[IndexRef, ...]
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """inv(A)[i, j], (A B)[i, j]: an entry of a formula; every index is a letter, a position or a sum of these."""

    operand: Expr
    indices: tuple[IndexRef, ...]
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """The 1..3 of sum(m = 1..3, …), which stands as an option of the call: (m, Range(3))."""

    last: Expr
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Blocks:
    """[A, B; C, D]: arrays beside each other, and rows of them beneath each other."""

    rows: tuple[tuple[Expr, ...], ...]
    span: Span | None = field(default=None, compare=False)


TypeDim = int | str

Expr = Number | Name | Negate | Binary | Transpose | Call | Indexed | Entry | Range | Blocks


@dataclass(frozen=True, slots=True)
class Declaration:
    """`param W : D_h × D_x, symmetric`. `shape` as written: () scalar, (D,) column, (1, D) row, (N, D) matrix."""

    kind: str  # input, label, param, const
    name: str
    shape: tuple[TypeDim, ...]
    facts: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class FunctionDeclaration:
    """`function f : D_x -> D_h`, an unknown function; () on both sides is scalar -> scalar, applied elementwise."""

    name: str
    domain: tuple[TypeDim, ...]
    codomain: tuple[TypeDim, ...]
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """`def swish(u) = u ∘ sigmoid(u)`, or entry by entry, `def f(x, s=1)[i] = x[s i]`.

    defaults: what the last parameters are where a call does not say; a name says an axis, over=last.
    indices: None where there are no brackets.
    """

    name: str
    parameters: tuple[str, ...]
    body: Expr
    span: Span | None = field(default=None, compare=False)
    defaults: tuple[Number | Name, ...] = ()
    indices: tuple[IndexRef, ...] | None = None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The `for t = 1..T` behind an equation, or `for t = T..1`: one of the two bounds is an integer."""

    index: str
    first: TypeDim
    last: TypeDim


@dataclass(frozen=True, slots=True)
class Equation:
    """`z = W x + b1`, `S[i,j] = sum(k, A[i,k] B[k,j])`, `h[t] = … for t = 1..T`."""

    name: str
    indices: tuple[IndexRef, ...] | None  # None: no brackets on the left
    value: Expr
    recurrence: Recurrence | None = None
    span: Span | None = field(default=None, compare=False)
    name_span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed text, in the order it was written; `minimize` names the loss if the text says so.

    dialect: how it was written, for what sizes alone can tell to be read in another way there.
    """

    statements: tuple[Declaration | FunctionDeclaration | Definition | Equation, ...]
    minimize: str | None = None
    source: str = field(default="", compare=False)
    minimize_span: Span | None = field(default=None, compare=False)
    dialect: str = field(default="whiteboard", compare=False)
