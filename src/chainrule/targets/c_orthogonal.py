"""Small C functions of orthogonal matrices: rotations for eigenvalues and singular values, reflections for QR.

As the others in `c_helpers.py`. A matrix lies by columns here, each of them in one piece, since rotations and
reflections turn columns. Every function scales by powers of two, so that squares neither overflow nor vanish; it gives
0 (NAN) where numbers are not finite or where it has not converged, and then its caller gives no numbers.

Rotations go on until each pair of columns is orthogonal to the last place, which takes some 10 sweeps; 60 are the end.
"""

from __future__ import annotations

__all__ = ["ORTHOGONAL"]

_TURNS = ("turn_columns", "tangent_of", "unit_matrix", "change_columns", "sign_of")
# Text, and the names of those that it calls, which stand before it.
ORTHOGONAL: dict[str, tuple[str, tuple[str, ...]]] = {
    "power_of_two": (
        """\
/* Divides x by a power of two so that its largest number is from 1 to 2. That power; NAN where one is not finite. */
static {r} power_of_two(size_t n, {r} *restrict x)
{{
    {r} largest = 0.0{f};
    int exponent;
    for (size_t i = 0; i < n; i++) {{
        if (!(x[i] - x[i] == 0.0{f}))
            return NAN;
        largest = fabs{f}(x[i]) > largest ? fabs{f}(x[i]) : largest;
    }}
    if (!(largest > 0.0{f}))
        return 1.0{f};
    (void)frexp{f}(largest, &exponent);
    const {r} power = ldexp{f}(1.0{f}, exponent - 1);
    for (size_t i = 0; i < n; i++)
        x[i] /= power;
    return power;
}}
""",
        (),
    ),
    "turn_columns": (
        """\
/* Two columns, turned by an angle with cosine c and sine s. */
static void turn_columns(size_t n, {r} c, {r} s, {r} *restrict a, {r} *restrict b)
{{
    for (size_t i = 0; i < n; i++) {{
        const {r} held = a[i];
        a[i] = c * held - s * b[i];
        b[i] = s * held + c * b[i];
    }}
}}
""",
        (),
    ),
    "tangent_of": (
        """\
/* The tangent of the angle by which columns with squares a and b and product g are turned to make them orthogonal. */
static {r} tangent_of({r} a, {r} b, {r} g)
{{
    const {r} one = 1.0{f}, z = (b - a) / (2.0{f} * g), size = fabs{f}(z);
    return (z < 0.0{f} ? -one : one) / (size + ({eps} * size < one ? sqrt{f}(one + z * z) : size));
}}
""",
        (),
    ),
    "unit_matrix": (
        """\
static void unit_matrix(size_t n, {r} *A)
{{
    for (size_t i = 0; i < n * n; i++)
        A[i] = i % (n + 1) ? 0.0{f} : 1.0{f};
}}
""",
        (),
    ),
    "change_columns": (
        """\
static void change_columns(size_t n, {r} *restrict a, {r} *restrict b)
{{
    for (size_t i = 0; i < n; i++) {{
        const {r} held = a[i];
        a[i] = b[i];
        b[i] = held;
    }}
}}
""",
        (),
    ),
    "sign_of": (
        """\
/* -1 where the first entry that is at least nine tenths of the largest is negative, else 1: the sign of a vector. */
static {r} sign_of(size_t n, const {r} *x)
{{
    {r} largest = 0.0{f};
    for (size_t i = 0; i < n; i++)
        largest = fabs{f}(x[i]) > largest ? fabs{f}(x[i]) : largest;
    for (size_t i = 0; i < n; i++)
        if (fabs{f}(x[i]) >= 0.9{f} * largest)
            return x[i] < 0.0{f} ? -1.0{f} : 1.0{f};
    return 1.0{f};
}}
""",
        (),
    ),
    "eigenvalues": (
        """\
/* Eigenvalues of a symmetric A (n x n, lost), from the smallest, and where V is given its columns, the vectors; by
 * Jacobi's method. 0 where it fails. */
static int eigenvalues(size_t n, {r} *A, {r} *V, {r} *values)
{{
    const {r} power = power_of_two(n * n, A);
    int sweep = 0, turned = power == power;
    if (V)
        unit_matrix(n, V);
    for (; turned && sweep < 60; sweep++) {{
        turned = 0;
        for (size_t p = 0; p + 1 < n; p++)
            for (size_t q = p + 1; q < n; q++) {{
                {r} *const a = A + p * n, *const b = A + q * n, g = a[q], x = a[p], y = b[q];
                if (fabs{f}(g) > {eps} * sqrt{f}(fabs{f}(x)) * sqrt{f}(fabs{f}(y)) && fabs{f}(g) > {tiny}) {{
                    const {r} t = tangent_of(x, y, g), c = 1.0{f} / sqrt{f}(1.0{f} + t * t), s = c * t;
                    turned = 1;
                    turn_columns(n, c, s, a, b);
                    for (size_t k = 0; k < n; k++) {{
                        A[k * n + p] = a[k];
                        A[k * n + q] = b[k];
                    }}
                    a[p] = x - t * g;
                    b[q] = y + t * g;
                    if (V)
                        turn_columns(n, c, s, V + p * n, V + q * n);
                }}
                a[q] = b[p] = 0.0{f};
            }}
    }}
    for (size_t p = 0; p < n; p++) {{
        size_t least = p;
        for (size_t q = p + 1; q < n; q++)
            least = A[q * n + q] < A[least * n + least] ? q : least;
        values[p] = power * A[least * n + least];
        A[least * n + least] = A[p * n + p];
        if (V && least != p)
            change_columns(n, V + p * n, V + least * n);
        if (V && sign_of(n, V + p * n) < 0.0{f})
            for (size_t i = 0; i < n; i++)
                V[p * n + i] = -V[p * n + i];
    }}
    return power == power && !turned;
}}
""",
        ("power_of_two", *_TURNS),
    ),
    "unit_column": (
        """\
/* Column k of U (m rows) becomes a unit vector that is orthogonal to those before it. */
static void unit_column(size_t m, size_t k, {r} *U)
{{
    {r} least = INFINITY, *const u = U + k * m;
    size_t best = 0;
    for (size_t i = 0; i < m; i++) {{
        {r} held = 0.0{f};
        for (size_t j = 0; j < k; j++)
            held += U[j * m + i] * U[j * m + i];
        best = held < least ? i : best;
        least = held < least ? held : least;
        u[i] = 0.0{f};
    }}
    u[best] = 1.0{f};
    for (int pass = 0; pass < 2; pass++) {{
        {r} square = 0.0{f};
        for (size_t j = 0; j < k; j++) {{
            {r} product = 0.0{f};
            for (size_t i = 0; i < m; i++)
                product += U[j * m + i] * u[i];
            for (size_t i = 0; i < m; i++)
                u[i] -= product * U[j * m + i];
        }}
        for (size_t i = 0; i < m; i++)
            square += u[i] * u[i];
        for (size_t i = 0; i < m; i++)
            u[i] /= sqrt{f}(square);
    }}
}}
""",
        (),
    ),
    "singular_values": (
        """\
/* Singular values of A (m x n by columns, m >= n), from the largest; A becomes the left vectors and V, where it is
 * given, the right ones. Columns are turned until they are orthogonal. `by`: 1: V says the sign. 0 where it fails. */
static int singular_values(size_t m, size_t n, int by, {r} *A, {r} *V, {r} *values)
{{
    const {r} power = power_of_two(m * n, A), least = {eps} * sqrt{f}(({r})m);
    int sweep = 0, turned = power == power;
    if (V)
        unit_matrix(n, V);
    for (; turned && sweep < 60; sweep++) {{
        turned = 0;
        for (size_t p = 0; p + 1 < n; p++)
            for (size_t q = p + 1; q < n; q++) {{
                {r} *const x = A + p * m, *const y = A + q * m, a = 0.0{f}, b = 0.0{f}, g = 0.0{f};
                LANES(reduction(+:a, b, g))
                for (size_t i = 0; i < m; i++) {{
                    a += x[i] * x[i];
                    b += y[i] * y[i];
                    g += x[i] * y[i];
                }}
                if (!(a > {tiny} && b > {tiny} && fabs{f}(g) > least * sqrt{f}(a) * sqrt{f}(b)))
                    continue; /* a column of which nothing is left counts as 0 */
                const {r} t = tangent_of(a, b, g), c = 1.0{f} / sqrt{f}(1.0{f} + t * t), s = c * t;
                turned = 1;
                turn_columns(m, c, s, x, y);
                if (V)
                    turn_columns(n, c, s, V + p * n, V + q * n);
            }}
    }}
    for (size_t p = 0; p < n; p++) {{
        values[p] = 0.0{f};
        for (size_t i = 0; i < m; i++)
            values[p] += A[p * m + i] * A[p * m + i];
        values[p] = values[p] > {tiny} ? sqrt{f}(values[p]) : 0.0{f};
    }}
    for (size_t p = 0; p < n; p++) {{
        size_t largest = p;
        for (size_t q = p + 1; q < n; q++)
            largest = values[q] > values[largest] ? q : largest;
        if (largest != p) {{
            change_columns(1, values + p, values + largest);
            change_columns(m, A + p * m, A + largest * m);
            if (V)
                change_columns(n, V + p * n, V + largest * n);
        }}
        if (values[p] > 0.0{f})
            for (size_t i = 0; i < m; i++)
                A[p * m + i] /= values[p];
        else
            unit_column(m, p, A);
        if ((V && by ? sign_of(n, V + p * n) : sign_of(m, A + p * m)) < 0.0{f}) {{
            for (size_t i = 0; i < m; i++)
                A[p * m + i] = -A[p * m + i];
            for (size_t i = 0; V && i < n; i++)
                V[p * n + i] = -V[p * n + i];
        }}
        values[p] *= power;
    }}
    return power == power && !turned;
}}
""",
        ("power_of_two", *_TURNS, "unit_column"),
    ),
    "triangular_factor": (
        """\
/* R of A = Q R (A: m x n by columns, m >= n) by reflections: its upper triangle is in A, the reflections below it and
 * in `factors`; column j is `powers[j]` times what stands there. 0 where it fails. */
static int triangular_factor(size_t m, size_t n, {r} *A, {r} *factors, {r} *powers)
{{
    for (size_t j = 0; j < n; j++) {{
        powers[j] = power_of_two(m, A + j * m);
        if (powers[j] != powers[j])
            return 0;
    }}
    for (size_t j = 0; j < n; j++) {{
        {r} *const v = A + j * m, below = 0.0{f};
        const {r} power = power_of_two(m - j, v + j); /* what is left of dependent columns is tiny */
        for (size_t i = j + 1; i < m; i++)
            below += v[i] * v[i];
        factors[j] = 0.0{f};
        if (!(below > 0.0{f})) {{
            v[j] *= power;
            continue;
        }}
        const {r} length = sqrt{f}(v[j] * v[j] + below), to = signbit(v[j]) ? length : -length;
        factors[j] = (to - v[j]) / to;
        for (size_t i = j + 1; i < m; i++)
            v[i] /= v[j] - to;
        v[j] = power * to;
        for (size_t k = j + 1; k < n; k++) {{
            {r} *const x = A + k * m, product = x[j];
            for (size_t i = j + 1; i < m; i++)
                product += v[i] * x[i];
            product *= factors[j];
            x[j] -= product;
            for (size_t i = j + 1; i < m; i++)
                x[i] -= product * v[i];
        }}
    }}
    return 1;
}}
""",
        ("power_of_two",),
    ),
    "orthogonal_factor": (
        """\
/* Q of A = Q R, by columns, from what `triangular_factor` left. */
static void orthogonal_factor(size_t m, size_t n, const {r} *A, const {r} *factors, {r} *Q)
{{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < m; i++)
            Q[k * m + i] = i == k ? 1.0{f} : 0.0{f};
    for (size_t j = n; j-- > 0;)
        for (size_t k = j; k < n; k++) {{
            const {r} *const v = A + j * m;
            {r} *const x = Q + k * m, product = x[j];
            for (size_t i = j + 1; i < m; i++)
                product += v[i] * x[i];
            product *= factors[j];
            x[j] -= product;
            for (size_t i = j + 1; i < m; i++)
                x[i] -= product * v[i];
        }}
}}
""",
        (),
    ),
    "stable_order": (
        """\
/* The places of n numbers from the smallest to the largest; equal ones keep their order, and NAN stands last. */
static void stable_order(size_t n, const {r} *keys, {r} *order, {r} *other)
{{
    for (size_t i = 0; i < n; i++)
        order[i] = ({r})i;
    for (size_t width = 1; width < n; width *= 2) {{
        for (size_t start = 0; start < n; start += 2 * width) {{
            const size_t middle = n - start < width ? n : start + width, end = n - middle < width ? n : middle + width;
            size_t i = start, j = middle;
            for (size_t k = start; k < end; k++) {{
                int second = i == middle;
                if (i < middle && j < end) {{
                    const {r} a = keys[(size_t)order[i]], b = keys[(size_t)order[j]];
                    second = b < a || (a != a && b == b);
                }}
                other[k] = second ? order[j++] : order[i++];
            }}
        }}
        for (size_t i = 0; i < n; i++)
            order[i] = other[i];
    }}
}}
""",
        (),
    ),
}
