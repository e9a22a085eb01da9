"""Is this code the gradient? A Python function against the right answer, in float64, at random points.

The function is called with copies of arrays, by the names of its parameters. As there is no formula to edit, mistakes
are made in the right answer instead until one gives what the function gives.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.check.context import Context, context_of
from chainrule.check.departure import conditions_of, departing_step
from chainrule.check.diagnosis import simplest
from chainrule.check.formulas import formulas_behind, scenes_of
from chainrule.check.missing import left_out
from chainrule.check.result import Check
from chainrule.check.scene import Scene
from chainrule.check.search import Found, as_factor, committed, ratio
from chainrule.check.suppose import suppositions
from chainrule.check.targets import Form, Target, gradient_target
from chainrule.check.verdict import Session
from chainrule.dims import ascii_name, canonical_name, display_name
from chainrule.errors import ArrayError, ChainruleError, UnknownNameError
from chainrule.network import Network
from chainrule.sizes import value_of

__all__ = ["check_function"]

Array = NDArray[np.float64]
TOLERANCE = 1e-7  # of the largest entry; 1e-4 where the function itself computes in float32
SCENES = 5


@dataclass(frozen=True)
class _Answer:
    """What the function gave for one name at one point, as it was; `single` if in single precision."""

    value: Array
    single: bool


def check_function(
    net: Network, f: Callable[..., Any], wrt: str | Sequence[str] | None = None, layout: str | None = None,
    rtol: float = TOLERANCE, seed: int = 0, sizes: Mapping[str, int] | None = None,
) -> Check:  # fmt: skip
    """Is `f` the gradient of the network's loss, and if not, why not?

    f: takes those arrays that it names as its parameters (x, W, y_hat, delta1 …), in float64, a column and a row with
    one axis (or, if it cannot use these, shaped as on paper); returns an array, a tuple in the order of `wrt`, or
    {name: array}. wrt: by default all parameters. layout: as in `check`.
    Raises ChainruleError where f cannot be called or returns something else.
    """
    context = context_of(net)
    if context.derivation is None:
        net.scalar_loss()  # raises
    names = _wrt(net, wrt)
    first: Check | ChainruleError | None = None
    for paper in (False, True):
        try:
            check = _run(context, f, names, layout, paper, rtol, seed, sizes)
        except ChainruleError as error:
            first = error if first is None else first
            continue
        if check.ok:
            return check
        if first is None or isinstance(first, ChainruleError):  # it can be called one way: that way counts
            first = check
    if isinstance(first, ChainruleError):
        raise first
    assert first is not None
    return first


def _wrt(net: Network, wrt: str | Sequence[str] | None) -> list[str] | None:
    if wrt is None:
        return None
    return [net.name(n) for n in ([wrt] if isinstance(wrt, str) else wrt)]


def _run(
    context: Context, f: Callable[..., Any], names: list[str] | None, layout: str | None, paper: bool, rtol: float,
    seed: int, sizes: Mapping[str, int] | None,
) -> Check:  # fmt: skip
    session = Session(context, context.drawn(seed, sizes))
    wanted = _arguments(context, f)
    anchor = gradient_target(context, (names or context.net.parameters or context.net.inputs)[0])
    scenes = scenes_of(session, anchor, anchor.forms, SCENES)
    if not scenes:
        says = "undecided: no point was found at which the network and its gradients are finite"
        return Check(_called(f), False, says, "undecided", ("undecided",))
    answers = [_answers(context, f, wanted, names, s, paper) for s in scenes]
    checks = []
    for name in answers[0]:
        target = gradient_target(context, name)
        here = [Scene(session, target, target.forms, s.points, s.number) for s in scenes]
        given = [a[name] for a in answers]
        supposed = _supposing(context, f, wanted, names, name, paper)
        checks.append(_one(context, f, target, here, given, layout, rtol, supposed))
    if len(checks) == 1:
        return checks[0]
    bad = [c for c in checks if not c.ok]
    if not bad:
        says = f"all {len(checks)} gradients are right (float64, {len(scenes)} random points)"
        return Check(_called(f), True, says, how="equal in value", lines=tuple(checks))
    says = f"{len(bad)} of {len(checks)} gradients are wrong; {bad[0].about}: {bad[0].diagnosis}"
    return replace(bad[0], claim=_called(f), diagnosis=says, lines=tuple(checks))


def _called(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


# -- calling -------------------------------------------------------------------------------------------------------


def _arguments(context: Context, f: Callable[..., Any]) -> dict[str, str]:
    """Parameter of f -> name of the network."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        raise ChainruleError(
            f"the parameters of {_called(f)} cannot be read", "a function whose parameters are names of the network"
        ) from None
    known = {canonical_name(n): n for n in context.user_names}
    found: dict[str, str] = {}
    for p in parameters:
        if p.kind is p.VAR_KEYWORD:
            declared = [n for n, v in context.net.program.variables.items() if n not in context.net.program.equations]
            found |= {ascii_name(n): n for n in declared if n not in found.values()}
        elif p.kind is p.VAR_POSITIONAL or p.kind is p.POSITIONAL_ONLY:
            raise ChainruleError(
                f"{_called(f)} takes {p.name} by position: arrays are given by name", f"def {_called(f)}(x, W): …"
            )
        elif canonical_name(p.name) in known:
            found[p.name] = known[canonical_name(p.name)]
        elif p.default is p.empty:
            names = ", ".join(map(display_name, context.user_names))
            raise UnknownNameError(
                f"{_called(f)} asks for {p.name}, which the network does not have", f"one of: {names}"
            )
    return found


