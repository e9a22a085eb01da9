"""Right formulas, written differently: nobody may be told that these are wrong.

What the rules make of a formula counts if `Subject` evaluates it to the right derivative.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from chainrule.dims import ascii_name, display_name
from chainrule.errors import ChainruleError
from chainrule.language import ast
from chainrule.language.printer import print_expression
from mutation.oracle import Clash, Subject, subject
from mutation.rules import RULES
from mutation.trees import (
    call,
    everywhere,
    places,
    put,
)


@dataclass(frozen=True)
class Rewritten:
    """A right claim in other words."""

    program: str
    rule: str
    claim: str
    layout: str | None = None

    def __str__(self) -> str:
        return f"{self.program}: {self.claim}" + (f" [{self.layout}]" if self.layout else "") + f" ({self.rule})"


def in_ascii(node: ast.Expr) -> str:
    """delta1, theta, y_hat, .* and .T."""

    def plain(n: ast.Expr) -> ast.Expr | None:
        if isinstance(n, ast.Name):
            return ast.Name(ascii_name(n.name))
        if isinstance(n, ast.Call) and n.function == "σ":
            return call("sigmoid", *(everywhere(a, plain) for a in n.args), primes=n.primes)
        return None

    text = print_expression(everywhere(node, plain))
    for sign, spelled in (("∘", ".*"), ("⁻¹", "^-1"), ("ᵀ", ".T"), ("−", "-"), ("′", "'"), (" · ", " ")):
        text = text.replace(sign, spelled)
    return text


def in_brackets(node: ast.Expr) -> str:
    """Every product with @, every operation in brackets."""
    match node:
        case ast.Binary(op, left, right):
            return f"({in_brackets(left)} {op} {in_brackets(right)})"
        case ast.Negate(operand):
            return f"(-{in_brackets(operand)})"
        case ast.Transpose(operand):
            return f"({in_brackets(operand)})'"
        case ast.Number(value):
            return print_expression(ast.Number(value))
        case ast.Call() if not node.options:
            return f"{node.function}{'′' * node.primes}({', '.join(map(in_brackets, node.args))})"
    return print_expression(node)


def once(s: Subject, node: ast.Expr) -> Iterator[tuple[str, ast.Expr]]:
    """Every way in which one rule changes one place."""
    for path, piece in places(node):
        for name, rule in RULES.items():
            try:
                for new in rule(s, piece):
                    yield name, put(node, path, new)
            except (Clash, ChainruleError):
                continue


@dataclass(frozen=True)
class Candidate:
    """A formula for the derivative at `of` that may be right."""

    rule: str
    left: str
    of: str
    text: str
    layout: str | None = None


def candidates(s: Subject, twice: int) -> list[Candidate]:
    """What the rules make of all signals and gradients; of each, `twice` formulas are changed by two rules."""
    rng = random.Random(s.name)
    out: list[Candidate] = []
    formulas = [(name, g, True) for name, g in s.derivation.signals.items()]
    formulas += [(name, g, False) for name, g in s.derivation.gradients.items()]
    for name, g, signal in formulas:
        node = s.parse(g.text)
        anonymous = g.of.startswith("%")
        left = name if anonymous or (signal and len(out) % 2) else f"dJ/d{display_name(g.of)}"
        plain = ascii_name(name) if anonymous else f"dJ/d{ascii_name(g.of)}"
        out.append(Candidate("in_ascii", plain, g.of, in_ascii(node)))
        out.append(Candidate("in_brackets", left, g.of, in_brackets(node)))
        if not signal:
            out.append(Candidate("numerator", left, g.of, g.numerator))
            out.append(Candidate("numerator", left, g.of, g.numerator, "numerator"))
            out.append(Candidate("shape", left, g.of, g.text, "shape"))
        first = list(once(s, node))
        out += [Candidate(rule, left, g.of, print_expression(new)) for rule, new in first]
        for _, new in rng.sample(first, min(twice, len(first))):
            second = list(once(s, new))
            if second:
                newer = rng.choice(second)[1]
                spelled = in_brackets(newer) if rng.random() < 0.2 else print_expression(newer)
                out.append(Candidate("two rules", left, g.of, spelled))
    return out


@cache
def rewritten(program: str, count: int | None = None, twice: int = 12) -> tuple[Rewritten, ...]:
    """Right claims about a program in other words: all, or `count` of them, spread evenly over the rules."""
    s = subject(program)
    rng = random.Random(program)
    by_rule: dict[str, list[Candidate]] = {}
    for one in dict.fromkeys(candidates(s, twice)):
        by_rule.setdefault(one.rule, []).append(one)
    rules = list(by_rule)
    rng.shuffle(rules)
    for some in by_rule.values():
        rng.shuffle(some)
    out: dict[tuple[str, str | None], Rewritten] = {}
    while any(by_rule.values()) and (count is None or len(out) < count):
        for rule in rules:
            if by_rule[rule] and (count is None or len(out) < count):
                one = by_rule[rule].pop()
                if equal(s, one):
                    claim = f"{one.left} = {one.text}"
                    out.setdefault((claim, one.layout), Rewritten(program, rule, claim, one.layout))
    return tuple(out.values())


def equal(s: Subject, one: Candidate) -> bool:
    try:
        return s.right(s.values(s.parse(one.text)), one.of, one.layout)
    except (Clash, ChainruleError):
        return False
