"""Products and sums that an equation of the program defines, written with its name.

    exp(θ)ᵢ / s is ŷᵢ     a product, as often as makes the term cheapest; the name may come with what is left over
    Σₖ exp(θ)ₖ is s       a sum, where the whole of it stands in the term and none of its indices anywhere else

Patterns are the relations and the sum definitions of `Knowledge`; a match maps their indices to the term's, one to one.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Monomial, monomial, multiply, number
from chainrule.simplify.knowledge import Knowledge, Relation, SumDefinition

__all__ = ["match_sum", "name_products", "name_sums"]

# What a rule gives: the new form of a term, and the name of the definition.
Outcome = tuple[Expr, str]


def name_products(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """exp(θ)ᵢ / s becomes ŷᵢ: use a relation as often as makes the term cheapest."""
    factors, _bound = key
    table = knowledge.relations
    present = dict.fromkeys((h, n) for (h, n, _), _ in factors)  # in their order: which of two equals comes first
    best: tuple[float, Expr, str] | None = None
    tried: set[tuple[tuple[Factor, ...], tuple[Index, ...]]] = set()
    for head_name in present:
        for relation in table.get(head_name, ()):
            if relation.name in knowledge.blocked:
                continue
            few = len(relation.heads & present.keys()) < min(2, len(relation.heads))
            if few and not _worth_alone(relation, knowledge):
                continue
            for mapping in _mappings(relation, factors, head_name):
                mark = (relation.factors, tuple(mapping[i] for i in relation.indices))
                if mark in tried:
                    continue
                tried.add(mark)
                outcome = _apply(relation, mapping, key, knowledge)
                if outcome is not None and (best is None or outcome[0] > best[0]):
                    best = (*outcome, relation.name)
    return best[1:] if best is not None else None


def _worth_alone(relation: Relation, knowledge: Knowledge) -> bool:
    """A single heavy atom has a lighter name: exp(z) that the user calls e."""
    return len(relation.factors) == 2


def _mappings(relation: Relation, factors: tuple[Factor, ...], seed: tuple[str, object]) -> list[dict[Index, Index]]:
    """Ways to place the relation's indices on the term's, starting from an atom that both have."""
    found = []
    for atom, _ in relation.factors:
        if atom[:2] != seed:
            continue
        for other, _ in factors:
            if other[:2] == seed:
                mapping = _extend({}, atom[2], other[2])
                if mapping is not None:
                    found += _complete(relation, mapping, factors, 0)
    return found


def _extend(
    mapping: dict[Index, Index], pattern: tuple[Index, ...], target: tuple[Index, ...]
) -> dict[Index, Index] | None:
    new = dict(mapping)
    for p, t in zip(pattern, target, strict=True):
        if new.setdefault(p, t) != t:
            return None
    return new


def _complete(
    relation: Relation, mapping: dict[Index, Index], factors: tuple[Factor, ...], position: int
) -> list[dict[Index, Index]]:
    if all(i in mapping for i in relation.indices):
        return [mapping]
    found: list[dict[Index, Index]] = []
    for p in range(position, len(relation.factors)):
        atom, _ = relation.factors[p]
        if all(i in mapping for i in atom[2]):
            continue
        for other, _ in factors:
            if other[:2] == atom[:2]:
                wider = _extend(mapping, atom[2], other[2])
                if wider is not None:
                    found += _complete(relation, wider, factors, p + 1)
    return found


def _apply(
    relation: Relation, mapping: dict[Index, Index], key: Monomial, knowledge: Knowledge
) -> tuple[float, Expr] | None:
    factors, bound = key
    powers = dict(factors)
    atoms = [((h, n, tuple(mapping[i] for i in ix)), e) for (h, n, ix), e in relation.factors]
    if len({a for a, _ in atoms}) != len(atoms):
        return None
    before = sum(knowledge.factor_cost(a, powers[a]) for a, _ in atoms if a in powers)
    best_gain, best_k = 1e-9, 0
    for k in (1, -1, 2, -2, 3, -3):
        after, grown = 0.0, 0
        for atom, e in atoms:
            old = powers.get(atom, 0)
            exponent = old + k * e
            if exponent:
                after += knowledge.factor_cost(atom, exponent)
            if exponent * old < 0:  # a power may be used up, never turned over
                grown = 2
            elif exponent * exponent > old * old:
                grown += 1
        if grown > 1:  # one name comes in for what goes out; ŷ/exp(θ) is no way to write 1/s
            continue
        if before - after > best_gain:
            best_gain, best_k = before - after, k
    if not best_k:
        return None
    new = dict(powers)
    for atom, e in atoms:
        new[atom] = new.get(atom, 0) + best_k * e
    # name · Π a⁻ᵉ = c, so the term is multiplied by (name · Π a⁻ᵉ)ᵏ c⁻ᵏ.
    return best_gain, monomial(number(Fraction(relation.coefficient) ** -best_k), new.items(), bound)


def name_sums(key: Monomial, knowledge: Knowledge) -> Outcome | None:
    """Σₖ exp(θ)ₖ becomes s: every pattern index must be summed here, and occur nowhere else in the term."""
    factors, bound = key
    if not bound or not knowledge.sums:
        return None
    for (head, name, _), _ in factors:
        for definition in knowledge.sums.get((head, name), ()):
            out = match_sum(definition, key)
            if out is not None:
                saved = knowledge.cost({key: 1}) - knowledge.cost(out)
                sizes = all(atom[0] in ("#", "n") for atom, _ in definition.factors if not atom[2])
                if saved > (-0.8 if sizes else 0):  # also where a size comes with it: Σₖ xₖ = n m lets means cancel
                    return out, definition.name
    return None


def match_sum(definition: SumDefinition, key: Monomial) -> Expr | None:
    """The term with the name of the sum, wherever the whole sum stands in it; None where it does not."""
    factors, bound = key
    # Σₖ aₖ bₖ is c ‖a‖ ‖b‖ for c = Σₖ aₖ bₖ/(‖a‖ ‖b‖); but from c = s Σₖ aₖ it is never c/s, for s may be 0.
    scalars = [f for f in definition.factors if f[0][0] in ("#", "n") or (not f[0][2] and f[1] < 0)]
    if len(definition.bound) > len(bound) or len(definition.factors) - len(scalars) > len(factors):
        return None
    pattern_bound = set(definition.bound)
    bound_set = set(bound)

    def search(position: int, mapping: dict[Index, Index], used: tuple[int, ...]) -> Expr | None:
        if position == len(definition.factors):
            inner = [mapping[i] for i in definition.bound]
            if len(set(inner)) != len(inner) or any(i not in bound_set for i in inner):
                return None
            outer = {mapping[i] for i in mapping if i not in pattern_bound}
            if outer & set(inner):
                return None
            rest = [f for k, f in enumerate(factors) if k not in used]
            if any(i in inner for (_, _, ix), _ in rest for i in ix):
                return None
            if any(i not in mapping for i in definition.indices):
                return None
            named: Atom = ("", definition.name, tuple(mapping[i] for i in definition.indices))
            return monomial(
                1 / Fraction(definition.coefficient), [*rest, (named, 1)], [i for i in bound if i not in inner]
            )
        (head, name, indices), exponent = definition.factors[position]
        for k, ((h, n, ix), e) in enumerate(factors):
            if k in used or h != head or n != name:
                continue
            if e != exponent:
                continue
            wider = _extend(mapping, indices, ix)
            if wider is not None:
                out = search(position + 1, wider, (*used, k))
                if out is not None:
                    return out
        return None

    if scalars:
        lean = SumDefinition(
            definition.name, tuple(f for f in definition.factors if f not in scalars), definition.bound,
            definition.coefficient, definition.indices,
        )  # fmt: skip
        out = match_sum(lean, key)
        if out is None:
            return None
        return multiply(out, {(tuple(sorted((a, -e) for a, e in scalars)), ()): 1})
    return search(0, {}, ())
