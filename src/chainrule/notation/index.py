"""Index notation: what every expression can be written in, also where it has no matrix form."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from fractions import Fraction

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Monomial, Rational, rename
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.dims import Dim, display_name
from chainrule.functions.operations import defined_by
from chainrule.functions.sequences import COUNT, UNIT
from chainrule.notation import phrases, tree
from chainrule.notation.forms import applied
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.names import options_of
from chainrule.notation.offsets import Places, has_offsets, place_relations, relation_node
from chainrule.notation.sequences import one_step_of, step_letter, time_index
from chainrule.notation.text import number_text, to_text
from chainrule.notation.tree import Node, names_in
from chainrule.simplify.masks import extremum
from chainrule.sizes import spoken, symbols_of

__all__ = ["at_steps", "in_order", "index_node", "index_text", "letters_for", "summed_letters"]

# operations along axes whose entries can be written one by one
ALONG_AXES = frozenset({"max", "min", "prod", "cumprod", "ismax", "ismin", "prod_others"})
_INSIDE = -500_000  # indices of an argument while it is written
LETTERS = "ijklmnpqrstuvwabcdefgh"


def letters_for(count: int, taken: Set[str]) -> list[str]:
    """Letters for free indices that are no names of the program."""
    free_letters = [c for c in LETTERS if c not in taken] + [f"i{n}" for n in range(1, 99)]
    return free_letters[:count]


def summed_letters(taken: Set[str], used: Iterable[str]) -> list[str]:
    """Letters for indices that are summed."""
    mine = set(used)
    return [c for c in "klmnpqrstuvwabcdefgh" if c not in taken and c not in mine] + [f"k{n}" for n in range(1, 99)]


def index_text(program: Program, expression: Expr, indices: tuple[Index, ...], names: list[str]) -> str:
    """The expression over `indices`, called `names`: sum(k, W[k,i] δ₁[k])."""
    return to_text(index_node(program, expression, indices, names))


def index_node(
    program: Program, expression: Expr, indices: tuple[Index, ...], names: list[str], avoid: Iterable[str] = ()
) -> Node:
    """The same as a tree, from which text, LaTeX and MathML are written. avoid: letters that stand around it."""
    taken = program.shown_names().union(names, avoid)
    return _sum(program, expression, dict(zip(indices, names, strict=True)), taken)


def _sum(program: Program, expression: Expr, names: dict[Index, str], taken: Set[str]) -> Node:
    terms = [
        (1 if coefficient > 0 else -1, _term(program, key, abs(Fraction(coefficient)), names, taken))
        for key, coefficient in expression.items()
    ]
    return tree.sum_of(terms) if terms else tree.num(0)


def _term(program: Program, key: Monomial, coefficient: Fraction, names: dict[Index, str], taken: Set[str]) -> Node:
    key, steps = at_steps(program, key)
    factors, bound = key
    names = names | steps
    inner = dict(names)
    inner.update(zip(bound, summed_letters(taken, names.values()), strict=False))
    found = time_index(program, key) if bound else None
    if found is not None and not found[2] and found[1] not in taken | set(inner.values()):
        inner[found[0]] = found[1]
    places = Places()
    moved: dict[Index, str] = {}
    if has_offsets(factors) or any(_is_onehot(program, atom) for atom, _ in factors):
        places = place_relations(program, factors, bound)
        bound = tuple(i for i in bound if i not in places.placed())
        inner = dict(names)  # once more, so that no letter is left out
        inner.update(zip(bound, summed_letters(taken, names.values()), strict=False))
        moved = places.letters(inner)
        inner.update(moved)
        factors = tuple(
            f for f in factors
            if f[0][0] != "rel" and not (_is_onehot(program, f[0]) and f[0][2][-1] in moved)
        )  # fmt: skip
    used = taken | set(inner.values())
    factors, coefficient, means = _means(factors, bound, coefficient)
    summed = set(bound)
    chosen = not bound or any(atom[0] == "δ" for atom, _ in factors)  # a condition stands with what it chooses
    inside = _Product()
    outside = _Product()
    for relation in places.left:
        inside.parts.append(relation_node(*relation, inner))
    for atom, exponent in in_order(program, factors):
        node, compound = _atom(program, atom, inner, used)
        (inside if chosen or summed & places.behind(atom[2]) else outside).add(node, compound, exponent)
    if not bound:
        return inside.whole(coefficient)
    body = inside.whole(Fraction(1))
    for index in reversed(bound):
        letter, dim = inner[index], index[1]
        clear = _says_its_range(program, body, letter, dim) and not _reaches_further(program, body, letter, dim)
        limit = "" if clear else _limit(dim)
        body = tree.sigma(inner[index], body, "mean" if index in means else "sum", limit)
    outside.parts.append(body)
    return outside.whole(coefficient)


def at_steps(program: Program, key: Monomial) -> tuple[Monomial, dict[Index, str]]:
    """Σₜ 1[t = T] h[t,i] is h[T,i]: the term without such factors and sums, and what the indices are instead."""
    steps: dict[Index, str] = {}
    for index in key[1]:
        found = one_step_of(program, key, index)
        related = any(atom[0] == "rel" and index in atom[2] for atom, _ in key[0])
        if found is not None and not related and any(index in atom[2] for atom, _ in found[0][0]):
            (factors, bound), steps[index] = found
            key = (factors, tuple(i for i in bound if i != index))
    return key, steps


@dataclass
class _Product:
    """Factors as they are written, above a fraction line and below it."""

    parts: list[Node] = field(default_factory=list)
    below: list[Node] = field(default_factory=list)

    def add(self, node: Node, compound: bool, exponent: Rational) -> None:
        """One more factor; text needs brackets around it where it is compound."""
        node = phrases.group(node) if compound else node
        if exponent == -1:
            self.below.append(node)
        else:
            self.parts.append(node if exponent == 1 else Node("^", (node,), Fraction(exponent)))

    def whole(self, coefficient: Fraction) -> Node:
        """The product, with a number in front."""
        parts = list(self.parts)
        if coefficient != 1 or not parts:
            shown = tree.num(coefficient)
            parts.insert(0, phrases.group(shown) if "/" in number_text(coefficient) and parts else shown)
        body = _product(parts)
        return tree.divide(body, _product(self.below)) if self.below else body


def _says_its_range(program: Program, node: Node, letter: str, dim: Dim) -> bool:
    """True where the letter stands alone at an axis of that size, so that what it runs over can be read there."""
    if node.op == "at" and letter in names_in(node)[1:]:
        known = program.variables.get(names_in(node)[0])
        letters = names_in(node)[1:]
        if known is None or len(known.dims) != len(letters):
            return True  # one step of a sequence
        return any(at == letter and own == dim for at, own in zip(letters, known.dims, strict=True))
    if node.op == "entry" and letter in names_in(node):
        return True
    return any(_says_its_range(program, part, letter, dim) for part in node.args)


def _reaches_further(program: Program, node: Node, letter: str, dim: Dim) -> bool:
    """True where the letter stands alone at an axis of another size: it would run as far as that."""
    if node.op == "at" and letter in names_in(node)[1:]:
        known = program.variables.get(names_in(node)[0])
        letters = names_in(node)[1:]
        return known is not None and len(known.dims) == len(letters) and any(
            at == letter and own != dim for at, own in zip(letters, known.dims, strict=True)
        )  # fmt: skip
    return any(_reaches_further(program, part, letter, dim) for part in node.args)


def _sizes(program: Program) -> set[str]:
    """The names of sizes."""
    return {symbol for v in program.variables.values() for d in v.dims for symbol in symbols_of(d)}


def _limit(dim: Dim) -> str:
    """How far a letter runs, as it is read back: 3, n, n+m; nothing where no formula says it."""
    text = spoken(dim, display_name)
    return "" if "//" in text else text.strip("()") if text.count("(") < 2 else text


def _means(
    factors: Iterable[Factor], bound: tuple[Index, ...], coefficient: Fraction
) -> tuple[tuple[Factor, ...], Fraction, set[Index]]:
    """Σₖ … 1/n over the n positions of k is a mean: what is left of the factors, of the number, and which indices."""
    powers = dict(factors)
    means: set[Index] = set()
    for index in reversed(bound):
        dim = index[1]
        size = ("#", str(dim), ())
        if isinstance(dim, str) and powers.get(size, 0) <= -1:
            powers[size] += 1
            means.add(index)
        elif isinstance(dim, int) and dim > 1 and coefficient.denominator % dim == 0:
            coefficient *= dim
            means.add(index)
    return tuple((atom, e) for atom, e in powers.items() if e != 0), coefficient, means


def _is_onehot(program: Program, atom: Atom) -> bool:
    operation = defined_by(program, str(atom[1])) if atom[0] == "" else None
    return operation is not None and operation.op == "onehot"


def _product(parts: list[Node]) -> Node:
    """In the order given: a coefficient stands apart from a number such as 2^(1/2)."""
    return parts[0] if len(parts) == 1 else Node("prod", tuple(parts))


def in_order(program: Program, factors: Iterable[Factor]) -> list[Factor]:
    """Factors as they are written: deltas and signals, Jacobians of unknown functions in the chain rule's order, names,
    sizes, functions; names in the order of the program, whatever they are called."""
    place = program.places()

    def rank(factor: Factor) -> tuple[int, int]:
        (head, name, indices), _ = factor
        if head == "δ":
            return (0, -min(indices)[0])  # 1[k = i] 1[l = j], as the letters come
        first = str(name[0][0] if isinstance(name, tuple) else name)
        position = place.get(first, 0)
        if head in ("#", "n"):
            return (4, position)
        if head or isinstance(name, tuple):
            return (5, position)
        known = program.variables.get(first)
        if known is not None and known.kind == "signal":
            return (1, position)
        return (2 if first.startswith("∂") else 3, position)

    return sorted(factors, key=rank)


def _atom(program: Program, atom: Atom, names: dict[Index, str], taken: Set[str]) -> tuple[Node, bool]:
    """A factor, and whether text needs brackets around it."""
    head, name, indices = atom
    if head == "#":
        return tree.sym(str(name)), False
    if head == "n":
        return tree.num(Fraction(str(name))), False
    if head == "δ":
        return tree.iverson(names[indices[1]], names[indices[0]]), False
    if isinstance(name, tuple):
        known = extremum(program, atom)
        if known is not None:
            head, (a, at_a), (b, at_b) = known
            name, indices = ((a, len(at_a)), (b, len(at_b))), (*at_a, *at_b)
        nodes, start = [], 0
        for argument, arity in name:
            nodes.append(_variable(program, argument, indices[start : start + arity], names, taken)[0])
            start += arity
        return tree.call(head, tuple(nodes), 1, 1), False
    node, compound = _variable(program, str(name), indices, names, taken)
    if head:
        return applied(head, node), False
    return node, compound


def _variable(
    program: Program, name: str, indices: tuple[Index, ...], names: dict[Index, str], taken: Set[str]
) -> tuple[Node, bool]:
    if is_anonymous(name):
        value = program.expression(name)
        if value is not None:
            if not value:
                return tree.num(0), False
            own = program.variables[name].indices
            mapping = {o: names[i] for o, i in zip(own, indices, strict=True)}
            node = _sum(program, rename(value, {}), mapping, taken | set(names.values()))
            term = next(iter(value.items()))
            simple = len(value) == 1 and len(term[0][0]) == 1 and term[1] == 1 and term[0][0][0][1] == 1
            return node, not simple and node.op not in ("at", "sym", "sigma", "call", "fn")
    letters = [names[i] for i in indices]
    if _is_onehot(program, ("", name, indices)) and is_anonymous(name):
        ids = str(program.equations[name].arguments[0])
        looked_up, _ = _variable(program, ids, indices[:-1], names, taken)
        return tree.iverson(letters[-1], to_text(looked_up).replace("−", "-")), False
    operation = program.equations[name].value if name in program.equations else None
    if isinstance(operation, Operation) and operation.op in ALONG_AXES and is_anonymous(name):
        return _along(program, operation, indices, names, taken), False
    if isinstance(operation, Operation) and operation.op == "half triangle":  # 1 below the diagonal, 1/2 on it
        row, column = letters
        half = tree.product([phrases.group(tree.num(Fraction(1, 2))), tree.iverson(column, row)])
        return tree.sum_of([(1, tree.iverson(column, row, "≤")), (-1, half)]), True
    if isinstance(operation, Operation) and operation.op == UNIT:
        step, dim = operation.attributes
        return tree.iverson(letters[0], str(dim if step == -1 else step + 1)), False
    if isinstance(operation, Operation) and operation.op == COUNT:
        return tree.sym(letters[0]), "+" in letters[0] or "-" in letters[0]
    if is_lag(program.equations.get(name)):
        assert isinstance(operation, Operation)
        offset, axis = operation.attributes
        moved = {i: step_letter(names[i], offset) if k == axis else names[i] for k, i in enumerate(indices)}
        return _variable(program, operation.args[0], indices, moved, taken)
    if isinstance(operation, Operation) and name.startswith("∂"):  # (∂g[i]/∂f[k])
        top, below = name[1:].split("/∂")
        split = len(letters) - len(program.variables[operation.args[0]].dims)
        return tree.partial(tree.at(top, letters[:split]), tree.at(below, letters[split:])), True
    if isinstance(operation, Operation) and is_anonymous(name):
        whole = _whole(program, name)
        return (tree.entry(whole, letters) if letters else whole), False
    return tree.at(name, letters), False


def _whole(program: Program, name: str) -> Node:
    """inv(L), where a name of ours is an operation of what has names; half_triangle(n) where it takes nothing."""
    equation = program.equations.get(name)
    if equation is None or not is_anonymous(name):
        return tree.sym(name)
    if not isinstance(equation.value, Operation):
        try:
            return MatrixNotation(program).whole(name)
        except Irreducible:
            return tree.sym(name)
    operation = equation.value
    if operation.op == "constant":
        return Node("raw", (), operation.attributes[0].text)
    arguments = [_whole(program, a) for a in operation.args]
    arguments += [tree.option(*o) for o in options_of(operation, program)]
    sizes = [tree.sym(str(d)) for d in dict.fromkeys(program.variables[name].dims)] if not arguments else []
    called = str(operation.attributes[0]) if operation.op == "unknown" else operation.op.replace(" ", "_")
    return tree.call(called, (*arguments, *sizes), 1, 1)


def _along(
    program: Program, operation: Operation, indices: tuple[Index, ...], names: dict[Index, str], taken: Set[str]
) -> Node:
    """max(l, x[i,l]): the largest over l. ismax(l = k, x[i,l]): is it the one at l = k.

    So is every operation written that keeps the axes it goes along.
    """
    (argument,), (axes,) = operation.args, operation.attributes
    dims = program.variables[argument].dims
    inside = tuple((_INSIDE - axis, dim) for axis, dim in enumerate(dims))
    kept = len(indices) == len(dims)
    outer = iter(indices)
    letters = iter(summed_letters(taken, names.values()))
    inner: dict[Index, str] = {}
    over: list[Node] = []
    for axis, index in enumerate(inside):
        if axis not in axes:
            inner[index] = names[next(outer)]
            continue
        inner[index] = next(letters)
        if kept:
            over.append(tree.equal(tree.sym(inner[index]), tree.sym(names[next(outer)])))
    body, _ = _variable(program, argument, inside, inner, taken | set(names.values()) | set(inner.values()))
    if kept:
        return tree.call(operation.op, (*over, body), 1, 1)
    for axis in reversed(axes):
        letter, dim = inner[inside[axis]], dims[axis]
        said = _says_its_range(program, body, letter, dim) and letter not in _sizes(program)  # max(n, x) is of two
        body = tree.sigma(letter, body, operation.op, "" if said else _limit(dim))
    return body
