"""The general simplifier: apply the rules to every term until nothing gets shorter, then use affine relations.

Order: signs and idempotents; products that have a name; sums that have a name; sums that are constant. A rule may only
make a term cheaper (in weighted symbols), so the process ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Monomial, Rational, add, monomial, number
from chainrule.algebra.program import is_anonymous
from chainrule.functions import FUNCTIONS
from chainrule.simplify.affine import use_affine
from chainrule.simplify.facts import join_triangles, simplify_facts, simplify_integers
from chainrule.simplify.inverses import simplify_inverses
from chainrule.simplify.knowledge import Application, Knowledge
from chainrule.simplify.masks import seen, simplify_masks
from chainrule.simplify.matrices import simplify_matrices
from chainrule.simplify.naming import name_products, name_sums
from chainrule.simplify.ratios import join_complements, simplify_ratios
from chainrule.simplify.relations import simplify_relations

__all__ = ["RULES", "Rule", "simplify", "simplify_terms"]

FACTUAL = frozenset(
    {"matrix facts", "known sign", "idempotent", "mask", "constant sum", "whole numbers"}
)  # rules that may use a declared fact
# f -> (whether x must be > 0 rather than ≥ 0, what f(x) is then)
SIGN_VALUES = {
    "abs": (False, "x"),
    "relu": (False, "x"),
    "nonneg": (False, "1"),
    "sgn": (True, "1"),
    "step": (True, "1"),
    "iszero": (True, "0"),
}

# What a rule gives: the new form of a term, and the name that justifies it (of a definition, a label, a function).
Outcome = tuple[Expr, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the simplifier. `apply(term, knowledge)` gives an equal, cheaper expression, or None."""

    name: str
    statement: str
    apply: Callable[[Monomial, Knowledge], Outcome | None]


def simplify(expression: Expr, knowledge: Knowledge) -> Expr:
    """An equal expression, as short as the rules make it."""
    reduced = simplify_terms(expression, knowledge)
    if len(reduced) > 1 and knowledge.ratios:
        reduced = join_complements(reduced, knowledge.program)
    if len(reduced) > 1 and knowledge.matrices:
        reduced = join_triangles(reduced, knowledge.program)
    if len(reduced) > 1:
        return use_affine(reduced, knowledge, simplify_terms)
    return reduced


def simplify_terms(expression: Expr, knowledge: Knowledge) -> Expr:
    """Each term by itself; like terms are collected again. Applications are recorded where `knowledge` has a record."""
    for _ in range(20):
        result: Expr = {}
        changed = False
        for position, (key, coefficient) in enumerate(expression.items()):
            known = knowledge.memory.get(key)
            if known is None:
                known = _reduce(key, knowledge)
                knowledge.memory[key] = known
            reduced, rule, subject = known
            if rule is not None:
                changed = True
                if rule.name in FACTUAL:
                    knowledge.assumed[rule.name, subject] = None
            part = {k: v * coefficient for k, v in reduced.items()} if coefficient != 1 else reduced
            if rule is not None and knowledge.record is not None:
                rest = dict(list(expression.items())[position + 1 :])
                before, after = add(result, {key: coefficient}, rest), add(result, part, rest)
                knowledge.record.append(Application(rule.name, subject, before, after))
            result = add(result, part) if result else dict(part)
        expression = result
        if not changed:
            return expression
    return expression


def _reduce(key: Monomial, knowledge: Knowledge) -> tuple[Expr, Rule | None, str]:
    """One term, one pass of every rule."""
    for rule in RULES:
        out = rule.apply(key, knowledge)
        if out is not None and out[0] != {key: 1}:
            return out[0], rule, out[1]
    return {key: 1}, None, ""


