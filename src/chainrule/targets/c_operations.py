"""Operations on whole arrays in C: extremes and products along axes, determinants, inverses, solve, Cholesky factors.

Each is a function from a `Site` (the arrays, sizes and names at hand) to lines. Linear algebra is done by elimination
with pivots in a few helper functions (`c_helpers`), on a copy in the workspace: right, and quick for small matrices. A
singular matrix gives infinite or undefined numbers, which a step reports. To add one: a function, and its entry in
`_OPERATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chainrule.dims import Dim
from chainrule.targets.c_positions import POSITIONS
from chainrule.targets.c_site import Site, block, indent, letter, letters, nested
from chainrule.targets.c_spectra import SPECTRA

__all__ = ["has_operation", "operation_lines"]


def has_operation(name: str) -> bool:
    """True where the operation has C code."""
    return name in _OPERATIONS


def operation_lines(site: Site) -> list[str]:
    """The lines of an opaque node, whose operation has code."""
    return _OPERATIONS[site.node.attributes[1]](site)


def _split(site: Site) -> tuple[dict[int, Dim], dict[int, Dim]]:
    """The axes that are kept and those along which it is computed, with their sizes."""
    dims = dict(enumerate(site.dims(0)))
    along = site.node.attributes[2][0]
    return {a: d for a, d in dims.items() if a not in along}, {a: d for a, d in dims.items() if a in along}


# -- along axes ------------------------------------------------------------------------------------------------------


def _reduction(start: str, update: str) -> Callable[[Site], list[str]]:
    def lines(site: Site) -> list[str]:
        kept, along = _split(site)
        out = site.result({k: letter(axis) for k, axis in enumerate(kept)})
        x = site.entry(0, letters(len(site.dims(0))))
        body = [
            f"{site.real} best = {start.format(one=site.number(1))};",
            *nested(site, along, [update.format(x=x)]),
            f"{out} = best;",
        ]
        return block(nested(site, kept, body))

    return lines


_LARGEST = _reduction("-INFINITY", "best = {x} > best || {x} != {x} ? {x} : best;")
_SMALLEST = _reduction("INFINITY", "best = {x} < best || {x} != {x} ? {x} : best;")
_PRODUCT = _reduction("{one}", "best *= {x};")


def _extreme(start: str, sign: str) -> Callable[[Site], list[str]]:
    """1 at the largest (smallest) entry, shared equally where there are several."""

    def lines(site: Site) -> list[str]:
        kept, along = _split(site)
        every = letters(len(site.dims(0)))
        x, out = site.entry(0, every), site.result(every)
        zero, one = site.number(0), site.number(1)
        body = [
            f"{site.real} best = {start}, count = {zero};",
            *nested(site, along, [f"best = {x} {sign} best ? {x} : best;"]),
            *nested(site, along, [f"count += {x} == best ? {one} : {zero};"]),
            *nested(site, along, [f"{out} = {x} == best ? {one} / count : {zero};"]),
        ]
        return block(nested(site, kept, body))

    return lines


def _others(site: Site) -> list[str]:
    """The product of all other entries: those before times those behind."""
    kept, along = _split(site)
    every = letters(len(site.dims(0)))
    x, out = site.entry(0, every), site.result(every)
    body = [
        f"{site.real} product = {site.number(1)};",
        *nested(site, along, [f"{out} = product;", f"product *= {x};"]),
        f"product = {site.number(1)};",
        *nested(site, along, [f"{out} *= product;", f"product *= {x};"], back=True),
    ]
    return block(nested(site, kept, body))


def _running(site: Site) -> list[str]:
    kept, along = _split(site)
    every = letters(len(site.dims(0)))
    body = [
        f"{site.real} product = {site.number(1)};",
        *nested(site, along, [f"product *= {site.entry(0, every)};", f"{site.result(every)} = product;"]),
    ]
    return block(nested(site, kept, body))


def _running_others(site: Site) -> list[str]:
    """[…, i, …, j]: the product of the entries up to i without that at j; 0 where j > i."""
    kept, along = _split(site)
    (axis,) = along
    rank = len(site.dims(0))
    i, j = letter(axis), letter(rank)
    out = site.result({**letters(rank), rank: j})
    body = [
        f"{site.real} product = {site.number(1)};",
        *nested(
            site,
            along,
            [
                f"product *= {i} == {j} ? {site.number(1)} : {site.entry(0, letters(rank))};",
                f"{out} = {i} < {j} ? {site.number(0)} : product;",
            ],
        ),
    ]
    return nested(site, {**kept, rank: along[axis]}, body)


# -- matrices --------------------------------------------------------------------------------------------------------


def _matrix(site: Site) -> tuple[dict[int, Dim], int, Dim]:
    """The axes in front (samples), the number of the rows' axis, and the size."""
    dims = site.dims(0)
    return dict(enumerate(dims[:-2])), len(dims) - 2, dims[-1]


