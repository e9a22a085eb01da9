"""The way into a compiled step from Python, the same for every program: built once for a machine and a dtype.

It uses CPython's stable interface through opaque pointers and declares what it needs itself, so that neither Python's
headers nor a package is required. A program brings a table, `struct step`, that says which arrays it has
(`chainrule.targets.c_glue`); a `builtin` is made of the functions here and that table by `chainrule.targets.c`: a call
is then some tens of nanoseconds away from the code.

`call(inputs…, results…)` checks type, shape and contiguity of each array, that no result overlaps another array, and
that rows declared to sum to 1 do. It returns the loss (an empty tuple where there is no loss), or a whole number that
says what is wrong: then the caller looks closer. `bound()` runs on arrays that were checked before. Long calls give up
the GIL; each running call has a workspace of its own, kept for the next one.
"""

from __future__ import annotations

import ctypes
from functools import cache

from chainrule.targets.c_build import build

__all__ = ["NOT_FINITE", "NO_MEMORY", "STEP", "SUMS_FAIL", "entry"]

# What a call gives instead of a loss; above 0: the number of an array, from 1 on, that does not fit.
SUMS_FAIL, NO_MEMORY, NOT_FINITE = -1, -2, -3

STEP = r"""
/* What a program has. Arrays are its inputs, then its results; `workspace`: how many numbers of `inner` bytes. */
enum { STOCK = 8 };
typedef struct { void *memory; size_t numbers; } Idle;
typedef struct {
    int inputs, results, sizes, most, has_loss;
    size_t inner;
    const int *ranks;      /* of each array */
    const ptrdiff_t *axes; /* `most` for each array: -1 - (the number of a size), or the size itself */
    const int *sums_to_one; /* of each input: 1 where its rows do, 2 where they are one-hot */
    double (*run)(const size_t *sizes, void *const *arrays, void *workspace);
    size_t (*workspace)(const size_t *sizes);
    int (*sizes_fail)(size_t *sizes); /* works out the sizes that no argument has; 1 where sizes do not fit */
    Idle idle[STOCK];                 /* workspaces that no call uses at the moment; guarded by the GIL */
} Step;
"""

