"""Small C functions that generated code calls: exponentials that a compiler can run in lanes, and the like.

Each is written into a file only where it is used. {r} is the type (float or double), {f} the suffix of its functions
and literals. To add one: its text, and the names of those it uses, which must stand before it.
"""

from __future__ import annotations

import re

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
    const float a = x < 0.0f ? -x : x, z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float far = 1.0f - 2.0f / (exponential(2.0f * a) + 1.0f);
    return a < 0.625f ? p * z * x + x : (x < 0.0f ? -far : far);
}
"""

_TANGENT_DOUBLE = """\
/* tanh x within 2 units in the last place, without a branch: a quotient near 0, the exponential elsewhere. */
static inline double hyperbolic_tangent(double x)
{
    const double a = x < 0.0 ? -x : x, z = x * x;
    double p = -9.64399179425052238628e-1;
    p = p * z - 9.92877231001918586564e1;
    p = p * z - 1.61468768441708447952e3;
    double q = z + 1.12811678491632931402e2;
    q = q * z + 2.23548839060100448583e3;
    q = q * z + 4.84406305325125486048e3;
    const double far = 1.0 - 2.0 / (exponential(2.0 * a) + 1.0);
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
    "pivot": (
        """\
/* Makes the largest entry of column p, from row p on, the pivot; B (n x m) follows. 1 where rows changed places. */
static int pivot(size_t n, size_t p, {r} *A, size_t m, {r} *B)
{{
    size_t best = p;
    for (size_t i = p + 1; i < n; i++)
        if (fabs{f}(A[i * n + p]) > fabs{f}(A[best * n + p]))
            best = i;
    if (best == p)
        return 0;
    for (size_t j = 0; j < n; j++) {{
        const {r} held = A[p * n + j];
        A[p * n + j] = A[best * n + j];
        A[best * n + j] = held;
    }}
    for (size_t j = 0; j < m; j++) {{
        const {r} held = B[p * m + j];
        B[p * m + j] = B[best * m + j];
        B[best * m + j] = held;
    }}
    return 1;
}}
""",
        (),
    ),
    "eliminate": (
        """\
/* B becomes the solution of A X = B (A: n x n, lost; B: n x m), by elimination with pivots. */
static void eliminate(size_t n, size_t m, {r} *A, {r} *B)
{{
    for (size_t p = 0; p < n; p++) {{
        pivot(n, p, A, m, B);
        for (size_t i = p + 1; i < n; i++) {{
            const {r} factor = A[i * n + p] / A[p * n + p];
            for (size_t j = p; j < n; j++)
                A[i * n + j] -= factor * A[p * n + j];
            for (size_t j = 0; j < m; j++)
                B[i * m + j] -= factor * B[p * m + j];
        }}
    }}
    for (size_t p = n; p-- > 0;)
        for (size_t j = 0; j < m; j++) {{
            {r} sum = B[p * m + j];
            for (size_t i = p + 1; i < n; i++)
                sum -= A[p * n + i] * B[i * m + j];
            B[p * m + j] = sum / A[p * n + p];
        }}
}}
""",
        ("pivot",),
    ),
    "triangle": (
        """\
/* A (n x n) becomes upper triangular; the sign that its determinant takes. */
static {r} triangle(size_t n, {r} *A)
{{
    {r} sign = 1.0{f};
    for (size_t p = 0; p < n; p++) {{
        if (pivot(n, p, A, 0, A))
            sign = -sign;
        for (size_t i = p + 1; i < n; i++) {{
            const {r} factor = A[p * n + p] != 0.0{f} ? A[i * n + p] / A[p * n + p] : 0.0{f};
            for (size_t j = p; j < n; j++)
                A[i * n + j] -= factor * A[p * n + j];
        }}
    }}
    return sign;
}}
""",
        ("pivot",),
    ),
    "determinant": (
        """\
static {r} determinant(size_t n, {r} *A)
{{
    {r} product = triangle(n, A);
    for (size_t p = 0; p < n; p++)
        product *= A[p * n + p];
    return product;
}}
""",
        ("pivot", "triangle"),
    ),
    "log_determinant": (
        """\
static {r} log_determinant(size_t n, {r} *A)
{{
    {r} sum = 0.0{f} * triangle(n, A);
    for (size_t p = 0; p < n; p++)
        sum += log{f}(fabs{f}(A[p * n + p]));
    return sum;
}}
""",
        ("pivot", "triangle"),
    ),
    "pseudoinverse": (
        """\
/* P = the pseudoinverse of A (m x n, lost): its columns are turned until they are orthogonal, V holds the turns. */
static void pseudoinverse(size_t m, size_t n, {r} *A, {r} *V, {r} *P)
{{
    const {r} least = {eps}, one = 1.0{f};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            V[i * n + j] = i == j ? one : 0.0{f};
    for (int sweep = 0, turned = 1; turned && sweep < 60; sweep++) {{
        turned = 0;
        for (size_t p = 0; p + 1 < n; p++)
            for (size_t q = p + 1; q < n; q++) {{
                {r} a = 0.0{f}, b = 0.0{f}, g = 0.0{f};
                for (size_t i = 0; i < m; i++) {{
                    a += A[i * n + p] * A[i * n + p];
                    b += A[i * n + q] * A[i * n + q];
                    g += A[i * n + p] * A[i * n + q];
                }}
                if (!(fabs{f}(g) > least * sqrt{f}(a) * sqrt{f}(b)))
                    continue;
                turned = 1;
                const {r} z = (b - a) / (2.0{f} * g);
                const {r} t = (z < 0.0{f} ? -one : one) / (fabs{f}(z) + sqrt{f}(one + z * z));
                const {r} c = one / sqrt{f}(one + t * t), s = c * t;
                for (size_t i = 0; i < m; i++) {{
                    const {r} held = A[i * n + p];
                    A[i * n + p] = c * held - s * A[i * n + q];
                    A[i * n + q] = s * held + c * A[i * n + q];
                }}
                for (size_t i = 0; i < n; i++) {{
                    const {r} held = V[i * n + p];
                    V[i * n + p] = c * held - s * V[i * n + q];
                    V[i * n + q] = s * held + c * V[i * n + q];
                }}
            }}
    }}
    {r} largest = 0.0{f};
    for (size_t i = 0; i < n * m; i++)
        P[i] = 0.0{f};
    for (int pass = 0; pass < 2; pass++)
        for (size_t k = 0; k < n; k++) {{
            {r} sum = 0.0{f};
            for (size_t i = 0; i < m; i++)
                sum += A[i * n + k] * A[i * n + k];
            if (!pass)
                largest = sum > largest || sum != sum ? sum : largest;
            else if (!(sqrt{f}(sum) <= least * ({r})(m > n ? m : n) * sqrt{f}(largest)))
                for (size_t j = 0; j < n; j++)
                    for (size_t i = 0; i < m; i++)
                        P[j * m + i] += V[j * n + k] * A[i * n + k] / sum;
        }}
}}
""",
        (),
    ),
    "cholesky": (
        """\
/* A symmetric A (n x n) becomes its factor L with L L^T = A. */
static void cholesky(size_t n, {r} *A)
{{
    for (size_t i = 0; i < n; i++) {{
        for (size_t j = 0; j <= i; j++) {{
            {r} sum = A[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= A[i * n + k] * A[j * n + k];
            A[i * n + j] = i == j ? sqrt{f}(sum) : sum / A[j * n + j];
        }}
        for (size_t j = i + 1; j < n; j++)
            A[i * n + j] = 0.0{f};
    }}
}}
""",
        (),
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

_HELPERS |= {
    "gemm_rows": (
        """\
/* The part of a `gemm` that is this thread's: some rows of C. */
static void gemm_rows(const struct team *team, int ta, int tb, size_t m, size_t n, size_t k, const {r} *A, size_t lda,
                      const {r} *B, size_t ldb, int keep, {r} *C, size_t ldc)
{{
    const size_t first = share(m, team->me, team->of), last = share(m, team->me + 1, team->of);
    if (first < last)
        gemm(ta, tb, last - first, n, k, A + first * (ta ? 1 : lda), lda, B, ldb, keep, C + first * ldc, ldc);
}}
""",
        ("gemm",),
    ),
    "gemm_columns": (
        """\
/* The part of a `gemm` that is this thread's: some columns of C. */
static void gemm_columns(const struct team *team, int ta, int tb, size_t m, size_t n, size_t k, const {r} *A,
                         size_t lda, const {r} *B, size_t ldb, int keep, {r} *C, size_t ldc)
{{
    const size_t first = share(n, team->me, team->of), last = share(n, team->me + 1, team->of);
    if (first < last)
        gemm(ta, tb, m, last - first, k, A, lda, B + first * (tb ? ldb : 1), ldb, keep, C + first, ldc);
}}
""",
        ("gemm",),
    ),
    "add_parts": (
        """\
/* C (n numbers) += what the other threads summed, `apart` numbers apart: some of C for each thread. */
static void add_parts(const struct team *team, size_t n, {r} *C, const {r} *parts, size_t apart)
{{
    for (size_t other = 1; other < team->of; other++)
        for (size_t i = share(n, team->me, team->of); i < share(n, team->me + 1, team->of); i++)
            C[i] += parts[(other - 1) * apart + i];
}}
""",
        (),
    ),
    "larger_parts": (
        """\
/* C (n numbers) = the larger of C and of what the other threads found, `apart` numbers apart. */
static void larger_parts(const struct team *team, size_t n, {r} *C, const {r} *parts, size_t apart)
{{
    for (size_t other = 1; other < team->of; other++)
        for (size_t i = share(n, team->me, team->of); i < share(n, team->me + 1, team->of); i++)
            C[i] = larger(C[i], parts[(other - 1) * apart + i]);
}}
""",
        ("larger",),
    ),
    "sum_of_parts": (
        """\
/* The sum of the numbers of all threads, a cache line apart. */
static {r} sum_of_parts(const struct team *team, const {r} *parts)
{{
    {r} sum = parts[0];
    for (size_t other = 1; other < team->of; other++)
        sum += parts[16 * other];
    return sum;
}}
""",
        (),
    ),
    "largest_part": (
        """\
/* The largest of the numbers of all threads, a cache line apart. */
static {r} largest_part(const struct team *team, const {r} *parts)
{{
    {r} most = parts[0];
    for (size_t other = 1; other < team->of; other++)
        most = larger(most, parts[16 * other]);
    return most;
}}
""",
        ("larger",),
    ),
}


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
               "eps": "1.1920929e-7f" if single else "2.220446049250313e-16"}  # fmt: skip
    parts = []
    if "exponential" in wanted:
        parts.append(_EXPONENTIAL_FLOAT if single else _EXPONENTIAL_DOUBLE)
    if "hyperbolic_tangent" in wanted:
        parts.append(_TANGENT_FLOAT if single else _TANGENT_DOUBLE)
    parts += [text.format(**letters) for name, (text, _) in _HELPERS.items() if name in wanted]
    return "\n".join(parts)
