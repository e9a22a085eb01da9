"""A plan as one C99 file: the loops of a fused plan in the user's names, with what they need around them.

The file depends on math.h alone. `-DCBLAS` takes matrix products from a BLAS; `-DSIMD -fopenmp-simd` lets the compiler
run loops in lanes. `embedded`: all sizes are numbers, the workspace is static, there is no BLAS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

from chainrule.algebra.program import Program, Variable
from chainrule.dims import Dim, format_shape
from chainrule.errors import UnknownNameError, UnsupportedError
from chainrule.plan import Node, Plan, build_plan, read_request
from chainrule.plan.fusion import fuse
from chainrule.plan.sharing import Arena, share_memory
from chainrule.plan.slices import slices_of
from chainrule.plan.teams import volume
from chainrule.plan.wide import EVERYTHING, Precise, precision
from chainrule.sizes import spoken, symbols_of, value_of
from chainrule.targets.c_helpers import helper_text
from chainrule.targets.c_loops import LoopWriter
from chainrule.targets.c_memory import Workspace, wrapped
from chainrule.targets.c_names import CNames
from chainrule.targets.text import occurs

__all__ = ["CSource", "c_source", "derived_size"]


@dataclass(frozen=True, slots=True)
class CSource:
    """The text, and what calls it: `function(sizes, arguments, results, workspace, team)`; the last
    two where it needs them.

    sizes: symbolic sizes that are arguments, in order.  known: those that are numbers.  computed: those that no array
    has, in an order in which they can be worked out.  results: outputs that are
    arrays or scalars behind a pointer; the loss is what the function returns.  keys: what each is called.
    report: bytes of workspace, parameters and the like (embedded).  workspace: how large it is for which sizes.
    work: what several threads do together, as products of sizes; () where one does it.
    inner: the dtype in which it computes, and of the workspace.
    """

    text: str
    function: str
    plan: Plan
    dtype: str
    sizes: tuple[str, ...]
    known: dict[str, int]
    computed: tuple[str, ...]
    loss: str | None
    results: tuple[str, ...]
    keys: dict[str, str]
    report: dict[str, int]
    workspace: Workspace
    work: tuple[tuple[Dim, ...], ...]
    inner: str


def c_source(
    program: Program,
    outputs: Sequence[str],
    *,
    loss: str | None = None,
    gradients: Mapping[str, str] | None = None,
    dtype: str = "float32",
    sizes: Mapping[str, int] | None = None,
    embedded: bool = False,
    chunk: int | Mapping[str, int] | None = None,
    memory: str | int | None = None,
    threads: int = 1,
    precise: Precise = True,
    comments: Mapping[str, str] | None = None,
    name: str | None = None,
    title: str = "",
) -> CSource:
    """The C source of a step; see `chainrule.targets.c.compile_c` for the arguments."""
    if dtype not in ("float32", "float64"):
        raise UnsupportedError(f"no C code for dtype {dtype!r}", hint="float32 or float64")
    everything = ([loss] if loss is not None and loss not in outputs else []) + list(outputs)
    wanted = precision(precise, dtype)
    inner = "float64" if wanted == EVERYTHING else dtype
    mode = "nodes" if wanted and inner == "float32" and not embedded else ""
    request = read_request(chunk, memory)
    sizes = _checked(program, sizes or {})
    kept = partial(_kept, sizes)
    plan = build_plan(program, everything, reuse=False, chunk=request, sink=True, precise=mode, workspace=kept)
    symbols = _symbols(plan)
    known = _known(plan, symbols, sizes, embedded)

    def value(dim: Dim) -> int | None:
        return known.get(dim) if isinstance(dim, str) else dim

    function = name or ("step" if loss is not None else "predict")
    own: tuple[str, ...] = (f"{function}_workspace", f"{function}_chunk")
    if threads > 1:
        own = (*own, "team", "share", "first", "last", "me", "of", "wait")
    names = CNames((*own, function, "workspace", "real", "LANES", "PAD", "start", "chunk", "fit", "fixed", "each"))
    size_names = {dim: names.take(re.sub(r"\W+", "_", dim)) for dim in [*symbols, *plan.derived]}
    if plan.chunks is not None:
        size_names[plan.chunks.symbol] = names.take(plan.chunks.symbol)
    inputs = {argument: names.take(argument) for argument in plan.arguments}
    kernel = fuse(plan, value)
    results = tuple(n for n in plan.outputs if n != loss)
    writer = LoopWriter(kernel, names, inputs, size_names, inner, comments or {}, threads=1 if embedded else threads)
    body = writer.body()
    pointers = {n: names.take(f"{writer.names[plan.outputs[n]]}_out")
                if not plan.outputs[n].rank or inner != dtype else writer.names[plan.outputs[n]]
                for n in results}  # fmt: skip
    given = {a: names.take(f"{local}_in") if inner != dtype else local for a, local in inputs.items()}
    without = _without(program, everything, plan, sizes, mode)
    if inner != dtype:
        without += _copies(
            plan, writer, {a: local for a, local in inputs.items() if occurs(local, "\n".join(body))}, results
        )
    dynamic = tuple(d for d in symbols if d not in known)
    computed = tuple(d for d in plan.derived if d not in known)
    stripped = {n: n.split("/∂", 1)[1] if loss is not None and n.startswith("∂") and "/∂" in n else n for n in results}
    called = {output: key for key, output in (gradients or {}).items()}
    keys = {n: called.get(n, stripped[n]) for n in results}
    workspace = Workspace(
        plan, writer.blocks, without, function, writer.real, size_names, writer.size,
        dynamic, tuple(_computed(plan, computed, size_names, writer.size)), known, embedded,
        {block: _note(writer, block, arena.nodes) for block, arena in writer.blocks.items()},
    )  # fmt: skip
    parts = _Parts(
        plan,
        writer,
        function,
        dtype,
        inputs,
        given,
        size_names,
        known,
        dynamic,
        computed,
        loss,
        results,
        pointers,
        body,
        embedded,
        title,
        workspace,
    )
    text = _assemble(parts)
    report = _report(plan, dtype, known, text, workspace.bytes(known, whole_lines=False)) if embedded else {}
    work = tuple(volume(kernel)) if writer.division is not None else ()
    return CSource(text, function, plan, dtype, dynamic, known, computed, loss, results, keys, report, workspace, work,
                   inner)  # fmt: skip


def _copies(plan: Plan, writer: LoopWriter, inputs: Mapping[str, str], results: Sequence[str]) -> tuple[Arena, ...]:
    """Blocks for arguments and results in float64, of a step for arrays of float32."""
    before = len(writer.blocks)
    for argument, local in inputs.items():
        writer.blocks[local] = Arena(plan.program.variables[argument].dims)
    for name in results:
        node = plan.outputs[name]
        if node.rank:
            writer.blocks[writer.names[node]] = Arena(node.dims, [node])
    return tuple(writer.blocks.values())[before:]


def _arenas(sizes: Mapping[str, int], plan: Plan) -> list[Arena]:
    """The blocks of the workspace of a plan; `sizes`: those that are numbers."""

    def value(dim: Dim) -> int | None:
        return value_of(dim, sizes) if isinstance(dim, int) or symbols_of(dim).keys() <= sizes.keys() else None

    found = list(dict.fromkeys(share_memory(fuse(plan, value)).values()))
    for node in plan.steps:
        if node.op == "loop":
            step = fuse(node.attributes[0].plan, value, slices_of(node))
            found += dict.fromkeys(share_memory(step).values())
    return found


def _kept(sizes: Mapping[str, int], plan: Plan) -> list[tuple[Dim, ...]]:
    """How much that is, by the sizes of each block; one of float64 among float32 counts twice."""
    return [dims for arena in _arenas(sizes, plan) for dims in [arena.dims] * (2 if arena.wide else 1)]


def _without(
    program: Program, outputs: Sequence[str], plan: Plan, sizes: Mapping[str, int], precise: str
) -> tuple[Arena, ...]:
    """The blocks that there would be without chunks."""
    if plan.chunks is None:
        return ()
    return tuple(_arenas(sizes, build_plan(program, outputs, reuse=False, sink=True, precise=precise)))


def _symbols(plan: Plan) -> list[str]:
    """All symbolic sizes of the plan and of its arguments."""
    more = (d for a in plan.arguments for d in plan.program.variables[a].dims if isinstance(d, str))
    return list(dict.fromkeys([*plan.sizes, *more]))


def _checked(program: Program, sizes: Mapping[str, int]) -> Mapping[str, int]:
    """The sizes that are given. Raises where one is no size of the program, or no size at all."""
    if not isinstance(sizes, Mapping):
        raise UnsupportedError(f"sizes={sizes!r} does not say which size is how large", 'sizes={"D_h": 128}')
    declared = {s for v in program.variables.values() for d in v.dims for s in symbols_of(d)}
    for dim, number in sizes.items():
        if dim not in declared:
            known = ", ".join(sorted(declared))
            raise UnknownNameError(f"{dim} is not a size of this program", hint=f"its sizes: {known}")
        if type(number) is not int or number < 1:
            raise UnsupportedError(f"the size {dim} = {number!r} must be a whole number from 1 on")
    return sizes


def _known(plan: Plan, symbols: list[str], sizes: Mapping[str, int], embedded: bool) -> dict[str, int]:
    """The sizes that are numbers in the code."""
    missing = sorted({s for d in [*symbols, *plan.derived] for s in symbols_of(d)} - set(sizes))
    if embedded and missing:
        raise UnsupportedError(
            f"embedded code needs a number for {', '.join(missing)}", hint=f"--sizes {missing[0]}=16, or sizes={{…}}"
        )
    return {d: value_of(d, sizes) for d in [*symbols, *plan.derived] if all(s in sizes for s in symbols_of(d))}


def derived_size(plan: Plan, dim: str, name: Callable[[str], str]) -> str:
    """C for a size that no array has, of those that are known by `name`."""
    found = plan.derived[dim]
    if found is None:
        text = spoken(dim, name)[1:-1]
    else:
        whole, rest, slope = found
        above = name(whole) if rest == 0 else f"({name(whole)} - {spoken(rest, name)})"
        text = above if slope == 1 else f"{above} / {spoken(slope, name)}"
    return text.replace("//", "/")


_TEAM = """\
/* Threads that do a step together: each calls it with the same arrays and its own team, in which it is number `me` of
 * `of`; `wait` returns when all of them have called it. */
