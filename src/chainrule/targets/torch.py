"""The PyTorch target: an autograd function whose backward pass is the derived one, and a module with the parameters.

The text (`torch_text.py`) stands for itself: it needs torch alone and is meant to be read and edited. `compile_torch`
gives a `TorchStep`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.algebra.program import Program
from chainrule.dims import format_shape
from chainrule.errors import ArrayError, UnsupportedError
from chainrule.plan.wide import PRECISE_OPTION, Precise, precision
from chainrule.targets.pure import spells
from chainrule.targets.registry import Compiled, Target, register
from chainrule.targets.tensors import Door
from chainrule.targets.text import (
    keys_of,
    run,
)
from chainrule.targets.torch_spelling import TorchSpelling
from chainrule.targets.torch_text import Saved, TorchText, predict_text, step_text

__all__ = ["Saved", "TorchStep", "compile_torch"]

_DTYPES = ("float32", "float64")


class TorchStep(Compiled):
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
        self, text: TorchText, program: Program, loss: str | None, gradients: Mapping[str, str], dtype: str
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

    def loss(self, /, **arrays: Any) -> Any:
        """The loss as a tensor that remembers its backward pass. Raises ArrayError for what does not fit."""
        if self._loss is None:
            raise UnsupportedError("this program has no loss", 'derive().compile("torch")')
        return self.function.apply(*self._door.enter(arrays).arrays)

    def __call__(self, /, **arrays: Any) -> Any:
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
        text = predict_text(program, outputs, name or "predict", comments or {}, keys, dtype, precise)
        return TorchStep(text, program, None, {}, dtype)
    found = {key: output for output, key in keys.items()}
    text = step_text(program, loss, found, comments or {}, dtype, precise)
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
