"""Proofs in index notation, from the definition of the derivative, as section 2 of the note writes them.

For each equation on the way the engine's own local derivatives are written out: the entry that is asked for, the sum
and product rules, ∂W[k,l]/∂W[i,j] = 1[k = i] 1[l = j], what that leaves of the sum, and each rule of the simplifier.
The lines are the stages of the computation; a proof is written for any program, not only for those in the book.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from chainrule.algebra.expr import Expr, Factor, Index, Monomial, Rational, add, monomial, multiply, rename, substitute
from chainrule.algebra.program import Operation, Program, Variable, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.book import Identity
from chainrule.calculus.partial import local_derivatives
from chainrule.dims import Dim
from chainrule.explanation.pattern import pattern_of
from chainrule.explanation.rules import describe_application
from chainrule.explanation.steps import Formula, ProofLine
from chainrule.notation import phrases, tree
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.sentence import Sentence, joined, say
from chainrule.notation.tree import Node
from chainrule.simplify.engine import simplify
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Proof", "proof_of", "provable", "prove", "symbol_of"]

ONE_TERM = "of the sum, only the term with equal indices is left"
MARK = -50  # the indices of what one differentiates by are −50, −51, … while the proof runs


def prove(program: Program, of: str, wrt: str, between: set[str], upstream: str = "") -> tuple[ProofLine, ...]:
    """∂of/∂wrt (or, with the letter of a signal, ∂J/∂wrt) proved entry by entry.

    between: `of`, `wrt` and the names on the way. Returns () where an operation has no equation in indices.
    """
    return Proof(program, of, wrt, between, upstream).lines() if provable(program, wrt, between) else ()


def provable(program: Program, wrt: str, between: set[str]) -> bool:
    """True where every equation on the way is one in indices."""
    return not any(
        isinstance(program.equations[n].value, Operation) for n in (between - {wrt}) & program.equations.keys()
    )


@cache
def proof_of(identity: Identity) -> tuple[ProofLine, ...]:
    """The proof of an identity of the book, in its own letters."""
    pattern = pattern_of(identity)
    return prove(pattern.program, pattern.of, pattern.wrt, set(pattern.between), identity.upstream)


class Proof:
    """One proof: `work` is the program with a letter for each unnamed part, and a symbol for each derivative."""

    def __init__(self, program: Program, of: str, wrt: str, between: set[str], upstream: str) -> None:
        self.between = between
        self.upstream = upstream
        self.work, names = _with_letters(program, between)
        self.way = [names.get(e.name, e.name) for e in program if e.name in between and e.name != wrt]
        self.of, self.wrt = names.get(of, of), names.get(wrt, wrt)  # a part of an equation has a letter here
        self.named = list(names.values())
        self.knowledge = Knowledge(self.work)
        self.below = self.work.variables[self.wrt]
        self.marks: tuple[Index, ...] = tuple((MARK - k, d) for k, d in enumerate(self.below.dims))
        taken = self.work.shown_names() | {upstream}
        letters = letters_for(24, taken)
        widest = max(len(self.work.variables[n].dims) for n in (*self.way, *self.named))
        if len(self.marks) <= 1 and widest <= 1 and not upstream:  # ∂z[i]/∂x[j], but ∂z[k]/∂W[i,j]
            self.outer, self.inner = letters[:widest], letters[widest : widest + len(self.marks)]
        else:
            self.inner = letters[: len(self.marks)]
            self.outer = letters[len(self.marks) : len(self.marks) + widest]
        self.found: dict[str, Expr] = {}
        for name in (*self.way, self.wrt):  # symbols such as ∂z[k]/∂W[i,j], shown as such
            dims = (*self.work.variables[name].dims, *self.below.dims)
            self.work.define(Variable(symbol_of(name, self.wrt), dims), Operation("partial", (self.wrt,)))

    def lines(self) -> tuple[ProofLine, ...]:
        out = [self._definition(name) for name in self.named if self.work.expression(name) is not None]
        for name in self.way:
            out += self._equation(name)
        out += self._answer()
        return tuple(out)

    # -- one equation ----------------------------------------------------------------------------------------------

    def _definition(self, name: str) -> ProofLine:
        own = self.work.variables[name]
        left = tree.at(name, self.outer[: len(own.dims)])
        return ProofLine(Formula(left), self._index(self.work.equations[name].value, own, ()), "a name for a part")  # type: ignore[arg-type]

    def _equation(self, name: str) -> list[ProofLine]:
        equation, own = self.work.equations[name], self.work.variables[name]
        assert isinstance(equation.value, dict)
        left = Formula(self._entry_of(name))
        right = self._index(equation.value, own, ())
        below = tree.at(self.wrt, self.inner)
        said = say(tree.sym(name), " by its equation")
        lines = [ProofLine(left, Formula(tree.partial(phrases.group(right.node), below)), said)]
        symbols: list[tuple[Monomial, Rational]] = []
        deltas: list[tuple[Monomial, Rational]] = []
        total: Expr = {}
        used: dict[str, None] = {}
        for argument in dict.fromkeys(equation.arguments):
            if argument != self.wrt and argument not in self.found:
                continue
            for coefficient, factors, bound, place in local_derivatives(self.work, equation, argument):
                symbol = (("", symbol_of(argument, self.wrt), (*place, *self.marks)), 1)
                symbols.append((((*factors, symbol), bound), coefficient))
                used[argument] = None
                if argument == self.wrt:
                    pairs = [(("δ", "", (min(a, b), max(a, b))), 1) for a, b in zip(place, self.marks, strict=True)]
                    deltas.append((((*factors, *pairs), bound), coefficient))
                    total = add(total, monomial(coefficient, [*factors, *pairs], bound))
                else:
                    term: Monomial = ((*factors, symbol), bound)
                    put = substitute({term: coefficient}, symbol_of(argument, self.wrt), self._placed(argument))
                    deltas += list(put.items())
                    total = add(total, put)
        many = len(symbols) > 1
        rule = "sum, product and chain rule" if many else "linearity and the chain rule"
        lines = self._then(lines, self._raw(symbols, own), rule)
        facts = [self._fact(n) for n in used]
        lines = self._then(lines, self._raw(deltas, own), joined("; ", facts))
        lines = self._then(lines, self._index(total, own, self.marks), ONE_TERM)
        self.knowledge.record = []
        result = simplify(total, self.knowledge)
        record, self.knowledge.record = self.knowledge.record, None
        for application in record:
            rule_, detail, _ = describe_application(application, self.work, tree.sym, self._said)
            lines = self._then(lines, self._index(application.after, own, self.marks), detail or rule_)
        lines = self._then(lines, self._index(result, own, self.marks), "simplified")
        self.found[name] = result
        return lines

    def _placed(self, argument: str):  # type: ignore[no-untyped-def]
        own = self.work.variables[argument]

        def place(at: tuple[Index, ...]) -> Expr:
            count = len(own.dims)
            mapping = dict(zip(own.indices, at[:count], strict=True)) | dict(zip(self.marks, at[count:], strict=True))
            return rename(self.found[argument], mapping)

        return place

    def _fact(self, argument: str) -> Sentence:
        if argument != self.wrt:
            return self._found(argument)
        count = len(self.marks)
        if not count:
            return say(tree.equal(tree.partial(tree.sym(argument), tree.sym(argument)), tree.num(1)))
        pool = [c for c in "klmnpq" if c not in self.inner][:count]
        deltas = [tree.iverson(a, b) for a, b in zip(pool, self.inner, strict=True)]
        return say(
            tree.equal(tree.partial(tree.at(argument, pool), tree.at(argument, self.inner)), tree.product(deltas))
        )

    def _found(self, name: str) -> Sentence:
        return say(tree.partial(tree.sym(name), tree.sym(self.wrt)), " as found above")

    # -- the answer ------------------------------------------------------------------------------------------------

    def _answer(self) -> list[ProofLine]:
        own, result = self.work.variables[self.of], self.found[self.of]
        if not self.upstream:
            return self._matrix(result, own, [])
        signal = Variable(self.upstream, own.dims, "row" if len(own.dims) == 1 else own.orientation, "signal")
        self.work.declare(signal)
        moved = {i: (800 + k, i[1]) for k, i in enumerate(own.indices)}
        symbol = symbol_of(self.of, self.wrt)
        bound = tuple(moved.values())
        signal_here: Factor = (("", self.upstream, bound), 1)
        factors: tuple[Factor, ...] = (signal_here, (("", symbol, (*bound, *self.marks)), 1))
        below = self.below
        left = Formula(tree.partial(tree.sym("J"), tree.at(self.wrt, self.inner)))
        term: Monomial = (factors, bound)
        first = self._raw([(term, 1)], None)
        given = tree.equal(tree.sym(self.upstream), tree.partial(tree.sym("J"), tree.sym(self.of)))
        lines = [ProofLine(left, first, say("chain rule, ", given))]
        known: Expr = {((signal_here,), ()): 1}
        put = multiply(known, rename(result, moved))
        raw = [(((*key[0],), (*key[1], *bound)), value) for key, value in put.items()]
        lines = self._then(lines, self._raw(raw, None), self._found(self.of))
        carried: Expr = {}
        for (fs, bs), value in raw:
            carried = add(carried, monomial(value, fs, bs))
        lines = self._then(lines, self._raw(list(carried.items()), None), ONE_TERM)
        reduced = simplify(carried, self.knowledge)
        lines = self._then(lines, self._raw(list(reduced.items()), None), "simplified")
        final = rename(reduced, {m: (-1 - k, m[1]) for k, m in enumerate(self.marks)})
        return self._matrix(final, below, lines, shape=True)

    def _matrix(self, value: Expr, own: Variable, lines: list[ProofLine], shape: bool = False) -> list[ProofLine]:
        """The entry as part of a matrix, where there is one."""
        dims: tuple[Dim, ...] = own.dims if shape else (*own.dims, *self.below.dims)
        indices = tuple((-1 - k, d) for k, d in enumerate(dims))
        if not shape:
            value = rename(value, {m: (-1 - len(own.dims) - k, m[1]) for k, m in enumerate(self.marks)})
        if len(dims) > 2 or not dims:
            return lines
        orientation = ("row" if own.dims == () else own.orientation) if len(dims) == 1 else "matrix"
        shown = factored(value, indices, self.knowledge, self.work, orientation)
        try:
            node = MatrixNotation(self.work).write(shown, dims, orientation)
        except Irreducible:
            return lines
        letters = self.inner if shape else [*self.outer[: len(own.dims)], *self.inner]
        top = tree.sym("J") if shape else tree.sym(self.of)
        left = Formula(tree.partial(top, tree.sym(self.wrt)))
        where = say("entry ", joined(", ", map(tree.sym, letters))) if letters else say("the entry")
        return [*lines, ProofLine(left, Formula(node), say(where, " of it stands above"))]

    # -- writing ---------------------------------------------------------------------------------------------------

    def _entry_of(self, name: str) -> Node:
        count = len(self.work.variables[name].dims)
        return tree.partial(tree.at(name, self.outer[:count]), tree.at(self.wrt, self.inner))

    def _index(self, value: Expr, own: Variable, marks: tuple[Index, ...]) -> Formula:
        return self._raw(list(value.items()), own, marks)

    def _raw(
        self, terms: list[tuple[Monomial, Rational]], own: Variable | None, marks: tuple[Index, ...] | None = None
    ) -> Formula:
        """Terms as they stand, over the indices of `own` (none: None) and those of what one differentiates by."""
        marks = self.marks if marks is None else marks
        letters = dict(zip(own.indices, self.outer, strict=False)) if own is not None else {}
        letters |= dict(zip(marks, self.inner, strict=False))
        nodes: list[tuple[int, Node]] = []
        for key, coefficient in terms:
            size = coefficient if coefficient > 0 else -coefficient
            node = index_node(self.work, {key: size}, tuple(letters), list(letters.values()))
            nodes.append((1 if coefficient > 0 else -1, node))
        ordered = [n for n in nodes if n[0] > 0] + [n for n in nodes if n[0] < 0]
        return Formula(tree.sum_of(ordered) if nodes else tree.num(0), entry=(tuple(terms), tuple(letters)))

    def _then(self, lines: list[ProofLine], formula: Formula, rule: str) -> list[ProofLine]:
        return lines if lines[-1].right.node == formula.node else [*lines, ProofLine(None, formula, rule)]

    def _said(self, name: str) -> Node:
        value, own = self.work.expression(name), self.work.variables.get(name)
        if value is None or own is None:
            return tree.sym(name)
        if len(own.dims) > len(self.outer):  # a part with more indices than the proof has letters for
            return Node("raw", (), "its definition") if is_anonymous(name) else tree.sym(name)
        right = self._index(value, own, ()).node
        return right if is_anonymous(name) else tree.equal(tree.at(name, self.outer[: len(own.dims)]), right)


def symbol_of(name: str, wrt: str) -> str:
    """The name of ∂name/∂wrt in the program of a proof."""
    return f"∂{name}/∂{wrt}"


def _with_letters(program: Program, between: set[str]) -> tuple[Program, dict[str, str]]:
    """A copy in which the anonymous names on the way have letters, and the letters."""
    taken = program.shown_names()
    pools = {0: iter("srqcvg"), 1: iter("uvegqr"), 2: iter("EFGHKL")}
    names: dict[str, str] = {}
    for equation in program:
        if equation.name in between and is_anonymous(equation.name):
            pool = pools.get(len(program.variables[equation.name].dims), iter(()))
            letter = next((c for c in pool if c not in taken and c not in names.values()), None)
            names[equation.name] = letter or f"t{len(names)}"
    out = renamed_program(program, Renaming(names))
    out.equations = {name: replace(equation, source=None) for name, equation in out.equations.items()}
    return out, names
