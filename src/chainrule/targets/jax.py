"""The JAX target: a function with `custom_vjp` whose backward pass is the derived one.

The text stands for itself: it needs jax alone and is meant to be read and edited. `loss` is an ordinary JAX function of
the arrays: jit, vmap, grad, a grad of a grad. `compile_jax` gives a `JaxStep`.

JAX computes in float32 unless `jax_enable_x64` is set. A step for float64 turns it on for the time of its own call on
NumPy arrays, and refuses arrays of JAX that are float32 rather than lose digits in silence; `loss` and `function`
follow the arrays that they are given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from chainrule.algebra.program import Program
from chainrule.dims import format_shape
from chainrule.errors import ArrayError, UnsupportedError
from chainrule.plan.wide import PRECISE_OPTION, Precise, precision
from chainrule.targets.jax_spelling import JaxSpelling
from chainrule.targets.passes import split
from chainrule.targets.pure import spells
from chainrule.targets.pure_text import PureText, values_text
from chainrule.targets.registry import Compiled, Target, register
from chainrule.targets.spelling import ATOM, PRODUCT
from chainrule.targets.tensors import Door
from chainrule.targets.text import argument_lines, join, keys_of, run, wrapped
from chainrule.targets.widening import mode_of

__all__ = ["JaxStep", "compile_jax"]

_DTYPES = ("float32", "float64")
_RESERVED = {
    "jax",
    "jnp",
    "math",
    "loss",
    "residuals",
    "_loss",
    "_forward",
    "_backward",
    "_fixed",
    "_refuse",
    "_once",
    "_again",
    "_alike",
}

_FIXED = """\
def _refuse(*_):
    raise NotImplementedError("no gradient was derived at {names}")


_fixed = jax.custom_vjp(lambda array: array)
_fixed.defvjp(lambda array: (array, None), _refuse)
"""
_ALIKE = """\
def _alike(*arrays):
    \"\"\"Floats of several dtypes in their common one; JAX then takes each gradient back to its own.\"\"\"
    floats = [jnp.issubdtype(jnp.result_type(array), jnp.floating) for array in arrays]
    dtypes = [jnp.result_type(array) for array, of_floats in zip(arrays, floats) if of_floats]
    if len(set(dtypes)) < 2:
        return arrays
    dtype = jnp.result_type(*dtypes)
    return [jnp.asarray(array, dtype) if of_floats else array for array, of_floats in zip(arrays, floats)]
"""
_ONCE = """\
def _again(*_):
    raise NotImplementedError("the gradients hold for {names} as declared only: they cannot be differentiated again")


