"""Small C functions that generated code calls: exponentials that a compiler can run in lanes, and the like.

Each is written into a file only where it is used. {r} is the type (float or double), {f} the suffix of its functions
and literals. To add one: its text, and the names of those it uses, which must stand before it. Those of linear algebra
are in `c_linear.py` and `c_orthogonal.py`, matrix products and what threads do together in `c_gemm.py`.
"""

from __future__ import annotations

import re

from chainrule.targets.c_gemm import PRODUCTS
from chainrule.targets.c_linear import LINEAR
from chainrule.targets.c_orthogonal import ORTHOGONAL

__all__ = ["WIDER", "helper_names", "helper_text"]

WIDER = "_wide"  # behind the name of a helper for float64 in a file of float32

_EXPONENTIAL_FLOAT = """\
/* e^x within 1 unit in the last place: 2^n e^r with |r| <= ln(2)/2; no branch, so that it runs in lanes. */
static inline float exponential(float x)
{
    union { float value; uint32_t bits; } n, low, high;
    const float y = x > 89.0f ? 89.0f : (x < -104.0f ? -104.0f : x);
    n.value = y * 1.44269504f + 12582912.0f; /* its last bits are n, rounded */
    const float whole = n.value - 12582912.0f;
    const float r = (y - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    const int32_t exponent = (int32_t)(n.bits - 0x4B400000u);
    const int32_t half = exponent / 2;
    low.bits = (uint32_t)(half + 127) << 23; /* 2^n as a product of two, for results near 0 and infinity */
    high.bits = (uint32_t)(exponent - half + 127) << 23;
    return p * low.value * high.value;
}
"""

_EXPONENTIAL_DOUBLE = """\
/* e^x within 1 unit in the last place: 2^n e^r with |r| <= ln(2)/2; no branch, so that it runs in lanes. */
static inline double exponential(double x)
{
    union { double value; uint64_t bits; } n, low, high;
    const double y = x > 710.0 ? 710.0 : (x < -746.0 ? -746.0 : x);
    n.value = y * 1.4426950408889634 + 6755399441055744.0; /* its last bits are n, rounded */
    const double whole = n.value - 6755399441055744.0;
    const double r = (y - whole * 6.93145751953125e-1) - whole * 1.42860682030941723212e-6;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    const int64_t exponent = (int64_t)(n.bits - 0x4338000000000000u);
    const int64_t half = exponent / 2;
    low.bits = (uint64_t)(half + 1023) << 52; /* 2^n as a product of two, for results near 0 and infinity */
    high.bits = (uint64_t)(exponent - half + 1023) << 52;
    return p * low.value * high.value;
}
"""

_TANGENT_FLOAT = """\
/* tanh x within 2 units in the last place, without a branch: a polynomial near 0, the exponential elsewhere. */
static inline float hyperbolic_tangent(float x)
{
    const float a = fabsf(x), z = x * x, e = exponential(-2.0f * a); /* as in the slope, which is often wanted too */
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float far = 1.0f - 2.0f * e / (1.0f + e);
    return a < 0.625f ? p * z * x + x : (x < 0.0f ? -far : far);
}
"""

_TANGENT_DOUBLE = """\
/* tanh x within 2 units in the last place, without a branch: a quotient near 0, the exponential elsewhere. */
static inline double hyperbolic_tangent(double x)
{
    const double a = fabs(x), z = x * x, e = exponential(-2.0 * a); /* as in the slope, which is often wanted too */
    double p = -9.64399179425052238628e-1;
    p = p * z - 9.92877231001918586564e1;
    p = p * z - 1.61468768441708447952e3;
    double q = z + 1.12811678491632931402e2;
    q = q * z + 2.23548839060100448583e3;
    q = q * z + 4.84406305325125486048e3;
    const double far = 1.0 - 2.0 * e / (1.0 + e);
    return a < 0.625 ? p / q * z * x + x : (x < 0.0 ? -far : far);
}
"""

_HELPERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("static inline {r} relu({r} x) {{ return x > 0.0{f} ? x : (x == x ? 0.0{f} : x); }}\n", ()),
    "sign": ("static inline {r} sign({r} x) {{ return ({r})((x > 0.0{f}) - (x < 0.0{f})); }}\n", ()),
    "larger": ("static inline {r} larger({r} a, {r} b) {{ return b > a ? b : a; }}\n", ()),
    "square": ("static inline {r} square({r} x) {{ return x * x; }}\n", ()),
    "smaller": ("static inline {r} smaller({r} x, {r} limit) {{ return x > limit ? limit : x; }}\n", ()),
    "sigmoid": (
        "/* 1 / (1 + e^-x), also where e^-x is infinite */\n"
        "static inline {r} sigmoid({r} x)\n{{\n"
        "    const {r} e = exponential(-fabs{f}(x));\n"
        "    return (x < 0.0{f} ? e : 1.0{f}) / (1.0{f} + e);\n}}\n",
        ("exponential",),
    ),
    "softplus": (
        "/* log(1 + e^x) without overflow */\n"
        "static inline {r} softplus({r} x)\n{{\n"
        "    return (x > 0.0{f} ? x : 0.0{f}) + log1p{f}(exponential(-fabs{f}(x)));\n}}\n",
        ("exponential",),
    ),
    "arctan_slope": ("static inline {r} arctan_slope({r} x) {{ return 1.0{f} / (1.0{f} + x * x); }}\n", ()),
    "erf_slope": (
        "static inline {r} erf_slope({r} x) {{ return 1.1283791670955126{f} * exponential(-x * x); }}\n",
        ("exponential",),
    ),
    "tanh_slope": (
        "/* 1 - tanh(x)^2, which keeps its digits where tanh(x) is almost 1 */\n"
        "static inline {r} tanh_slope({r} x)\n{{\n"
        "    const {r} e = exponential(-2.0{f} * fabs{f}(x));\n"
        "    return 4.0{f} * e / ((1.0{f} + e) * (1.0{f} + e));\n}}\n",
        ("exponential",),
    ),
    "normal_cdf": (
        "static inline {r} normal_cdf({r} x) {{ return 0.5{f} * erfc{f}(-0.7071067811865476{f} * x); }}\n",
        (),
    ),
    "normal_pdf": (
        "static inline {r} normal_pdf({r} x) {{ return 0.3989422804014327{f} * exponential(-0.5{f} * x * x); }}\n",
        ("exponential",),
    ),
    "label": (
        """\
/* The class that a label names, -1 where it names none; negative ones count from the end unless from_0. */
static ptrdiff_t label({r} x, size_t classes, int from_0)
{{
    const {r} at = !from_0 && x < 0.0{f} ? x + ({r})classes : x;
    return at >= 0.0{f} && at < ({r})classes && at == floor{f}(at) ? (ptrdiff_t)at : -1;
}}
""",
        (),
    ),
}

_HELPERS |= LINEAR | ORTHOGONAL | PRODUCTS


def helper_names() -> tuple[str, ...]:
    """Identifiers that no variable may have."""
    return ("exponential", "hyperbolic_tangent", *_HELPERS)


def helper_text(names: set[str], dtype: str) -> str:
    """The text of the helpers `names` and of those they use, in order; those for float64 behind the others."""
    wide = {name.removesuffix(WIDER) for name in names if name.endswith(WIDER)}
    text = _helper_text(names, dtype)
    if wide:
        more = _helper_text(wide, "float64")
        for name in helper_names():
            more = re.sub(rf"\b{name}\b", name + WIDER, more)
        text = "\n".join(part for part in (text, more) if part)
    return text


def _helper_text(names: set[str], dtype: str) -> str:
    wanted = {*names, "exponential"} if "hyperbolic_tangent" in names else set(names)
    for name in list(wanted):
        if name in _HELPERS:
            wanted |= set(_HELPERS[name][1])
    single = dtype == "float32"
    letters = {"r": "float" if single else "double", "f": "f" if single else "", "s": "s" if single else "d",
               "eps": "1.1920929e-7f" if single else "2.220446049250313e-16",
               "tiny": "8.3e-25f" if single else "4.6e-277"}  # fmt: skip
    parts = []
    if "exponential" in wanted:
        parts.append(_EXPONENTIAL_FLOAT if single else _EXPONENTIAL_DOUBLE)
    if "hyperbolic_tangent" in wanted:
        parts.append(_TANGENT_FLOAT if single else _TANGENT_DOUBLE)
    parts += [text.format(**letters) for name, (text, _) in _HELPERS.items() if name in wanted]
    return "\n".join(parts)
