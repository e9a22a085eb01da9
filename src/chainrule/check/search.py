"""Which mistake was made: edits of the claim that make it right, and mistakes in the right answer that give the claim.

Both directions run on numbers at one point (`scene`); a candidate counts once it holds at all points. The simplest one
names the mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.check.mistakes import MISTAKES, Change
from chainrule.check.scene import Scene, same
from chainrule.check.targets import Form
from chainrule.check.trees import factors, number, places, product, terms, tidy, times, total
from chainrule.check.verdict import judge
from chainrule.errors import ChainruleError
from chainrule.language import ast

__all__ = ["Found", "as_factor", "committed", "edits", "holds", "pairs"]

Array = NDArray[np.float64]
BAND = 0.12  # costs that near say that a mistake may go by either name
CANDIDATES = 40  # that look right at one point and are judged at all
PAIRS = 12_000  # formulas with two edits that are tried
FARTHEST = 2.6  # the cost of two edits
SECOND = ("transpose", "sign", "order", "activation", "signal", "sum", "elementwise", "normalisation", "factor")
TURNS = ("transpose", "layout")


@dataclass
class Found:
    """A mistake: its kind, what to say, how far-fetched it is, and (where an edit undoes it) the mended formula.

    form: in which that is right.  piece: the part it is about.  kinds: all names it may go by.
    at: the signal whose formula it was made in, where that is another than the target's.
    """

    kind: str
    says: str
    cost: float
    mended: ast.Expr | None = None
    form: Form | None = None
    piece: ast.Expr | None = None
    kinds: tuple[str, ...] = ()
    at: str = ""


@dataclass(slots=True)
class Edit:
    """One edit of a claim: the kind of mistake, the change, and the formula that it makes."""

    kind: str
    change: Change
    node: ast.Expr
    extra: float = 0.0

    @property
    def cost(self) -> float:
        """How far-fetched it is."""
        return self.change.cost + self.extra


def every_edit(node: ast.Expr, scene: Scene, kinds: tuple[str, ...] = tuple(MISTAKES)) -> Iterator[Edit]:
    """Every formula that one edit makes of a claim."""
    every = list(places(node))
    for kind in kinds:
        undo = MISTAKES[kind].undo
        for place in every:
            for change in undo(place, scene):
                yield Edit(change.kind or kind, change, place.put(change.node))


def edits(node: ast.Expr, scene: Scene) -> Found | None:
    """The simplest single edit that makes a claim right at all points."""
    found: list[Edit] = []
    for edit in every_edit(node, scene):
        right = scene.right(scene.value(edit.node))
        if right is not None:
            edit.extra = unusual(right.form, scene)
            found.append(edit)
    found += scaled(node, scene)
    found.sort(key=lambda e: e.cost)
    best: Found | None = None
    kinds: list[str] = []
    for edit in found[:CANDIDATES]:
        if best is not None and edit.cost > best.cost + BAND:
            break
        form = holds(edit.node, scene)
        if form is None:
            continue
        if best is None:
            best = Found(edit.kind, edit.change.said(scene), edit.cost, tidy(edit.node), form, edit.change.piece)
        kinds += [edit.kind, *edit.change.also]
    if best is not None:
        best.kinds = tuple(dict.fromkeys(kinds))
    return best


def unusual(form: Form | None, scene: Scene) -> float:
    """What it costs to end in numerator layout at a parameter, whose gradient people write in its shape."""
    variable = scene.context.program.variables.get(scene.target.wrt)
    if form is None or form.layout != "numerator" or variable is None or variable.kind == "value":
        return 0.0
    return 0.2


def holds(node: ast.Expr, scene: Scene) -> Form | None:
    """The form in which a formula is right at all points, or None."""
    try:
        read = scene.session.read(node)
    except (ChainruleError, ValueError):
        return None
    verdict = judge(read, scene.target, scene.forms)
    return verdict.form if verdict.status == "right" else None


# -- a number that mends -------------------------------------------------------------------------------------------


def scaled(node: ast.Expr, scene: Scene) -> list[Edit]:
    """A factor of the whole, or of one term, that a simple number, size or scalar mends."""
    value = scene.value(node)
    if value is None:
        return []
    out: list[Edit] = []
    row = terms(node)
    for wanted in scene.wanted:
        if wanted.value.shape != value.shape:
            continue
        factor = ratio(value, wanted.value)
        if factor is not None and not _unit(factor):
            out += _scaled_by(factor, node, scene, len(row) > 1)
        for k, (sign, part) in enumerate(row if len(row) > 1 else []):
            own = scene.value(part)
            if own is None:
                continue
            own = np.broadcast_to(sign * own, value.shape)
            factor = ratio(own, wanted.value - (value - own))
            if factor is None or abs(factor) < 1e-9 or _unit(factor):
                continue
            for edit in _scaled_by(factor, part, scene, whole=False):
                edit.node = total([*row[:k], (sign, edit.node), *row[k + 1 :]])
                out.append(edit)
    return out


def ratio(value: Array, wanted: Array) -> float | None:
    """The one number that value must be multiplied by to be wanted, or None."""
    if value.shape != wanted.shape or not np.isfinite(value).all():
        return None
    at = np.unravel_index(int(np.abs(value).argmax()), value.shape)
    if value[at] == 0:
        return None
    factor = float(wanted[at] / value[at])
    return factor if same(value * factor, wanted) else None


def _unit(factor: float) -> bool:
    return abs(abs(factor) - 1) < 1e-9


def _scaled_by(factor: float, part: ast.Expr, scene: Scene, sum_: bool = False, whole: bool = True) -> list[Edit]:
    """The edits that multiply a part by a number, where that is a simple one; `sum_`: the part has several terms."""
    out = []
    for place, (negative, above, below) in enumerate(scene.scalar_trees(factor)):
        new = times(part, above, below)
        says, of = "a factor {} is missing", as_factor(above, below)
        mine = factors(part)
        if below and not above and all(b in mine for b in below):
            says, of = "a factor {} too much", product(below)
        elif above and not below and isinstance(part, ast.Binary) and part.op == "/" and part.right == product(above):
            says, of = "a factor 1/{} too much", part.right
        nodes: tuple[ast.Expr, ...] = (of,)
        if not whole:
            says, nodes = f"{says} at the term {{}}", (of, part)
        cost = (1.0 if whole else 1.1) + 0.02 * place + 0.05 * (len(above) + len(below) - 1)
        if negative:
            new, cost, says = ast.Negate(new), cost + 0.9, f"{says}, and the sign is wrong"
        sizes = any(isinstance(n, ast.Name) and n.name in scene.sizes for n in (*above, *below))
        kind = "normalisation" if sizes and not whole else "factor"
        also = ("factor", "normalisation") if sum_ else ("factor",)
        out.append(Edit(kind, Change(new, cost, says, nodes, also=also), new))
    return out


def as_factor(above: list[ast.Expr], below: list[ast.Expr]) -> ast.Expr:
    """2, N, 1/N, λ/2."""
    top = product(above) if above else number(1)
    return times(top, [], below)


# -- two edits -----------------------------------------------------------------------------------------------------


def pairs(node: ast.Expr, scene: Scene) -> Found | None:
    """The simplest two edits that make a claim right."""
    first = sorted((e for e in every_edit(node, scene, SECOND) if e.cost <= 1.5), key=lambda e: e.cost)
    found: list[tuple[float, Edit, Edit]] = []
    for one in first:
        found += [(one.cost + two.cost, one, two) for two in scaled(one.node, scene)]
        value = scene.value(one.node)
        if value is not None and scene.right(-value) is not None:
            sign = Change(ast.Negate(one.node), 0.9, "the sign is wrong")
            found.append((one.cost + 0.9, one, Edit("sign", sign, sign.node)))
    tried = 0
    best = min((f[0] for f in found), default=9.0)
    for one in first:
        if tried > PAIRS or one.cost + 0.9 > best:
            break
        for two in every_edit(one.node, scene, SECOND):
            tried += 1
            cost = one.cost + two.cost
            if cost <= FARTHEST and cost < best + BAND and scene.right(scene.value(two.node)) is not None:
                found.append((cost, one, two))
                best = min(best, cost)
    found.sort(key=lambda f: f[0])
    for cost, one, two in found[:CANDIDATES]:
        form = holds(two.node, scene)
        if form is not None:
            leading, other = (two, one) if one.kind in TURNS and two.kind not in TURNS else (one, two)
            says = "; ".join(dict.fromkeys([leading.change.said(scene), other.change.said(scene)]))
            kinds = tuple(dict.fromkeys([leading.kind, other.kind]))
            return Found(leading.kind, says, cost, tidy(two.node), form, leading.change.piece, kinds)
    return None


# -- mistakes in the right answer ----------------------------------------------------------------------------------


def committed(formulas: dict[str, ast.Expr], claimed: list[Array | None], scenes: list[Scene]) -> Found | None:
    """The simplest mistake, in the target's formula or in that of a signal behind it, that gives the claimed values.

    formulas: name -> tree, in the order of computation; the target's own is the last, under "".  claimed: the claim's
    value in each scene.
    """
    scene = scenes[0]
    found: list[tuple[float, int, str, Edit]] = []
    for depth, name in enumerate(reversed(list(formulas))):
        for kind, mistake in MISTAKES.items():
            for place in places(formulas[name]):
                for change in mistake.commit(place, scene):
                    new = place.put(change.node)
                    if _gives(_following(name, new, formulas, scene), claimed[0], scene):
                        edit = Edit(change.kind or kind, change, new)
                        found.append((change.cost + 0.05 * min(depth, 4), len(found), name, edit))
    found.sort(key=lambda item: item[:2])
    best: Found | None = None
    kinds: list[str] = []
    for cost, _, name, edit in found[:CANDIDATES]:
        if best is not None and cost > best.cost + BAND:
            break
        rest = zip(scenes[1:], claimed[1:], strict=True)
        if not all(_gives(_following(name, edit.node, formulas, s), c, s) for s, c in rest):
            continue
        if best is None:
            best = Found(edit.kind, edit.change.said(scene), cost, piece=edit.change.piece, at=name)
        kinds += [edit.kind, *edit.change.also]
    if best is not None:
        best.kinds = tuple(dict.fromkeys(kinds))
    return best


def _following(name: str, node: ast.Expr, formulas: dict[str, ast.Expr], scene: Scene) -> Array | None:
    """The target's value with another formula for one name; what depends on it follows."""
    value = scene.value(node)
    if name == "" or value is None:
        return value
    old = scene.value(ast.Name(name))
    if old is None or old.shape != value.shape:
        return None
    matrices = scene.matrices.child({name: value})
    names = list(formulas)
    for other in names[names.index(name) + 1 :]:
        new = matrices.value(formulas[other])
        if other == "" or new is None:
            return new
        if not same(new, scene.value(ast.Name(other))):
            matrices = matrices.child({other: new})
    return None


def _gives(value: Array | None, claimed: Array | None, scene: Scene) -> bool:
    if value is None or claimed is None:
        return False
    turned = any(w.form.layout == "numerator" for w in scene.wanted)
    return same(value, claimed) or (turned and same(value.T, claimed))