def _copied(site: Site) -> tuple[str, list[str]]:
    """A copy of the matrix at hand in the workspace."""
    _, rows, dim = _matrix(site)
    name, n = site.scratch((dim, dim)), site.size(dim)
    indices = letters(rows + 2)
    line = f"{name}[{letter(rows)} * {n} + {letter(rows + 1)}] = {site.entry(0, indices)};"
    return name, nested(site, {rows: dim, rows + 1: dim}, [line])


def _inv(site: Site) -> list[str]:
    front, rows, dim = _matrix(site)
    name, copy = _copied(site)
    site.need("eliminate")
    indices = letters(rows + 2)
    i, j = letter(rows), letter(rows + 1)
    unit = f"{site.result(indices)} = {i} == {j} ? {site.number(1)} : {site.number(0)};"
    start = site.result({**{a: letter(a) for a in front}, rows: "0", rows + 1: "0"})
    n = site.size(dim)
    body = [
        *copy,
        *nested(site, {rows: dim, rows + 1: dim}, [unit]),
        f"eliminate({n}, {n}, {name}, &{start});",
    ]
    return nested(site, front, body)


def _solve(site: Site) -> list[str]:
    """A⁻¹ B, of one matrix."""
    (dim, _), right = site.dims(0), site.dims(1)
    name, copy = _copied(site)
    site.need("eliminate")
    indices = letters(len(right))
    start = site.result(dict.fromkeys(indices, "0"))
    columns = site.size(right[1]) if len(right) > 1 else "1"
    return [
        *copy,
        *nested(site, dict(enumerate(right)), [f"{site.result(indices)} = {site.entry(1, indices)};"]),
        f"eliminate({site.size(dim)}, {columns}, {name}, &{start});",
    ]


def _determinant(helper: str) -> Callable[[Site], list[str]]:
    def lines(site: Site) -> list[str]:
        front, _, dim = _matrix(site)
        name, copy = _copied(site)
        site.need(helper)
        out = site.result({a: letter(a) for a in front})
        return nested(site, front, [*copy, f"{out} = {helper}({site.size(dim)}, {name});"])

    return lines


def _pinv(site: Site) -> list[str]:
    rows, columns = site.dims(0)
    copy, turns = site.scratch((rows, columns)), site.scratch((columns, columns))
    site.need("pseudoinverse")
    m, n = site.size(rows), site.size(columns)
    line = f"{copy}[{letter(0)} * {n} + {letter(1)}] = {site.entry(0, letters(2))};"
    return [
        *nested(site, {0: rows, 1: columns}, [line]),
        f"pseudoinverse({m}, {n}, {copy}, {turns}, &{site.result({0: '0', 1: '0'})});",
    ]


def _cholesky(site: Site) -> list[str]:
    """L with L Lᵀ = (A + Aᵀ)/2."""
    front, rows, dim = _matrix(site)
    site.need("cholesky")
    here, turned = letters(rows + 2), letters(rows + 2)
    turned[rows], turned[rows + 1] = here[rows + 1], here[rows]
    half = f"{site.number(0.5)} * ({site.entry(0, here)} + {site.entry(0, turned)})"
    start = site.result({**{a: letter(a) for a in front}, rows: "0", rows + 1: "0"})
    body = [
        *nested(site, {rows: dim, rows + 1: dim}, [f"{site.result(here)} = {half};"]),
        f"cholesky({site.size(dim)}, &{start});",
    ]
    return nested(site, front, body)


def _half_triangle(site: Site) -> list[str]:
    dims = dict(enumerate(site.node.dims))
    i, j = letter(0), letter(1)
    value = f"{j} < {i} ? {site.number(1)} : {j} == {i} ? {site.number(0.5)} : {site.number(0)}"
    return nested(site, dims, [f"{site.result(letters(2))} = {value};"])


