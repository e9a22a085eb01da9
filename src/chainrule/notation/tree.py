"""Formulas as trees of matrix notation: what text, LaTeX and MathML are written from.

Every node knows its rows and columns (1 where there is one). How strongly they bind is in `chainrule.notation.binding`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from chainrule.dims import Dim

__all__ = [
    "Node",
    "at",
    "call",
    "compared",
    "comparison",
    "diag",
    "divide",
    "equal",
    "eye",
    "hadamard",
    "iverson",
    "name_of",
    "names_in",
    "negated",
    "num",
    "ones",
    "option",
    "partial",
    "power",
    "product",
    "quotient",
    "sigma",
    "sum_of",
    "sym",
    "transpose",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """`op` is sym, num, sum, prod, had, div, pow, T, diag, fn, call, ones, eye or norm.

    sum: `data` holds the signs.  num: the value.  pow: the exponent.  sym: the name.  fn, call: the function's name.

    Index notation is written from the same trees, with
    at: one entry of a name, W[i,j]; `data` is (name, letter, …).
    entry: one entry of a formula, inv(A)[i,j]; `data` holds the letters.
    sigma: Σ over a letter of the one argument; `data` is (letter, sum or mean or max …, how far it runs or "").
    blocks: arrays beside and beneath each other; `data` holds how many stand in each row.
    lookup: rows or entries of a name by labels, E[ids]; the arguments are the name and the labels.
    iverson: 1[i = j]; `data` holds the two letters, which may be sums such as 2i+a, and ≤ where it is no equation.
    partial: ∂top/∂bottom of two names or entries, ∂z[k]/∂W[i,j] or ∂θ/∂h; with its rows and columns it is a Jacobian,
      and stands in a product without brackets. `data` is "/" where it is written on one level,
      as in div.
    second: ∂²top/∂a∂b; the arguments are top, a and b.
    ^: a power, as pow, that text writes with its exponent and never as a root.
    raised: a power whose exponent is the second argument.  rel: a comparison, `data` is its sign.
    bracket: 1[…] of a comparison.
    raw: a formula that is only known as text.
    foreign: a formula whose letters are not those of the program around it.
    bracketed: brackets that stay, around a formula in a sentence.
    worded: a formula that text writes as it was written, which is `data`.
    range: k = 1..N; `data` is the letter and the size.
    stepwise: a right-hand side for t = 1..T; `data` is the letter and the two bounds.
    group: brackets that only text has: LaTeX and MathML decide for themselves.
    """

    op: str
    args: tuple[Node, ...] = ()
    data: object = None
    rows: Dim = 1
    cols: Dim = 1


def sym(name: str, rows: Dim = 1, cols: Dim = 1) -> Node:
    """A name, or one step of a sequence: h[t]; 1[t = T]."""
    if name.endswith("]"):
        stem, _, inside = name[:-1].partition("[")
        if stem == "1":
            return Node("iverson", (), tuple(inside.split(" = ")), rows, cols)
        return Node("at", (), (stem, *inside.split(",")), rows, cols)
    return Node("sym", (), name, rows, cols)


def name_of(node: Node) -> str:
    """The name that `sym` was given."""
    if node.op == "at":
        stem, *inside = names_in(node)
        return f"{stem}[{','.join(inside)}]"
    return str(node.data)


def num(value: int | Fraction) -> Node:
    """A number."""
    return Node("num", (), Fraction(value))


def ones(rows: Dim, cols: Dim) -> Node:
    """A vector of ones."""
    return Node("ones", (), None, rows, cols)


def eye(dim: Dim) -> Node:
    """The identity matrix."""
    return Node("eye", (), None, dim, dim)


def at(name: str, letters: Iterable[str]) -> Node:
    """One entry of a name, W[i,j], of one step of a sequence, h[t,i]; without letters the scalar itself."""
    letters = tuple(letters)
    if letters and name.endswith("]") and not name.startswith("1["):
        name, _, inside = name[:-1].partition("[")
        letters = (*inside.split(","), *letters)
    return Node("at", (), (name, *letters)) if letters else sym(name)


def entry(whole: Node, letters: Iterable[str]) -> Node:
    """One entry of a formula, inv(A)[i,j]."""
    return Node("entry", (whole,), tuple(letters))


def names_in(node: Node) -> tuple[str, ...]:
    """What `at` and `iverson` hold: (W, i, j); (i, j)."""
    assert isinstance(node.data, tuple)
    return node.data


def compared(node: Node) -> tuple[str, str, str]:
    """An iverson's first letter, sign and second letter."""
    first, second, *sign = names_in(node)
    return first, sign[0] if sign else "=", second


