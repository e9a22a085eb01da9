"""Where entries stand, in C: argmax and argsort. As NumPy has them: the first of equal ones, NaN above all numbers."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.targets.c_site import Site, block, letter, letters, nested

__all__ = ["POSITIONS"]


def _argmax(site: Site) -> list[str]:
    dims = site.dims(0)
    ((axis,),) = site.node.attributes[2]
    kept = {a: d for a, d in enumerate(dims) if a != axis}
    x, at = site.entry(0, letters(len(dims))), letter(axis)
    line = f"if ({at} == 0 || {x} > best || ({x} != {x} && best == best))"
    body = [
        f"{site.real} best = {site.number(0)};",
        "size_t at = 0;",
        *nested(site, {axis: dims[axis]}, [line + " {", f"    best = {x};", f"    at = {at};", "}"]),
        f"{site.result({k: letter(a) for k, a in enumerate(kept)})} = ({site.real})at;",
    ]
    return block(nested(site, kept, body))


def _argsort(site: Site) -> list[str]:
    dims = site.dims(0)
    ((axis,),) = site.node.attributes[2]
    kept = {a: d for a, d in enumerate(dims) if a != axis}
    along = {axis: dims[axis]}
    keys, order, other = (site.scratch((dims[axis],)) for _ in range(3))
    site.need("stable_order")
    every, at = letters(len(dims)), letter(axis)
    body = [
        *nested(site, along, [f"{keys}[{at}] = {site.entry(0, every)};"]),
        f"stable_order({site.size(dims[axis])}, {keys}, {order}, {other});",
        *nested(site, along, [f"{site.result(every)} = {order}[{at}];"]),
    ]
    return nested(site, kept, body)


POSITIONS: dict[str, Callable[[Site], list[str]]] = {"argmax": _argmax, "argsort": _argsort}
