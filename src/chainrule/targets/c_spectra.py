"""Eigenvalues and singular values with their vectors, gaps between them, and QR in C; one matrix of a stack at a time.

The work is done by `c_orthogonal`'s functions, on a copy in the workspace. Where a matrix has no decomposition (NaN in
it, or no convergence), and in `gaps` where two values are equal, there are no numbers: NaN, which a step reports.

Values come in the order and Q and R with the signs of LAPACK's. The sign of an eigenvector or of a pair of singular
vectors, which no matrix determines, is ours: the first entry of (almost) the largest size is positive, of a pair the
left vector's. It depends on the matrix alone, not on how many rotations it took.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.dims import Dim
from chainrule.targets.c_site import Indices, Site, indent, letter, letters, nested

__all__ = ["SPECTRA"]


def _stack(site: Site) -> tuple[dict[int, Dim], int]:
    """The axes in front, with their sizes, and the number of the rows' axis."""
    dims = site.dims(0)
    return dict(enumerate(dims[:-2])), len(dims) - 2


def _given(site: Site, front: dict[int, Dim], last: Indices) -> str:
    """The result at the matrix at hand."""
    return site.result({**{a: letter(a) for a in front}, **{len(front) + k: text for k, text in last.items()}})


def _each(site: Site, front: dict[int, Dim], body: list[str]) -> list[str]:
    """For each matrix of the stack, lines whose variables are their own."""
    return nested(site, front, body) if front else ["{", *indent(body), "}"]


def _or_nan(found: str, value: str) -> str:
    return f"{found} ? {value} : NAN"


def _eigen(vectors: bool) -> Callable[[Site], list[str]]:
    def lines(site: Site) -> list[str]:
        front, rows = _stack(site)
        n = site.dims(0)[-1]
        size, i, j = site.size(n), letter(rows), letter(rows + 1)
        copy, values = site.scratch((n, n)), site.scratch((n,))
        turns = site.scratch((n, n)) if vectors else "NULL"
        site.need("eigenvalues")
        here = letters(rows + 2)
        there = {**here, rows: j, rows + 1: i}
        half = f"{site.number(0.5)} * {site.entry(0, here)} + {site.number(0.5)} * {site.entry(0, there)}"
        if vectors:
            value = f"{_given(site, front, {0: i, 1: j})} = {_or_nan('found', f'{turns}[{j} * {size} + {i}]')};"
            out = nested(site, {rows: n, rows + 1: n}, [value])
        else:
            out = nested(site, {rows: n}, [f"{_given(site, front, {0: i})} = {_or_nan('found', f'{values}[{i}]')};"])
        body = [
            *nested(site, {rows: n, rows + 1: n}, [f"{copy}[{i} * {size} + {j}] = {half};"]),
            f"const int found = eigenvalues({size}, {copy}, {turns}, {values});",
            *out,
        ]
        return _each(site, front, body)

    return lines


def _singular(part: str) -> Callable[[Site], list[str]]:
    """Values, left or right vectors. Of a wide matrix the transpose is taken: its left vectors are the right ones."""

    def lines(site: Site) -> list[str]:
        front, rows = _stack(site)
        long, short = site.dims(0)[-2:]
        rank = site.node.dims[-1]
        wide = short != rank
        if wide:
            long, short = short, long
        m, n = site.size(long), site.size(short)
        copy, values = site.scratch((short, long)), site.scratch((short,))
        own = (part == "left") != wide  # those that lie in the copy
        turns = site.scratch((short, short)) if part != "values" and (wide or not own) else "NULL"
        site.need("singular_values")
        i, j = letter(rows), letter(rows + 1)
        entry = site.entry(0, letters(rows + 2))
        at = f"{copy}[{i} * {m} + {j}]" if wide else f"{copy}[{j} * {m} + {i}]"
        dims = {rows: short, rows + 1: long} if wide else {rows: long, rows + 1: short}
        if part == "values":
            out = nested(
                site, {rows: short}, [f"{_given(site, front, {0: i})} = {_or_nan('found', f'{values}[{i}]')};"]
            )
        else:
            vectors = f"{copy}[{j} * {m} + {i}]" if own else f"{turns}[{j} * {n} + {i}]"
            value = f"{_given(site, front, {0: i, 1: j})} = {_or_nan('found', vectors)};"
            out = nested(site, {rows: long if own else short, rows + 1: short}, [value])
        body = [
            *nested(site, dims, [f"{at} = {entry};"]),
            f"const int found = singular_values({m}, {n}, {int(wide)}, {copy}, {turns}, {values});",
            *out,
        ]
        return _each(site, front, body)

    return lines