def sigma(letter: str, body: Node, what: str = "sum", last: str = "") -> Node:
    """Σ over a letter (or the mean, max, min or prod); last: how far it runs, where nothing else says so."""
    return Node("sigma", (body,), (letter, what, last), body.rows, body.cols)


def iverson(first: str, second: str, comparison: str = "=") -> Node:
    """1[first = second]: 1 where the two indices are equal (or ≤), 0 elsewhere."""
    return Node("iverson", (), (first, second) if comparison == "=" else (first, second, comparison))


def partial(top: Node, bottom: Node, rows: Dim = 1, cols: Dim = 1) -> Node:
    """∂top/∂bottom: of two entries a number, of two vectors a Jacobian with these rows and columns."""
    return Node("partial", (top, bottom), None, rows, cols)


def second(top: str, by: str | Node) -> Node:
    """∂²top/∂by²."""
    below = sym(by) if isinstance(by, str) else by
    return Node("second", (sym(top), below, below))


def equal(left: Node, right: Node) -> Node:
    """left = right."""
    return Node("rel", (left, right), "=")


def comparison(node: Node, sign: str) -> Node:
    """node > 0, with what is taken away on the other side: a − b > 0 is a > b, 6 − v > 0 is v < 6."""
    signs = node.data if node.op == "sum" else (1,)
    assert isinstance(signs, tuple)
    terms = list(zip(signs, node.args if node.op == "sum" else (node,), strict=True))
    left = [(1, a) for s, a in terms if s > 0 and a.op != "num"]
    right = [(1, a) for s, a in terms if s < 0 and a.op != "num"]
    if not left:
        left, right = right, left
        sign = {">": "<", ">=": "<="}.get(sign, sign)
        terms = [(-s, a) for s, a in terms]
    for s, a in terms:
        if a.op == "num" and a.data:  # u + 3 > 0 is u > −3, but u + 3 − v > 0 is u + 3 > v
            value = Fraction(str(a.data)) * s
            if value > 0 and right:
                left.append((1, num(value)))
            else:
                right.append((-1 if value > 0 else 1, num(abs(value))))
    if all(a.rows == a.cols == 1 for _, a in left) and any(a.rows != 1 or a.cols != 1 for _, a in right):
        left, right = right, left  # an array stands before the number that it is compared with
        sign = {">": "<", ">=": "<=", "<": ">", "<=": ">="}.get(sign, sign)
    nothing = [(1, num(0))]
    return Node("rel", (sum_of(left or nothing), sum_of(right or nothing)), sign, node.rows, node.cols)


def transpose(node: Node) -> Node:
    """Its transpose; twice is nothing, a scalar stays, a diagonal matrix stays, 1 is turned."""
    if node.op == "T":
        return node.args[0]
    if node.rows == 1 and node.cols == 1:
        return node
    if node.op in ("diag", "eye"):
        return node
    if node.op == "div":
        return Node("div", (transpose(node.args[0]), node.args[1]), None, node.cols, node.rows)
    if node.op == "prod" and node.args[0].rows == 1 == node.args[0].cols:
        scalars = [a for a in node.args if a.rows == 1 == a.cols]
        rest = [a for a in node.args if not (a.rows == 1 == a.cols)]
        if len(rest) == 1:
            return product([*scalars, transpose(rest[0])])
    return Node("T", (node,), None, node.cols, node.rows)