def _answers(
    context: Context, f: Callable[..., Any], wanted: dict[str, str], names: list[str] | None, scene: Scene, paper: bool
) -> dict[str, _Answer]:
    arrays = {}
    for parameter, name in wanted.items():
        array = np.array(scene.known[name], dtype=np.float64)  # a copy: f may change it
        variable = scene.session.program.variables[name]
        if paper and len(variable.dims) == 1:
            array = array.reshape((1, -1) if variable.orientation == "row" else (-1, 1))
        arrays[parameter] = array
    try:
        with np.errstate(all="ignore"):
            got = f(**arrays)
    except Exception as error:
        given = ", ".join(f"{n} {a.shape}" for n, a in arrays.items())
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"line {place.lineno} of {place.name}: {place.line}" if place.line else f"line {place.lineno}"
        raise ChainruleError(
            f"{_called(f)} raised {type(error).__name__}: {error} ({where}); it was called with {given}",
            "a function that takes these shapes",
        ) from error
    return _named(context, f, got, names)


def _named(context: Context, f: Callable[..., Any], got: Any, names: list[str] | None) -> dict[str, _Answer]:
    expected = names or context.net.parameters
    if isinstance(got, Mapping):
        pairs = [(context.net.name(str(n)), v) for n, v in got.items()]
        missing = [n for n in names or () if n not in dict(pairs)]
        if missing:
            raise ChainruleError(f"{_called(f)} returns nothing for {missing[0]}", f"{{'{missing[0]}': array}}")
        if names is not None:
            pairs = [(n, v) for n, v in pairs if n in names]
    elif isinstance(got, tuple | list) and len(expected) != 1:
        if len(got) != len(expected):
            raise ChainruleError(
                f"{_called(f)} returns {len(got)} arrays, for {len(expected)} names ({', '.join(expected)})",
                "a dict {name: array}, or wrt= with the names in order",
            )
        pairs = list(zip(expected, got, strict=True))
    else:
        if isinstance(got, tuple | list) and len(got) == 1:
            got = got[0]
        if len(expected) != 1:
            raise ChainruleError(
                f"{_called(f)} returns one array, but the gradients at {', '.join(expected)} are asked for",
                f"wrt='{expected[0]}', or a dict {{name: array}}",
            )
        pairs = [(expected[0], got)]
    if not pairs:
        raise ChainruleError(f"{_called(f)} returns no gradient", "a dict {name: array}")
    return {n: _array(context, f, n, v) for n, v in pairs}


def _array(context: Context, f: Callable[..., Any], name: str, value: Any) -> _Answer:
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "biuf":
            raise TypeError
        return _Answer(np.array(raw, dtype=np.float64), raw.dtype in (np.float32, np.float16))
    except (TypeError, ValueError):
        kind = "None" if value is None else f"a {type(value).__name__}"
        raise ArrayError(f"{_called(f)} gives {kind} for {name}, which is no array of real numbers") from None


# -- judging -------------------------------------------------------------------------------------------------------

Supposing = Callable[[], list[tuple[str, list[Scene], list[_Answer]]]]


def _supposing(
    context: Context, f: Callable[..., Any], wanted: dict[str, str], names: list[str] | None, name: str, paper: bool
) -> Supposing:
    """The function's answers where labels obey more facts than are declared."""

    def run() -> list[tuple[str, list[Scene], list[_Answer]]]:
        target = gradient_target(context, name)
        out = []
        for facts, says in suppositions(context, "label"):
            scenes = scenes_of(Session(context, context.supposed(facts)), target, target.forms)
            if scenes:
                answers = [_answers(context, f, wanted, names, s, paper)[name] for s in scenes]
                out.append((says, scenes, answers))
        return out

    return run


def _laid_out(answer: Array, target: Target, form: Form, scene: Scene) -> Array | None:
    """An answer as rows and columns of a form, or None where it has another shape."""
    sizes = [value_of(target.dims[k], scene.sizes) for k in form.order]
    if len(sizes) > 2:
        return answer.reshape(sizes[0], -1) if list(answer.shape) == sizes else None
    rows = {"scalar": [1, 1], "column": [*sizes, 1], "row": [1, *sizes]}.get(form.orientation, sizes)
    flat = form.layout != "numerator" or len(target.forms) == 1  # a flat array is taken in the shape of the name
    if list(answer.shape) == rows or (flat and list(answer.shape) == sizes):
        return answer.reshape(rows)
    return None


