"""The NumPy target: a plan as straight-line NumPy code in the user's own names, and as a step that can be called.

`numpy_source` gives the text, which runs with NumPy alone; `compile_numpy` gives a `Step`, which checks its arrays
first.
Two variants: the default writes into memory that is allocated once per set of sizes; `plain=True` is for reading.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from chainrule.algebra.program import Program, is_anonymous
from chainrule.dims import format_shape
from chainrule.errors import UnsupportedError
from chainrule.functions.operations import OPERATIONS
from chainrule.plan import Block, Node, Plan, build_plan, read_request
from chainrule.plan.memory import given_sizes, memory_report
from chainrule.plan.relations import STRUCTURAL
from chainrule.plan.wide import EVERYTHING, PRECISE_OPTION, Precise, precision
from chainrule.targets.arrays import ArrayChecker, Checked
from chainrule.targets.failures import no_value
from chainrule.targets.names import Names
from chainrule.targets.numpy_buffers import BufferWriter
from chainrule.targets.numpy_chunks import LOCALS, by_rows, chunk_lines, what_it_saves
from chainrule.targets.numpy_expressions import Spelling
from chainrule.targets.numpy_helpers import helpers_of
from chainrule.targets.numpy_plain import PlainWriter
from chainrule.targets.registry import Compiled, Target, register
from chainrule.targets.text import LazyNames, keys_of, run, shape, size_lines, wrapped

__all__ = ["Step", "compile_numpy", "numpy_source"]

_DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class _Source:
    text: str
    function: str
    plan: Plan
    inner: str  # the dtype in which it computes


def numpy_source(
    program: Program,
    outputs: Sequence[str],
    *,
    loss: str | None = None,
    gradients: Mapping[str, str] | None = None,
    dtype: str = "float64",
    plain: bool = False,
    reuse_outputs: bool = False,
    chunk: int | Mapping[str, int] | None = None,
    memory: str | int | None = None,
    precise: Precise = True,
    comments: Mapping[str, str] | None = None,
    name: str | None = None,
) -> _Source:
    """The source text of a step; see `compile_numpy` for the arguments."""
    if dtype not in _DTYPES:
        raise UnsupportedError(f"no NumPy code for dtype {dtype!r}", hint=" or ".join(_DTYPES))
    everything = ([loss] if loss is not None and loss not in outputs else []) + list(outputs)
    wanted = precision(precise, dtype)
    inner = "float64" if wanted == EVERYTHING else dtype
    mode = "functions" if wanted and inner == "float32" else ""
    plan = build_plan(program, everything, reuse=not plain, chunk=read_request(chunk, memory), precise=mode)
    keys = keys_of(tuple(plan.outputs), gradients, loss)
    names = Names({"step", "predict", "sizes", "threading", "_allocate", "_memory", "_Memory"})
    if plan.chunks is not None:
        names.reserve(LOCALS)
    inputs: dict[Node, str] = {}
    arguments = {argument: names.take(argument) for argument in plan.arguments}
    for node in _inputs(plan):
        inputs[node] = arguments[node.attributes[0]]
    writer: PlainWriter | BufferWriter
    sizes = LazyNames(names)
    if plain:
        writer = PlainWriter(plan, names, inputs, f"np.{inner}", sizes)
    else:
        writer = BufferWriter(plan, names, inputs, f"np.{inner}", sizes, reuse_outputs)
    writer.comments = comments or {}
    body = _body(plan, writer, writer.comments)
    results = _returned(plan, writer, loss, keys, dtype if inner != dtype else "")
    function = name or ("step" if loss is not None else "predict")
    text = _assemble(plan, writer, function, arguments, body, results, loss, dtype, inner, reuse_outputs, keys)
    return _Source(text, function, plan, inner)


def _inputs(plan: Plan) -> list[Node]:
    found: dict[Node, None] = {}
    for node in plan.steps:
        for operand in node.operands:
            if operand.node.op == "input":
                found[operand.node] = None
    return list(found)


def _body(plan: Plan, writer: PlainWriter | BufferWriter, comments: Mapping[str, str]) -> list[str]:
    """All statements, with a comment where a new equation begins."""
    heading: dict[str, str] = {}
    named = ""
    for equation in reversed(list(plan.program)):
        if not is_anonymous(equation.name) or equation.name in comments:
            named = equation.name
        heading[equation.name] = named
    lines: list[str] = []
    last = ""
    loops = plan.chunks.loops if plan.chunks is not None else ()
    starts = {first: number for number, (first, _) in enumerate(loops)}
    indent = ""
    for place, node in enumerate(plan.steps):
        if any(place == last_ for _, last_ in loops):
            indent, last = "", ""
        if place in starts:
            lines += writer.loop_start(starts[place])
            indent, last = "    ", ""
        statements = writer.statements(node)
        if not statements:
            continue
        title = heading.get(node.equation, "")
        if title != last and node.op not in ("zeros", "empty", "rows"):
            last = title
            if title in comments or not isinstance(writer, PlainWriter):
                lines.append(f"{indent}# {comments.get(title, title)}".replace("\n", " "))
        lines += (indent + line for line in statements)
    return lines


def _returned(
    plan: Plan, writer: PlainWriter | BufferWriter, loss: str | None, keys: Mapping[str, str], rounded: str
) -> str:
    """What is returned; `rounded`: the dtype that it gets, where it is computed in another one."""

    def value(node: Node) -> str:
        text = writer.value(node)[0]
        if not rounded:
            return text
        return f"np.asarray({text}, np.{rounded})" if node.rank else f"np.{rounded}({text})"

    entries = [
        f"{keys[name]!r}: {value(node)}".replace("'", '"') for name, node in plan.outputs.items() if name != loss
    ]
    first = "" if loss is None else f"float({value(plan.outputs[loss])}), "
    line = first + "{" + ", ".join(entries) + "}"
    if len(line) <= 100:
        return line
    return first + "{\n" + "".join(f"        {entry},\n" for entry in entries) + "    }"


def _assemble(
    plan: Plan, writer: PlainWriter | BufferWriter, function: str, arguments: dict[str, str], body: list[str],
    results: str, loss: str | None, dtype: str, inner: str, reuse_outputs: bool, keys: dict[str, str],
) -> str:  # fmt: skip
    workspace = writer.workspace if isinstance(writer, BufferWriter) else {}
    spelling = writer.spelling
    allocation = [
        f"np.empty({_allocated(plan, spelling, block)}, {spelling.type_of(block.dtype)}),  # {local}"
        for local, block in workspace.items()
    ]
    dims: dict[str, None] = {}
    for block in workspace.values():
        dims.update((d, None) for d in block.dims if isinstance(d, str))
    order = [spelling.size(d) for d in (*plan.sizes, *plan.derived) if d in dims]
    if any(by_rows(plan, block.dims) for block in workspace.values()):
        order.insert(0, "chunk")
    sizes = ", ".join(order)
    rows = chunk_lines(plan, spelling)
    lines = ["import numpy as np"]
    if workspace:
        lines.insert(0, "import threading\n")
        trailing = "," if len(order) == 1 else ""
        lines += [
            "", "", "class _Memory(threading.local):",
            '    """Arrays that are allocated once per set of sizes; each thread has its own."""', "",
            "    def __init__(self):", "        self.held = {}", "", "",
            "_memory = _Memory()", "", "",
            "def _allocate(sizes):",
            *([f"    {sizes}{trailing} = sizes"] if order else []),
            "    if len(_memory.held) >= 8:", "        _memory.held.clear()",
            "    arrays = _memory.held[sizes] = (",
            *("        " + line for line in allocation),
            "    )", "    return arrays",
        ]  # fmt: skip
    for text in helpers_of(plan):
        lines += ["", "", *text.rstrip("\n").split("\n")]
    lines += ["", "", f"def {function}({', '.join(arguments.values())}):"]
    lines += [
        "    " + line if line else "" for line in _docstring(plan, arguments, loss, dtype, inner, reuse_outputs, keys)
    ]
    if inner != dtype:
        lines += [f"    {local} = np.asarray({local}, np.{inner})" for local in arguments.values()]
    lines += ["    " + line for line in size_lines(plan, spelling.sizes_used, arguments, spelling.size)]
    lines += ["    " + line for line in rows]
    if workspace:
        if order:
            lines.append(f"    sizes = {sizes}{',' if len(order) == 1 else ''}")
        else:
            lines.append("    sizes = ()")
        lines += _unpacked(list(workspace), "_memory.held.get(sizes) or _allocate(sizes)")
    lines += ["    " + line for line in body]
    lines += [f"    return {results}", ""]
    return "\n".join(lines)


def _allocated(plan: Plan, spelling: Spelling, block: Block) -> str:
    """The shape of a block; rows of a chunk lie one after the other in memory that is seen by rows in the loop."""
    if not by_rows(plan, block.dims):
        return spelling.shape(block.dims)
    assert plan.chunks is not None
    return " * ".join("chunk" if d == plan.chunks.symbol else spelling.size(d) for d in block.dims)


def _unpacked(names: list[str], value: str) -> list[str]:
    """a, b, c = value, over several lines where it is long."""
    line = f"    {', '.join(names)}{',' if len(names) == 1 else ''} = {value}"
    if len(line) <= 110:
        return [line]
    inner = textwrap.wrap(", ".join(names) + ",", 100, break_long_words=False)
    return ["    (", *("        " + part for part in inner), f"    ) = {value}"]


def _docstring(
    plan: Plan, arguments: dict[str, str], loss: str | None, dtype: str, inner: str, reuse_outputs: bool,
    keys: dict[str, str],
) -> list[str]:  # fmt: skip
    variables = plan.program.variables
    results = [name for name in plan.outputs if name != loss]
    what = f"The loss {loss} and its gradients" if loss is not None else "The values of " + ", ".join(results)
    computed = f", computed in {inner}" if inner != dtype else ""
    lines = [*wrapped(f'"""{what}; arrays of {dtype}{computed}.'), ""]
    for argument, local in arguments.items():
        lines.append(f"{local}: {shape(variables[argument].dims)}")
    returned = ", ".join(f"{keys[name]} {shape(variables[name].dims)}".replace(" ", "\u00a0") for name in results)
    sentence = f"Returns {loss + ' and ' if loss is not None else ''}a dictionary: {returned}."
    lines += ["", *wrapped(sentence)]
    if plan.chunks is not None:
        lines += wrapped(what_it_saves(plan))
    if reuse_outputs:
        lines += ["The arrays returned are overwritten by the next call: copy what must last."]
    return [*lines, '"""']


