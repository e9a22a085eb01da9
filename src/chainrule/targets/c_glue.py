"""What a compiled file has behind it to be called from Python: a table of its arrays, and how they are handed over.

The functions that Python calls are the same for every program (`chainrule.targets.c_entry`); what is here is compiled
with each.
"""

from __future__ import annotations

from chainrule.sizes import is_derived, spoken, symbols_of
from chainrule.targets.c_entry import STEP
from chainrule.targets.c_source import CSource, derived_size

__all__ = ["LEAST", "glue_text"]

LEAST = 500_000  # operations: what is less is done before other threads could begin

_GLUE = r"""
/* ---- calling it from Python ---- */
#define SEEN __attribute__((visibility("default")))
@step@
static const int ranks[] = {@ranks@};
static const ptrdiff_t axes[][@most@] = {@axes@};
static const int sums_to_one[] = {@stochastic@};

#ifdef BLAS_THREADS
void BLAS_THREADS(int);
#endif

@team@static double run(const size_t *s, void *const *a, void *workspace)
{
    @inner@ *const w = (@inner@ *)workspace;
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

static int sizes_fail(size_t *s)
{
    (void)s;
@derive@    return 0;
}

SEEN Step chainrule_step;
Step chainrule_step = {@inputs@, @results@, @sizes@, @most@, @has_loss@, sizeof(@inner@), ranks, &axes[0][0],
                       sums_to_one, run, numbers, sizes_fail, {{0, 0}}};

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
    parts = {
        "inputs": str(len(inputs)), "results": str(len(results)),
        "sizes": str(len(source.sizes) + len(source.computed)), "derive": _derivation(source, number),
        "ranks": ", ".join(str(len(s)) for s in shapes) or "0",
        "most": str(max([1, *map(len, shapes)])),
        "axes": ", ".join("{" + (", ".join(map(axis, s)) or "0") + "}" for s in shapes) or "{0}",
        "stochastic": ", ".join(map(str, rows)) or "0",
        "has_loss": str(int(source.loss is not None)), "step": STEP,
        "inner": "float" if source.inner == "float32" else "double",
        "threads": str(threads),
        "run": f"return (double){call}" if source.loss is not None else f"{call}\n    return 0.0;",
        "workspace": f"{sized}{', '.join(f's[{k}]' for k in range(len(source.sizes)))})" if has_workspace else "0",
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
    return text if "<stdint.h>" in source.text else "#include <stdint.h>\n" + text
