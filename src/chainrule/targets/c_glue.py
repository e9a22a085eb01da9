"""What makes a compiled file callable from Python: a few functions in C, added behind it when it is built.

They use CPython's stable interface through opaque pointers and declare what they need themselves, so that neither
Python's headers nor a package is required, and cost nothing when they are built. A `builtin` is made of them by
`chainrule.targets.c_step`: a call is then some tens of nanoseconds away from the code.

`call(inputs…, results…)` checks type (its `self` is NumPy's array), shape and contiguity of each array, that no result
overlaps another array, and that rows declared to sum to 1 do. It returns the loss (None where there is no loss), or a
whole number that says what is wrong: then the caller looks closer. `bound()` runs on arrays that were checked before.
Long calls give up the GIL; each running call has a workspace of its own, kept for the next one.
"""

from __future__ import annotations

from chainrule.sizes import is_derived, spoken, symbols_of
from chainrule.targets.c_source import CSource, derived_size

__all__ = ["LEAST", "glue_text"]

LEAST = 500_000  # operations: what is less is done before other threads could begin

_GLUE = r"""
/* ---- calling it from Python ---- */
#include <stdlib.h>
#define SEEN __attribute__((visibility("default")))
typedef struct _object PyObject;
typedef struct {
    void *buf;
    PyObject *obj;
    ptrdiff_t len, itemsize;
    int readonly, ndim;
    char *format;
    ptrdiff_t *shape, *strides, *suboffsets;
    void *internal;
} Buffer;
PyObject *PyObject_Type(PyObject *);
PyObject *PyFloat_FromDouble(double);
PyObject *PyLong_FromLong(long);
PyObject *PyTuple_GetItem(PyObject *, ptrdiff_t);
PyObject *PyTuple_Pack(ptrdiff_t, ...);
void *PyCapsule_GetPointer(PyObject *, const char *);
int PyObject_GetBuffer(PyObject *, Buffer *, int);
void PyBuffer_Release(Buffer *);
void PyErr_Clear(void);
void PyErr_SetString(PyObject *, const char *);
extern PyObject *PyExc_ValueError;
void Py_IncRef(PyObject *);
void Py_DecRef(PyObject *);
void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *);

enum { INPUTS = @inputs@, RESULTS = @results@, ARRAYS = INPUTS + RESULTS, SIZES = @sizes@, COMPUTED = @computed@ };
/* of each array: its rank, and for each axis −1 − (the number of a size), or the size itself */
static const int rank_of[ARRAYS + 1] = {@ranks@};
static const ptrdiff_t axes_of[ARRAYS + 1][@most@] = {@axes@};
static const int sums_to_one[INPUTS + 1] = {@stochastic@};

#ifdef BLAS_THREADS
void BLAS_THREADS(int);
#endif

@team@static double run(const size_t *s, void *const *a, @inner@ *w)
{
#ifdef BLAS_THREADS
    BLAS_THREADS(@threads@); /* other steps may have set another number */
#endif
    (void)s;
    (void)a;
    (void)w;
    @run@
}

static size_t numbers(const size_t *s)
{
    (void)s;
    return @workspace@;
}

enum { HUGE_PAGE = 1 << 21 };
#ifdef __linux__
int madvise(void *, size_t, int);
#endif

/* workspaces that no call uses at the moment; guarded by the GIL */
static struct { void *memory; size_t numbers; } idle[8];

static void *workspace_take(size_t wanted)
{
    if (!wanted)
        return &idle;
    for (int k = 0; k < 8; k++)
        if (idle[k].memory && idle[k].numbers >= wanted) {
            void *memory = idle[k].memory;
            idle[k].memory = NULL;
            return memory;
        }
    const size_t bytes = wanted * sizeof(@inner@), line = bytes < HUGE_PAGE ? 64 : HUGE_PAGE;
    void *base = malloc(bytes + 64 + line);
    if (!base)
        return NULL;
    char *memory = (char *)base + 64;
    memory += (line - (uintptr_t)memory % line) % line;
    ((void **)memory)[-1] = base;
#ifdef __linux__
    if (line == HUGE_PAGE)
        madvise(memory, bytes, 14); /* MADV_HUGEPAGE: the first step meets some pages instead of thousands */
#endif
    return memory;
}

static void workspace_give(void *memory, size_t wanted)
{
    if (!wanted)
        return;
    int place = 0;
    for (int k = 0; k < 8; k++) {
        if (!idle[k].memory) {
            place = k;
            break;
        }
        if (idle[k].numbers < idle[place].numbers)
            place = k;
    }
    if (idle[place].memory)
        free(((void **)idle[place].memory)[-1]);
    idle[place].memory = memory;
    idle[place].numbers = wanted;
}

/* Works out the sizes that no argument has; 1 where sizes do not fit each other. */
static int sizes_fail(size_t *s)
{
    (void)s;
@derive@    return 0;
}

/* 0 where the rows of an argument (n numbers, rows of `length`) sum to 1 as declared; one_hot ones have one entry */
static int rows_fail(const @real@ *rows, size_t n, size_t length, int one_hot)
{
    double worst = 0.0;
    int wrong = 0;
    for (size_t r = 0; r + length <= n; r += length) {
        @real@ sum = 0;
        LANES_SUM
        for (size_t k = 0; k < length; k++)
            sum += rows[r + k];
        if (one_hot) {
            int set = 0;
            for (size_t k = 0; k < length; k++)
                set += rows[r + k] != 0;
            wrong |= set != 1;
        }
        worst += ((double)sum - 1.0) * ((double)sum - 1.0);
    }
    return wrong || !(worst < 1e-6 * (double)(length ? (n / length > 0 ? n / length : 1) : 1));
}

static int facts_fail(const size_t *s, void *const *a)
{
    for (int k = 0; k < INPUTS; k++)
        if (sums_to_one[k]) {
            size_t n = 1, length = 1;
            for (int i = 0; i < rank_of[k]; i++) {
                length = axes_of[k][i] < 0 ? s[-1 - axes_of[k][i]] : (size_t)axes_of[k][i];
                n *= length;
            }
            if (rows_fail((const @real@ *)a[k], n, length, sums_to_one[k] == 2))
                return 1;
        }
    return 0;
}

/* What follows runs once in a call; without this it would take the compiler as long as the step itself. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O1")
#endif

static PyObject *answer(double loss)
{
    @answer@
}

SEEN PyObject *chainrule_call(PyObject *self, PyObject *const *given, ptrdiff_t count);
PyObject *chainrule_call(PyObject *self, PyObject *const *given, ptrdiff_t count)
{
    Buffer views[ARRAYS + 1];
    void *arrays[ARRAYS + 1];
    size_t sizes[SIZES + COMPUTED + 1];
    int have = 0;
    long wrong = 0; /* 1 + the number of the array; -1: rows that do not sum to 1; -2: no memory */
    size_t total = 0;
    double loss = 0.0;
    for (int k = 0; k < SIZES + COMPUTED; k++)
        sizes[k] = (size_t)-1;
    if (count != ARRAYS)
        return PyLong_FromLong(1);
    for (int k = 0; k < ARRAYS; k++) {
        Buffer *view = &views[k];
        if (k == INPUTS && sizes_fail(sizes)) {
            wrong = 1;
            break;
        }
        if (k < INPUTS) { /* a subclass may mean more by its numbers: a mask, another product */
            PyObject *type = PyObject_Type(given[k]);
            Py_DecRef(type);
            if (type != self) {
                wrong = k + 1;
                break;
            }
        }
        /* ND and STRIDES; of inputs FORMAT, of results, which the caller has just made of this type, WRITABLE */
        if (PyObject_GetBuffer(given[k], view, k < INPUTS ? 0x1C : 0x19)) {
            PyErr_Clear();
            wrong = k + 1;
            break;
        }
        have = k + 1;
        if (view->ndim != rank_of[k] || view->itemsize != (ptrdiff_t)sizeof(@real@) ||
            (k < INPUTS && (!view->format || view->format[0] != '@format@' || view->format[1])))
            wrong = k + 1;
        ptrdiff_t stride = view->itemsize;
        for (int i = rank_of[k] - 1; i >= 0 && !wrong; i--) {
            const ptrdiff_t axis = axes_of[k][i], n = view->shape[i];
            if (axis >= 0 ? n != axis : sizes[-1 - axis] != (size_t)-1 && sizes[-1 - axis] != (size_t)n)
                wrong = k + 1;
            else if (axis < 0)
                sizes[-1 - axis] = (size_t)n;
            if (n > 1 && view->strides[i] != stride)
                wrong = k + 1;
            if (n < 1 || n > 0x7FFFFFFF)
                wrong = k + 1;
            stride *= n;
        }
        if ((uintptr_t)view->buf % sizeof(@real@))
            wrong = k + 1;
        if (wrong)
            break;
        total += (size_t)view->len;
        arrays[k] = view->buf;
        for (int i = 0; i < k; i++) /* a result must lie apart from every other array */
            if (k >= INPUTS && (char *)views[i].buf < (char *)view->buf + view->len &&
                (char *)view->buf < (char *)views[i].buf + views[i].len)
                wrong = k + 1;
        if (wrong)
            break;
    }
    if (!wrong && facts_fail(sizes, arrays))
        wrong = -1;
    if (!wrong) {
        const size_t wanted = numbers(sizes);
        void *memory = wanted > (size_t)-1 / 2 ? NULL : workspace_take(wanted);
        if (memory) {
            void *thread = total > 65536 ? PyEval_SaveThread() : NULL;
            loss = run(sizes, arrays, (@inner@ *)memory);
            if (thread)
                PyEval_RestoreThread(thread);
            workspace_give(memory, wanted);
        } else
            wrong = -2;
    }
    while (have--)
        PyBuffer_Release(&views[have]);
    return wrong ? PyLong_FromLong(wrong) : answer(loss);
}

typedef struct { int64_t quick; size_t *sizes; void **arrays; void *workspace; } Bound;

SEEN PyObject *chainrule_bound(PyObject *self, PyObject *none);
PyObject *chainrule_bound(PyObject *self, PyObject *none)
{
    const Bound *b = (const Bound *)PyCapsule_GetPointer(PyTuple_GetItem(self, 0), NULL);
    (void)none;
    if (facts_fail(b->sizes, b->arrays)) {
        PyErr_SetString(PyExc_ValueError, "rows declared one-hot, or to sum to 1, are not: gradients would be wrong");
        return NULL;
    }
    void *thread = b->quick ? NULL : PyEval_SaveThread();
    const double loss = run(b->sizes, b->arrays, (@inner@ *)b->workspace);
    if (thread)
        PyEval_RestoreThread(thread);
    PyObject *results = PyTuple_GetItem(self, 1);
    @bound@
}

SEEN int64_t chainrule_workspace(const size_t *sizes);
int64_t chainrule_workspace(const size_t *sizes) { return (int64_t)numbers(sizes); } /* -1: memory is too small */
"""