def _signs(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """sgn(h)² = sgn(h) and sgn(h)·h = h for h ≥ 0; step² = step; y² = y for a one-hot y or a mask."""
    factors, bound = key
    powers = None
    subject = ""
    for (head, name, indices), exponent in factors:
        record = FUNCTIONS.get(head) if head else None
        if record is None:
            if not head and type(exponent) is int and exponent > 0 and knowledge.zero_or_one(str(name)):
                within = _holds_factor(knowledge, factors, ("", name, indices))
                if exponent > 1 or within:
                    powers = powers or dict(factors)
                    powers[head, name, indices] = 0 if within else 1
                    subject = str(name)
            continue
        nonnegative = record.idempotent_on_nonnegative and isinstance(name, str) and knowledge.nonnegative(name)
        if not (record.idempotent or nonnegative):
            continue
        new: Rational = 1 if exponent > 0 else exponent
        if nonnegative and exponent > 0:
            partner = ("", name, indices)
            if any(a == partner and e > 0 for a, e in factors):
                new = 0
        if new != exponent:
            powers = powers or dict(factors)
            powers[head, name, indices] = new
            subject = head
    if powers is None:
        return None
    return monomial(1, powers.items(), bound), subject


def _holds_factor(knowledge: Knowledge, factors: tuple[Factor, ...], atom: Atom) -> bool:
    """True where another factor is a product that has this one among its own: M ∘ R is R for R = M ∘ (A − B)."""
    for (head, name, indices), exponent in factors:
        if head or exponent < 1 or (head, name, indices) == atom:
            continue
        value = knowledge.program.expression(str(name))
        if value is None or len(value) != 1:
            continue
        ((inner, _),) = value
        places = dict(zip(knowledge.program.variables[str(name)].indices, indices, strict=True))
        if any(a[:2] == atom[:2] and e > 0 and tuple(map(places.get, a[2])) == atom[2] for a, e in inner):
            return True
    return False


def _constant_sums(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """Σᵢ ŷᵢ = 1: indices that are summed and occur in one bare factor only, each by itself or all together."""
    factors, bound = key
    for holder in factors if bound else ():
        (head, name, indices), exponent = holder
        if head != "" or exponent != 1:
            continue
        others = {i for f in factors if f is not holder for i in f[0][2]}
        alone = [i for i in indices if i in bound and i not in others and indices.count(i) == 1]
        for summed in [[i] for i in alone] + ([alone] if len(alone) > 1 else []):
            fact = knowledge.constant_sum(str(name), *map(indices.index, summed))
            if fact is not None:
                rest = [f for f in factors if f is not holder]
                return multiply_raw(rest, [i for i in bound if i not in summed], fact), str(name)
    return None


def multiply_raw(factors: list[Factor], bound: list[Index], expression: Expr) -> Expr:
    """Σ_bound Π factors · expression, where the expression is constant."""
    result: Expr = {}
    for (inner, _), coefficient in expression.items():
        result = add(result, monomial(coefficient, [*factors, *inner], bound))
    return result


def _matrices(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """X⁻¹ X = I, QᵀQ = I, Aᵀ = A; entries of triangular matrices; inverses that meet what they are made of."""
    if not knowledge.matrices:
        return None
    done = simplify_matrices(key, knowledge.program) or simplify_facts(key, knowledge.program)
    return done or simplify_inverses(key, knowledge.program)


def _known_sign(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """|x| = x and relu(x) = x where x ≥ 0; sgn(x) = 1 and [x > 0] = 1 where x > 0; √(x²) = x; [w x > 0] = [x > 0]."""
    factors, bound = key
    for position, (atom, exponent) in enumerate(factors):
        root = _root(atom, exponent, knowledge)
        if root is not None:
            rest = [*factors[:position], *factors[position + 1 :], *root[0]]
            return monomial(1, rest, bound), root[1]
    if not knowledge.masks:
        return None
    for position, (atom, exponent) in enumerate(factors):
        head, name, indices = seen(knowledge.program, atom)
        if head not in SIGN_VALUES or not isinstance(name, str) or not (atom[0] or is_anonymous(str(atom[1]))):
            continue
        scaled = _scaled(head, name, indices, knowledge)
        if scaled is not None:
            less, taken, subject = scaled
            rest = [*factors[:position], *factors[position + 1 :], (less, exponent)]
            rest += [(a, e * exponent) for a, e in taken]
            return monomial(1, rest, bound), subject
        strict, value = SIGN_VALUES[head]
        if not (knowledge.positive(name) if strict else knowledge.nonnegative(name)):
            continue
        rest = [*factors[:position], *factors[position + 1 :]]
        if value == "x":
            rest.append((("", name, indices), exponent))
        elif value == "0":
            return {}, name
        return monomial(1, rest, bound), name
    return None


def _placed(name: str, indices: tuple[Index, ...], knowledge: Knowledge) -> list[Factor] | None:
    """The factors of an unnamed product without a sum and a number, at these indices."""
    if not is_anonymous(name) or name in knowledge.blocked:
        return None
    value = knowledge.program.expression(name)
    if value is None or len(value) != 1:
        return None
    ((factors, summed), coefficient) = next(iter(value.items()))
    if summed or coefficient != 1:
        return None
    put = dict(zip(knowledge.program.variables[name].indices, indices, strict=True))
    return [((h, n, tuple(put.get(i, i) for i in ix)), e) for (h, n, ix), e in factors]


def _root(atom: Atom, exponent: Rational, knowledge: Knowledge) -> tuple[list[Factor], str] | None:
    """√(x²) = x where x ≥ 0: the factors, and the name whose sign was used."""
    if atom[0] or not isinstance(atom[1], str) or Fraction(exponent).denominator == 1:
        return None
    inner = _placed(atom[1], atom[2], knowledge)
    if inner is None or len(inner) != 1:
        return None
    ((head, name, indices), power) = inner[0]
    if head or not isinstance(name, str) or power == 1 or not knowledge.nonnegative(name):
        return None
    return [((head, name, indices), number(Fraction(power) * Fraction(exponent)))], name


def _scaled(
    head: str, name: str, indices: tuple[Index, ...], knowledge: Knowledge
) -> tuple[Atom, list[Factor], str] | None:
    """[w x > 0] = [x > 0] and relu(w x) = w relu(x) where w > 0: the function of x, what goes out, whose sign it is."""
    inner = _placed(name, indices, knowledge)
    if inner is None or len(inner) < 2:
        return None
    positive = [f for f in inner if not f[0][0] and isinstance(f[0][1], str) and knowledge.positive(f[0][1])]
    rest = [f for f in inner if f not in positive]
    if not positive or len(rest) != 1 or rest[0][1] != 1 or rest[0][0][0] or not isinstance(rest[0][0][1], str):
        return None
    _, left, at = rest[0][0]
    taken = positive if SIGN_VALUES[head][1] == "x" else []
    return (head, left, at), taken, str(positive[0][0][1])


def _integers(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """(−1)ᵏ (−1)ᵏ = 1."""
    return simplify_integers(key, knowledge.program)


def _relations(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """Index relations: composed, or summed to 1."""
    return simplify_relations(key)


def _masks(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """sgn(relu(x)) = [x > 0], m where(m, a, b) = m a, x sgn(x) = |x|."""
    return simplify_masks(key, knowledge.program) if knowledge.masks else None


def _ratios(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """sinh/cosh = tanh, exp(x)/(1 + exp(x)) = σ(x)."""
    return simplify_ratios(key, knowledge.program) if knowledge.ratios else None


RULES = (
    Rule("matrix facts", "X⁻¹ X = I; QᵀQ = I for Q orthogonal; Aᵀ = A for A symmetric; T triangular", _matrices),
    Rule("whole numbers", "(−1)ᵏ (−1)ᵏ = 1 and |(−1)ᵏ| = 1 where k is integer", _integers),
    Rule("idempotent", "sgn(h)² = sgn(h) and sgn(h) h = h where h ≥ 0; a mask times itself is itself", _signs),
    Rule(
        "known sign",
        "|x| = x, relu(x) = x and √(x²) = x where x ≥ 0; sgn(x) = 1 and [w x > 0] = [w > 0] where x > 0",
        _known_sign,
    ),
    Rule(
        "mask", "a comparison of what is clipped, a branch under its own mask, x sgn(x) = |x|: entry by entry", _masks
    ),
    Rule("name of a product", "a product that an equation defines is written with its name", name_products),
    Rule("quotient of functions", "sinh/cosh = tanh, sin/cos = tan, exp(x)/(1 + exp(x)) = σ(x)", _ratios),
    Rule("name of a sum", "a sum that an equation defines is written with its name", name_sums),
    Rule("index relation", "Σₖ 1[k = i + a] = 1 where i + a is a position; relations of relations", _relations),
    Rule("constant sum", "entries that always sum to a constant: the sum is that constant", _constant_sums),
)
