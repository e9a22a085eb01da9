"""Loops: equations that use each other's earlier steps, found in the program and not kept beside it.

A recurrence h[t] = tanh(A h[t−1] + …) is an equation over the axis t like any other; the earlier step is a name of its
own, the *lag* of h: `Operation("lag", ("h",), (−1, axis))`, whose value at t is h[t − 1], and 0 (or an initial value)
where there is no such step. The lag is the only way around the circle, and no rule sees through an operation: a fact or
a substitution can never be used in the wrong direction. So a loop is what the graph of the equations makes of it, a
strongly connected part; everything else that has the axis t is computed for all t at once.

`stages` gives the order of evaluation: equations, and loops of equations; `one_step` the expression of one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from chainrule.algebra.expr import Expr, Index, add, monomial, variable
from chainrule.algebra.program import Equation, Operation, Program, Variable
from chainrule.algebra.relations import CONSTANTS, INDICATORS
from chainrule.dims import Dim
from chainrule.errors import UnsupportedError

__all__ = ["LAG", "Loop", "arrange", "dependent", "has_loops", "is_lag", "loop_members", "moved", "one_step", "stages"]

LAG = "lag"


@dataclass(frozen=True, slots=True)
class Loop:
    """Equations that are evaluated together, step by step; the lags come first.

    dim: how many steps.  backwards: from the last step to the first.  axes: which axis of each name is the time's.
    """

    equations: tuple[Equation, ...]
    dim: Dim
    backwards: bool
    axes: dict[str, int]

    @property
    def lags(self) -> tuple[Equation, ...]:
        """What one step takes from the steps before it."""
        return tuple(e for e in self.equations if is_lag(e))

    @property
    def body(self) -> tuple[Equation, ...]:
        """What one step computes, in order."""
        return tuple(e for e in self.equations if not is_lag(e))


def is_lag(equation: Equation | None) -> bool:
    """True for name[t] = h[t + offset]."""
    return equation is not None and isinstance(equation.value, Operation) and equation.value.op == LAG


def has_loops(program: Program) -> bool:
    """True where an equation uses a later one."""
    seen: set[str] = set()
    for equation in program:
        seen.add(equation.name)
        if is_lag(equation) and equation.arguments[0] not in seen and equation.arguments[0] in program.equations:
            return True
    return False


def dependent(program: Program, leaves: Iterable[str]) -> set[str]:
    """The leaves, and everything that is computed from them: around a loop as often as it takes."""
    found = set(leaves)
    while True:
        before = len(found)
        for equation in program:
            if any(a in found for a in equation.arguments):
                found.add(equation.name)
        if len(found) == before or not has_loops(program):
            return found


def loop_members(program: Program) -> dict[str, int]:
    """The number of its loop for every name that is in one."""
    if not has_loops(program):
        return {}
    return {n: k for k, part in enumerate(_components(program)) if len(part) > 1 for n in part}


def stages(program: Program) -> list[Equation | Loop]:
    """All equations in an order of evaluation."""
    if not has_loops(program):
        return list(program)
    out: list[Equation | Loop] = []
    for part in _components(program):
        if len(part) == 1:
            out.append(program.equations[part[0]])
        else:
            out.append(_loop(program, part))
    return out


def arrange(program: Program) -> None:
    """Put the equations in an order in which loops stand together; without loops nothing changes.

    An indicator of the step, 1[t = i], is no business of one step: it gets a name in front of the loop.
    """
    if has_loops(program):
        _indicators_apart(program)
        order = [e for s in stages(program) for e in (s.equations if isinstance(s, Loop) else (s,))]
        program.equations = {e.name: e for e in order}
        program.reordered()


def _indicators_apart(program: Program) -> None:
    known: dict[tuple[object, ...], str] = {}
    for loop in [s for s in stages(program) if isinstance(s, Loop)]:
        for equation in loop.body:
            assert isinstance(equation.value, dict)
            time = program.variables[equation.name].indices[loop.axes[equation.name]]
            value: Expr = {}
            for (factors, bound), coefficient in equation.value.items():
                moved = []
                for (head, name, indices), exponent in factors:
                    if head in INDICATORS and time in indices:
                        places = (time, *dict.fromkeys(i for i in indices if i != time))
                        own = {i: (-1 - k, i[1]) for k, i in enumerate(places)}
                        atom = (head, name, tuple(own[i] for i in indices))
                        if atom not in known:
                            known[atom] = made = program.fresh_name()
                            kind = ("column", "matrix", "tensor")[min(len(places), 3) - 1]
                            dims = tuple(i[1] for i in places)
                            program.define(Variable(made, dims, kind), {(((atom, 1),), ()): 1})
                        head, name, indices = "", known[atom], places
                    moved.append(((head, name, indices), exponent))
                value = add(value, monomial(coefficient, moved, bound))
            if value != equation.value:
                program.equations[equation.name] = replace(equation, value=value)


def _loop(program: Program, part: list[str]) -> Loop:
    equations = [program.equations[name] for name in part]
    lags = [e for e in equations if is_lag(e)]
    operations = [e.value for e in lags if isinstance(e.value, Operation)]
    offsets = [operation.attributes[0] for operation in operations]
    dims = {program.variables[e.name].dims[o.attributes[1]] for e, o in zip(lags, operations, strict=True)}
    names = ", ".join(n for n in part if not n.startswith("%"))
    if len(dims) != 1 or len({offset > 0 for offset in offsets}) != 1:
        raise UnsupportedError(
            f"{names} go round in a circle that no one loop runs through", "earlier steps only: h[t-1]"
        )
    other = next((e for e in equations if not is_lag(e) and isinstance(e.value, Operation)), None)
    if other is not None:
        raise UnsupportedError(f"{other.value.op} inside of a loop ({names})", "an equation behind the loop")  # type: ignore[union-attr]
    axes = _axes(program, part, lags)
    return Loop(tuple(lags) + tuple(e for e in equations if not is_lag(e)), dims.pop(), offsets[0] > 0, axes)


def _axes(program: Program, part: list[str], lags: list[Equation]) -> dict[str, int]:
    """Which axis of each name is the time's, from the lags on."""
    axes: dict[str, int] = {}
    for equation in lags:
        assert isinstance(equation.value, Operation)
        axes[equation.name] = axes[equation.value.args[0]] = equation.value.attributes[1]
    changed = True
    while changed and len(axes) < len(part):
        changed = False
        for name in part:
            steps = program.variables[name].steps
            if name not in axes and steps is not None:
                axes[name], changed = steps.axis, True
                continue
            value = program.expression(name)
            if name in axes or value is None:
                continue
            for factors, _ in value:
                for (head, inner, indices), _ in factors:
                    if isinstance(inner, str) and head not in CONSTANTS and inner in axes and indices:
                        index = indices[axes[inner]]
                        if index[0] < 0 and name not in axes:
                            axes[name], changed = -index[0] - 1, True
    if len(axes) < len(part):
        lost = next(n for n in part if n not in axes)
        raise UnsupportedError(f"which axis of {lost} is the loop's could not be found", "an equation for each step")
    return axes


