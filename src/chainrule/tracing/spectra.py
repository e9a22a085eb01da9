"""numpy.linalg: eigenvalues of symmetric matrices, singular values, QR, and what is made of them.

Each is an operation of the engine (`chainrule.functions.spectra`), as in the language; of a stack of matrices each is
taken by itself. Where vectors have no derivative (values that repeat), the compiled code says so when it runs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, NoReturn

import numpy as np

from chainrule.tracing.array import Traced, known_size, wrap
from chainrule.tracing.linear import arrays_of, product
from chainrule.tracing.matrices import each, many, operation, solve, square, symmetric
from chainrule.tracing.norms import norm
from chainrule.tracing.sums import total
from chainrule.tracing.tables import FUNCTION_TABLE, register
from chainrule.tracing.ufuncs import minus, over, times
from chainrule.tracing.ufuncs import square as square_of

__all__: list[str] = []


class EighResult(NamedTuple):
    """As NumPy's."""

    eigenvalues: Traced
    eigenvectors: Traced


class SVDResult(NamedTuple):
    """As NumPy's."""

    U: Any
    S: Traced
    Vh: Any


class QRResult(NamedTuple):
    """As NumPy's."""

    Q: Traced
    R: Traced


class Untraced:
    """A part of a result that has no derivative: whoever uses it is refused."""

    def __init__(self, of: Traced, what: str, hint: str) -> None:
        self._of, self._what, self._hint = of, what, hint

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        self._of.refuse(self._what, self._hint)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    __array_ufunc__ = __array_function__ = __array__ = __getitem__ = __len__ = __iter__ = _refuse
    __matmul__ = __rmatmul__ = __mul__ = __rmul__ = __add__ = __radd__ = __sub__ = __rsub__ = __neg__ = _refuse


def _symmetric(a: Any, name: str, triangle: str) -> Traced:
    """The symmetric matrix that NumPy reads: of another one its lower triangle, or the upper one."""
    x = square(a, name)
    if triangle.upper() not in ("L", "U"):
        x.refuse(f"np.linalg.{name} with UPLO={triangle}", "'L' or 'U'")
    return symmetric(x, triangle.upper() == "U")