class Step(Compiled):
    """A compiled program: `step(**arrays)` gives (loss, {name: gradient}), or {name: array} where there is no loss.

    source: the text that runs, with NumPy alone.  names: the arrays that it needs.  plan: what it was made from.
    A column of D numbers may be given as (D,) or (D, 1), a row as (D,) or (1, D); a gradient has the shape of what was
    given. Results belong to the caller, unless compiled with `reuse_outputs`: then the next call overwrites them.
    Two threads may call one step.

    Raises ArrayError (a ValueError): a missing or unknown name, a shape or dtype that does not fit, NaN in the data.
    """

    def __init__(self, source: _Source, loss: str | None, dtype: str) -> None:
        self.source = source.text
        self.plan = source.plan
        self._inner = source.inner
        self.names = source.plan.arguments
        self.dtype = dtype
        program = source.plan.program
        declared = tuple(n for n in program.variables if n not in program.equations)
        self._checker = ArrayChecker(program.variables, self.names, declared, dtype)
        self._loss = loss
        self._run = run(source.text, source.function)[source.function]
        self._seen: dict[tuple[Any, ...], Checked | None] = {}
        self._key = _key_function(len(self.names))

    def __call__(self, /, **given: Any) -> Any:
        """Run the step on NumPy arrays by name."""
        try:
            arrays = [given[name] for name in self.names]
            if len(arrays) != len(given):
                raise KeyError
        except KeyError:
            arrays = self._checker.by_name(given)
        try:
            checked = self._seen[self._key(*arrays)]
        except (AttributeError, KeyError, TypeError):
            checked = self._check(arrays)
        if checked is not None:
            return self._adapted(arrays, checked)
        if self._loss is not None and self._checker.stated:
            self._checker.check_facts(arrays)
        return self._result(arrays)

    def _result(self, arrays: list[Any]) -> Any:
        """What the code gives for arrays that fit. Raises ArrayError where the loss or a matrix has no value."""
        try:
            result = self._run(*arrays)
        except ZeroDivisionError:  # of two sizes
            raise self._checker.explain_not_finite(arrays, "a quotient of sizes") from None
        except (np.linalg.LinAlgError, IndexError) as error:  # a singular matrix; a label that is no class
            raise no_value(self._checker, arrays, error) from error
        if self._loss is not None and not isfinite(result[0]):
            raise self._checker.explain_not_finite(arrays, f"the loss {self._loss}")
        return result

    def _check(self, arrays: list[Any]) -> Checked | None:
        checked: Checked | None = self._checker.check(arrays)
        assert checked is not None
        if not checked.changes:
            checked = None
        if all(isinstance(array, np.ndarray) for array in arrays):
            if len(self._seen) > 64:
                self._seen.clear()
            self._seen[self._key(*arrays)] = checked
        return checked

    def _adapted(self, arrays: list[Any], checked: Checked) -> Any:
        """A call with arrays that are reshaped or converted first; gradients go back to the shapes given."""
        used = list(arrays)
        for position, new_shape, dtype in checked.changes:
            array = np.asarray(used[position], dtype=dtype)
            used[position] = array if new_shape is None else array.reshape(new_shape)
        if self._loss is not None and self._checker.stated:
            self._checker.check_facts(used)
        result = self._result(used)
        values = result if self._loss is None else result[1]
        shapes = dict(zip(self.names, checked.shapes, strict=True))
        for key in values:
            if key in shapes and np.shape(values[key]) != shapes[key]:
                values[key] = np.asarray(values[key]).reshape(shapes[key])
        return result

    def memory_report(self, /, **sizes: int) -> str:
        """What the workspace takes, beside arguments and results, for sizes such as N=2048; and what chunks save."""
        return memory_report(self.plan, given_sizes(self.plan.program, sizes), np.dtype(self._inner).itemsize)

    def __repr__(self) -> str:
        shapes = self.plan.program.variables
        arguments = ", ".join(f"{name}: {format_shape(shapes[name].shape)}" for name in self.names)
        return f"Step({arguments}; {self.dtype})"


