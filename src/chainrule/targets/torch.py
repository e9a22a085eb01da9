"""The PyTorch target: an autograd function whose backward pass is the derived one, and a module with the parameters.

The text stands for itself: it needs torch alone and is meant to be read and edited. `_forward` computes the loss and
what the backward pass uses of it; `Step.backward` holds the signals and gradients under the user's names and computes
no gradient that nobody asks for. Where the backward pass is itself differentiated, it computes the values of the
forward pass anew from the arrays, so that PyTorch sees how they depend on them: second derivatives are then right at
the price of one forward pass. `compile_torch` gives a `TorchStep`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.algebra.program import Program
from chainrule.dims import Dim, format_shape
from chainrule.errors import ArrayError, UnsupportedError
from chainrule.plan import Node, build_plan
from chainrule.plan.wide import PRECISE_OPTION, Precise, precision
from chainrule.targets.names import Names
from chainrule.targets.passes import Passes, headings, split
from chainrule.targets.pure import PureWriter, spells
from chainrule.targets.registry import Target, register
from chainrule.targets.spelling import PRODUCT
from chainrule.targets.tensors import Door
from chainrule.targets.text import (
    LazyNames,
    argument_lines,
    join,
    keys_of,
    reference_array,
    run,
    shape,
    size_lines,
    wrapped,
)
from chainrule.targets.torch_module import module_lines
from chainrule.targets.torch_spelling import TorchSpelling
from chainrule.targets.widening import Widening, mode_of

__all__ = ["Saved", "TorchStep", "compile_torch"]

_DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Saved:
    """A tensor that the forward pass keeps for the backward pass.

    name: in the code.  dims: its sizes.  why: what uses it; empty for an argument that is kept only in case that the
    backward pass is differentiated.  computed: False for an argument, which takes no memory of its own.
    """

    name: str
    dims: tuple[Dim, ...]
    why: tuple[str, ...]
    computed: bool

    def __str__(self) -> str:
        reason = f"for {', '.join(self.why)}" if self.why else "only where the backward pass is differentiated"
        return f"{self.name} {shape(self.dims)}: {reason}"


_AUTOCAST = '''\
def _autocast(tensor):
    """Whether products are computed in a smaller dtype on the tensor's device, and in which."""
    kind = tensor.device.type
    if not torch.amp.is_autocast_available(kind):
        return False, None
    return torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)


def _as_in_forward(backward):
    """A backward pass with the same autocast as its forward pass, wherever it is called."""

    @functools.wraps(backward)
    def run(ctx, gradient):
        enabled, dtype = ctx.autocast
        if (enabled, dtype) == _autocast(gradient):
            return backward(ctx, gradient)
        with torch.autocast(gradient.device.type, dtype=dtype, enabled=enabled):
            return backward(ctx, gradient)

    return run