_once = jax.custom_vjp(lambda array: array)
_once.defvjp(lambda array: (array, None), _again)
"""


@dataclass(frozen=True, slots=True)
class _Text:
    source: str
    function: str
    arguments: tuple[str, ...]


def _head(body: Sequence[str], helpers: Sequence[str]) -> list[str]:
    lines = ["import math", ""] if any("math." in line for line in body) else []
    lines += ["import jax", "import jax.numpy as jnp"]
    if any(re.search(r"\bnp\.", helper) for helper in helpers):
        lines.append("import numpy as np")
    for helper in helpers:
        lines += ["", "", *helper.rstrip("\n").split("\n")]
    return lines


def _step_text(
    program: Program, loss: str, gradients: Mapping[str, str], comments: Mapping[str, str], dtype: str,
    precise: Precise,
) -> _Text:  # fmt: skip
    passes = split(program, loss, gradients, mode_of(precise))
    plan = passes.plan
    text = PureText(program, plan, passes.arguments, JaxSpelling, _RESERVED, comments, dtype, precise, seed=passes.seed)
    arguments, seed, writer, widening = text.arguments, text.seed, text.writer, text.widening
    forward = text.body(passes.forward)
    result = writer.value(plan.outputs[loss])[0]
    unfit, before, after = text.fitting()
    forward_sizes = [*before, *text.size_lines(), *after]
    text.spelling.like = seed
    backward = writer.body(passes.backward, text.titles, comments)
    backward = text.opened([seed, *(arguments[name] for name in passes.inputs)], backward)
    backward_sizes = text.size_lines()

    kept = [*(arguments[name] for name in passes.inputs), *(writer.names[node] for node in passes.saved)]
    fixed = [local for name, local in arguments.items() if name not in gradients]
    body = [*forward, *backward]
    helpers = list(text.spelling.helpers_of(body))
    if len(arguments) > 1:
        helpers.append(_ALIKE)
    if fixed:
        helpers.append(_FIXED.format(names=", ".join(fixed)))
    if passes.tied:
        helpers.append(_ONCE.format(names=" and ".join(arguments[n] for n in passes.tied)))
    call = list(arguments.values())
    returned = []
    for name in arguments:
        value = writer.value(plan.outputs[gradients[name]])[0] if name in gradients else "None"
        if name in gradients:
            value = f"{seed} * {value}" if passes.scale_results else value
            value = widening.result(value, PRODUCT if passes.scale_results else ATOM)
            value = f"_once({value})" if passes.tied else value
        returned.append(value)
    lines = _head(body, helpers)
    lines += ["", "", *unfit] if unfit else []
    lines += ["", "", *join("def loss(", call, "):", "")]
    lines += _docstring(passes.plan.program, arguments, loss, fixed)
    given = [f"_fixed({a})" if a in fixed else a for a in call]
    lines += join("return _loss(*_alike(", given, "))") if len(call) > 1 else join("return _loss(", given, ")")
    lines += ["", "", "@jax.custom_vjp", *join("def _loss(", call, "):", "")]
    lines += join("return _forward(", call, ")[0]")
    lines += ["", "", *join("def _forward(", call, "):", "")]
    lines.append(f'    """The loss {loss}, and what the backward pass uses of it."""')
    lines += [f"    {line}" for line in (*forward_sizes, *forward)]
    lines.append(f"    residuals = {', '.join(kept) + (',' if len(kept) == 1 else '') if kept else '()'}")
    lines += [f"    return {widening.result(result)}, residuals", "", "", f"def _backward(residuals, {seed}):"]
    lines.append(f'    """The signals and gradients that were derived; {seed} arrives at {loss} from behind it."""')
    if kept:
        lines += join("", kept, f"{',' if len(kept) == 1 else ''} = residuals", "    ", "(", ")")
    lines += [f"    {line}" for line in (*backward_sizes, *backward)]
    lines += join("return ", [*returned, *([""] if len(returned) == 1 else [])], "", "    ", "(", ")")
    lines += ["", "", "_loss.defvjp(_forward, _backward)"]
    return _Text("\n".join(line.rstrip() for line in lines) + "\n", "loss", tuple(arguments))


def _docstring(program: Program, arguments: Mapping[str, str], loss: str, fixed: Sequence[str]) -> list[str]:
    variables = program.variables
    lines = [*wrapped(f'"""The loss {loss}, differentiated by the backward pass that was derived.'), ""]
    lines += argument_lines(variables, arguments)
    facts = [a for n, a in arguments.items() if {"one-hot", "rows sum to 1"} & set(variables[n].facts)]
    if facts:
        lines += wrapped(
            f"The gradients hold where the rows of {' and '.join(facts)} sum to 1; that is not checked here."
        )
    if fixed:
        lines += wrapped(f"No gradient was derived at {', '.join(fixed)}: it is refused.")
    return ["    " + line if line else "" for line in (*lines, '"""')]


def _predict_text(
    program: Program, outputs: Sequence[str], name: str, comments: Mapping[str, str], keys: Mapping[str, str],
    dtype: str, precise: Precise,
) -> _Text:  # fmt: skip
    source, arguments = values_text(
        program, outputs, name, comments, keys, JaxSpelling, _RESERVED, _head, dtype, precise
    )
    return _Text(source, name, arguments)


