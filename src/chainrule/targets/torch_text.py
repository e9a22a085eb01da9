"""The text of the PyTorch target: an autograd function whose backward pass is the derived one.

`_forward` computes the loss and what the backward pass uses of it; `Step.backward` holds the signals and gradients
under the user's names and computes no gradient that nobody asks for. Where the backward pass is itself differentiated,
it computes the values of the forward pass anew from the arrays, so that PyTorch sees how they depend on them: second
derivatives are then right at the price of one forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.algebra.program import Program
from chainrule.dims import Dim
from chainrule.plan import Node
from chainrule.plan.wide import Precise
from chainrule.targets.passes import Passes, split
from chainrule.targets.pure import PureWriter
from chainrule.targets.pure_text import PureText, values_text
from chainrule.targets.spelling import PRODUCT
from chainrule.targets.text import argument_lines, join, shape, wrapped
from chainrule.targets.torch_module import module_lines
from chainrule.targets.torch_spelling import TorchSpelling
from chainrule.targets.widening import mode_of

__all__ = ["Saved", "TorchText", "predict_text", "step_text"]


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


_RESERVED = (
    "functools", "torch", "math", "ctx", "Step", "_autocast", "_as_in_forward", "Network", "step", "_forward",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TorchText:
    """source: runs by itself.  function: its name there.  arguments: of it, in order.  saved: what it keeps."""

    source: str
    function: str
    arguments: tuple[str, ...]
    saved: tuple[Saved, ...]


def _head(parts: Sequence[str], helpers: Sequence[str]) -> list[str]:
    lines = (["import math"] if any("math." in part for part in parts) else []) + ["", "import torch"]
    for helper in helpers:
        lines += ["", "", *helper.rstrip("\n").split("\n")]
    return lines


def step_text(
    program: Program, loss: str, gradients: Mapping[str, str], comments: Mapping[str, str], dtype: str,
    precise: Precise,
) -> TorchText:  # fmt: skip
    """A loss with its derived backward pass, and the module around it. gradients: argument → equation."""
    passes = split(program, loss, gradients, mode_of(precise))
    plan = passes.plan
    text = PureText(
        program, plan, passes.arguments, TorchSpelling, _RESERVED, comments, dtype, precise, seed=passes.seed
    )
    arguments, seed, writer, widening = text.arguments, text.seed, text.writer, text.widening
    forward = text.body(passes.forward)
    result = writer.value(plan.outputs[loss])[0]
    kept = [writer.names[node] for node in passes.saved]
    unfit, before, after = text.fitting()
    forward_sizes = [*before, *text.size_lines(), *after]

    text.spelling.like = seed
    backward, returned = _backward(passes, text, gradients)
    backward = text.opened([seed, *(arguments[name] for name in passes.inputs)], backward)
    backward_sizes = text.size_lines()

    saved = _saved(passes, writer, arguments, comments)
    call = ", ".join(arguments.values())
    loss_name = text.names.take(loss) if not plan.outputs[loss].name else result
    body = [*forward, *backward]
    lines = ["import functools", *_head(body, [_AUTOCAST, *text.spelling.helpers_of(body)])]
    lines += ["", "", *unfit] if unfit else []
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
    lines += ["", "", *module_lines(program, arguments, loss, text.sizes)]
    return TorchText("\n".join(lines).rstrip("\n") + "\n", "Step", tuple(arguments), saved)


def _backward(passes: Passes, text: PureText, gradients: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The statements, where those that one gradient alone needs are behind a condition; and what is returned."""
    plan, writer, widening, order, seed = passes.plan, text.writer, text.widening, list(text.arguments), text.seed
    key = {gradient: name for name, gradient in gradients.items()}
    last = {gradient: node for node, gradient in passes.only.items()}
    waiting: dict[str, list[Node]] = {}
    lines: list[str] = []
    conditional: list[str] = []
    plain: list[Node] = []

    def flush() -> None:
        lines.extend(writer.body(plain, text.titles, text.comments))
        plain.clear()

    for node in passes.backward:
        gradient = passes.only.get(node)
        if gradient is None:
            plain.append(node)
            continue
        waiting.setdefault(gradient, []).append(node)
        if node is last[gradient]:
            flush()
            block = writer.body(waiting[gradient], text.titles, text.comments)
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


def predict_text(
    program: Program, outputs: Sequence[str], name: str, comments: Mapping[str, str], keys: Mapping[str, str],
    dtype: str, precise: Precise,
) -> TorchText:  # fmt: skip
    """A function that gives the values `outputs` under their `keys`."""
    source, arguments = values_text(
        program, outputs, name, comments, keys, TorchSpelling, {"torch", "math"}, _value_head, dtype, precise
    )
    return TorchText(source, name, arguments, ())


def _value_head(body: Sequence[str], helpers: Sequence[str]) -> list[str]:
    lines = _head(body, helpers)
    return lines if lines[0] else lines[1:]