'''


@dataclass(frozen=True, slots=True)
class _Text:
    source: str
    function: str
    arguments: tuple[str, ...]
    saved: tuple[Saved, ...]


def _head(parts: Sequence[str], helpers: Sequence[str]) -> list[str]:
    lines = (["import math"] if any("math." in part for part in parts) else []) + ["", "import torch"]
    for helper in helpers:
        lines += ["", "", *helper.rstrip("\n").split("\n")]
    return lines


def _step_text(
    program: Program, loss: str, gradients: Mapping[str, str], comments: Mapping[str, str], dtype: str,
    precise: Precise,
) -> _Text:  # fmt: skip
    passes = split(program, loss, gradients, mode_of(precise))
    plan = passes.plan
    names = Names(
        {
            "functools",
            "torch",
            "math",
            "ctx",
            "Step",
            "_autocast",
            "_as_in_forward",
            "Network",
            "step",
            *TorchSpelling.helpers,
            "_forward",
        }
    )
    arguments = {name: names.take(name) for name in passes.arguments}
    seed = names.take(passes.seed)
    sizes = LazyNames(names)
    writer = PureWriter(plan, names, arguments | {passes.seed: seed}, TorchSpelling, dtype, sizes)
    spelling, titles = writer.spelling, headings(plan)
    widening = Widening(precise, spelling, names)

    spelling.like = reference_array(program, arguments)
    forward = writer.body(passes.forward, titles, comments)
    forward = [*widening.opening(list(arguments.values()), forward), *forward]
    result = writer.value(plan.outputs[loss])[0]
    kept = [writer.names[node] for node in passes.saved]
    forward_sizes = size_lines(plan, spelling.sizes_used, arguments, spelling.size)

    spelling.sizes_used, spelling.like = set(), seed
    backward, returned = _backward(passes, writer, widening, gradients, titles, comments, list(arguments), seed)
    read = [arguments[name] for name in passes.inputs]
    backward = [*widening.opening([seed, *read], backward), *backward]
    backward_sizes = size_lines(plan, spelling.sizes_used, arguments, spelling.size)

    saved = _saved(passes, writer, arguments, comments)
    call = ", ".join(arguments.values())
    loss_name = names.take(loss) if not plan.outputs[loss].name else result
    body = [*forward, *backward]
    lines = ["import functools", *_head(body, [_AUTOCAST, *spelling.helpers_of(body)])]
    lines += ["", "", *join("def _forward(", list(arguments.values()), "):", "")]
    keeps = f", and what the backward pass uses: {', '.join(kept)}" if kept else ""
    lines += [f"    {line}" for line in wrapped(f'"""The loss {loss}{keeps}."""')]
    lines += [f"    {line}" for line in (*forward_sizes, *forward)]
    lines += join("return ", [widening.result(result), *kept], "", opens="(", closes=")")
    lines += ["", "", "class Step(torch.autograd.Function):"]
    lines += [f"    {line}" if line else "" for line in _step_docstring(passes, arguments, loss, call, saved)]
    lines += ["", "    @staticmethod", *join("def forward(", ["ctx", *arguments.values()], "):")]
    lines += join("", [loss_name, *kept], f" = _forward({call})", " " * 8, "(", ")")
    lines.append(f"        ctx.autocast = _autocast({loss_name})")
    lines += join("ctx.save_for_backward(", [*arguments.values(), *kept], ")", " " * 8)
    lines += [f"        return {loss_name}", "", "    @staticmethod"]
    lines.append("    @_as_in_forward")
    lines.append(f"    def backward(ctx, {seed}):")
    everything = [*arguments.values(), *kept]
    comma = "," if len(everything) == 1 else ""
    lines += join("", everything, f"{comma} = ctx.saved_tensors", " " * 8, "(", ")")
    for position, name in enumerate(arguments):
        if name not in gradients:
            lines += [
                f"        if ctx.needs_input_grad[{position}]:",
                f'            raise NotImplementedError("no gradient at {arguments[name]} was derived")',
            ]
    if passes.tied:
        tied = " and ".join(arguments[name] for name in passes.tied)
        lines += [
            "        if torch.is_grad_enabled():",
            "            raise NotImplementedError(",
            f'                "the gradients hold for {tied} as declared only: they cannot be differentiated again"',
            "            )",
        ]
    elif kept:
        lines += [
            "        if torch.is_grad_enabled():  # to be differentiated again: how these depend on the arrays matters",
            f"            _, {', '.join(kept)} = _forward({call})",
        ]
    lines += [f"        {line}" for line in (*backward_sizes, *backward)]
    lines += join("return ", returned, "", " " * 8, "(", ")")
    lines += ["", "", *module_lines(program, arguments, loss, sizes)]
    return _Text("\n".join(lines).rstrip("\n") + "\n", "Step", tuple(arguments), saved)


def _backward(
    passes: Passes, writer: PureWriter, widening: Widening, gradients: Mapping[str, str], titles: Mapping[str, str],
    comments: Mapping[str, str], order: list[str], seed: str,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """The statements, where those that one gradient alone needs are behind a condition; and what is returned."""
    plan = passes.plan
    key = {gradient: name for name, gradient in gradients.items()}
    last = {gradient: node for node, gradient in passes.only.items()}
    waiting: dict[str, list[Node]] = {}
    lines: list[str] = []
    conditional: list[str] = []
    plain: list[Node] = []

    def flush() -> None:
        lines.extend(writer.body(plain, titles, comments))
        plain.clear()

    for node in passes.backward:
        gradient = passes.only.get(node)
        if gradient is None:
            plain.append(node)
            continue
        waiting.setdefault(gradient, []).append(node)
        if node is last[gradient]:
            flush()
            block = writer.body(waiting[gradient], titles, comments)
            if block and key[gradient] in order:
                lines.append(f"if ctx.needs_input_grad[{order.index(key[gradient])}]:")
                lines += [f"    {line}" for line in block]
                value = writer.value(plan.outputs[gradient])[0]
                if (rounded := widening.result(value)) != value:
                    lines.append(f"    {value} = {rounded}")
                conditional.append(gradient)
    flush()
    returned = []
    for name in order:
        if name not in gradients:
            returned.append("None")
            continue
        value = writer.value(plan.outputs[gradients[name]])[0]
        if passes.scale_results:
            condition = f"ctx.needs_input_grad[{order.index(name)}]"
            value = f"{widening.result(f'{seed} * {value}', PRODUCT)} if {condition} else None"
        elif gradients[name] not in conditional:
            value = widening.result(value)
        returned.append(value)
    first = [writer.value(plan.outputs[gradient])[0] for gradient in conditional]
    return ([f"{' = '.join(first)} = None"] if first else []) + lines, returned


def _saved(
    passes: Passes, writer: PureWriter, arguments: Mapping[str, str], comments: Mapping[str, str]
) -> tuple[Saved, ...]:
    variables = passes.plan.program.variables
    why = passes.why(comments)
    inputs = {str(node.attributes[0]): reasons for node, reasons in why.items() if node.op == "input"}
    found = []
    for name, local in arguments.items():
        reasons = inputs.get(name) or (("its sizes",) if name in passes.inputs else ())
        found.append(Saved(local, variables[name].dims, reasons, False))
    found += [Saved(writer.names[node], node.dims, why[node], True) for node in passes.saved]
    return tuple(found)


def _step_docstring(
    passes: Passes, arguments: Mapping[str, str], loss: str, call: str, saved: Sequence[Saved]
) -> list[str]:
    variables = passes.plan.program.variables
    lines = [*wrapped(f'"""{loss} = Step.apply({call}), with the backward pass that was derived.'), ""]
    lines += argument_lines(variables, arguments)
    facts = [a for n, a in arguments.items() if {"one-hot", "rows sum to 1"} & set(variables[n].facts)]
    if facts:
        lines += wrapped(
            f"The gradients hold where the rows of {' and '.join(facts)} sum to 1; that is not checked here."
        )
    if passes.tied:
        tied = " and ".join(arguments[name] for name in passes.tied)
        lines += wrapped(f"The gradients hold for {tied} as declared: they cannot be differentiated again.")
    computed = [s for s in saved if s.computed]
    lines += ["", "Saved for the backward pass:" if computed else "Saved for the backward pass: the arguments alone."]
    for item in computed:
        lines += ["    " + line for line in wrapped(str(item), 92)]
    used = [s for s in saved if not s.computed and s.why]
    if used:
        lines.append("Kept with them, without memory of their own:")
        for item in used:
            lines += ["    " + line for line in wrapped(str(item), 92)]
    rest = [s.name for s in saved if not s.computed and not s.why]
    if rest:
        lines += wrapped(f"Kept in case that the backward pass is differentiated: {', '.join(rest)}.")
    return [*lines, '"""']


def _predict_text(
    program: Program, outputs: Sequence[str], name: str, comments: Mapping[str, str], keys: Mapping[str, str],
    dtype: str, precise: Precise,
) -> _Text:  # fmt: skip
    plan = build_plan(program, outputs, reuse=False, precise=mode_of(precise))
    names = Names({"torch", "math", name, *TorchSpelling.helpers})
    arguments = {argument: names.take(argument) for argument in plan.arguments}
    writer = PureWriter(plan, names, arguments, TorchSpelling, dtype, LazyNames(names))
    spelling = writer.spelling
    spelling.like = reference_array(program, arguments)
    widening = Widening(precise, spelling, names)
    body = writer.body(plan.steps, headings(plan), comments)
    body = [*widening.opening(list(arguments.values()), body), *body]
    entries = [f'"{keys[output]}": {widening.result(writer.value(node)[0])}' for output, node in plan.outputs.items()]
    lines = _head(body, spelling.helpers_of(body))
    lines = lines if lines[0] else lines[1:]
    lines += ["", "", f"def {name}({', '.join(arguments.values())}):"]
    lines += ["    " + line for line in wrapped(f'"""The values of {", ".join(outputs)}.')]
    lines += ["", *("    " + line for line in argument_lines(program.variables, arguments)), '    """']
    lines += ["    " + line for line in size_lines(plan, spelling.sizes_used, arguments, spelling.size)]
    lines += ["    " + line for line in body]
    lines += join("return {", entries, "}")
    return _Text("\n".join(lines) + "\n", name, tuple(plan.arguments), ())


class TorchStep:
    """A compiled program for PyTorch.

    source: the text.  names: the arrays that it takes.  saved: what the forward pass keeps, and why.
    function: the `torch.autograd.Function`; loss(**arrays): its value, to call backward() on.
    module: the `torch.nn.Module`: `module(D_h=100, …)` has the parameters, and its value for inputs and labels is the
    loss.
    `step(**arrays)` gives (loss, {name: gradient}), or {name: value} for a program without a loss: NumPy arrays for
    NumPy arrays (computed in `dtype`), tensors for tensors (on their device, in their dtype). Values without a loss can
    be differentiated by PyTorch.
    """

    def __init__(
        self, text: _Text, program: Program, loss: str | None, gradients: Mapping[str, str], dtype: str
    ) -> None:
        import torch

        self.source = text.source
        self.names = text.arguments
        self.saved = text.saved
        self.dtype = dtype
        self._program = program
        self.gradients = tuple(gradients)
        space = run(text.source, text.function, importable=True)
        self.function = space[text.function]
        self.module = space.get("Network")
        self._torch = torch
        self._loss = loss
        self._door = Door(
            program, self.names, dtype, loss, "PyTorch",
            owns=lambda array: isinstance(array, torch.Tensor),
            make=self._make,
            back=lambda tensor: tensor.detach().cpu().numpy(),
        )  # fmt: skip

    def _make(self, array: Any, like: Any) -> Any:
        torch = self._torch
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy()
        tensor = torch.as_tensor(array)
        return tensor if like is None else tensor.to(like)

    def loss(self, **arrays: Any) -> Any:
        """The loss as a tensor that remembers its backward pass. Raises ArrayError for what does not fit."""
        if self._loss is None:
            raise UnsupportedError("this program has no loss", 'derive().compile("torch")')
        return self.function.apply(*self._door.enter(arrays).arrays)

    def __call__(self, **arrays: Any) -> Any:
        """Run it. Raises ArrayError for a name, shape or dtype that does not fit."""
        given = self._door.enter(arrays)
        if self._loss is None:
            return self._door.leave(given, None, self.function(*given.arrays))
        torch = self._torch
        leaves, wanted = [], {}
        with torch.inference_mode(False), torch.enable_grad():
            for name, tensor in zip(self.names, given.arrays, strict=True):
                leaf = tensor.clone() if tensor.is_inference() else tensor.detach()
                if name in self.gradients:
                    if not leaf.is_floating_point():
                        raise ArrayError(
                            f"{name} is {leaf.dtype}: a gradient needs floating-point numbers", f"{name}.float()"
                        )
                    wanted[name] = leaf.requires_grad_(True)
                leaves.append(leaf)
            loss = self.function.apply(*leaves)
            found = torch.autograd.grad(loss, list(wanted.values())) if wanted else ()
        values = dict(zip(wanted, found, strict=True))
        return self._door.leave(given, loss.detach(), values)

    def __repr__(self) -> str:
        shapes = self._program.variables
        arguments = ", ".join(f"{name}: {format_shape(shapes[name].shape)}" for name in self.names)
        return f"TorchStep({arguments}; {self.dtype})"


def compile_torch(
    program: Program,
    outputs: Sequence[str],
    *,
    loss: str | None = None,
    gradients: Mapping[str, str] | None = None,
    dtype: str = "float64",
    precise: Precise = False,
    comments: Mapping[str, str] | None = None,
    name: str | None = None,
) -> TorchStep:
    """Compile the equations `outputs`, and what they need, to PyTorch; see `chainrule.targets.registry`.

    dtype: of NumPy arrays that are given; tensors keep theirs. precise: True computes in float64 what would lose digits
    and has them (`plan.wide`), "all" everything; a device without float64 refuses. Raises UnsupportedError for what has
    no PyTorch code.
    """
    if dtype not in _DTYPES:
        raise UnsupportedError(f"no PyTorch code for dtype {dtype!r}", hint=" or ".join(_DTYPES))
    precise = precision(precise, "float32")  # arrays of the framework may be that, whatever `dtype` is
    keys = keys_of(outputs, gradients, loss)
    if loss is None:
        text = _predict_text(program, outputs, name or "predict", comments or {}, keys, dtype, precise)
        return TorchStep(text, program, None, {}, dtype)
    found = {key: output for output, key in keys.items()}
    text = _step_text(program, loss, found, comments or {}, dtype, precise)
    return TorchStep(text, program, loss, found, dtype)


register(
    Target(
        "torch",
        "PyTorch, an autograd function and a module",
        compile_torch,
        lambda kind, name: spells(TorchSpelling, kind, name),
        options={"precise": PRECISE_OPTION},
        packages=("torch",),
        extra="torch",
    )
)