def _components(program: Program) -> list[list[str]]:
    """Strongly connected parts in an order of evaluation, the program's own order wherever it can be kept (Tarjan)."""
    names = list(program.equations)
    place = {name: k for k, name in enumerate(names)}
    arguments = {
        e.name: sorted({a for a in e.arguments if a in place}, key=place.__getitem__) for e in program
    }  # fmt: skip
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    out: list[list[str]] = []
    for root in names:
        if root in number:
            continue
        work: list[tuple[str, int]] = [(root, 0)]
        while work:
            name, position = work.pop()
            if not position:
                number[name] = low[name] = len(number)
                stack.append(name)
                on_stack.add(name)
            elif arguments[name][position - 1] in on_stack:
                low[name] = min(low[name], low[arguments[name][position - 1]])
            for k in range(position, len(arguments[name])):
                other = arguments[name][k]
                if other not in number:
                    work += [(name, k + 1), (other, 0)]
                    break
                if other in on_stack:
                    low[name] = min(low[name], number[other])
            else:
                if low[name] == number[name]:
                    part: list[str] = []
                    while not part or part[-1] != name:
                        part.append(stack.pop())
                        on_stack.discard(part[-1])
                    out.append(sorted(part, key=place.__getitem__))
    return out


def moved(program: Program, name: str) -> tuple[Program, str]:
    """The program in which an array that is declared is added to `name`, and what that array is called.

    What is computed in a loop cannot be given instead, for later steps would not feel it: ∂J/∂h[t] is the derivative
    with all that follows from h[t].
    """
    out = program.copy()
    own, equation = out.variables[name], out.equations[name]
    added = f"%moved {name}"
    out.declare(replace(own, name=added, kind="const", facts=()))
    value = equation.value
    if isinstance(value, Operation):
        inner = f"%of {name}"
        out.variables[inner] = replace(own, name=inner)
        out.equations = {
            n: e for k, old in program.equations.items()
            for n, e in ([(inner, replace(old, name=inner))] if k == name else []) + [(k, old)]
        }  # fmt: skip
        value = variable(inner, own.indices)
    out.equations[name] = replace(equation, value=add(value, variable(added, own.indices)))
    out.reordered()
    return out, added


def one_step(
    expression: Expr,
    own: tuple[Index, ...],
    axis: int,
    step_name: Callable[[str, tuple[int, ...]], str],
) -> Expr:
    """The expression of one step: `own[axis]` is gone from every index tuple, and so from the free indices.

    A variable that had it is called `step_name(name, positions)`, positions being where the index stood.
    Raises UnsupportedError where the index stands in a delta, so that a step would need its own number.
    """
    time = own[axis]
    closer = {index: (index[0] + (position > axis), index[1]) for position, index in enumerate(own)}
    out: Expr = {}
    for (factors, bound), coefficient in expression.items():
        parts = []
        for (head, name, indices), exponent in factors:
            if head in INDICATORS and time in indices:
                raise UnsupportedError("a loop in which a step uses its own number", "an input 1[t = …] of its own")
            if isinstance(name, tuple):
                start, inner = 0, []
                for argument, arity in name:
                    places = tuple(k for k, i in enumerate(indices[start : start + arity]) if i == time)
                    inner.append((step_name(argument, places) if places else argument, arity - len(places)))
                    start += arity
                name = tuple(inner)
            elif head not in CONSTANTS:
                places = tuple(k for k, i in enumerate(indices) if i == time)
                name = step_name(str(name), places) if places else name
            kept = tuple(closer.get(i, i) for i in indices if i != time)
            parts.append(((head, name, kept), exponent))
        out = add(out, monomial(coefficient, parts, bound))
    return out