_ENTRY = r"""
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#define SEEN __attribute__((visibility("default")))
#define PRAGMA(text) _Pragma(#text)
#define LANES(...) PRAGMA(omp simd __VA_ARGS__)
enum { FORMAT = '@format@' };
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
@step@
enum { HUGE_PAGE = 1 << 21 };
#ifdef __linux__
int madvise(void *, size_t, int);
#endif

static void *workspace_take(Step *step, size_t wanted)
{
    Idle *const idle = step->idle;
    if (!wanted)
        return idle;
    for (int k = 0; k < STOCK; k++)
        if (idle[k].memory && idle[k].numbers >= wanted) {
            void *memory = idle[k].memory;
            idle[k].memory = NULL;
            return memory;
        }
    const size_t bytes = wanted * step->inner, line = bytes < HUGE_PAGE ? 64 : HUGE_PAGE;
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

static void workspace_give(Step *step, void *memory, size_t wanted)
{
    Idle *const idle = step->idle;
    if (!wanted)
        return;
    int place = 0;
    for (int k = 0; k < STOCK; k++) {
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

/* 0 where the rows of an argument (n numbers, rows of `length`) sum to 1 as declared; one_hot ones have one entry */
static int rows_fail(const @real@ *rows, size_t n, size_t length, int one_hot)
{
    double worst = 0.0;
    int wrong = 0;
    for (size_t r = 0; r + length <= n; r += length) {
        @real@ sum = 0;
        LANES(reduction(+:sum))
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

static int facts_fail(const Step *step, const size_t *s, void *const *a)
{
    for (int k = 0; k < step->inputs; k++)
        if (step->sums_to_one[k]) {
            const ptrdiff_t *const axes = step->axes + k * step->most;
            size_t n = 1, length = 1;
            for (int i = 0; i < step->ranks[k]; i++) {
                length = axes[i] < 0 ? s[-1 - axes[i]] : (size_t)axes[i];
                n *= length;
            }
            if (rows_fail((const @real@ *)a[k], n, length, step->sums_to_one[k] == 2))
                return 1;
        }
    return 0;
}

SEEN PyObject *chainrule_call(PyObject *self, PyObject *const *given, ptrdiff_t count);
PyObject *chainrule_call(PyObject *self, PyObject *const *given, ptrdiff_t count)
{
    PyObject *const kind = PyTuple_GetItem(self, 0);
    Step *const step = (Step *)PyCapsule_GetPointer(PyTuple_GetItem(self, 1), NULL);
    const int inputs = step->inputs, all = step->inputs + step->results;
    Buffer views[all + 1];
    void *arrays[all + 1];
    size_t sizes[step->sizes + 1];
    int have = 0;
    long wrong = 0; /* 1 + the number of the array; -1: wrong sums; -2: no memory; -3: a loss not finite */
    size_t total = 0;
    double loss = 0.0;
    for (int k = 0; k < step->sizes; k++)
        sizes[k] = (size_t)-1;
    if (count != all)
        return PyLong_FromLong(1);
    for (int k = 0; k < all; k++) {
        Buffer *view = &views[k];
        const ptrdiff_t *const axes = step->axes + k * step->most;
        if (k == inputs && step->sizes_fail(sizes)) {
            wrong = 1;
            break;
        }
        if (k < inputs) { /* a subclass may mean more by its numbers: a mask, another product */
            PyObject *type = PyObject_Type(given[k]);
            Py_DecRef(type);
            if (type != kind) {
                wrong = k + 1;
                break;
            }
        }
        /* ND and STRIDES; of inputs FORMAT, of results, which the caller has just made of this type, WRITABLE */
        if (PyObject_GetBuffer(given[k], view, k < inputs ? 0x1C : 0x19)) {
            PyErr_Clear();
            wrong = k + 1;
            break;
        }
        have = k + 1;
        if (view->ndim != step->ranks[k] || view->itemsize != (ptrdiff_t)sizeof(@real@) ||
            (k < inputs && (!view->format || view->format[0] != FORMAT || view->format[1])))
            wrong = k + 1;
        ptrdiff_t stride = view->itemsize;
        for (int i = step->ranks[k] - 1; i >= 0 && !wrong; i--) {
            const ptrdiff_t axis = axes[i], n = view->shape[i];
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
            if (k >= inputs && (char *)views[i].buf < (char *)view->buf + view->len &&
                (char *)view->buf < (char *)views[i].buf + views[i].len)
                wrong = k + 1;
        if (wrong)
            break;
    }
    if (!wrong && facts_fail(step, sizes, arrays))
        wrong = -1;
    if (!wrong) {
        const size_t wanted = step->workspace(sizes);
        void *memory = wanted > (size_t)-1 / 2 ? NULL : workspace_take(step, wanted);
        if (memory) {
            void *thread = total > 65536 ? PyEval_SaveThread() : NULL;
            loss = step->run(sizes, arrays, memory);
            if (thread)
                PyEval_RestoreThread(thread);
            workspace_give(step, memory, wanted);
        } else
            wrong = -2;
    }
    while (have--)
        PyBuffer_Release(&views[have]);
    if (!wrong && step->has_loss && !(loss - loss == 0.0))
        wrong = -3;
    return wrong ? PyLong_FromLong(wrong) : step->has_loss ? PyFloat_FromDouble(loss) : PyTuple_Pack(0);
}

typedef struct { const Step *step; int64_t quick; size_t *sizes; void **arrays; void *workspace; } Bound;

SEEN PyObject *chainrule_bound(PyObject *self, PyObject *none);
PyObject *chainrule_bound(PyObject *self, PyObject *none)
{
    const Bound *b = (const Bound *)PyCapsule_GetPointer(PyTuple_GetItem(self, 0), NULL);
    (void)none;
    if (facts_fail(b->step, b->sizes, b->arrays)) {
        PyErr_SetString(PyExc_ValueError, "rows declared one-hot, or to sum to 1, are not: gradients would be wrong");
        return NULL;
    }
    void *thread = b->quick ? NULL : PyEval_SaveThread();
    const double loss = b->step->run(b->sizes, b->arrays, b->workspace);
    if (thread)
        PyEval_RestoreThread(thread);
    PyObject *results = PyTuple_GetItem(self, 1);
    if (!b->step->has_loss) {
        Py_IncRef(results);
        return results;
    }
    PyObject *number = PyFloat_FromDouble(loss);
    PyObject *pair = PyTuple_Pack(2, number, results);
    Py_DecRef(number);
    return pair;
}
"""


@cache
def entry(dtype: str) -> ctypes.PyDLL:
    """The library with `chainrule_call` and `chainrule_bound` for arrays of this dtype."""
    real, letter = {"float32": ("float", "f"), "float64": ("double", "d")}[dtype]
    text = _ENTRY.replace("@step@", STEP).replace("@real@", real).replace("@format@", letter)
    return build(text)
