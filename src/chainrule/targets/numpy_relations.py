"""NumPy for index relations: slices where they are enough, strided views for windows, sums over windows back.

`structural_text` spells the nodes of `chainrule.plan.relations`; `helper_of` gives the Python function that the text
calls. A window is a view, so what keeps it must copy it: the text says so unless `view` is asked for.
"""

from __future__ import annotations

from chainrule.dims import Dim
from chainrule.plan import Node
from chainrule.plan.relations import STRUCTURAL, Dense, Overlap, Pick, Put, Take, Window
from chainrule.sizes import plus, spoken, times
from chainrule.targets.numpy_expressions import ATOM, Spelling, Text, bracket

__all__ = ["helper_of", "is_structural", "structural_text"]

_WINDOW = '''\
def _window(x, axis, counts, steps, offset):
    """A view: the axis of x at offset + Σ steps·i for each i of counts, 0 outside."""
    low = offset + sum(min(0, s * (c - 1)) for s, c in zip(steps, counts))
    high = offset + sum(max(0, s * (c - 1)) for s, c in zip(steps, counts))
    before, after = max(0, -low), max(0, high + 1 - x.shape[axis])
    if before or after:
        shape = list(x.shape)
        shape[axis] += before + after
        padded = np.zeros(shape, x.dtype)
        padded[(slice(None),) * axis + (slice(before, before + x.shape[axis]),)] = x
        x = padded
    x = x[(slice(None),) * axis + (slice(offset + before, None),)]
    stride = x.strides[axis]
    shape = (*x.shape[:axis], *counts, *x.shape[axis + 1 :])
    strides = (*x.strides[:axis], *(s * stride for s in steps), *x.strides[axis + 1 :])
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
'''
_OVERLAP = '''\
def _overlap(x, steps, offset, size):
    """out[offset + Σ steps·i] += x[i…] over the first axes of x; what falls outside is left out."""
    x = np.asarray(x) if np.ndim(x) else np.float64(x)
    counts = x.shape[: len(steps)]
    out = np.zeros((size, *x.shape[len(steps) :]), x.dtype)
    if not steps:
        out[offset] = x
        return out
    longest = max(range(len(steps)), key=counts.__getitem__)
    rest = [k for k in range(len(steps)) if k != longest]
    x = x.transpose(*rest, longest, *range(len(steps), x.ndim))
    step, count = steps[longest], counts[longest]
    if step < 0:
        x = x[(slice(None),) * len(rest) + (slice(None, None, -1),)]
        offset, step = offset + step * (count - 1), -step
    for place in np.ndindex(*(counts[k] for k in rest)):
        start = offset + sum(steps[k] * i for k, i in zip(rest, place))
        first, last = max(0, -(start // step)), min(count, (size - 1 - start) // step + 1)
        if first < last:
            out[start + step * first : start + step * (last - 1) + 1 : step] += x[place][first:last]
    return out
'''
_RELATION = '''\
def _relation(shape, steps, offset, dtype, equal=True):
    """1 where Σ steps·i = offset (or ≤), 0 elsewhere."""
    total = np.zeros(shape, np.intp)
    for axis, (step, count) in enumerate(zip(steps, shape)):
        total += (step * np.arange(count)).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return (total == offset if equal else total <= offset).astype(dtype)
'''
_IDS = '''\
def _ids(ids, least, classes):
    """The whole numbers of labels that are given as floats. Raises IndexError where one is no class."""
    found = np.asarray(ids).astype(np.intp)
    if found.size and not (np.all(found == ids) and found.min() >= least and found.max() < classes):
        raise IndexError(f"labels must be whole numbers from {least} to {classes - 1}")
    return found
'''
_PUT = '''\
def _put(x, ids, size):
    """out[ids] += x over the first axes of x; a number goes to all of them."""
    x = np.asarray(x) if np.ndim(x) else np.float64(x)
    out = np.zeros((size, *x.shape[ids.ndim :]), x.dtype)
    np.add.at(out, ids, x)
    return out
'''
_HELPERS = {
    "window": _WINDOW, "overlap": _OVERLAP, "relation": _RELATION,
    "take": _IDS, "pick": _IDS, "put": _IDS + "\n\n" + _PUT,
}  # fmt: skip


