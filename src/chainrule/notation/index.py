"""Index notation: what every expression can be written in, also where it has no matrix form."""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import Atom, Expr, Index, Monomial, Rational, rename
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.dims import display_name
from chainrule.notation.text import FUNCTION_TEXT, number_text

__all__ = ["index_text", "letters_for"]

LETTERS = "ijklmnpqrstuvwabcdefgh"


def letters_for(count: int, taken: set[str]) -> list[str]:
    """Letters for free indices that are no names of the program."""
    free_letters = [c for c in LETTERS if c not in taken] + [f"i{n}" for n in range(1, 99)]
    return free_letters[:count]


def index_text(program: Program, expression: Expr, indices: tuple[Index, ...], names: list[str]) -> str:
    """The expression over `indices`, called `names`: sum(k, W[k,i] δ₁[k])."""
    taken = {display_name(n) for n in program.variables} | set(names)
    return _sum(program, expression, dict(zip(indices, names, strict=True)), taken) if expression else "0"


def _sum(program: Program, expression: Expr, names: dict[Index, str], taken: set[str]) -> str:
    out = ""
    ordered = [t for t in expression.items() if t[1] > 0] + [t for t in expression.items() if t[1] < 0]
    for key, coefficient in ordered:
        text = _term(program, key, coefficient if coefficient > 0 else -coefficient, names, taken)
        out += (text if coefficient > 0 else "−" + text) if not out else (" + " if coefficient > 0 else " − ") + text
    return out


def _term(program: Program, key: Monomial, coefficient: Rational, names: dict[Index, str], taken: set[str]) -> str:
    factors, bound = key
    inner = dict(names)
    free_letters = [c for c in "klmnpqrstuvwabcdefgh" if c not in taken and c not in names.values()]
    free_letters += [f"k{n}" for n in range(1, 99)]
    inner.update(zip(bound, free_letters, strict=False))
    used = taken | set(inner.values())
    parts: list[str] = []
    below: list[str] = []
    for atom, exponent in sorted(factors, key=lambda f: _rank(program, f[0])):
        text, compound = _atom(program, atom, inner, used)
        e = Fraction(exponent)
        if e == 1:
            parts.append(f"({text})" if compound else text)
        elif e == -1:
            below.append(f"({text})" if compound else text)
        else:
            shown = f"({e})" if e.denominator != 1 or e < 0 else str(e)
            parts.append(f"({text})^{shown}" if compound else f"{text}^{shown}")
    value = Fraction(coefficient)
    if value != 1 or not parts:
        text = number_text(value)
        parts.insert(0, f"({text})" if "/" in text and parts else text)
    body = parts[0]
    for part in parts[1:]:
        body += (" · " if part[0].isdigit() and body[-1].isdigit() else " ") + part  # J^2 · 1[i = j]
    if below:
        body += "/" + (below[0] if len(below) == 1 else "(" + " ".join(below) + ")")
    for index in reversed(bound):
        body = f"sum({inner[index]}, {body})"
    return body


def _rank(program: Program, atom: Atom) -> tuple[int, int]:
    """Deltas and signals first, then Jacobians of unknown functions in the chain rule's order, then the rest."""
    if atom[0] == "δ":
        return (-1, 0)
    name = atom[1] if isinstance(atom[1], str) else ""
    variable = program.variables.get(name)
    if variable is not None and variable.kind == "signal":
        return (0, 0)
    if name.startswith("∂"):
        return (1, list(program.variables).index(name) if variable is not None else 0)
    return (2, 0)


def _atom(program: Program, atom: Atom, names: dict[Index, str], taken: set[str]) -> tuple[str, bool]:
    head, name, indices = atom
    if head == "#":
        return display_name(str(name)), False
    if head == "n":
        return number_text(Fraction(str(name))), False
    if head == "δ":
        return f"1[{names[indices[1]]} = {names[indices[0]]}]", False
    if isinstance(name, tuple):
        texts, start = [], 0
        for argument, arity in name:
            texts.append(_variable(program, argument, indices[start : start + arity], names, taken)[0])
            start += arity
        return f"{head}({', '.join(texts)})", False
    text, compound = _variable(program, str(name), indices, names, taken)
    if head:
        bare = head.rstrip("'")
        return f"{FUNCTION_TEXT.get(bare, bare)}{'′' * (len(head) - len(bare))}({text})", False
    return text, compound


def _variable(
    program: Program, name: str, indices: tuple[Index, ...], names: dict[Index, str], taken: set[str]
) -> tuple[str, bool]:
    if is_anonymous(name):
        value = program.expression(name)
        if value is not None:
            if not value:
                return "0", False
            own = program.variables[name].indices
            inner = rename(value, {})
            mapping = {o: names[i] for o, i in zip(own, indices, strict=True)}
            text = _sum(program, inner, mapping, taken | set(names.values()))
            term = next(iter(value.items()))
            simple = len(value) == 1 and len(term[0][0]) == 1 and term[1] == 1 and term[0][0][0][1] == 1
            return text, not simple
    shown = display_name(name)
    operation = program.equations[name].value if name in program.equations else None
    if isinstance(operation, Operation) and name.startswith("∂"):  # (∂g[i]/∂f[k])
        top, below = shown[1:].split("/∂")
        inputs = len(program.variables[operation.args[0]].dims)
        letters = [names[i] for i in indices]
        split = len(letters) - inputs
        places = [f"[{','.join(part)}]" if part else "" for part in (letters[:split], letters[split:])]
        return f"(∂{top}{places[0]}/∂{below}{places[1]})", False
    return (f"{shown}[{','.join(names[i] for i in indices)}]" if indices else shown), False
