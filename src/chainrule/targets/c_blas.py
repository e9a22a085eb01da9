"""Which BLAS the C target links: OpenBLAS of the package scipy-openblas32 where it is installed, else none.

Matrix products are then those of the generated file itself: right, but several times slower from size 64 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from chainrule.errors import UnsupportedError

__all__ = ["Blas", "choose_blas"]


@dataclass(frozen=True, slots=True)
class Blas:
    """name: what `step.blas` says.  flags and links: for the compiler.  threads: the function that sets how many."""

    name: str
    flags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    threads: str = ""


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
    return Blas("openblas", prefix, (str(found[0]), f"-Wl,-rpath,{folder}"), "scipy_openblas_set_num_threads")


def choose_blas(wanted: str) -> Blas:
    """The BLAS for "auto", "openblas" or "none". Raises UnsupportedError for one that is not there."""
    if wanted == "none":
        return Blas("none")
    if wanted not in ("auto", "openblas"):
        raise UnsupportedError(f"there is no BLAS {wanted!r}", 'blas="auto", "openblas" or "none"')
    found = _openblas()
    if found is None and wanted == "openblas":
        raise UnsupportedError("OpenBLAS is not installed", "pip install scipy-openblas32")
    return found or Blas("none")
