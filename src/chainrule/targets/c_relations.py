"""Index relations in C: windows, sums over windows, lookups; the nodes of `chainrule.plan.relations` as loops.

What lies outside of an array is 0. Labels come as floats: one that is no class gives no number, and a step reports it.
"""

from __future__ import annotations

from chainrule.dims import Dim
from chainrule.plan.relations import Dense, Overlap, Pick, Put, Take, Window
from chainrule.sizes import spoken
from chainrule.targets.c_site import Indices, Site, block, indent, letter, nested

__all__ = ["relation_lines"]


def relation_lines(site: Site) -> list[str]:
    """The lines of a structural node."""
    (record,) = site.node.attributes[2]
    if isinstance(record, Window):
        return _window(site, record)
    if isinstance(record, Overlap):
        return _overlap(site, record)
    if isinstance(record, Dense):
        return _labels(site, record) if record.comparison.startswith("onehot") else _dense(site, record)
    if isinstance(record, Take):
        return _take(site, record)
    if isinstance(record, Pick):
        return _pick(site, record)
    assert isinstance(record, Put)
    return _put(site, record)


def _signed(site: Site, dim: Dim) -> str:
    """A size in whole numbers with a sign: differences of sizes may be negative on the way."""
    return spoken(dim, lambda d: f"(ptrdiff_t){site.size(d)}").replace("//", "/")


def _place(site: Site, steps: tuple[Dim, ...], offset: Dim, axes: list[int]) -> str:
    """offset + Σ steps·i."""
    terms = [] if offset == 0 else [_signed(site, offset)]
    for step, axis in zip(steps, axes, strict=True):
        index = f"(ptrdiff_t){letter(axis)}"
        terms.append(index if step == 1 else f"{_signed(site, step)} * {index}")
    return " + ".join(terms) or "0"


def _every(site: Site) -> dict[int, Dim]:
    return dict(enumerate(site.node.dims))


def _letters(axes: range) -> Indices:
    return {axis: letter(axis) for axis in axes}


def _window(site: Site, record: Window) -> list[str]:
    rank, count = site.node.rank, len(record.counts)
    inner = [*range(record.axis), None, *range(record.axis + count, rank)]
    indices = {k: "at" if axis is None else letter(axis) for k, axis in enumerate(inner)}
    value = site.entry(0, indices)
    if not record.inside:
        size = site.size(site.dims(0)[record.axis])
        value = f"at >= 0 && at < (ptrdiff_t){size} ? {value} : {site.number(0)}"
    at = _place(site, record.steps, record.offset, list(range(record.axis, record.axis + count)))
    body = [f"const ptrdiff_t at = {at};", f"{site.result(_letters(range(rank)))} = {value};"]
    return block(nested(site, _every(site), body))


def _zero(site: Site) -> list[str]:
    return nested(site, _every(site), [f"{site.result(_letters(range(site.node.rank)))} = {site.number(0)};"])


def _overlap(site: Site, record: Overlap) -> list[str]:
    dims = site.dims(0)
    count = len(record.counts)
    rest = range(count, len(dims))
    out = site.result({0: "at", **{k + 1: letter(axis) for k, axis in enumerate(rest)}})
    size = _signed(site, record.dim)
    add = f"{out} += {site.entry(0, _letters(range(len(dims))))};"
    body = [
        f"const ptrdiff_t at = {_place(site, record.steps, record.offset, list(range(count)))};",
        f"if (at >= 0 && at < {size})",
        *indent(nested(site, {axis: dims[axis] for axis in rest}, [add])),
    ]
    return [*_zero(site), *block(nested(site, {axis: dims[axis] for axis in range(count)}, body))]


def _dense(site: Site, record: Dense) -> list[str]:
    every = range(site.node.rank)
    total = _place(site, record.steps, 0, list(every))
    sign = "==" if record.comparison == "=" else "<="
    value = f"{total} {sign} {_signed(site, record.offset)} ? {site.number(1)} : {site.number(0)}"
    return block(nested(site, _every(site), [f"{site.result(_letters(every))} = {value};"]))


def _label(site: Site, number: int, indices: Indices, classes: Dim, from_0: bool) -> str:
    """The class that a label names, −1 where it names none."""
    site.need("label")
    return f"const ptrdiff_t at = label({site.entry(number, indices)}, {site.size(classes)}, {int(from_0)});"


def _labels(site: Site, record: Dense) -> list[str]:
    """Rows with a 1 at the label."""
    rank = site.node.rank
    last = letter(rank - 1)
    value = f"at < 0 ? NAN : at == (ptrdiff_t){last} ? {site.number(1)} : {site.number(0)}"
    line = f"{site.result(_letters(range(rank)))} = {value};"
    body = [
        _label(site, 0, _letters(range(rank - 1)), record.offset, record.comparison == "onehot"),
        *nested(site, {rank - 1: site.node.dims[-1]}, [line]),
    ]
    return block(nested(site, dict(enumerate(site.node.dims[:-1])), body))


def _take(site: Site, record: Take) -> list[str]:
    rank, count = site.node.rank, len(site.dims(1))
    middle = range(record.axis, record.axis + count)
    ids = {k: letter(axis) for k, axis in enumerate(middle)}
    inner = [*range(record.axis), None, *range(record.axis + count, rank)]
    indices = {k: "at" if axis is None else letter(axis) for k, axis in enumerate(inner)}
    value = f"at < 0 ? NAN : {site.entry(0, indices)}"
    body = [
        _label(site, 1, ids, record.classes, record.from_0),
        f"{site.result(_letters(range(rank)))} = {value};",
    ]
    return block(nested(site, _every(site), body))


def _pick(site: Site, record: Pick) -> list[str]:
    rank, count = site.node.rank, len(site.dims(1))
    value = site.entry(0, {**_letters(range(rank)), rank: "at"})
    line = f"{site.result(_letters(range(rank)))} = at < 0 ? NAN : {value};"
    dims = site.node.dims
    body = [
        _label(site, 1, _letters(range(count)), record.classes, record.from_0),
        *nested(site, {axis: dims[axis] for axis in range(count, rank)}, [line]),
    ]
    return block(nested(site, {axis: dims[axis] for axis in range(count)}, body))


def _put(site: Site, record: Put) -> list[str]:
    dims, count = site.dims(0), len(site.dims(1))
    rest = range(count, len(dims))
    own = {k + 1: letter(axis) for k, axis in enumerate(rest)}
    value = site.entry(0, _letters(range(len(dims))))
    lines = [f"{site.result({0: '(at < 0 ? 0 : at)', **own})} += at < 0 ? NAN : {value};"]
    body = [
        _label(site, 1, _letters(range(count)), record.classes, record.from_0),
        *nested(site, {axis: dims[axis] for axis in rest}, lines),
    ]
    return [*_zero(site), *block(nested(site, {axis: dims[axis] for axis in range(count)}, body))]