def _key_function(count_: int) -> Callable[..., tuple[Any, ...]]:
    """(shape, dtype, type) of each array in one flat tuple. Made as text: a loop would cost more than the look-up."""
    names = [f"a{k}" for k in range(count_)]
    parts = "".join(f"{name}.shape, {name}.dtype, {name}.__class__, " for name in names)
    key: Callable[..., tuple[Any, ...]] = eval(f"lambda {', '.join(names)}: ({parts})")
    return key


def compile_numpy(
    program: Program,
    outputs: Sequence[str],
    *,
    loss: str | None = None,
    gradients: Mapping[str, str] | None = None,
    dtype: str = "float64",
    plain: bool = False,
    reuse_outputs: bool = False,
    chunk: int | Mapping[str, int] | None = None,
    memory: str | int | None = None,
    precise: Precise = True,
    comments: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Step:
    """Compile the equations `outputs` of a program, and what they need, to NumPy.

    loss: the scalar that the step returns first, as a float; None: the step returns a dictionary of all outputs.
    gradients: key in the dictionary → output (default: ∂J/∂W is W where there is a loss, else names as they are).
    dtype: float64 or float32.  plain: code for reading, with neither out= nor shared memory.
    reuse_outputs: results live in the workspace and **the next call overwrites them**; saves their allocation.
    chunk, memory: go through a row-like index a few rows at a time, so that no large array has all of them: 512 rows
    (`chunk={"N": 512}` says which index), or as many as keep the workspace within `memory="64MB"`. Results are the same
    but for rounding; the source says what is saved. Refused where no index allows it or nothing would be saved.
    precise: in float32, compute in float64 what would lose digits and has them (`plan.precise`, `plan.wide`); "all":
    everything, products too.
    comments: a comment for each equation.  name: of the function, default step or predict.
    Raises UnsupportedError for what has no NumPy code.
    """
    source = numpy_source(
        program, outputs, loss=loss, gradients=gradients, dtype=dtype, plain=plain, reuse_outputs=reuse_outputs,
        chunk=chunk, memory=memory, precise=precise, comments=comments, name=name,
    )  # fmt: skip
    return Step(source, loss, dtype)


def _spells(kind: str, name: str) -> bool:
    return kind != "operation" or name in STRUCTURAL or OPERATIONS[name].numpy is not None


register(
    Target(
        "numpy",
        "NumPy, in memory that is allocated once",
        compile_numpy,
        _spells,
        options={
            "plain": "code for reading: no shared memory",
            "reuse_outputs": "results live in the workspace, and the next call overwrites them",
            "chunk": 'rows at a time of a row-like index: 512, or {"N": 512}',
            "memory": 'rows at a time so that the workspace stays within this: "64MB"',
            "precise": PRECISE_OPTION,
        },
    )
)
