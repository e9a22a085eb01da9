"""Small C functions of linear algebra: elimination, determinants, factors. As the others in `c_helpers.py`."""

from __future__ import annotations

__all__ = ["LINEAR"]

# Text, and the names of those that it calls, which stand before it.
LINEAR: dict[str, tuple[str, tuple[str, ...]]] = {
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
}