class JaxStep(Compiled):
    """A compiled program for JAX.

    source: the text.  names: the arrays that it takes, in the order in which `function` takes them.
    function: the JAX function itself; for a program with a loss that is the loss, with its `custom_vjp`.
    `step(**arrays)` gives (loss, {name: gradient}), or {name: value} for a program without a loss: NumPy arrays for
    NumPy arrays (computed in `dtype`), JAX arrays for JAX arrays. It is compiled by `jax.jit` unless `jit=False`.
    """

    def __init__(
        self, text: _Text, program: Program, loss: str | None, gradients: Mapping[str, str], dtype: str, jit: bool,
        wide: bool,
    ) -> None:  # fmt: skip
        import jax

        self.source = text.source
        self.names = text.arguments
        self.dtype = dtype
        self._program = program
        self._jax = jax
        self._loss = loss
        self._wide = wide or dtype == "float64"  # it computes in float64
        self.function = run(text.source, text.function)[text.function]
        positions = tuple(k for k, name in enumerate(self.names) if name in gradients)
        self.gradients = tuple(self.names[k] for k in positions)
        whole = self.function if loss is None else jax.value_and_grad(self.function, positions)
        self._run = jax.jit(whole) if jit else whole
        self._door = Door(
            program, self.names, dtype, loss, "JAX",
            owns=lambda array: isinstance(array, jax.Array),
            make=lambda array, like: jax.numpy.asarray(array, None if like is None else like.dtype),
            back=self._back,
            known=lambda array: not isinstance(array, jax.core.Tracer),
        )  # fmt: skip

    @staticmethod
    def _back(array: Any) -> Any:
        import numpy as np

        return np.array(array)  # a copy: NumPy's view of a JAX array cannot be written to

    def loss(self, /, **arrays: Any) -> Any:
        """The loss as an array of JAX, for jit, vmap and grad. Raises ArrayError for what does not fit."""
        if self._loss is None:
            raise UnsupportedError("this program has no loss", 'derive().compile("jax")')
        return self.function(*self._door.enter(arrays).arrays)

    def __call__(self, /, **arrays: Any) -> Any:
        """Run it. Raises ArrayError for a name, shape or dtype that does not fit."""
        jax = self._jax
        own = [name for name, array in arrays.items() if isinstance(array, jax.Array)]
        double = self._wide and not jax.config.jax_enable_x64
        if own and double and self.dtype == "float64" and any(arrays[name].dtype == "float32" for name in own):
            raise ArrayError(
                f"{own[0]} is an array of JAX in float32, and the step was compiled for float64",
                hint='jax.config.update("jax_enable_x64", True) before it is made, or compile with dtype="float32"',
            )
        if own and double and self.dtype != "float64":
            raise ArrayError(
                f"{own[0]} is an array of JAX, and the step computes in float64, which is not enabled",
                hint='jax.config.update("jax_enable_x64", True), give NumPy arrays, or compile with precise=False',
            )
        with jax.enable_x64(True) if double and not own else nullcontext():
            given = self._door.enter(arrays)
            result = self._run(*given.arrays)
            if self._loss is None:
                return self._door.leave(given, None, result)
            loss, found = result
            return self._door.leave(given, loss, dict(zip(self.gradients, found, strict=True)))

    def __repr__(self) -> str:
        shapes = self._program.variables
        arguments = ", ".join(f"{name}: {format_shape(shapes[name].shape)}" for name in self.names)
        return f"JaxStep({arguments}; {self.dtype})"


def compile_jax(
    program: Program,
    outputs: Sequence[str],
    *,
    loss: str | None = None,
    gradients: Mapping[str, str] | None = None,
    dtype: str = "float64",
    comments: Mapping[str, str] | None = None,
    name: str | None = None,
    jit: bool = True,
    precise: Precise = False,
) -> JaxStep:
    """Compile the equations `outputs`, and what they need, to JAX; see `chainrule.targets.registry`.

    dtype: of NumPy arrays that are given.  jit: whether `step(…)` is compiled by `jax.jit` at its first call.
    precise: True computes in float64 what would lose digits and has them (`plan.wide`), "all" everything; arrays of JAX
    are refused where `jax_enable_x64` is not set.
    Raises UnsupportedError for what has no JAX code.
    """
    if dtype not in _DTYPES:
        raise UnsupportedError(f"no JAX code for dtype {dtype!r}", hint=" or ".join(_DTYPES))
    precise = precision(precise, "float32")  # arrays of the framework may be that, whatever `dtype` is
    keys = keys_of(outputs, gradients, loss)
    if loss is None:
        text = _predict_text(program, outputs, name or "predict", comments or {}, keys, dtype, precise)
        return JaxStep(text, program, None, {}, dtype, jit, bool(precise))
    found = {key: output for output, key in keys.items()}
    text = _step_text(program, loss, found, comments or {}, dtype, precise)
    return JaxStep(text, program, loss, found, dtype, jit, bool(precise))


register(
    Target(
        "jax",
        "JAX, a function with custom_vjp",
        compile_jax,
        lambda kind, name: spells(JaxSpelling, kind, name),
        options={"jit": "False: the step is not compiled by jax.jit", "precise": PRECISE_OPTION},
        packages=("jax",),
        extra="jax",
    )
)