def product(parts: list[Node]) -> Node:
    """A product, with scalars in front, flat."""
    flat: list[Node] = []
    for part in parts:
        inner = part.op == "prod" and (len(parts) == 1 or not (part.rows == 1 == part.cols) or _all_scalars(part))
        flat.extend(part.args if inner else (part,))
    flat = [p for p in flat if not (p.op == "num" and p.data == 1)] or flat[:1]
    flat = _looked_up(flat)
    numbers = [p for p in flat if p.op == "num"]
    if numbers and (len(numbers) > 1 or flat[0] is not numbers[0]):  # one number, in front
        whole = num(prod(Fraction(str(p.data)) for p in numbers))
        flat = [whole, *(p for p in flat if p.op != "num")]
    flat = _raised(_squared(flat))
    if len(flat) == 1:
        return flat[0]
    matrices = [p for p in flat if not (p.rows == 1 == p.cols)]
    rows, cols = (matrices[0].rows, matrices[-1].cols) if matrices else (1, 1)
    return Node("prod", tuple(flat), None, rows, cols)


def _squared(parts: list[Node]) -> list[Node]:
    """Equal numbers with a name, c and c, as a power: c² x."""
    named = [p for p in parts if p.op in ("sym", "at") and p.rows == 1 == p.cols]
    if len(set(named)) == len(named):
        return parts
    counts = {p: named.count(p) for p in named}
    out: list[Node] = []
    for part in parts:
        count = counts.get(part, 1)
        if count > 1:
            out.append(power(part, count))
            counts[part] = 0
        elif count:
            out.append(part)
    return out


def _raised(parts: list[Node]) -> list[Node]:
    """Equal square matrices side by side as a power, from three on, or from two that have no name: X³, inv(X + A)²."""
    runs: list[tuple[Node, Fraction]] = []
    for part in parts:
        turned = part.op == "T"
        inner = part.args[0] if turned else part
        base, count = (inner.args[0], Fraction(str(inner.data))) if inner.op == "^" else (inner, Fraction(1))
        if inner.op == "^" and (inner.rows == 1 or count < 1):
            base, count = inner, Fraction(1)
        base = transpose(base) if turned else base
        square = base.rows == base.cols != 1 and base.op not in ("diag", "eye", "num")
        if runs and square and runs[-1][0] == base:
            runs[-1] = (base, runs[-1][1] + count)
        else:
            runs.append((base, count))
    out: list[Node] = []
    for base, count in runs:
        plain = base.args[0] if base.op == "T" else base
        if count < 3 and not (count == 2 and plain.op != "sym"):
            out += [base] * int(count)
            continue
        whole = Node("^", (plain,), count, plain.rows, plain.cols)
        out.append(transpose(whole) if base.op == "T" else whole)
    return out


def _looked_up(parts: list[Node]) -> list[Node]:
    """onehot(ids, V) E is E[ids], and Eᵀ onehot(ids, V)ᵀ its transpose."""
    out: list[Node] = []
    for part in parts:
        before = out[-1] if out else None
        if before is not None and _labels(before) is not None and part.op == "sym" and part.rows == before.cols:
            rows = before.rows
            out[-1] = Node("lookup", (part, _labels(before)), None, rows, part.cols)  # type: ignore[arg-type]
        elif before is not None and _labels(transpose(part)) is not None and _is_turned(before):
            name, labels = transpose(before), transpose(part)
            looked_up = Node("lookup", (name, _labels(labels)), None, labels.rows, name.cols)  # type: ignore[arg-type]
            out[-1] = transpose(looked_up)
        else:
            out.append(part)
    return out


def _labels(node: Node) -> Node | None:
    """The labels of onehot(ids, V), a row for each; of one label the transpose is a row."""
    inner = node.args[0] if node.op == "T" else node
    if inner.op != "call" or inner.data != "onehot" or inner.args[0].op != "sym":
        return None
    return inner.args[0] if (node.op == "T") == (inner.cols == 1) else None


def _is_turned(node: Node) -> bool:
    """True for Eᵀ, and for a row whose transpose is a name."""
    return node.op == "T" and node.args[0].op == "sym"


