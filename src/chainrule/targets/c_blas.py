"""Which BLAS the C target links: OpenBLAS of the package scipy-openblas32 where it is installed, else none.

Matrix products are then those of the generated file itself: right, but several times slower from size 64 on.
With "auto", products of small matrices are our own where they are faster (`chainrule.targets.c_products`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from chainrule.errors import UnsupportedError
from chainrule.targets.c_products import function_name, products_library

__all__ = ["Blas", "choose_blas"]


@dataclass(frozen=True, slots=True)
class Blas:
    """name: what `step.blas` says.  flags and links: for the compiler.  threads: the function that sets how many.

    prefix: before the names of CBLAS.  helped: products of ours stand before it where they are faster.
    """

    name: str
    flags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    threads: str = ""
    prefix: str = ""
    helped: bool = False

    def for_step(self, dtype: str) -> Blas:
        """What a step of this dtype is linked with; the first time on a machine this builds and measures."""
        letter = "s" if dtype == "float32" else "d"
        made = (
            products_library(dtype, f"{self.prefix}cblas_{letter}gemm", self.links, self.threads)
            if self.helped
            else None
        )
        if made is None:
            return self
        flags = ("-DCBLAS", f"-Dcblas_{letter}gemm={function_name(dtype)}")
        return replace(self, flags=flags, links=(made, *(self.links if sys.platform == "darwin" else ())))


@cache
def _openblas() -> Blas | None:
    if find_spec("scipy_openblas32") is None:
        return None
    import scipy_openblas32

    folder = Path(scipy_openblas32.get_lib_dir())
    found = sorted(folder.glob("libscipy_openblas*.so")) + sorted(folder.glob("libscipy_openblas*.dylib"))
    if not found:
        return None
    prefix = ("-DCBLAS", "-Dcblas_sgemm=scipy_cblas_sgemm", "-Dcblas_dgemm=scipy_cblas_dgemm")
    links = (str(found[0]), f"-Wl,-rpath,{folder}")
    return Blas("openblas", prefix, links, "scipy_openblas_set_num_threads", "scipy_")


def choose_blas(wanted: str) -> Blas:
    """The BLAS for "auto", "openblas" or "none". Raises UnsupportedError for one that is not there."""
    if wanted == "none":
        return Blas("none")
    if wanted not in ("auto", "openblas"):
        raise UnsupportedError(f"there is no BLAS {wanted!r}", 'blas="auto", "openblas" or "none"')
    found = _openblas()
    if found is None and wanted == "openblas":
        raise UnsupportedError("OpenBLAS is not installed", "pip install scipy-openblas32")
    if found is None:
        return Blas("none")
    return replace(found, helped=wanted == "auto")
