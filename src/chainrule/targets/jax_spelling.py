"""JAX text for plan nodes: `jax.numpy`, with dtypes that follow the arrays.

A function or operation that is not in the tables is refused. All that is written can be traced, batched and
differentiated by JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chainrule.dims import Dim
from chainrule.plan import Node
from chainrule.targets.jax_loops import scan
from chainrule.targets.pure import COMMON, PureSpelling, PureWriter
from chainrule.targets.pure_relations import JAX
from chainrule.targets.spelling import ATOM, PRODUCT, Text, bracket

__all__ = ["JaxSpelling"]

_LARGEST = "int(math.log(jnp.finfo({like}.dtype).max))"  # what has a finite exponential

_HELPERS = {
    "_wide": '''\
def _wide(x):
    """x in float64, which must be there: JAX would take float32 in its place."""
    if not jax.config.jax_enable_x64:
        raise TypeError('float64 is needed: jax.config.update("jax_enable_x64", True)')
    return jnp.asarray(x, jnp.float64)
''',
    **JAX,
    "_lag": '''\
def _lag(x, offset, axis, first=None):
    """x one step (or -offset steps) earlier along the axis; before the first step `first`, or 0."""
    moved = jnp.moveaxis(x, axis, 0)
    count, far = len(moved), min(abs(offset), len(moved))
    edge = jnp.broadcast_to(jnp.zeros((), x.dtype) if first is None else first, (far, *moved.shape[1:]))
    parts = [edge, moved[: count - far]] if offset < 0 else [moved[far:], edge]
    return jnp.moveaxis(jnp.concatenate(parts), 0, axis)
''',
    "_unit": '''\
def _unit(size, step, like):
    """1 at one step, 0 elsewhere."""
    return jnp.zeros(size, like.dtype).at[step].set(1)
''',
    "_gaps": '''\
def _gaps(values):
    """1 / (values[i] - values[j]) at [j, i], 0 at j = i: NaN where values repeat, whose vectors have no derivative."""
    difference = values[..., None, :] - values[..., :, None]
    itself = jnp.eye(values.shape[-1], dtype=bool)
    least = 8 * jnp.finfo(values.dtype).eps * jnp.abs(values).max(-1)[..., None, None]
    gaps = jnp.where(jnp.abs(difference) <= least, jnp.nan, difference)
    return jnp.where(itself, 0, 1 / jnp.where(itself, 1, gaps))
''',
    "_ismax": '''\
def _ismax(x, axes):
    """1 at the largest entry along the axes, shared equally where several are; 0 elsewhere."""
    mask = (x == x.max(axis=axes, keepdims=True)).astype(x.dtype)
    return mask / mask.sum(axis=axes, keepdims=True)
''',
    "_ismin": '''\
def _ismin(x, axes):
    """1 at the smallest entry along the axes, shared equally where several are; 0 elsewhere."""
    mask = (x == x.min(axis=axes, keepdims=True)).astype(x.dtype)
    return mask / mask.sum(axis=axes, keepdims=True)
''',
    "_prod_others": '''\
def _prod_others(x, axes):
    """For each entry the product of all others along the axes, without a division."""
    kept = [k for k in range(x.ndim) if k not in axes]
    order = [*kept, *axes]
    moved = x.transpose(order)
    flat = moved.reshape(*moved.shape[: len(kept)], -1)
    one = jnp.ones_like(flat[..., :1])
    before = jnp.concatenate([one, jnp.cumprod(flat[..., :-1], axis=-1)], axis=-1)
    after = jnp.concatenate([one, jnp.cumprod(flat[..., :0:-1], axis=-1)], axis=-1)[..., ::-1]
    return (before * after).reshape(moved.shape).transpose([order.index(k) for k in range(x.ndim)])
''',
    "_cumprod_others": '''\
def _cumprod_others(x, axis):
    """Entry [..., i, j]: the product of the entries up to i along the axis, without that at j; 0 where j > i."""
    x = jnp.moveaxis(x, axis, -1)
    size = x.shape[-1]
    factors = jnp.where(jnp.eye(size, dtype=bool), 1, x[..., None, :])
    slopes = jnp.cumprod(factors, axis=-1) * jnp.tri(size, dtype=x.dtype).T
    return jnp.moveaxis(jnp.swapaxes(slopes, -1, -2), -2, axis)
''',
}


class JaxSpelling(PureSpelling):
    """Writes nodes with jax.numpy's functions."""

    module = "jnp"
    functions: ClassVar[Mapping[str, Text]] = COMMON | {
        "sqrt": ("jnp.sqrt", ATOM),
        "below": (f"jnp.minimum({{args}}, {_LARGEST})", ATOM),
        "exp": ("jnp.exp", ATOM),
        "expm1": ("jnp.expm1", ATOM),
        "log1p": ("jnp.log1p", ATOM),
        "tanh_slope": ("4 * jax.nn.sigmoid(2 * {x}) * jax.nn.sigmoid(-2 * {x})", PRODUCT),
        "log": ("jnp.log", ATOM),
        "relu": ("jnp.maximum({args}, 0)", ATOM),
        "sgn": ("jnp.sign", ATOM),
        "step": ("({x} > 0).astype({like}.dtype)", ATOM),
        "iszero": ("({x} == 0).astype({like}.dtype)", ATOM),
        "nonneg": ("({x} >= 0).astype({like}.dtype)", ATOM),
        "where": ("jnp.where({x} != 0, {x2}, {x3})", ATOM),
        "where mask": ("jnp.where", ATOM),
        "abs": ("jnp.abs", ATOM),
        "sigmoid": ("jax.nn.sigmoid", ATOM),
        "tanh": ("jnp.tanh", ATOM),
        "softplus": ("jax.nn.softplus", ATOM),
        "sin": ("jnp.sin", ATOM),
        "cos": ("jnp.cos", ATOM),
        "tan": ("jnp.tan", ATOM),
        "arctan": ("jnp.arctan", ATOM),
        "erf": ("jax.lax.erf", ATOM),
        "erf_slope": ("1.1283791670955126 * jnp.exp(-({x} ** 2))", PRODUCT),
        "erfc": ("jax.lax.erfc", ATOM),
        "normal_cdf": ("0.5 * jax.lax.erfc(-0.7071067811865476 * {x})", PRODUCT),
        "normal_pdf": ("0.3989422804014327 * jnp.exp(-0.5 * {x} ** 2)", PRODUCT),
        "sinh": ("jnp.sinh", ATOM),
        "cosh": ("jnp.cosh", ATOM),
    }
    operations: ClassVar[Mapping[str, str]] = {
        "lag": "_lag({0}, {a0}, {a1}{more})",
        "unit": "_unit({d0}, {a0}, {like})",
        "count": "jnp.arange(1, {d0} + 1, dtype={like}.dtype)",
        "constant": "jnp.array({a0}, dtype={like}.dtype)",
        "inv": "jnp.linalg.inv",
        "det": "jnp.linalg.det",
        "logdet": "jnp.linalg.slogdet({args})[1]",
        "solve": "jnp.linalg.solve",
        "pinv": "jnp.linalg.pinv",
        "cholesky": "jnp.linalg.cholesky({args}, symmetrize_input=True)",
        "argmax": "{0}.argmax(axis={axis}).astype({0}.dtype)",
        "argsort": "jnp.argsort({0}, axis={axis}).astype({0}.dtype)",
        "eigvalsh": "jnp.linalg.eigh({args}, symmetrize_input=True)[0]",
        "eigvecsh": "jnp.linalg.eigh({args}, symmetrize_input=True)[1]",
        "gaps": "_gaps",
        "svdvals": "jnp.linalg.svd({args}, compute_uv=False)",
        "svdu": "jnp.linalg.svd({args}, full_matrices=False)[0]",
        "svdv": "jnp.linalg.svd({args}, full_matrices=False)[2].mT",
        "qrq": "jnp.linalg.qr({args})[0]",
        "qrr": "jnp.linalg.qr({args})[1]",
        "half triangle": "(jnp.tri({d0}, dtype={like}.dtype) - 0.5 * jnp.eye({d0}, dtype={like}.dtype))",
        "onehot": "_onehot({args}, {least}, {last}, {like})",
        "max": "{0}.max(axis={a0})",
        "min": "{0}.min(axis={a0})",
        "ismax": "_ismax({args}, {a0})",
        "ismin": "_ismin({args}, {a0})",
        "prod": "{0}.prod(axis={a0})",
        "prod_others": "_prod_others({args}, {a0})",
        "cumprod": "jnp.cumprod({args}, axis={axis})",
        "cumprod_others": "_cumprod_others({args}, {axis})",
    }
    helpers = _HELPERS

    def widened(self, text: Text) -> Text:
        """An array in float64."""
        return f"_wide({text[0]})", ATOM

    def rounded(self, text: Text, dtype: str) -> Text:
        """An array in the dtype of that text."""
        return f"{bracket(text, ATOM)}.astype({dtype})", ATOM

    def wide(self, like: str) -> str:
        """An empty array in float64."""
        return "_wide(jnp.empty(0))"

    def _shape(self, dims: tuple[Dim, ...]) -> str:
        return f"({', '.join(map(self.size, dims))}{',' if len(dims) == 1 else ''})"

    def _dtype(self) -> str:
        return f"{self.like}.dtype" if self.like else f"jnp.{self.dtype}"

    def full(self, dims: tuple[Dim, ...], value: Text) -> Text:
        """An array of one number."""
        return f"jnp.full({self._shape(dims)}, {value[0]}, {self._dtype()})", ATOM

    def repeated(self, value: Text, dims: tuple[Dim, ...]) -> Text:
        """A value broadcast to its full size."""
        return f"jnp.broadcast_to({value[0]}, {self._shape(dims)})", ATOM

    def copied(self, value: Text) -> Text:
        """The same array: arrays of JAX are never changed."""
        return value

    def identity(self, dim: Dim) -> Text:
        """The unit matrix."""
        return f"jnp.eye({self.size(dim)}, dtype={self._dtype()})", ATOM

    def permuted(self, text: Text, order: tuple[int, ...]) -> Text:
        """A view with the axes in another order."""
        return f"{bracket(text, ATOM)}.transpose({', '.join(map(str, order))})", ATOM

    def largest(self, text: str, where: str) -> str:
        """The largest entries."""
        return f"{text}.max({where})"

    def loop(self, writer: PureWriter, node: Node) -> list[str]:
        """A scan over the steps."""
        return scan(writer, node)