def _onehot(site: Site) -> list[str]:
    """1 at the label, counted from the end where it is negative. What is no label gives no number: it is reported."""
    dims = site.dims(0)
    rank, count = len(dims), site.size(site.node.dims[-1])
    k = letter(rank)
    at = f"label < {site.number(0)} ? label + ({site.real}){count} : label"
    inside = f"at >= {site.number(0)} && at < ({site.real}){count} && at == floor{site.suffix}(at)"
    body = [
        f"const {site.real} label = {site.entry(0, letters(rank))}, at = {at};",
        f"const {site.real} other = {inside} ? {site.number(0)} : NAN;",
        *nested(site, {rank: site.node.dims[-1]},
                [f"{site.result(letters(rank + 1))} = at == ({site.real}){k} ? {site.number(1)} : other;"]),
    ]  # fmt: skip
    return block(nested(site, dict(enumerate(dims)), body))


# -- constants -------------------------------------------------------------------------------------------------------


def _constant(site: Site) -> list[str]:
    array = site.node.attributes[2][0].array
    numbers = [_spelled(value, site.suffix) for value in array.ravel().tolist()]
    lines, line = [], ""
    for number in numbers:
        if len(line) + len(number) > 100:
            lines.append(line.rstrip())
            line = ""
        line += number + ", "
    lines.append(line.rstrip(", "))
    flat = " + ".join(" * ".join([letter(axis), *map(str, array.shape[axis + 1 :])]) for axis in range(array.ndim))
    return [
        "{",
        f"    static const {site.real} numbers[] = {{",
        *("        " + text for text in lines),
        "    };",
        *indent(nested(site, dict(enumerate(site.node.dims)),
                        [f"{site.result(letters(array.ndim))} = numbers[{flat or '0'}];"])),
        "}",
    ]  # fmt: skip


def _spelled(value: float, suffix: str) -> str:
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = repr(float(value)) if Fraction(value).denominator != 1 or abs(value) > 1e15 else f"{int(value)}.0"
    return text + suffix


def _lag(site: Site) -> list[str]:
    """x some steps earlier along an axis; before the first step the initial value, or 0."""
    offset, time = site.node.attributes[2]
    far = abs(offset)
    every = letters(len(site.node.dims))
    t = letter(time)
    there = f"{t} >= {far}" if offset < 0 else f"{t} + {far} < {site.size(site.node.dims[time])}"
    x = site.entry(0, every | {time: f"({t} - {far})" if offset < 0 else f"({t} + {far})"})
    other = site.number(0)
    if len(site.node.operands) > 1:
        step = [axis for axis in every if axis != time]
        own = step[len(step) - len(site.dims(1)) :]  # one for all samples has no axis for them
        other = site.entry(1, {k: letter(axis) for k, axis in enumerate(own)})
    return nested(site, dict(enumerate(site.node.dims)), [f"{site.result(every)} = {there} ? {x} : {other};"])


def _count(site: Site) -> list[str]:
    """1, 2, …"""
    return nested(site, {0: site.node.dims[0]}, [f"{site.result(letters(1))} = ({site.real})({letter(0)} + 1);"])


def _unit(site: Site) -> list[str]:
    """1 at one step, 0 elsewhere."""
    (dim,) = site.node.dims
    step = site.node.attributes[2][0]
    place = f"{letter(0)} == {step}" if step >= 0 else f"{letter(0)} + {-step} == {site.size(dim)}"
    return nested(site, {0: dim}, [f"{site.result(letters(1))} = {place} ? {site.number(1)} : {site.number(0)};"])


_OPERATIONS: dict[str, Callable[[Site], list[str]]] = {
    "max": _LARGEST,
    "min": _SMALLEST,
    "prod": _PRODUCT,
    "ismax": _extreme("-INFINITY", ">"),
    "ismin": _extreme("INFINITY", "<"),
    "prod_others": _others,
    "cumprod": _running,
    "cumprod_others": _running_others,
    "inv": _inv,
    "solve": _solve,
    "pinv": _pinv,
    "det": _determinant("determinant"),
    "logdet": _determinant("log_determinant"),
    "cholesky": _cholesky,
    "half triangle": _half_triangle,
    "onehot": _onehot,
    "count": _count,
    "lag": _lag,
    "unit": _unit,
    "constant": _constant,
    **POSITIONS,
    **SPECTRA,
}
