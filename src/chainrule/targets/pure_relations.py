"""Index relations in array languages that give new arrays: slices and reshapes where they are enough, else lookups.

Spells the nodes of `chainrule.plan.relations`. A window is read at computed places, its adjoint adds up at them; both
can be differentiated, batched and compiled by the framework. A label that is no class cannot be refused where values
are not known yet: what is looked up there is NaN, so that the loss says so.

To add a language: the helpers under the same names (`TORCH`, `JAX`).
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.plan import Node
from chainrule.plan.relations import STRUCTURAL, Dense, Overlap, Pick, Put, Take, Window
from chainrule.sizes import plus, spoken, times
from chainrule.targets.spelling import ATOM, Text, bracket

__all__ = ["JAX", "STRUCTURAL", "TORCH", "relation_text"]

TORCH = {
    "_places": '''\
def _places(counts, steps, offset, device):
    """offset + Σ steps·i for all i of counts."""
    place = torch.full(tuple(counts), offset, device=device)
    for axis, (step, count) in enumerate(zip(steps, counts)):
        place = place + (step * torch.arange(count, device=device)).reshape([-1] + [1] * (len(counts) - 1 - axis))
    return place
''',
    "_window": '''\
def _window(x, axis, counts, steps, offset):
    """The axis of x at offset + Σ steps·i for each i of counts; 0 outside."""
    place = _places(counts, steps, offset, x.device).flatten()
    inside = (place >= 0) & (place < x.shape[axis])
    found = x.movedim(axis, -1).index_select(-1, torch.where(inside, place, 0))
    found = torch.where(inside, found, torch.zeros_like(found)).movedim(-1, axis)
    return found.reshape(*x.shape[:axis], *counts, *x.shape[axis + 1 :])
''',
    "_overlap": '''\
def _overlap(x, steps, offset, size):
    """out[offset + Σ steps·i] += x[i…] over the first axes of x; what falls outside is left out."""
    counts, rest = x.shape[: len(steps)], x.shape[len(steps) :]
    place = _places(counts, steps, offset, x.device).flatten()
    inside = (place >= 0) & (place < size)
    rows = x.reshape(place.shape[0], -1)
    rows = torch.where(inside[:, None], rows, torch.zeros_like(rows))
    out = x.new_zeros((size, rows.shape[1])).index_add(0, torch.where(inside, place, 0), rows)
    return out.reshape(size, *rest)
''',
    "_relation": '''\
def _relation(counts, steps, offset, like, equal=True):
    """1 where Σ steps·i = offset (or ≤), 0 elsewhere."""
    place = _places(counts, steps, 0, like.device)
    return (place == offset if equal else place <= offset).to(like.dtype)
''',
    "_ids": '''\
def _ids(ids, least, classes):
    """Labels as whole numbers from 0, and where they are labels at all."""
    found = ids.long()
    known = (found == ids) & (found >= least) & (found < classes)
    return torch.where(known, found % classes, 0), known
''',
    "_onehot": '''\
def _onehot(ids, least, classes, like):
    """Rows with a 1 at the label; NaN where it is none."""
    found, known = _ids(ids, least, classes)
    rows = (found[..., None] == torch.arange(classes, device=ids.device)).to(like.dtype)
    return torch.where(known[..., None], rows, torch.nan)
''',
    "_take": '''\
def _take(x, ids, axis, least, classes):
    """x at the labels along an axis; NaN where there is no such label."""
    found, known = _ids(ids, least, classes)
    rows = x.movedim(axis, -1).index_select(-1, found.flatten())
    rows = torch.where(known.flatten(), rows, torch.nan).movedim(-1, axis)
    return rows.reshape((*x.shape[:axis], *ids.shape, *x.shape[axis + 1 :]))
''',
    "_pick": '''\
def _pick(x, ids, least, classes):
    """Of each row of x the entry at its label; NaN where there is no such label."""
    found, known = _ids(ids, least, classes)
    more = (1,) * (x.ndim - 1 - ids.ndim)
    found, known = found.reshape(*ids.shape, *more, 1), known.reshape(*ids.shape, *more)
    return torch.where(known, x.gather(-1, found.expand(*x.shape[:-1], 1))[..., 0], torch.nan)
''',
    "_put": '''\
def _put(x, ids, least, classes):
    """out[ids] += x over the first axes of x; NaN at 0 where there is no such label."""
    found, known = _ids(ids, least, classes)
    rows = x.reshape(found.numel(), -1)
    rows = torch.where(known.reshape(-1, 1), rows, torch.nan)
    out = x.new_zeros((classes, rows.shape[1])).index_add(0, found.flatten(), rows)
    return out.reshape(classes, *x.shape[ids.ndim :])
''',
}
JAX = {
    "_places": '''\
def _places(counts, steps, offset):
    """offset + Σ steps·i for all i of counts."""
    place = np.full(tuple(counts), offset)
    for axis, (step, count) in enumerate(zip(steps, counts)):
        place = place + (step * np.arange(count)).reshape([-1] + [1] * (len(counts) - 1 - axis))
    return place
''',
    "_window": '''\
def _window(x, axis, counts, steps, offset):
    """The axis of x at offset + Σ steps·i for each i of counts; 0 outside."""
    place = _places(counts, steps, offset).reshape(-1)
    inside = (place >= 0) & (place < x.shape[axis])
    found = jnp.moveaxis(x, axis, -1)[..., np.where(inside, place, 0)]
    found = jnp.moveaxis(jnp.where(inside, found, 0), -1, axis)
    return found.reshape(*x.shape[:axis], *counts, *x.shape[axis + 1 :])
''',
    "_overlap": '''\
def _overlap(x, steps, offset, size):
    """out[offset + Σ steps·i] += x[i…] over the first axes of x; what falls outside is left out."""
    counts, rest = x.shape[: len(steps)], x.shape[len(steps) :]
    place = _places(counts, steps, offset).reshape(-1)
    inside = (place >= 0) & (place < size)
    rows = jnp.where(inside[:, None], x.reshape(place.size, -1), 0)
    out = jnp.zeros((size, rows.shape[1]), x.dtype).at[np.where(inside, place, 0)].add(rows)
    return out.reshape(size, *rest)
''',
    "_relation": '''\
def _relation(counts, steps, offset, like, equal=True):
    """1 where Σ steps·i = offset (or ≤), 0 elsewhere."""
    place = _places(counts, steps, 0)
    return jnp.asarray(place == offset if equal else place <= offset, like.dtype)
''',
    "_ids": '''\
def _ids(ids, least, classes):
    """Labels as whole numbers from 0, and where they are labels at all."""
    found = ids.astype(int)
    known = (found == ids) & (found >= least) & (found < classes)
    return jnp.where(known, found % classes, 0), known
''',
    "_onehot": '''\
def _onehot(ids, least, classes, like):
    """Rows with a 1 at the label; NaN where it is none."""
    found, known = _ids(ids, least, classes)
    rows = (found[..., None] == jnp.arange(classes)).astype(like.dtype)
    return jnp.where(known[..., None], rows, jnp.nan)
''',
    "_take": '''\
def _take(x, ids, axis, least, classes):
    """x at the labels along an axis; NaN where there is no such label."""
    found, known = _ids(ids, least, classes)
    rows = jnp.moveaxis(x, axis, -1)[..., found.reshape(-1)]
    rows = jnp.moveaxis(jnp.where(known.reshape(-1), rows, jnp.nan), -1, axis)
    return rows.reshape((*x.shape[:axis], *ids.shape, *x.shape[axis + 1 :]))
''',
    "_pick": '''\
def _pick(x, ids, least, classes):
    """Of each row of x the entry at its label; NaN where there is no such label."""
    found, known = _ids(ids, least, classes)
    more = (1,) * (x.ndim - 1 - ids.ndim)
    found, known = found.reshape(*ids.shape, *more, 1), known.reshape(*ids.shape, *more)
    picked = jnp.take_along_axis(x, jnp.broadcast_to(found, (*x.shape[:-1], 1)), -1)[..., 0]
    return jnp.where(known, picked, jnp.nan)
''',
    "_put": '''\
def _put(x, ids, least, classes):
    """out[ids] += x over the first axes of x; NaN at 0 where there is no such label."""
    found, known = _ids(ids, least, classes)
    rows = jnp.where(known.reshape(-1, 1), x.reshape(found.size, -1), jnp.nan)
    out = jnp.zeros((classes, rows.shape[1]), x.dtype).at[found.reshape(-1)].add(rows)
    return out.reshape(classes, *x.shape[ids.ndim :])
''',
}


def relation_text(node: Node, operands: list[Text], size: Callable[[Dim], str], like: str) -> Text:
    """The value of a structural node. Raises UnsupportedError for a record that is new."""
    (record,) = node.attributes[2]

    def code(dim: Dim) -> str:
        return spoken(dim, size)

    def several(dims: tuple[Dim, ...]) -> str:
        return f"({', '.join(map(code, dims))}{',' if len(dims) == 1 else ''})"

    if isinstance(record, Window):
        source = node.operands[0].node.dims[record.axis]
        first = bracket(operands[0], ATOM)
        if record.inside and len(record.steps) <= 1 and all(isinstance(s, int) and s > 0 for s in record.steps):
            return f"{first}[{', '.join([':'] * record.axis + [_slice(record, code)])}]", ATOM
        if _whole(record.counts, record.steps, record.offset, source):
            return f"{first}.reshape({', '.join(map(code, node.dims))})", ATOM
        counts, steps = several(record.counts), several(record.steps)
        return f"_window({operands[0][0]}, {record.axis}, {counts}, {steps}, {code(record.offset)})", ATOM
    if isinstance(record, Overlap) and record.axis == 0:
        if _whole(record.counts, record.steps, record.offset, record.dim):
            return f"{bracket(operands[0], ATOM)}.reshape({', '.join(map(code, node.dims))})", ATOM
        steps = several(record.steps)
        return f"_overlap({operands[0][0]}, {steps}, {code(record.offset)}, {code(record.dim)})", ATOM
    if isinstance(record, Dense) and record.comparison.startswith("onehot"):
        classes = code(record.offset)
        least = "0" if record.comparison == "onehot" else f"-{classes}"
        return f"_onehot({operands[0][0]}, {least}, {classes}, {like})", ATOM
    if isinstance(record, Dense):
        equal = "" if record.comparison == "=" else ", equal=False"
        places = f"{several(record.counts)}, {several(record.steps)}, {code(record.offset)}"
        return f"_relation({places}, {like}{equal})", ATOM
    if isinstance(record, Take | Pick | Put):
        both = ", ".join(text for text, _ in operands)
        classes = code(record.classes)
        least = "0" if record.from_0 else f"-{classes}"
        if isinstance(record, Take):
            return f"_take({both}, {record.axis}, {least}, {classes})", ATOM
        return f"_{type(record).__name__.lower()}({both}, {least}, {classes})", ATOM
    raise UnsupportedError(f"{node.attributes[1]} has no code here", 'compile("numpy")')


def _whole(counts: tuple[Dim, ...], steps: tuple[Dim, ...], offset: Dim, size: Dim) -> bool:
    """True where the places are 0, 1, 2, … in order: one axis seen as several, or several as one."""
    if offset != 0 or not counts or times(*counts) != size:
        return False
    return all(step == (times(*counts[k + 1 :]) if counts[k + 1 :] else 1) for k, step in enumerate(steps))


def _slice(record: Window, code: Callable[[Dim], str]) -> str:
    """start:stop:step of a window that never leaves the array, or the one entry."""
    if not record.steps:
        return code(record.offset)
    (step,), (count,) = record.steps, record.counts
    start = "" if record.offset == 0 else code(record.offset)
    stop = code(plus(record.offset, times(step, plus(count, -1)), 1))
    return f"{start}:{stop}" + ("" if step == 1 else f":{code(step)}")