# Several threads: those of `chainrule.targets.c_pool`, which all steps of a process share; alone where they are busy.
_TEAM = r"""
typedef struct { const size_t *s; void *const *a; @inner@ *w; double loss; } Together;

static void together(void *data, const struct team *team)
{
    Together *t = (Together *)data;
    const size_t *s = t->s;
    void *const *a = t->a;
    @inner@ *w = t->w;
    double loss = 0.0;
    (void)s;
    (void)a;
    (void)w;
    @call@
    if (!team->me)
        t->loss = loss;
}

static void nobody(const struct team *team) { (void)team; }

SEEN int (*chainrule_pool)(void (*work)(void *, const struct team *), void *data, size_t of);
int (*chainrule_pool)(void (*work)(void *, const struct team *), void *data, size_t of);

static double run_by_team(const size_t *s, void *const *a, @inner@ *w)
{
    Together t = {s, a, w, 0.0};
    const double work = @work@;
    if (work < @least@.0 || !chainrule_pool || !chainrule_pool(together, &t, @together@)) {
        const struct team alone = {0, 1, nobody};
        together(&t, &alone);
    }
    return t.loss;
}

"""


def _number(dim: int | str, source: CSource, number: dict[str, int]) -> str:
    """A size in a formula of sizes."""
    if isinstance(dim, int) or dim in source.known:
        return f"{source.known[dim] if isinstance(dim, str) else dim}.0"
    return f"(double)s[{number[dim]}]"


