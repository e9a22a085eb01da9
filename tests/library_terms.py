"""What random programs over the library are made of: an expression is its text and its value in torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

Tensor = torch.Tensor
Env = dict[str, Tensor]
Shape = tuple[str, str]  # rows, columns; "1" where there is one. In torch everything is a matrix.
SCALAR: Shape = ("1", "1")
SIZES = {"D": 3, "H": 5, "K": 2, "N": 7}


def number(size: str) -> int:
    """A size: 7, D, (2 D), (D + H)."""
    found = re.sub(r"[A-Za-z]\w*", lambda m: str(SIZES[m[0]]), size)
    return int(eval(re.sub(r"(?<=[\d)])\s+(?=[\d(])", "*", found)))


@dataclass
class Made:
    """An expression: its text, and its value in torch."""

    text: str
    value: Callable[[Env], Tensor]

    @property
    def inside(self) -> str:
        """The text where it is part of something else."""
        return self.text if self.text.isalnum() else f"({self.text})"


@dataclass
class Declared:
    """A declared name: kind, shape and fact; classes: the size that its labels are below."""

    kind: str
    shape: tuple[str, ...]
    fact: str = ""
    classes: str = ""


ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": lambda u: F.softplus(u, threshold=99),
    "sin": torch.sin, "cos": torch.cos, "arctan": torch.atan, "erf": torch.erf, "erfc": torch.special.erfc,
    "abs": torch.abs, "σ": torch.sigmoid, "selu": F.selu, "gelu": F.gelu, "silu": F.silu, "swish": F.silu,
    "mish": lambda u: u * torch.tanh(F.softplus(u, threshold=99)), "log_sigmoid": F.logsigmoid, "softsign": F.softsign,
    "gelu_tanh": lambda u: F.gelu(u, approximate="tanh"), "hard_tanh": F.hardtanh, "hard_swish": F.hardswish,
    "hard_sigmoid": lambda u: torch.clamp(u + 3, 0, 6) / 6,
    "sinh": torch.sinh, "cosh": torch.cosh, "square": torch.square, "normal_cdf": torch.special.ndtr,
    "normal_pdf": lambda u: torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi),
    "arctan_slope": lambda u: 1 / (1 + u**2), "erf_slope": lambda u: 2 / math.sqrt(math.pi) * torch.exp(-(u**2)),
    "sgn": torch.sign, "sign": torch.sign, "step": lambda u: (u > 0).double(), "nonneg": lambda u: (u >= 0).double(),
    "iszero": lambda u: (u == 0).double(),
}  # fmt: skip