@register(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, from the smallest."""
    if many(a):
        return each(lambda one: eigvalsh(one, UPLO), "eigvalsh", a)
    return operation("eigvalsh", _symmetric(a, "eigvalsh", UPLO))


@register(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, from the smallest, and eigenvectors as columns."""
    if many(a):
        return each(lambda one: eigh(one, UPLO), "eigh", a)
    x = _symmetric(a, "eigh", UPLO)
    return EighResult(operation("eigvalsh", x), operation("eigvecsh", x))


def singular_values(x: Traced) -> Traced:
    """From the largest; of a stack, along the last axis."""
    return each(singular_values, "svdvals", x) if many(x) else operation("svdvals", x)


@register(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular values, from the largest, and vectors; of a full basis only what belongs to a singular value."""
    if many(a):
        return each(lambda one: svd(one, full_matrices, compute_uv, hermitian), "svd", a)
    (x,) = arrays_of(a)
    if len(x.axes) != 2 or hermitian:
        x.refuse("np.linalg.svd of other than a matrix, or with hermitian=True, is not traced yet", "np.linalg.eigh")
    s = operation("svdvals", x)
    if not compute_uv:
        return s
    hint = "full_matrices=False"
    u: Any = operation("svdu", x)
    v: Any = operation("svdv", x).T
    if full_matrices and u.axes != (x.axes[0], x.axes[0]):
        u = Untraced(x, "the columns of U beyond the singular values, which no matrix determines", hint)
    if full_matrices and v.axes != (x.axes[1], x.axes[1]):
        v = Untraced(x, "the rows of Vᵀ beyond the singular values, which no matrix determines", hint)
    return SVDResult(u, s, v)


if hasattr(np.linalg, "svdvals"):  # NumPy 2

    @register(np.linalg.svdvals)
    def svdvals(x: Any, /) -> Any:
        """Singular values, from the largest."""
        return singular_values(x)


@register(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """An orthonormal basis of the columns, and an upper triangle."""
    if many(a):
        return each(lambda one: qr(one, mode), "qr", a)
    (x,) = arrays_of(a)
    if mode not in ("reduced", "r") and not (mode == "complete" and len(x.axes) == 2 and x.axes[0] == x.axes[1]):
        x.refuse(f"np.linalg.qr with mode {mode} is not traced yet", "mode reduced")
    r = operation("qrr", x)
    return r if mode == "r" else QRResult(operation("qrq", x), r)


@register(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The largest singular value over the smallest; of another norm, that of x times that of its inverse."""
    if many(x):
        return each(lambda one: cond(one, p), "cond", x)
    if p is None or p in (2, -2):
        s = operation("svdvals", x)
        return over(s[0], s[-1]) if p != -2 else over(s[-1], s[0])
    return times(norm(x, p), norm(FUNCTION_TABLE[np.linalg.inv](x), p))


@register(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Traced, Any, Any, Any]:
    """The least-squares solution, by the pseudoinverse; squared residuals of each right side, and singular values."""
    x, y = arrays_of(a, b)
    if len(x.axes) != 2 or len(y.axes) not in (1, 2):
        x.refuse("np.linalg.lstsq of other than a matrix and a vector or matrix is not traced yet")
    found = product(operation("pinv", x), y)
    hint = "np.linalg.lstsq(a, b)[0]"
    rows, columns = x.axes
    residuals: Any = Untraced(x, "residuals of as many unknowns as equations, which NumPy leaves out", hint)
    if isinstance(rows, int) and isinstance(columns, int) and rows > columns:
        residuals = total(square_of(minus(y, product(x, found))), 0, len(y.axes) == 1)
    elif isinstance(rows, str) or isinstance(columns, str):
        residuals = Untraced(x, "residuals where it is not known that there are more equations than unknowns", hint)
    rank = Untraced(x, "the rank of a matrix: a whole number, without a derivative", hint)
    values = Untraced(x, "the singular values of np.linalg.lstsq", "np.linalg.svd(a, compute_uv=False)")
    return found, residuals, rank, values


@register(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Traced:
    """x with tensordot(a, x, x.ndim) = b."""
    x, y = arrays_of(a, b)
    if axes is not None:
        order = [k for k in range(len(x.axes)) if k not in axes] + list(axes)
        x = FUNCTION_TABLE[np.transpose](x, order)
    shape = x.shape[len(y.axes) :]
    count = math.prod(known_size(x, d, "np.linalg.tensorsolve") for d in x.axes[len(y.axes) :])
    found = solve(FUNCTION_TABLE[np.reshape](x, (-1, count)), FUNCTION_TABLE[np.reshape](y, (-1,)))
    out: Traced = FUNCTION_TABLE[np.reshape](found, tuple(shape))
    return out


@register(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Traced:
    """The inverse for tensordot over the first `ind` axes."""
    (x,) = arrays_of(a)
    shape = (*x.shape[ind:], *x.shape[:ind])
    count = math.prod(known_size(x, d, "np.linalg.tensorinv") for d in x.axes[ind:])
    inverse = FUNCTION_TABLE[np.linalg.inv](FUNCTION_TABLE[np.reshape](x, (-1, count)))
    out: Traced = FUNCTION_TABLE[np.reshape](inverse, tuple(shape))
    return out


_REFUSED = {
    "eig": "np.linalg.eigh of a symmetric matrix",
    "eigvals": "np.linalg.eigvalsh of a symmetric matrix",
    "matrix_rank": "a rank is a whole number, without a derivative",
}


def _refusing(name: str, hint: str) -> None:
    def ours(*args: Any, **options: Any) -> NoReturn:
        wrap(arrays_of(args[0])[0].tracer, 0).refuse(f"np.linalg.{name}", hint)

    register(getattr(np.linalg, name))(ours)


for _name, _hint in _REFUSED.items():
    _refusing(_name, _hint)