struct team { size_t me, of; void (*wait)(const struct team *team); };

/* Where the part of n things begins that is done by thread number `me`. */
static inline size_t share(size_t n, size_t me, size_t of)
{
    const size_t unit = n >= 64 * of ? 16 : 1;
    return me < of ? n / unit * me / of * unit : n;
}"""


@dataclass(frozen=True, slots=True)
class _Parts:
    plan: Plan
    writer: LoopWriter
    function: str
    dtype: str
    inputs: dict[str, str]  # what the code calls the arguments
    given: dict[str, str]  # and the parameters that they come from
    size_names: dict[str, str]
    known: dict[str, int]
    dynamic: tuple[str, ...]
    computed: tuple[str, ...]
    loss: str | None
    results: tuple[str, ...]
    pointers: dict[str, str]
    body: list[str]
    embedded: bool
    title: str
    workspace: Workspace

    @property
    def real(self) -> str:
        """The type of arguments and results."""
        return "float" if self.dtype == "float32" else "double"

    @property
    def copied(self) -> bool:
        """True where arguments and results are copied to another type, and from it."""
        return self.real != self.writer.real


def _assemble(p: _Parts) -> str:
    real = p.writer.real
    helpers = p.writer.spelling.helpers
    written = helper_text(helpers, "float32" if real == "float" else "float64")
    lines = [*_header(p), "#include <math.h>", "#include <stddef.h>"]
    if "uint" in written:
        lines.append("#include <stdint.h>")
    if "LANES(" in "\n".join([*p.body, written]):
        lines += [
            "", "#ifdef SIMD /* cc -DSIMD -fopenmp-simd: loops run in lanes, sums are split among them */",
            "#define PRAGMA(text) _Pragma(#text)", "#define LANES(...) PRAGMA(omp simd __VA_ARGS__)",
            "#else", "#define LANES(...)", "#endif",
        ]  # fmt: skip
    if "gemm" in helpers and not p.embedded:
        letter = "s" if real == "float" else "d"
        lines += [
            "", "#ifdef CBLAS /* cc -DCBLAS … -lopenblas: large matrix products are a BLAS's */",
            f"void cblas_{letter}gemm(int order, int ta, int tb, int m, int n, int k, {real} alpha, const {real} *A,",
            f"                 int lda, const {real} *B, int ldb, {real} beta, {real} *C, int ldc);", "#endif",
        ]  # fmt: skip
    if p.known:
        numbers = ", ".join(f"{p.size_names[d]} = {n}" for d, n in p.known.items())
        lines += ["", *wrapped(f"enum {{ {numbers} }};", "    ")]
    if p.writer.division is not None:
        lines += ["", _TEAM]
    if p.embedded:
        written = _without_blas(written)
    if written:
        lines += ["", written.rstrip("\n")]
    lines += ["", *p.workspace.lines(), *_signature(p), "{", *("    " + line for line in _opening(p)),
              *("    " + line for line in p.body), *("    " + line for line in _closing(p)), "}", ""]  # fmt: skip
    return "\n".join(lines)


def _without_blas(text: str) -> str:
    kept, skipping = [], False
    for line in text.split("\n"):
        skipping = skipping or line == "#ifdef CBLAS"
        if not skipping:
            kept.append(line)
        if line == "#endif":
            skipping = False
    return "\n".join(kept)


def _header(p: _Parts) -> list[str]:
    """What the file is, and the program from which it was made."""
    variables = p.plan.program.variables
    what = f"The loss {p.loss} and its gradients" if p.loss is not None else "Values"
    shapes = [f"{p.given[a]}: {_shape(variables[a])}" for a in p.plan.arguments]
    outs = [f"{p.pointers[n]}: {_shape(variables[n])}" for n in p.results]
    lines = [f"/* {p.title or what + ', made by chainrule.'}", " *"]
    lines += wrapped("Takes " + ", ".join(shapes) + ".", " * ", " * ")
    end = f"; returns {p.loss}." if p.loss is not None else "."
    lines += wrapped("Gives " + ", ".join(outs) + end, " * ", " * ")
    lines.append(" * Arrays are in row-major order, and results overlap with nothing else.")
    if p.copied:
        lines.append(f" * Computed in {p.writer.real}: arguments are copied, results rounded.")
    lines += wrapped(p.workspace.saving(), " * ", " * ")
    if p.embedded:
        lines.append(" * Static memory only; not for two threads at once.")
    return [*lines, " */"]


def _shape(variable: Variable) -> str:
    return format_shape(variable.shape).replace("*", "")


def _computed(plan: Plan, computed: Sequence[str], names: Mapping[str, str], size: Callable[[Dim], str]) -> list[str]:
    """Lines for the sizes that are worked out from the arguments."""
    return [f"const size_t {names[d]} = {derived_size(plan, d, size)};" for d in computed]


def _note(writer: LoopWriter, name: str, nodes: list[Node]) -> str:
    others = list(dict.fromkeys(writer.names[n] for n in nodes if writer.names[n] != name))
    return f" /* later {', '.join(others)} */" if others else ""


def _signature(p: _Parts) -> list[str]:
    real = p.real
    parameters = [f"size_t {p.size_names[d]}" for d in p.dynamic]
    parameters += [f"const {real} *restrict {p.given[a]}" for a in p.plan.arguments]
    parameters += [f"{real} *restrict {p.pointers[n]}" for n in p.results]
    if p.writer.blocks and not p.embedded:
        parameters.append(f"{p.writer.real} *workspace")
    if p.writer.division is not None:
        parameters.append("const struct team *team")
    returned = real if p.loss is not None else "void"
    head = f"{returned} {p.function}({', '.join(parameters)})"
    return [*wrapped(head + ";", " " * (len(p.function) + 6)), *wrapped(head, " " * (len(p.function) + 6))]


def _opening(p: _Parts) -> list[str]:
    """Pointers into the workspace."""
    lines = [*p.workspace.computed, *p.workspace.chunk_lines()]
    lines += [f"(void){p.size_names[d]};" for d in p.computed if not occurs(p.size_names[d], "\n".join(p.body))]
    used = "\n".join([*lines, *p.body])
    for dim in p.dynamic:
        name = p.size_names[dim]
        if not occurs(name, used) and not any(dim in a.dims for a in p.writer.blocks.values()):
            lines.append(f"(void){name};")
    lines += [f"(void){p.given[a]};" for a in p.plan.arguments if not occurs(p.inputs[a], used)]
    before = "workspace"
    for name, arena in p.writer.blocks.items():
        real = "double" if arena.wide else p.writer.real
        if not p.embedded:
            lines.append(f"{real} *const {name} = {f'(double *)({before})' if arena.wide else before};")
            before = f"({p.writer.real} *){name} + {p.workspace.padded(arena)}" if arena.wide else \
                f"{name} + {p.workspace.padded(arena)}"  # fmt: skip
        for node in arena.nodes:
            other = p.writer.names[node]
            if node in p.writer.own:
                apart = f"PAD({p.workspace.extent(arena.dims)})"
                lines.append(f"{real} *const {other} = {name} + team->me * {apart}; /* this thread's own */")
            elif other != name:
                lines.append(f"{real} *const {other} = {name}; /* in the same memory */")
    lines = list(dict.fromkeys(lines))
    if p.copied:
        for a in (a for a in p.plan.arguments if occurs(p.inputs[a], used)):
            lines += _each(p, a, f"{p.inputs[a]}[i] = {p.given[a]}[i];")
        if p.writer.division is not None:
            lines.append("team->wait(team);")
    return lines


def _each(p: _Parts, name: str, statement: str) -> list[str]:
    """A loop over all numbers of an array, i; each thread does its part."""
    extent = p.workspace.extent(p.plan.program.variables[name].dims)
    if p.writer.division is None:
        return [f"for (size_t i = 0; i < {extent}; i++)", f"    {statement}"]
    first, last = (f"share({extent}, team->me{plus}, team->of)" for plus in ("", " + 1"))
    return [f"for (size_t i = {first}, n = {last}; i < n; i++)", f"    {statement}"]


def _closing(p: _Parts) -> list[str]:
    lines = []
    cast = f"({p.real})" if p.copied else ""
    if p.copied and p.writer.division is not None:
        lines.append("team->wait(team);")
    for name in p.results:
        node = p.plan.outputs[name]
        if not node.rank:
            line = f"*{p.pointers[name]} = {cast}{p.writer.names[node]};"
            lines.append(line if p.writer.division is None else f"if (!team->me) {line}")
        elif p.copied:
            lines += _each(p, name, f"{p.pointers[name]}[i] = {cast}{p.writer.names[node]}[i];")
    if p.loss is not None:
        lines.append(f"return {cast}{p.writer.names[p.plan.outputs[p.loss]]};")
    return lines


def _report(plan: Plan, dtype: str, known: Mapping[str, int], text: str, took: int) -> dict[str, int]:
    width = 4 if dtype == "float32" else 8

    def count(dims: tuple[Dim, ...]) -> int:
        return prod(known[d] if isinstance(d, str) else d for d in dims)

    variables = plan.program.variables
    return {
        "workspace_bytes": took,
        "parameter_bytes": width * sum(count(v.dims) for a in plan.arguments if (v := variables[a]).kind == "param"),
        "argument_bytes": width * sum(count(variables[a].dims) for a in plan.arguments),
        "result_bytes": width * sum(count(node.dims) for node in plan.outputs.values()),
        "lines": len(text.splitlines()),
    }
