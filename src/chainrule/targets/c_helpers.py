"""Small C functions that generated code calls: exponentials that a compiler can run in lanes, and the like.

Each is written into a file only where it is used. {r} is the type (float or double), {f} the suffix of its functions
and literals. To add one: its text, and the names of those it uses, which must stand before it.
"""

from __future__ import annotations

__all__ = ["helper_names", "helper_text"]

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

_HELPERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("static inline {r} relu({r} x) {{ return x > 0.0{f} ? x : (x == x ? 0.0{f} : x); }}\n", ()),
    "sign": ("static inline {r} sign({r} x) {{ return ({r})((x > 0.0{f}) - (x < 0.0{f})); }}\n", ()),
    "larger": ("static inline {r} larger({r} a, {r} b) {{ return b > a ? b : a; }}\n", ()),
    "square": ("static inline {r} square({r} x) {{ return x * x; }}\n", ()),
    "smaller": ("static inline {r} smaller({r} x, {r} limit) {{ return x > limit ? limit : x; }}\n", ()),
    "sigmoid": (
        "static inline {r} sigmoid({r} x) {{ return 1.0{f} / (1.0{f} + exponential(-x)); }}\n",
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
    "normal_cdf": (
        "static inline {r} normal_cdf({r} x) {{ return 0.5{f} * erfc{f}(-0.7071067811865476{f} * x); }}\n",
        (),
    ),
    "normal_pdf": (
        "static inline {r} normal_pdf({r} x) {{ return 0.3989422804014327{f} * exponential(-0.5{f} * x * x); }}\n",
        ("exponential",),
    ),
    "gemm": (
        """\
/* C = op(A) op(B) + keep C: C is m x n, op(A) m x k, op(B) k x n, rows in memory ld* apart; keep is 0 or 1. */
static void gemm(int ta, int tb, size_t m, size_t n, size_t k, const {r} *A, size_t lda, const {r} *B, size_t ldb,
                 int keep, {r} *C, size_t ldc)
{{
#ifdef CBLAS
    if (m > 1 && n > 1 && m * n * k > 4096) {{
        cblas_{s}gemm(101, ta ? 112 : 111, tb ? 112 : 111, (int)m, (int)n, (int)k, 1.0{f}, A, (int)lda, B, (int)ldb,
                    ({r})keep, C, (int)ldc);
        return;
    }}
#endif
    for (size_t i = 0; i < m; i++) {{
        {r} *row = C + i * ldc;
        if (!keep)
            for (size_t j = 0; j < n; j++)
                row[j] = 0.0{f};
        if (tb) {{
            for (size_t j = 0; j < n; j++) {{
                {r} sum = 0.0{f};
                LANES(reduction(+:sum))
                for (size_t p = 0; p < k; p++)
                    sum += A[ta ? p * lda + i : i * lda + p] * B[j * ldb + p];
                row[j] += sum;
            }}
        }} else {{
            for (size_t p = 0; p < k; p++) {{
                const {r} a = A[ta ? p * lda + i : i * lda + p];
                LANES()
                for (size_t j = 0; j < n; j++)
                    row[j] += a * B[p * ldb + j];
            }}
        }}
    }}
}}
""",
        (),
    ),
}


def helper_names() -> tuple[str, ...]:
    """Identifiers that no variable may have."""
    return ("exponential", *_HELPERS)


def helper_text(names: set[str], dtype: str) -> str:
    """The text of the helpers `names` and of those they use, in order."""
    wanted = set(names)
    for name in list(wanted):
        if name in _HELPERS:
            wanted |= set(_HELPERS[name][1])
    single = dtype == "float32"
    letters = {"r": "float" if single else "double", "f": "f" if single else "", "s": "s" if single else "d"}
    parts = []
    if "exponential" in wanted:
        parts.append(_EXPONENTIAL_FLOAT if single else _EXPONENTIAL_DOUBLE)
    parts += [text.format(**letters) for name, (text, _) in _HELPERS.items() if name in wanted]
    return "\n".join(parts)