def _all_scalars(node: Node) -> bool:
    return all(a.rows == 1 == a.cols for a in node.args)


def hadamard(parts: list[Node]) -> Node:
    """An elementwise product, flat; a smaller part is repeated."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.args if part.op == "had" else (part,))
    if len(flat) == 1:
        return flat[0]
    first = next((k for k, p in enumerate(flat) if p.rows != 1 != p.cols), len(flat))
    if {p.rows == 1 for p in flat[:first] if p.rows != p.cols} == {True, False}:
        flat.sort(key=lambda p: (p.rows == 1, p.cols != 1))  # a column and a row do not meet before a matrix
    rows = next((p.rows for p in flat if p.rows != 1), 1)
    cols = next((p.cols for p in flat if p.cols != 1), 1)
    return Node("had", tuple(flat), None, rows, cols)


def divide(top: Node, bottom: Node) -> Node:
    """top / bottom, for a scalar bottom (elementwise below is `power` with −1); (a ./ b)/2 is a ./ (2 b)."""
    if bottom.op == "num" and bottom.data == 1:
        return top
    if top.op == "ediv" and bottom.op == "num" and top.args[1].op in ("sym", "prod", "pow"):
        return quotient(top.args[0], product([bottom, top.args[1]]))
    return Node("div", (top, bottom), None, top.rows, top.cols)


def quotient(top: Node, bottom: Node) -> Node:
    """top ./ bottom, entry by entry; the smaller of the two is repeated."""
    rows = top.rows if top.rows != 1 else bottom.rows
    cols = top.cols if top.cols != 1 else bottom.cols
    return Node("ediv", (top, bottom), None, rows, cols)


def power(base: Node, exponent: int | Fraction) -> Node:
    """An elementwise power."""
    if exponent == 1:
        return base
    return Node("pow", (base,), Fraction(exponent), base.rows, base.cols)


def diag(vector: Node) -> Node:
    """The diagonal matrix of a vector."""
    dim = vector.rows if vector.rows != 1 else vector.cols
    return Node("diag", (vector,), None, dim, dim)


def call(name: str, args: tuple[Node, ...], rows: Dim, cols: Dim) -> Node:
    """A function, written f(…); minimum(maximum(x, a), b) of two numbers a and b is clip(x, a, b)."""
    if name == "minimum" and args[0].op == "call" and args[0].data == "maximum":
        bounds = (args[0].args[1], args[1])
        if all(b.rows == 1 == b.cols for b in bounds):
            return Node("call", (args[0].args[0], *bounds), "clip", rows, cols)
    return Node("call", args, name, rows, cols)


def option(name: str, value: str) -> Node:
    """An option of a call, over=rows."""
    return Node("option", (), (name, value))


def sum_of(terms: list[tuple[int, Node]]) -> Node:
    """A signed sum; what is added comes before what is taken away."""
    if len(terms) == 1 and terms[0][0] > 0:
        return terms[0][1]
    ordered = [t for t in terms if t[0] > 0] + [t for t in terms if t[0] < 0]
    rows = next((n.rows for _, n in ordered if n.rows != 1), 1)
    cols = next((n.cols for _, n in ordered if n.cols != 1), 1)
    return Node("sum", tuple(n for _, n in ordered), tuple(s for s, _ in ordered), rows, cols)


def negated(node: Node) -> Node | None:
    """The same with the other sign, without a sign before it: (m − y)/v for (y − m)/v. None where it has none."""
    if node.op == "sum":
        signs = node.data
        assert isinstance(signs, tuple)
        if -1 not in signs:
            return None
        return sum_of([(-s, a) for s, a in zip(signs, node.args, strict=True)])
    if node.op in ("T", "diag", "div", "ediv", "had", "prod"):
        for position, part in enumerate(node.args[: 1 if node.op in ("div", "ediv") else None]):
            turned = negated(part)
            if turned is not None:
                return replace(node, args=(*node.args[:position], turned, *node.args[position + 1 :]))
    return None