def _equal(answer: _Answer, target: Target, form: Form, scene: Scene, rtol: float) -> bool:
    laid = _laid_out(answer.value, target, form, scene)
    if laid is None:
        return False
    dims = tuple(target.dims[k] for k in form.order)
    right = scene.array(target.arranged(form), dims).reshape(laid.shape)
    if not np.isfinite(laid).all():
        return False
    tolerance = max(rtol, 1e-4) if answer.single else rtol
    floor = 1e-12 * scene.largest
    return bool((np.abs(laid - right) <= tolerance * float(np.abs(right).max(initial=0.0)) + floor).all())


def _one(
    context: Context, f: Callable[..., Any], target: Target, scenes: list[Scene], answers: list[_Answer],
    layout: str | None, rtol: float, supposing: Supposing,
) -> Check:  # fmt: skip
    claim = f"{target.symbol} by {_called(f)}"
    precision = "float64" + (", though the function answers in single precision" if answers[0].single else "")
    accepted = [form for form in target.forms if layout is None or form.layout in (layout, "both")] or [*target.forms]
    right = [form for form in target.forms if _all_equal(answers, target, form, scenes, rtol)]
    base = Check(claim, False, "", expected=target.written(accepted[0]).text, about=target.symbol)
    for form in right:
        if form in accepted:
            said = "" if form.layout == "both" else f"right in {form.layout} layout; "
            return replace(
                base, ok=True, layout=form.layout, how="equal in value", conditions=conditions_of(target),
                expected=target.written(form).text,
                diagnosis=f"{said}equal in value ({precision}, {len(scenes)} random points)",
            )  # fmt: skip
    if right:
        says = (
            f"right in {right[0].layout} layout ({target.shape(right[0])}), not in {layout} layout "
            f"({target.shape(accepted[0])}): it is the transpose"
        )
        return _explained(base, target, Found("layout", says, 0.5, kinds=("layout", "transpose")), "", precision)
    shape = answers[0].value.shape
    if not all(np.isfinite(a.value).all() for a in answers):
        says = "it gives NaN or infinity where the gradient is finite"
        return replace(base, diagnosis=says, kind="undecided", kinds=("undecided",))
    fitting = [x for x in target.forms if _laid_out(answers[0].value, target, x, scenes[0]) is not None]
    head = "right shape, wrong value" if fitting else (
        f"it has shape {shape} where {target.symbol} is {target.shape(accepted[0])}"
    )  # fmt: skip
    for says, at, given in supposing():
        if any(_all_equal(given, target, form, at, rtol) for form in accepted):
            found = Found("label", f"right only if {says}, and nothing says so", 0.6, kinds=("label",))
            return _explained(base, target, found, "", precision)
    return _explained(base, target, _mistake(context, target, scenes, answers), head, precision)


def _all_equal(answers: list[_Answer], target: Target, form: Form, scenes: list[Scene], rtol: float) -> bool:
    return all(_equal(a, target, form, s, rtol) for a, s in zip(answers, scenes, strict=True))


def _mistake(context: Context, target: Target, scenes: list[Scene], answers: list[_Answer]) -> Found:
    claimed: list[Array | None] = []
    for answer, scene in zip(answers, scenes, strict=True):
        laid = next(
            (x for form in target.forms if (x := _laid_out(answer.value, target, form, scene)) is not None), None
        )
        flat = answer.value.reshape(-1, 1) if answer.value.ndim == 1 else answer.value
        claimed.append(laid if laid is not None else flat if answer.value.ndim in (1, 2) else answer.value.reshape(1, 1)
                       if answer.value.size == 1 else None)  # fmt: skip
    options = [
        _scaled(scenes, claimed),
        left_out(context, target, scenes, claimed),
        committed(formulas_behind(context, target), claimed, scenes),
    ]
    return simplest(options) or Found("unknown", "no single mistake explains it", 9.0, kinds=("unknown",))


def _scaled(scenes: list[Scene], claimed: list[Array | None]) -> Found | None:
    """The right answer times a number."""
    for index, wanted in enumerate(scenes[0].wanted):
        trees: list[set[tuple[bool, str]]] = []
        for scene, value in zip(scenes, claimed, strict=True):
            factor = ratio(scene.wanted[index].value, value) if value is not None else None
            if factor is None:
                break
            trees.append({(n, scene.text(as_factor(above, below))) for n, above, below in scene.scalar_trees(factor)})
        else:
            shared = set.intersection(*trees)
            if shared:
                negative, text = min(shared, key=lambda item: len(item[1]))
                if text == "1":
                    return Found("sign", "the sign is wrong", 0.9, form=wanted.form, kinds=("sign",))
                says = f"a factor {text} too much" + (", and the sign is wrong" if negative else "")
                return Found("factor", says, 1.9 if negative else 1.0, form=wanted.form, kinds=("factor",))
    return None


def _explained(base: Check, target: Target, found: Found, head: str, precision: str) -> Check:
    says = ": ".join(part for part in (head, found.says) if part)
    step = departing_step(target, found.kind, "", found.at)
    return replace(
        base, diagnosis=f"{says} ({precision})", kind=found.kind, kinds=found.kinds or (found.kind,), step=step,
        how=found.says if found.kind == "label" else "",
    )  # fmt: skip
