"""Claims, one after the other: single ones, chains of equalities, whole derivations with names of the user's own.

In a chain `A = B = C`, every link is checked against what A is; in a derivation, every line by itself. What is right
only if an earlier wrong line were right is said to inherit that mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from chainrule.check.about import READINGS, aliased, as_target, derivatives_in, is_gradient, target_of
from chainrule.check.context import Context
from chainrule.check.inherit import WrongLine, inherited_from, remembered
from chainrule.check.reading import Claim
from chainrule.check.result import Check
from chainrule.check.single import Side, accepted, check_side, read_side
from chainrule.check.steps import steps_in
from chainrule.check.targets import Target
from chainrule.check.verdict import Session, judge
from chainrule.errors import DimensionError, Span, UnknownNameError, UnsupportedError
from chainrule.language import ast
from chainrule.language.elaborate import elaborate_loop

__all__ = ["check_claims"]


@dataclass
class _State:
    """What the lines before have left: names of the user's own, and mistakes."""

    context: Context
    layout: str | None
    session: Session
    own: set[str] = field(default_factory=set)
    wrong: list[WrongLine] = field(default_factory=list)


def check_claims(context: Context, claims: list[Claim], layout: str | None) -> Check:
    """The verdict on one claim, or on a list of them."""
    state = _State(context, layout, Session(context))
    checks = [_line(claim, state) for claim in claims]
    if len(checks) == 1:
        return checks[0]
    text = "\n".join(c.text for c in claims)
    bad = [k for k, c in enumerate(checks) if not c.ok]
    if not bad:
        return Check(text, True, f"all {len(checks)} lines are right", lines=tuple(checks))
    first = checks[bad[0]]
    number = claims[bad[0]].line
    says = f"line {number} is {first.verdict}: {first.diagnosis}"
    own = [claims[k].line for k in bad[1:] if checks[k].kind != "inherited"]
    inherited = [claims[k].line for k in bad[1:] if checks[k].kind == "inherited"]
    for lines, end in ((own, "not right either"), (inherited, "wrong only because of it")):
        if lines:
            says += f"; line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}: {end}"
    return replace(first, claim=text, diagnosis=says, lines=tuple(checks))


def _line(claim: Claim, state: _State) -> Check:
    if isinstance(claim.about, str) and claim.about not in {*state.context.user_names, *state.own}:
        return _definition(claim, claim.about, state)
    target = target_of(state.context, claim, state.session)
    return _sides(claim, target, claim.sides, state, [])


def _sides(
    claim: Claim, target: Target, sides: list[tuple[ast.Expr, str]], state: _State, before: list[Check]
) -> Check:
    """Every link of a chain against what the claim is about."""
    checks = [*before]
    broken: tuple[Target, str] | None = None
    for node, text in sides:
        side = _side(claim, node, text, target, state)
        check = side.check
        if not check.ok and side.read is not None and claim.letters is None:
            check = _after_mistakes(claim, check, side, target, state, broken)
            if broken is None and len(claim.sides) > 1:
                broken = (as_target(side.read, text), text)
                state.session.program = side.read.program.copy()  # so that no later name is one of those it holds
        if not check.ok and checks and checks[-1].ok:
            previous = claim.sides[len(checks) - 1][1]
            check = replace(check, diagnosis=f"the step from {previous} is wrong: {check.diagnosis}")
        checks.append(check)
    if len(checks) == 1:
        return replace(checks[0], claim=claim.text)
    bad = next((c for c in checks if not c.ok), None)
    if bad is not None:
        return replace(bad, claim=claim.text, lines=tuple(checks))
    says = f"all {len(checks)} steps are right; the last: {checks[-1].diagnosis}"
    return replace(checks[-1], claim=claim.text, diagnosis=says, lines=tuple(checks))


def _after_mistakes(
    claim: Claim, check: Check, side: Side, target: Target, state: _State, broken: tuple[Target, str] | None
) -> Check:
    """A wrong formula, where the mistake was made before: in this chain, or in an earlier line."""
    assert side.read is not None
    if broken is not None and judge(side.read, broken[0], broken[0].forms).status == "right":
        return _inherited(check, f"equal to {broken[1]}, and wrong as that is")
    line = inherited_from(state.session, side.read, target, state.wrong)
    if line is not None:
        return _inherited(check, f"right only if line {line.number} ({line.text}) were: it inherits that mistake")
    new = remembered(state.session, side.read, target, claim.line, claim.text)
    if new is not None:
        state.wrong.append(new)
    return check


def _inherited(check: Check, says: str) -> Check:
    return replace(check, kind="inherited", kinds=("inherited",), suggestion="", step=None, diagnosis=says)


def _side(claim: Claim, node: ast.Expr, text: str, target: Target, state: _State) -> Side:
    """One formula; ∂J/∂v in it may be meant as a row or in the shape of v, so each reading is tried."""
    context = state.context
    used = derivatives_in(claim, node)
    laid_out = [d.symbol for d in used if is_gradient(context, d)]
    first: Side | None = None
    for reading in READINGS if laid_out else READINGS[:1]:
        session = state.session.fork() if used else state.session
        tree = aliased(context, session, claim, node, reading)
        if first is not None and not _is_right(claim, tree, target, session, state):
            continue
        side = check_side(session, tree, text, claim.left, target, state.layout, claim.letters)
        if first is not None:
            how = "in the shape of what it is taken at" if reading == "shape" else "in numerator layout"
            side.check = replace(side.check, diagnosis=f"{side.check.diagnosis}; {laid_out[0]} is read {how}")
        if side.check.ok:
            return side
        first = first or side
    assert first is not None
    return first


def _is_right(claim: Claim, node: ast.Expr, target: Target, session: Session, state: _State) -> bool:
    try:
        read = read_side(session, node, target, claim.letters)
    except (DimensionError, UnsupportedError):
        return False
    return judge(read, target, accepted(target, state.layout, claim.letters)).status == "right"


def _definition(claim: Claim, name: str, state: _State) -> Check:
    """A name of the user's own; further sides must equal the first."""
    node, text = claim.sides[0]
    session = state.session.fork()
    if claim.letters is not None:
        return _own_sequence(claim, name, claim.letters[0], state)
    read = session.read(aliased(state.context, session, claim, node))
    if read.value.orientation == "identity":
        raise DimensionError("the size of I is not known here", "eye(D)", claim.span)
    state.session.program = read.program.copy()
    state.session.define(name, read.value)
    state.own.add(name)
    says = f"{name} is a name of your own from here on"
    made = Check(f"{name} = {text}", True, says, about=name)
    return _sides(claim, as_target(read, text), claim.sides[1:], state, [made])


def _own_sequence(claim: Claim, name: str, letter: str, state: _State) -> Check:
    """g[t] = … g[t+1] …: a sequence of the user's own, from the last step on where it uses a later one of itself."""
    node, text = claim.sides[0]
    session = state.session.fork()
    tree = aliased(state.context, session, claim, node)
    dim = steps_in(session, tree, letter)
    if dim is None:
        at = claim.span
        span = Span(at.source, at.start, at.start + len(name)) if at is not None else None
        raise UnknownNameError(f"the name {name} is not known", None, span)
    if len(claim.sides) > 1:
        raise UnsupportedError(f"{claim.left} is a name of your own: one formula", "a line for each", claim.span)
    program = session.program.copy()
    elaborate_loop(program, name, tree, letter, dim, state.context.definitions)
    state.session.program = program
    state.own.add(name)
    return Check(f"{claim.left} = {text}", True, f"{name} is a sequence of your own from here on", about=name)
