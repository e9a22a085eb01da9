"""What the letters of an expression in index notation run over: found from the arrays in which they stand."""

from __future__ import annotations

from chainrule.dims import Dim, canonical_name, display_dim
from chainrule.errors import DimensionError
from chainrule.language import ast
from chainrule.language.bound import children, chosen_letter, index_pair, summed_letter
from chainrule.language.formulas import Reach
from chainrule.language.indices import Indices
from chainrule.language.printer import print_expression
from chainrule.language.values import Value
from chainrule.sizes import minus, never_negative, polynomial

__all__ = ["Ranges"]


class Ranges(Indices):
    """Finds what letters run over."""

    def expr(self, node: ast.Expr) -> Value:
        """The value of an expression."""
        raise NotImplementedError

    def index_ranges(self, node: ast.Expr, bound: str | None = None) -> dict[str, Dim]:
        """What each index of `node` runs over; `bound` is bound here, so the same letter outside is another."""
        found = {letter: index[1] for letter, index in self.index_scope.items() if letter != bound}
        equal: list[tuple[str, str]] = []
        sums: list[Reach] = []
        outer, self.bound = self.bound, self.bound | ({bound} if bound is not None else set())
        try:
            self.find_ranges(node, found, equal, sums)
        finally:
            self.bound = outer
        for _ in equal:  # 1[i = j]: two indices with one range
            for left, right in equal:
                known = found.get(left, found.get(right))
                if known is not None:
                    found.setdefault(left, known)
                    found.setdefault(right, known)
        self.ranges_of_sums(found, sums)
        return found

    def ranges_of_sums(self, found: dict[str, Dim], sums: list[Reach], only: str | None = None) -> list[Reach]:
        """Letters that stand in sums only run as far as all entries lie inside. Returns what is not known yet."""
        left = list(sums)
        for _ in range(len(sums) + 1):
            candidates: dict[str, list[tuple[Dim, Reach]]] = {}
            for k, one in enumerate(left):
                for letter in [n for n in one.terms if n in found and (only is None or n == only)]:
                    left[k] = one = one.without(letter, found[letter])
                unknown = [n for n in one.terms if n not in found]
                if one.target is not None:
                    if not one.terms and only is None:
                        found.setdefault(one.target, one.high)
                elif len(one.terms) == 1 and unknown and (only is None or unknown == [only]):
                    candidates.setdefault(unknown[0], []).append((one.range_of(unknown[0]), one))
            for letter, options in candidates.items():
                ranges = {dim for dim, _ in options}
                if len(ranges) > 1:
                    raise DimensionError(
                        f"sizes do not agree: index {letter} runs over {' and over '.join(map(display_dim, ranges))}",
                        "another index name, or an array with the index alone", options[0][1].span,
                    )  # fmt: skip
                found[letter] = ranges.pop()
            if not candidates:
                break
        return [one for one in left if one.terms or one.target]

    def find_ranges(
        self, node: ast.Expr, found: dict[str, Dim], equal: list[tuple[str, str]], sums: list[Reach]
    ) -> None:  # fmt: skip
        if isinstance(node, ast.Indexed) and self.is_unknown_step(node):
            return
        if isinstance(node, ast.Indexed | ast.Entry):
            if isinstance(node, ast.Indexed) and (self.is_part(node) or self.is_known_step(node)):
                self.ranges_of_steps(node, found)
                return
            if isinstance(node, ast.Entry):
                value, node = self.entry_base(node)
            else:
                value = self.base_value(node.base)
            dims = value.dims
            if len(dims) != len(node.indices):
                raise DimensionError(
                    f"{node.base.name} has {len(dims)} indices ({value.shape}), not {len(node.indices)}",
                    self.entry_hint(node, dims),
                    node.span,
                )
            for ref, dim in zip(node.indices, dims, strict=True):
                if ref.kind == "sum" and isinstance(ref.first, ast.Indexed):
                    self.find_ranges(ref.first, found, equal, sums)
                    continue
                if ref.name is None or ref.offset or not self.is_letter(ref.name):
                    reach = self.reach(ref, dim)
                    if reach is not None and reach.terms:
                        sums.append(reach)
                    continue
                known = found.setdefault(ref.name, dim)
                if never_negative(polynomial(minus(known, dim))) and ref.name not in self.index_scope:
                    found[ref.name] = dim  # c[i] beside a[i]: the first entries of the longer one
                elif known == dim or ref.name in self.limited:
                    continue
                elif not never_negative(polynomial(minus(dim, known))):
                    raise DimensionError(
                        f"sizes do not agree: index {ref.name} runs over {display_dim(found[ref.name])}"
                        f" and over {display_dim(dim)}",
                        "another index name, or check the order of the indices", node.span,
                    )  # fmt: skip
        letter = self.letter_of(node)
        if letter is not None:  # the letter is bound in there: what it runs over is no business of this scope
            inner = {k: v for k, v in found.items() if k != letter}
            limit = self.limit_of(node)
            chosen = chosen_letter(node)
            if limit is None and chosen is not None:
                limit = found.get(chosen[1])
            if limit is not None:
                inner[letter] = limit
            within: list[tuple[str, str]] = []
            inside: list[Reach] = []
            assert isinstance(node, ast.Call)
            outer, self.bound = self.bound, self.bound | {letter}
            before, self.limited = self.limited, self.limits_with(node, letter)
            try:
                self.find_ranges(node.args[-1], inner, within, inside)
            finally:
                self.bound, self.limited = outer, before
            if chosen is not None:
                within.append(chosen)
            for pair in within:
                if letter in pair:
                    other = pair[1 - pair.index(letter)]
                    if other in inner:
                        inner.setdefault(letter, inner[other])
            inside = self.ranges_of_sums(inner, inside, letter)
            if chosen is not None and letter in inner:
                inner.setdefault(chosen[1], inner[letter])
            found.update({k: v for k, v in inner.items() if k != letter})
            equal += [pair for pair in within if letter not in pair]
            sums += [one for one in inside if letter not in one.terms and letter != one.target]
            return
        pair_ = index_pair(node.args[0]) if isinstance(node, ast.Call) and node.function == "indicator" else None
        if pair_ is not None:
            equal.append(pair_)
        elif isinstance(node, ast.Call) and node.function == "indicator":
            reach = self.reach_of_letter(node.args[0])
            if reach is not None:
                sums.append(reach)
        for child in children(node):
            self.find_ranges(child, found, equal, sums)

    def entry_hint(self, node: ast.Indexed, dims: tuple[Dim, ...]) -> str:
        """What may be meant where the number of indices is not that of the axes: perhaps a step in time."""
        letter = node.indices[0].name
        if len(node.indices) == 1 and len(dims) > 1 and letter in self.entry_letters and self.recurs:
            return f"for {letter} = 1..{dims[0]} behind the equation, if {letter} is a step in time"
        return f"{node.base.name}[{','.join('ijklmnopq'[: len(dims)])}]" if dims else node.base.name

    def letter_of(self, node: ast.Expr) -> str | None:
        """The letter that a call binds: k in sum(k, …), where k is no name of the program."""
        letter = summed_letter(node)
        if letter is None or not isinstance(node, ast.Call) or node.function in ("sum", "mean") or node.options:
            return letter
        # max(a, b) of two names is no maximum over a; nor is max(t, h[t]) at a step t
        return None if self.is_variable(letter) or letter in self.index_scope else letter

    def limit_of(self, node: ast.Expr) -> Dim | None:
        """The 3 of sum(k = 1..3, …)."""
        option = node.options[0][1] if isinstance(node, ast.Call) and node.options else None
        return self.whole(option.last, "the end of a range") if isinstance(option, ast.Range) else None

    def limits_with(self, node: ast.Call, letter: str) -> set[str]:
        """The letters inside a sum that say how far they run, in a formula whose letters are given.

        There they may reach beyond an array; in a program of the user's that is taken for a mistake.
        """
        said = self.known_letters and bool(node.options) and isinstance(node.options[0][1], ast.Range)
        return self.limited | {letter} if said else self.limited - {letter}

    def is_unknown_step(self, node: ast.Indexed) -> bool:
        """True for a step of what a loop will compute, of a size that is not known yet: it says nothing of letters."""
        name = canonical_name(node.base.name)
        return name in self.pending and self.pending[name] is None and self.names[name] not in self.program.variables

    def is_known_step(self, node: ast.Indexed) -> bool:
        """True for a step of a sequence, h[t-1], which is no entry of an array."""
        if (self.scopes and node.base.name in self.scopes[-1]) or self.is_part(node) or node.indices[0].kind:
            return False
        return self.is_step(node, self.known_variable(node.base)[1])

    def has_step(self, node: ast.Expr, letter: str) -> bool:
        """True where some h[t], h[t-1] in a formula is the step of a loop, so that its letter is one of time."""
        if isinstance(node, ast.Indexed):
            if len(node.indices) != 1 or node.indices[0].name != letter or node.indices[0].kind:
                return False
            known = self.names.get(canonical_name(node.base.name)) if not self.scopes else None
            variable_ = self.program.variables.get(known) if known is not None else None
            return variable_ is not None and variable_.steps is not None and not variable_.steps.axis
        return any(self.has_step(child, letter) for child in children(node))

    def ranges_of_steps(self, node: ast.Indexed, found: dict[str, Dim]) -> None:
        """What the letter of a step runs over."""
        if not self.is_known_step(node):
            return
        (ref,) = node.indices
        dims = self.known_variable(node.base)[1].dims
        letter = ref.name if ref.name not in self.dims else None
        if letter is not None and found.setdefault(letter, dims[0]) != dims[0]:
            raise DimensionError(
                f"sizes do not agree: index {letter} runs over {display_dim(found[letter])}"
                f" and over {display_dim(dims[0])}",
                "another index name, or check the order of the indices", node.span,
            )  # fmt: skip

    def entry_base(self, node: ast.Entry) -> tuple[Value, ast.Indexed]:
        """The array of inv(A)[i,j], and the entry as that of a name."""
        value = self.expr(node.operand)
        if value.orientation == "identity":
            raise DimensionError("the size of I is not known here", "1[i = j]", node.span)
        return value, ast.Indexed(ast.Name(print_expression(node.operand), node.span), node.indices, node.span)
