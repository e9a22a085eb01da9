"""PyTorch text for plan nodes. Devices and dtypes come from the arrays: nothing is fixed in the text.

A function or operation that is not in the tables is refused. All that is written can be differentiated by PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chainrule.dims import Dim
from chainrule.plan import Node
from chainrule.targets.pure import COMMON, PureSpelling, PureWriter
from chainrule.targets.pure_relations import TORCH
from chainrule.targets.spelling import ATOM, PRODUCT, Text, bracket
from chainrule.targets.torch_loops import unrolled

__all__ = ["TorchSpelling"]

_LARGEST = "int(math.log(torch.finfo({like}.dtype).max))"  # what has a finite exponential

_HELPERS = {
    **TORCH,
    "_lag": '''\
def _lag(x, offset, axis, first=None):
    """x one step (or -offset steps) earlier along the axis; before the first step `first`, or 0."""
    moved = x.movedim(axis, 0)
    count, far = len(moved), min(abs(offset), len(moved))
    edge = torch.zeros_like(moved[:1]) if first is None else first.expand(1, *moved.shape[1:])
    edge = edge.expand(far, *moved.shape[1:])
    parts = [edge, moved[: count - far]] if offset < 0 else [moved[far:], edge]
    return torch.cat(parts).movedim(0, axis)
''',
    "_unit": '''\
def _unit(size, step, like):
    """1 at one step, 0 elsewhere."""
    steps = torch.arange(size, device=like.device)
    return (steps == step % size).to(like.dtype)
''',
    "_cholesky": '''\
def _cholesky(a):
    """L with L Lᵀ = (a + aᵀ) / 2."""
    return torch.linalg.cholesky((a + a.mT) / 2)
''',
    "_eigh": '''\
def _eigh(a):
    """Eigenvalues and eigenvectors of (a + aᵀ) / 2."""
    return torch.linalg.eigh((a + a.mT) / 2)
''',
    "_gaps": '''\
def _gaps(values):
    """1 / (values[i] - values[j]) at [j, i], 0 at j = i: vectors of values that repeat have no derivative."""
    difference = values[..., None, :] - values[..., :, None]
    itself = torch.eye(values.shape[-1], dtype=torch.bool, device=values.device)
    least = 8 * torch.finfo(values.dtype).eps * values.abs().amax(-1)[..., None, None]
    if ((difference.abs() <= least) & ~itself).any():
        raise ValueError("two eigenvalues or singular values are equal: their vectors have no derivative")
    return torch.where(itself, torch.zeros_like(difference), 1 / torch.where(itself, 1, difference))
''',
    "_ismax": '''\
def _ismax(x, axes):
    """1 at the largest entry along the axes, shared equally where several are; 0 elsewhere."""
    mask = (x == x.amax(dim=axes, keepdim=True)).to(x.dtype)
    return mask / mask.sum(dim=axes, keepdim=True)
''',
    "_ismin": '''\
def _ismin(x, axes):
    """1 at the smallest entry along the axes, shared equally where several are; 0 elsewhere."""
    mask = (x == x.amin(dim=axes, keepdim=True)).to(x.dtype)
    return mask / mask.sum(dim=axes, keepdim=True)
''',
    "_prod": '''\
def _prod(x, axes):
    """The product along the axes."""
    for axis in sorted(axes, reverse=True):
        x = x.prod(dim=axis)
    return x
''',
    "_prod_others": '''\
def _prod_others(x, axes):
    """For each entry the product of all others along the axes, without a division."""
    kept = [k for k in range(x.ndim) if k not in axes]
    moved = x.permute(*kept, *axes)
    flat = moved.reshape(*moved.shape[: len(kept)], -1)
    one = torch.ones_like(flat[..., :1])
    before = torch.cat([one, flat[..., :-1].cumprod(dim=-1)], dim=-1)
    after = torch.cat([one, flat[..., 1:].flip(-1).cumprod(dim=-1)], dim=-1).flip(-1)
    order = [*kept, *axes]
    return (before * after).reshape(moved.shape).permute([order.index(k) for k in range(x.ndim)])
''',
    "_cumprod_others": '''\
def _cumprod_others(x, axis):
    """Entry [..., i, j]: the product of the entries up to i along the axis, without that at j; 0 where j > i."""
    x = x.movedim(axis, -1)
    size = x.shape[-1]
    unit = torch.eye(size, dtype=torch.bool, device=x.device)
    factors = torch.where(unit, torch.ones_like(x[..., None, :]), x[..., None, :])
    slopes = factors.cumprod(dim=-1) * torch.ones(size, size, dtype=x.dtype, device=x.device).triu()
    return slopes.mT.movedim(-2, axis)
''',
}


class TorchSpelling(PureSpelling):
    """Writes nodes with torch's functions and methods."""

    module = "torch"
    axis = "dim"
    functions: ClassVar[Mapping[str, Text]] = COMMON | {
        "sqrt": ("torch.sqrt", ATOM),
        "below": (f"{{x}}.clamp(max={_LARGEST})", ATOM),
        "exp": ("torch.exp", ATOM),
        "expm1": ("torch.expm1", ATOM),
        "log1p": ("torch.log1p", ATOM),
        "tanh_slope": ("4 * torch.sigmoid(2 * {x}) * torch.sigmoid(-2 * {x})", PRODUCT),
        "log": ("torch.log", ATOM),
        "relu": ("torch.relu", ATOM),
        "sgn": ("torch.sign", ATOM),
        "step": ("({x} > 0).to({like}.dtype)", ATOM),
        "iszero": ("({x} == 0).to({like}.dtype)", ATOM),
        "nonneg": ("({x} >= 0).to({like}.dtype)", ATOM),
        "where": ("torch.where({x} != 0, {x2}, {x3})", ATOM),
        "where mask": ("torch.where", ATOM),
        "abs": ("torch.abs", ATOM),
        "sigmoid": ("torch.sigmoid", ATOM),
        "tanh": ("torch.tanh", ATOM),
        # exact: beyond the threshold, log(1 + exp x) rounds to x in every dtype
        "softplus": ("torch.nn.functional.softplus({args}, threshold=40)", ATOM),
        "sin": ("torch.sin", ATOM),
        "cos": ("torch.cos", ATOM),
        "tan": ("torch.tan", ATOM),
        "arctan": ("torch.arctan", ATOM),
        "erf": ("torch.erf", ATOM),
        "erf_slope": ("1.1283791670955126 * torch.exp(-({x} ** 2))", PRODUCT),
        "erfc": ("torch.erfc", ATOM),
        "normal_cdf": ("0.5 * torch.erfc(-0.7071067811865476 * {x})", PRODUCT),
        "normal_pdf": ("0.3989422804014327 * torch.exp(-0.5 * {x} ** 2)", PRODUCT),
        "sinh": ("torch.sinh", ATOM),
        "cosh": ("torch.cosh", ATOM),
    }
    operations: ClassVar[Mapping[str, str]] = {
        "lag": "_lag({0}, {a0}, {a1}{more})",
        "unit": "_unit({d0}, {a0}, {like})",
        "count": "torch.arange(1, {d0} + 1, dtype={like}.dtype, device={like}.device)",
        "constant": "torch.tensor({a0}, dtype={like}.dtype, device={like}.device)",
        "inv": "torch.linalg.inv",
        "det": "torch.linalg.det",
        "logdet": "torch.linalg.slogdet({args})[1]",
        "solve": "torch.linalg.solve",
        "pinv": "torch.linalg.pinv",
        "cholesky": "_cholesky",
        "argmax": "{0}.argmax(dim={axis}).to({0}.dtype)",
        "argsort": "{0}.argsort(dim={axis}, stable=True).to({0}.dtype)",
        "eigvalsh": "_eigh({args})[0]",
        "eigvecsh": "_eigh({args})[1]",
        "gaps": "_gaps",
        "svdvals": "torch.linalg.svdvals",
        "svdu": "torch.linalg.svd({args}, full_matrices=False)[0]",
        "svdv": "torch.linalg.svd({args}, full_matrices=False)[2].mT",
        "qrq": "torch.linalg.qr({args})[0]",
        "qrr": "torch.linalg.qr({args})[1]",
        "half triangle": "({like}.new_ones(({d0}, {d0})).tril() - 0.5 * {like}.new_ones({d0}).diag())",
        "onehot": "_onehot({args}, {least}, {last}, {like})",
        "max": "{0}.amax(dim={a0})",
        "min": "{0}.amin(dim={a0})",
        "ismax": "_ismax({args}, {a0})",
        "ismin": "_ismin({args}, {a0})",
        "prod": "_prod({args}, {a0})",
        "prod_others": "_prod_others({args}, {a0})",
        "cumprod": "{0}.cumprod(dim={axis})",
        "cumprod_others": "_cumprod_others({args}, {axis})",
    }
    helpers = _HELPERS

    def widened(self, text: Text) -> Text:
        """An array in float64; a device that has none says so."""
        return f"{bracket(text, ATOM)}.double()", ATOM

    def rounded(self, text: Text, dtype: str) -> Text:
        """An array in the dtype of that text."""
        return f"{bracket(text, ATOM)}.to({dtype})", ATOM

    def wide(self, like: str) -> str:
        """An empty array in float64."""
        return f"{like}.new_empty(0, dtype=torch.float64)"

    def full(self, dims: tuple[Dim, ...], value: Text) -> Text:
        """An array of one number."""
        shape = f"({', '.join(map(self.size, dims))}{',' if len(dims) == 1 else ''})"
        if not self.like:
            return f"torch.full({shape}, {value[0]}, dtype=torch.{self.dtype})", ATOM
        return f"{self.like}.new_full({shape}, {value[0]})", ATOM

    def repeated(self, value: Text, dims: tuple[Dim, ...]) -> Text:
        """A value broadcast to its full size."""
        if not dims:
            return self.copied(value)
        return f"{bracket(value, ATOM)}.expand({', '.join(map(self.size, dims))}).clone()", ATOM

    def copied(self, value: Text) -> Text:
        """The same array once more."""
        return f"{bracket(value, ATOM)}.clone()", ATOM

    def identity(self, dim: Dim) -> Text:
        """The unit matrix."""
        kind = f"dtype={self.like}.dtype, device={self.like}.device" if self.like else f"dtype=torch.{self.dtype}"
        return f"torch.eye({self.size(dim)}, {kind})", ATOM

    def permuted(self, text: Text, order: tuple[int, ...]) -> Text:
        """A view with the axes in another order."""
        return f"{bracket(text, ATOM)}.permute({', '.join(map(str, order))})", ATOM

    def largest(self, text: str, where: str) -> str:
        """The largest entries."""
        return f"{text}.amax({where})"

    def loop(self, writer: PureWriter, node: Node) -> list[str]:
        """A Python loop: PyTorch has none of its own that is differentiated."""
        return unrolled(writer, node)
