"""`chainrule bench FILE`: a user's own program as a case, with sizes that were given or assumed."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.bench.case import Case
from chainrule.network import Network

__all__ = ["user_case"]

ROWS, WIDTH = 256, 128


def user_case(
    network: Network, text: str, title: str, given: Mapping[str, int], *, wrt: tuple[str, ...], dtype: str,
    threads: tuple[int, ...], chunk: int | None, dialect: str,
) -> Case:  # fmt: skip
    """A case of a parsed network. Sizes that were not given: 256 where only data have them, else 128."""
    program = network.program
    widths = {d for v in program.variables.values() if v.kind == "param" for d in v.dims}
    sizes: dict[str, int] = {}
    for variable in program.variables.values():
        for dim in variable.dims:
            if isinstance(dim, str):
                sizes.setdefault(dim, given.get(dim, WIDTH if dim in widths else ROWS))
    chosen = wrt or tuple(network.parameters) or tuple(network.inputs)
    return Case(
        "program", f"{title}, " + ", ".join(f"{d} = {n}" for d, n in sizes.items()), "program", text, sizes, chosen,
        threads=threads, chunk=chunk, dtype=dtype, tolerance=1e-3 if dtype == "float32" else 1e-8,
        options={"dialect": dialect},
    )  # fmt: skip