def is_structural(node: Node) -> bool:
    """True for what this file spells."""
    return node.op == "opaque" and node.attributes[1] in STRUCTURAL


def helper_of(node: Node) -> list[str]:
    """The functions that the code of an opaque node calls."""
    if not is_structural(node):
        return [node.attributes[3]] if node.attributes[3] else []
    (record,) = node.attributes[2]
    if isinstance(record, Window) and _simple(record):
        return []
    if isinstance(record, Dense) and record.comparison.startswith("onehot"):
        return [_IDS]
    return [f"{part}\n" for part in _HELPERS[node.attributes[1]].strip("\n").split("\n\n\n")]


def _simple(record: Window) -> bool:
    return record.inside and len(record.steps) <= 1 and (not record.steps or _positive(record.steps[0]))


def _positive(step: Dim) -> bool:
    return isinstance(step, int) and step > 0


def structural_text(spelling: Spelling, node: Node, view: bool = False) -> Text:
    """The value of a structural node. `view`: a view of the operand will do."""
    (record,) = node.attributes[2]

    def code(dim: Dim) -> str:
        return spoken(dim, spelling.size)

    def several(dims: tuple[Dim, ...]) -> str:
        return f"({', '.join(map(code, dims))}{',' if len(dims) == 1 else ''})"

    operands = [spelling.operand(o, len(o.axes)) for o in node.operands]
    if isinstance(record, Window):
        if _simple(record):
            text = f"{bracket(operands[0], ATOM)}[{', '.join([':'] * record.axis + [_slice(record, code)])}]"
        else:
            text = (
                f"_window({operands[0][0]}, {record.axis}, {several(record.counts)}, {several(record.steps)}, "
                f"{code(record.offset)})"
            )
        return (text if view else f"{text}.copy()"), ATOM
    if isinstance(record, Overlap):
        steps = several(record.steps)
        return f"_overlap({operands[0][0]}, {steps}, {code(record.offset)}, {code(record.dim)})", ATOM
    if isinstance(record, Dense):
        if record.comparison.startswith("onehot"):
            size = code(record.offset)
            from_0 = record.comparison == "onehot"
            ids = f"_ids({operands[0][0]}, {0 if from_0 else f'-{size}'}, {size})[..., None]"
            equal = f"{ids}{'' if from_0 else f' % {size}'} == np.arange({size})"  # a row of np.eye would take size²
            return f"({equal}).astype({spelling.dtype})", ATOM
        equal = "" if record.comparison == "=" else ", equal=False"
        return (
            f"_relation({several(record.counts)}, {several(record.steps)}, {code(record.offset)}, "
            f"{spelling.dtype}{equal})", ATOM
        )  # fmt: skip
    least = "0" if record.from_0 else f"-{code(record.classes)}"
    ids = f"_ids({operands[1][0]}, {least}, {code(record.classes)})"
    if isinstance(record, Take):
        return f"{bracket(operands[0], ATOM)}.take({ids}, axis={record.axis})", ATOM
    if isinstance(record, Pick):
        more = ", None" * (node.operands[0].node.rank - node.operands[1].node.rank)
        where = f"{ids}[...{more}]"
        return f"np.take_along_axis({operands[0][0]}, {where}, -1)[..., 0]", ATOM
    assert isinstance(record, Put)
    return f"_put({operands[0][0]}, {ids}, {code(record.classes)})", ATOM


def _slice(record: Window, code: object) -> str:
    """start:stop:step of a window that never leaves the array."""
    assert callable(code)
    if not record.steps:
        return str(code(record.offset))
    (step,), (count,) = record.steps, record.counts
    start = "" if record.offset == 0 else code(record.offset)
    stop = code(plus(record.offset, times(step, plus(count, -1)), 1))
    return f"{start}:{stop}" + ("" if step == 1 else f":{step}")
