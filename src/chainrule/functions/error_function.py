"""The error function, its complement, the normal distribution and their derivatives, with code, for NumPy has none.

erf, erfc and Φ are the rational approximations of W. J. Cody, Rational Chebyshev Approximations for the Error Function,
Mathematics of Computation 23 (1969), 631-637. They are computed in float64, in pieces that stay in the cache; the error
is below 4 units in the last place of a float64 (`tests/test_ulp.py`). x² goes into the exponent in two parts, the first
of which is exact, so that exp(−x²) loses no digits where x is large.
"""

from __future__ import annotations

from chainrule.functions.records import Function, register

__all__: list[str] = []

_DECAY = '''\
def _exp_minus_square(x, scale=1):
    """exp(-scale * x**2) to the last digits: x**2 = h**2 + (x - h)(x + h), where h**2 is exact; scale is 1 or 0.5."""
    x = np.asarray(x) * 1.0
    t = np.minimum(np.abs(x.astype(np.float64)), 40)  # exp(-800) is 0
    h = np.trunc(t * 1048576)
    h *= 1 / 1048576
    d = scale * (h - t) * (h + t)
    out = np.exp(-scale * h * h)
    out *= 1 + d * (1 + d * (0.5 + d / 6))  # exp(d), |d| < 6e-5
    return out.astype(x.dtype)[()]
'''

_ERF = '''\
def _erf(x, complement=False):
    """erf(x), or erfc(x) = 1 - erf(x): W. J. Cody, Math. Comp. 23 (1969)."""
    x = np.asarray(x) * 1.0  # a float, also of a whole number
    out = np.empty(x.size)
    for k in range(0, x.size, 8192):  # pieces that stay in the cache
        t = x.reshape(-1)[k : k + 8192].astype(np.float64)
        out[k : k + 8192] = _erf_piece(t, _exp_minus_square(t), complement)
    return out.reshape(x.shape).astype(x.dtype)[()]


def _erf_piece(x, decay, complement):
    """decay: exp(-x**2)."""
    a = np.abs(x)
    near = a <= 0.46875
    far = a > 4
    out = np.empty_like(x)
    if not near.all():
        out = _ratio(np.clip(a, 0.46875, 4), _ERF_MIDDLE)
        if far.any():
            t = np.minimum(a[far], 30)
            z = 1 / (t * t)
            out[far] = (0.5641895835477563 - z * _ratio(z, _ERF_FAR)) / t
        out *= decay
        if complement:
            out = np.where(x < 0, 2 - out, out)
        else:
            out = np.where(x < 0, out - 1, 1 - out)
    if near.any():
        t = x[near]
        r = t * _ratio(t * t, _ERF_NEAR)
        out[near] = 1 - r if complement else r
    return out


def _ratio(x, coefficients):
    first, pairs = coefficients
    above, below = first * x, x.copy()
    for p, q in pairs[:-1]:
        above += p
        above *= x
        below += q
        below *= x
    return (above + pairs[-1][0]) / (below + pairs[-1][1])


_ERF_NEAR = 1.85777706184603153e-1, (
    (3.16112374387056560, 2.36012909523441209e1), (1.13864154151050156e2, 2.44024637934444173e2),
    (3.77485237685302021e2, 1.28261652607737228e3), (3.20937758913846947e3, 2.84423683343917062e3),
)
_ERF_MIDDLE = 2.15311535474403846e-8, (
    (5.64188496988670089e-1, 1.57449261107098347e1), (8.88314979438837594, 1.17693950891312499e2),
    (6.61191906371416295e1, 5.37181101862009858e2), (2.98635138197400131e2, 1.62138957456669019e3),
    (8.81952221241769090e2, 3.29079923573345963e3), (1.71204761263407058e3, 4.36261909014324716e3),
    (2.05107837782607147e3, 3.43936767414372164e3), (1.23033935479799725e3, 1.23033935480374942e3),
)
_ERF_FAR = 1.63153871373020978e-2, (
    (3.05326634961232344e-1, 2.56852019228982242), (3.60344899949804439e-1, 1.87295284992346725),
    (1.25781726111229246e-1, 5.27905102951428412e-1), (1.60837851487422766e-2, 6.05183413124413191e-2),
    (6.58749161529837803e-4, 2.33520497626869185e-3),
)
'''

_NORMAL = '''\
def _normal_cdf(x):
    """erfc(-x / sqrt(2)) / 2, where exp(-x**2 / 2) is taken of x as it is."""
    x = np.asarray(x) * 1.0  # a float, also of a whole number
    out = np.empty(x.size)
    for k in range(0, x.size, 8192):
        t = x.reshape(-1)[k : k + 8192].astype(np.float64)
        out[k : k + 8192] = _erf_piece(-0.7071067811865476 * t, _exp_minus_square(t, 0.5), True)
    out *= 0.5
    return out.reshape(x.shape).astype(x.dtype)[()]
'''

register(
    Function(
        "erf", ("erf_slope(x)",), "_erf({x})", latex=r"\operatorname{erf}", helpers=(_DECAY, _ERF),
        source="erf′(x) = 2/√π exp(−x²)",
    )
)  # fmt: skip
register(
    Function(
        "erfc", ("- erf_slope(x)",), "_erf({x}, True)", latex=r"\operatorname{erfc}", nonnegative=True,
        helpers=(_DECAY, _ERF), source="erfc(x) = 1 − erf(x)",
    )
)  # fmt: skip
register(
    Function(
        "erf_slope", ("- 2 x y",), "1.1283791670955126 * _exp_minus_square({x})", latex=r"\operatorname{erf}'",
        text="erf′", nonnegative=True, positive=True, helpers=(_DECAY,), source="erf′(x) = 2/√π exp(−x²)",
    )
)  # fmt: skip
register(
    Function(
        "normal_cdf", ("normal_pdf(x)",), "_normal_cdf({x})", latex=r"\Phi", nonnegative=True,
        helpers=(_DECAY, _ERF, _NORMAL),
        source="Φ, the distribution of a standard normal variable: Φ(x) = (1 + erf(x/√2))/2, Φ′ = φ",
    )
)  # fmt: skip
register(
    Function(
        "normal_pdf", ("- x y",), "0.3989422804014327 * _exp_minus_square({x}, 0.5)", latex=r"\varphi",
        nonnegative=True, helpers=(_DECAY,),
        source="φ, the density of a standard normal variable: φ(x) = exp(−x²/2)/√(2π), φ′ = −x φ",
    )
)  # fmt: skip