def _derivation(source: CSource, number: dict[str, int]) -> str:
    """Lines that compute sizes, and compare those of arrays with what they are worked out from."""

    def name(dim: str) -> str:
        return str(source.known[dim]) if dim in source.known else f"(ptrdiff_t)s[{number[dim]}]"

    lines = []
    for dim in source.computed:
        lines.append(f"const ptrdiff_t d{number[dim]} = {derived_size(source.plan, dim, name)};")
        lines += [f"if (d{number[dim]} < 1)", "    return 1;", f"s[{number[dim]}] = (size_t)d{number[dim]};"]
    for dim in source.sizes:
        if is_derived(dim) and all(s in number or s in source.known for s in symbols_of(dim)):
            lines += [f"if ({name(dim)} != {spoken(dim, name).replace('//', '/')})", "    return 1;"]
    return "".join(f"    {line}\n" for line in lines)


def glue_text(source: CSource, threads: int = 1) -> str:
    """The functions for a source."""
    program = source.plan.program
    number = {dim: k for k, dim in enumerate((*source.sizes, *source.computed))}
    inputs, results = source.plan.arguments, source.results
    shapes = [program.variables[name].dims for name in (*inputs, *results)]

    def axis(dim: int | str) -> str:
        if isinstance(dim, int):
            return str(dim)
        return str(source.known[dim]) if dim in source.known else str(-1 - number[dim])

    real = "float" if source.dtype == "float32" else "double"
    arguments = [f"s[{k}]" for k in range(len(source.sizes))]
    arguments += [f"a[{k}]" for k in range(len(shapes))]
    sized = f"{source.function}_workspace("
    has_workspace = sized in source.text
    if has_workspace:
        arguments.append("w")
    if source.work:
        arguments.append("team")
    call = f"{source.function}({', '.join(arguments)});"
    rows = [
        0 if source.loss is None or not program.variables[n].dims
        else 2 if "one-hot" in program.variables[n].facts else int("rows sum to 1" in program.variables[n].facts)
        for n in inputs
    ]  # fmt: skip
    text = _GLUE
    if source.loss is None:
        answer = "(void)loss;\n    PyObject *none = PyTuple_Pack(0);\n    return none;"
        bound = "(void)loss;\n    Py_IncRef(results);\n    return results;"
    else:
        answer = "return PyFloat_FromDouble(loss);"
        bound = (
            "PyObject *number = PyFloat_FromDouble(loss);\n    PyObject *pair = PyTuple_Pack(2, number, results);\n"
            "    Py_DecRef(number);\n    return pair;"
        )
    parts = {
        "inputs": str(len(inputs)), "results": str(len(results)), "sizes": str(len(source.sizes)),
        "computed": str(len(source.computed)), "derive": _derivation(source, number),
        "ranks": ", ".join(str(len(s)) for s in shapes) or "0",
        "most": str(max([1, *map(len, shapes)])),
        "axes": ", ".join("{" + (", ".join(map(axis, s)) or "0") + "}" for s in shapes) or "{0}",
        "stochastic": ", ".join(map(str, rows)) or "0",
        "real": real, "inner": "float" if source.inner == "float32" else "double",
        "threads": str(threads), "format": "f" if real == "float" else "d",
        "run": f"return (double){call}" if source.loss is not None else f"{call}\n    return 0.0;",
        "workspace": f"{sized}{', '.join(f's[{k}]' for k in range(len(source.sizes)))})" if has_workspace else "0",
        "answer": answer, "bound": bound,
    }  # fmt: skip
    parts = {"team": "", **parts}
    if source.work:
        terms = [" * ".join(["(double)1", *(_number(d, source, number) for d in dims)]) for dims in source.work]
        parts["team"] = _TEAM
        parts |= {"work": " + ".join(dict.fromkeys(terms)), "least": str(LEAST), "together": str(threads)}
        parts["call"] = parts["run"].replace("return (double)", "loss = (double)").split("\n")[0]
        parts["run"] = "return run_by_team(s, a, w);"
        parts["threads"] = "1"
    for key, value in parts.items():
        text = text.replace(f"@{key}@", value)
    lanes = "LANES(reduction(+:sum))" if "#define LANES" in source.text else ""
    text = text.replace("LANES_SUM", lanes)
    return (
        text
        if "<stdint.h>" in source.text
        else text.replace("#include <stdlib.h>", "#include <stdint.h>\n#include <stdlib.h>")
    )
