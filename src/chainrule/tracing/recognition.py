"""What people write for stability, recognised for what it is: softplus, sigmoid, the logarithm of either, of a choice.

    1/(1 + exp(t)) = σ(−t)                       log(1 − σ(t)) = −softplus(t)
    relu(t) + softplus(−|t|) = softplus(t)       log |det A| = logdet(A)
    exp(a − m) = exp(a) exp(m)⁻¹                 log(exp(m) r) = m + log r          for a maximum m
    log Σₖ H[n, k] a[n, k] = Σₖ H log a          for one-hot rows H and positive a

Each takes the trace and an expression, and gives the other one, or None where it is not of that form. To add one: a
function here, and a call where the form arises (`Tracer.apply`, `to_power`, the ufunc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import (
    Expr,
    Index,
    add,
    bare,
    constant,
    multiply,
    rename,
    scale,
    single,
    variable,
)
from chainrule.algebra.program import Operation, is_anonymous
from chainrule.functions import FUNCTIONS
from chainrule.language.pieces import Call, is_bare
from chainrule.language.values import Value

if TYPE_CHECKING:
    from chainrule.tracing.tracer import Tracer

__all__ = [
    "exp_apart",
    "log_apart",
    "log_of_abs_det",
    "log_of_choice",
    "log_of_sigmoid",
    "logistic",
    "one_plus_exp",
    "softplus_joined",
]


def logistic(tracer: Tracer, expr: Expr) -> Expr | None:
    """1/(1 + exp(t)) is sigmoid(−t)."""
    inner = one_plus_exp(tracer, expr)
    return None if inner is None else tracer.apply("sigmoid", scale(inner, -1))


def one_plus_exp(tracer: Tracer, expr: Expr) -> Expr | None:
    """t where the expression is 1 + exp(t), else None."""
    rest = {k: v for k, v in expr.items() if k != ((), ())}
    term = single(rest) if expr.get(((), ())) == 1 else None
    if term is None or term[1] != 1 or term[0][1] or len(term[0][0]) != 1 or tracer.is_held(expr):
        return None
    ((head, name, indices), exponent) = term[0][0][0]
    own: Expr | None = None
    if head == "exp" and exponent == 1:
        own = variable(str(name), indices)
    elif head == "" and exponent == 1:
        value = tracer.program.expression(str(name))
        inner = single(value) if value is not None else None
        if value is None or inner is None or inner[1] != 1 or inner[0][1] or len(inner[0][0]) != 1:
            return None
        ((h, n, ix), e) = inner[0][0][0]
        if h == "exp" and e == 1:
            outer = dict(zip(tracer.program.variables[str(name)].indices, indices, strict=True))
            own = variable(str(n), tuple(outer[i] for i in ix))
    if own is None:
        return None
    ((((_, t, at), _),), _) = next(iter(own))
    below = tracer.program.expression(str(t))
    if is_anonymous(str(t)) and below is not None and len(below) == 1 and not next(iter(below))[1]:
        return rename(below, dict(zip(tracer.program.variables[str(t)].indices, at, strict=True)))  # t = −x: as it is
    return own


def log_of_sigmoid(tracer: Tracer, expr: Expr) -> Expr | None:
    """log σ(t) = t − softplus(t), or −softplus(−t) where t is −x; log(1 − σ(t)) = −softplus(t)."""
    rest = {k: v for k, v in expr.items() if k != ((), ())}
    term = single(rest)
    if term is None or (term[1], expr.get(((), ()), 0)) not in ((1, 0), (-1, 1)):
        return None
    sign = term[1]
    if tracer.is_held(expr) or term[0][1] or len(term[0][0]) != 1:
        return None
    (head, name, indices), exponent = term[0][0][0]
    if exponent != 1 or head not in ("", "sigmoid"):
        return None
    if head == "":
        value = single(tracer.program.expression(str(name)) or {})
        if value is None or value[1] != 1 or value[0][1] or len(value[0][0]) != 1:
            return None
        (head, inner, at), exponent = value[0][0][0]
        if head != "sigmoid" or exponent != 1:
            return None
        outer = dict(zip(tracer.program.variables[str(name)].indices, indices, strict=True))
        name, indices = inner, tuple(outer[i] for i in at)
    t = unwrapped(tracer, str(name), indices)
    if sign < 0:
        return scale(tracer.apply("softplus", t), -1)
    turned = single(t)
    if turned is not None and turned[1] < 0:
        return scale(tracer.apply("softplus", scale(t, -1)), -1)
    return add(t, scale(tracer.apply("softplus", t), -1))


def unwrapped(tracer: Tracer, name: str, indices: tuple[Index, ...]) -> Expr:
    """A variable; where it has no name and is one term, that term."""
    below = tracer.program.expression(name)
    if is_anonymous(name) and below is not None and len(below) == 1:
        return rename(below, dict(zip(tracer.program.variables[name].indices, indices, strict=True)))
    return variable(name, indices)


def log_of_abs_det(tracer: Tracer, expr: Expr) -> Expr | None:
    """log |det A| is logdet(A)."""
    if tracer.is_held(expr) or not is_bare(expr):
        return None
    ((((_, name, _), _),), _) = next(iter(expr))
    inside = single(tracer.program.expression(str(name)) or {})
    if inside is None or inside[1] != 1 or len(inside[0][0]) != 1 or inside[0][0][0][0][0] != "abs":
        return None
    equation = tracer.program.equations.get(str(inside[0][0][0][0][1]))
    if equation is None or not isinstance(equation.value, Operation) or equation.value.op != "det":
        return None
    matrix = equation.value.args[0]
    known = tracer.program.variables[matrix]
    value = Value(variable(matrix, known.indices), known.dims, known.orientation, matrix)
    source = Call("logdet", (matrix,)) if not is_anonymous(matrix) else None
    return tracer.scope.operation("logdet", (value,), (), "scalar", source=source).expr


def softplus_joined(tracer: Tracer, expr: Expr) -> Expr:
    """relu(t) + softplus(−|t|), as people write softplus(t) for stability, is softplus(t)."""
    for key, value in list(expr.items()):
        for position, (atom, exponent) in enumerate(key[0]):
            t = _absolute_inside(tracer, atom) if exponent == 1 else None
            if t is None:
                continue
            for sign in (1, -1):
                other = rename(tracer.apply("relu", scale(t, sign)), {})
                rest = (*key[0][:position], *key[0][position + 1 :])
                partner = multiply({(rest, key[1]): value}, other) if not key[1] else None
                if partner and all(expr.get(k) == v for k, v in partner.items()):
                    whole = multiply({(rest, key[1]): value}, tracer.apply("softplus", scale(t, sign)))
                    left = add(expr, {key: -value}, scale(partner, -1))
                    return softplus_joined(tracer, add(left, whole))
    return expr


def _definition(
    tracer: Tracer, name: str, indices: tuple[Index, ...], head: str, factor: int
) -> tuple[str, Any] | None:
    """(t, its indices) where a variable is factor · head(t)."""
    value = single(tracer.program.expression(name) or {})
    if value is None or value[1] != factor or value[0][1] or len(value[0][0]) != 1:
        return None
    (found, inner, at), exponent = value[0][0][0]
    if found != head or exponent != 1 or not isinstance(inner, str):
        return None
    outer = dict(zip(tracer.program.variables[name].indices, indices, strict=True))
    return inner, tuple(outer[i] for i in at)


def _absolute_inside(tracer: Tracer, atom: Any) -> Expr | None:
    """t where a factor is softplus(−|t|)."""
    head, name, indices = atom
    if head != "" or not isinstance(name, str):
        return None
    found = _definition(tracer, name, indices, "softplus", 1)
    found = _definition(tracer, *found, "", -1) if found is not None else None
    found = _definition(tracer, *found, "abs", 1) if found is not None else None
    return unwrapped(tracer, *found) if found is not None else None


def log_of_choice(tracer: Tracer, expr: Expr) -> Expr | None:
    """log Σₖ H[…, k] a[…, k] = Σₖ H log a, where each row of H has a single 1 and a is positive everywhere."""
    term = single(expr)
    if term is None or term[1] != 1 or len(term[0][1]) != 1 or tracer.is_held(expr):
        return None
    factors, (chosen,) = term[0]
    hot = [f for f in factors if _is_one_hot(tracer, f, chosen)]
    rest = [f for f in factors if f not in hot]
    if len(hot) != 1 or not any(chosen in a[2] for a, _ in rest):
        return None
    marker: Index = (-800_000, chosen[1])
    inside = rename({(tuple(rest), ()): 1}, {chosen: marker})
    if not is_positive(tracer, inside):
        return None
    return multiply(rename({(tuple(hot), ()): 1}, {chosen: marker}), tracer.apply("log", inside), [marker])


def _is_one_hot(tracer: Tracer, factor: Any, chosen: Index) -> bool:
    (head, name, indices), exponent = factor
    if head != "" or exponent != 1 or indices.count(chosen) != 1 or indices[-1] != chosen:
        return False
    return "one-hot" in tracer.program.variables[str(name)].facts


def is_positive(tracer: Tracer, expr: Expr | None) -> bool:
    """True where every entry is known to be above 0."""
    if not expr:
        return False
    return all(
        value > 0 and all(a[0] in ("#", "n") or _is_positive_atom(tracer, a) for a, _ in factors)
        for (factors, _), value in expr.items()
    )


def _is_positive_atom(tracer: Tracer, atom: Any) -> bool:
    head, name, _ = atom
    if head in FUNCTIONS and FUNCTIONS[head].positive:
        return True
    if head != "" or not isinstance(name, str):
        return False
    return "positive" in tracer.program.variables[name].facts or is_positive(tracer, tracer.program.expression(name))


def exp_apart(tracer: Tracer, argument: Expr) -> Expr | None:
    """exp(a + c m) = exp(a) exp(m)ᶜ for each term that is a maximum times a number."""
    held = {k: v for k, v in argument.items() if tracer.is_held({k: v})}
    rest = {k: v for k, v in argument.items() if k not in held}
    result: Expr = tracer.apply("exp", rest) if rest else constant(1)
    for (factors, bound), value in held.items():
        if bound or len(factors) != 1 or factors[0][1] != 1 or factors[0][0][0] != "":
            return None
        (_, name, indices), _ = factors[0]
        result = multiply(result, bare(("exp", name, indices), value))
    return result


def log_apart(tracer: Tracer, argument: Expr) -> Expr | None:
    """log(exp(m)ᶜ r) = c m + log r."""
    parts = tracer.apart(argument)
    if parts is None:
        return None
    ((factors, _),) = parts[0]
    if any(atom[0] != "exp" for atom, _ in factors):
        return None
    result: Expr = {} if parts[1] == constant(1) else tracer.apply("log", parts[1])
    for (_, name, indices), exponent in factors:
        result = add(result, scale(variable(str(name), indices), exponent))
    return result