def _qr(orthogonal: bool) -> Callable[[Site], list[str]]:
    def lines(site: Site) -> list[str]:
        front, rows = _stack(site)
        long, short = site.dims(0)[-2:]
        m, n, i, j = site.size(long), site.size(short), letter(rows), letter(rows + 1)
        copy, factors, powers = site.scratch((short, long)), site.scratch((short,)), site.scratch((short,))
        site.need("triangular_factor")
        fill = f"{copy}[{j} * {m} + {i}] = {site.entry(0, letters(rows + 2))};"
        out = _given(site, front, {0: i, 1: j})
        body = [
            *nested(site, {rows: long, rows + 1: short}, [fill]),
            f"const int found = triangular_factor({m}, {n}, {copy}, {factors}, {powers});",
        ]
        if orthogonal:
            factor = site.scratch((short, long))
            site.need("orthogonal_factor")
            body += [
                "if (found)",
                f"    orthogonal_factor({m}, {n}, {copy}, {factors}, {factor});",
                *nested(site, {rows: long, rows + 1: short},
                        [f"{out} = {_or_nan('found', f'{factor}[{j} * {m} + {i}]')};"]),
            ]  # fmt: skip
        else:
            value = f"{i} > {j} ? {site.number(0)} : {powers}[{j}] * {copy}[{j} * {m} + {i}]"
            body += nested(site, {rows: short, rows + 1: short}, [f"{out} = found ? ({value}) : NAN;"])
        return _each(site, front, body)

    return lines


def _gaps(site: Site) -> list[str]:
    """1/(x[i] − x[j]) at [j, i], 0 at j = i; NaN where the two are equal in all digits but the last."""
    dims = site.dims(0)
    axis = len(dims) - 1
    front, n = dict(enumerate(dims[:-1])), dims[-1]
    j, i = letter(axis), letter(axis + 1)

    def at(index: str) -> str:
        return site.entry(0, {**{a: letter(a) for a in front}, axis: index})

    near = site.number(8 * (2.0**-23 if site.suffix else 2.0**-52))
    size = f"fabs{site.suffix}({at(j)})"
    value = (
        f"{i} == {j} ? {site.number(0)} : fabs{site.suffix}(other) <= {near} * best ? NAN : {site.number(1)} / other"
    )
    out = site.result({**{a: letter(a) for a in front}, axis: j, axis + 1: i})
    body = [
        f"{site.real} best = {site.number(0)};",
        *nested(site, {axis: n}, [f"best = {size} > best ? {size} : best;"]),
        *nested(site, {axis: n, axis + 1: n}, [f"const {site.real} other = {at(i)} - {at(j)};", f"{out} = {value};"]),
    ]
    return _each(site, front, body)


SPECTRA: dict[str, Callable[[Site], list[str]]] = {
    "eigvalsh": _eigen(vectors=False),
    "eigvecsh": _eigen(vectors=True),
    "svdvals": _singular("values"),
    "svdu": _singular("left"),
    "svdv": _singular("right"),
    "qrq": _qr(orthogonal=True),
    "qrr": _qr(orthogonal=False),
    "gaps": _gaps,
}
