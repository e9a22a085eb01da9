"""A claim as text becomes sides: what it is about on the left, and the formulas that it is said to equal.

∂θ/∂h, dJ/dW and dJ_dW are no names of the whiteboard language, so before the language reads a formula, each stands as a
word of the same length in letters that no network uses (carets stay right); afterwards the word becomes the name
`∂θ/∂h` in the tree. A new way to write a derivative is a new pattern in `_SPELLINGS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count

from chainrule.check.context import Context
from chainrule.dims import canonical_name, display_name
from chainrule.errors import ChainruleError, LanguageError, Span, UnknownNameError
from chainrule.language import ast
from chainrule.language.parser import parse_expression
from chainrule.language.scope import known_functions

__all__ = ["Claim", "Derivative", "read_claims"]

_OUT = "⁰¹²³⁴-⁹ᵀᴴⁿⁱʼ"
_NAME = rf"[^\W\d_₀-₉{_OUT}](?:[^\W{_OUT}]|[\u0300-\u036f])*"
_AT = r"(?:\s*\[(?P<{}>[^\[\]]*)\])?"
_TOP = r"(?P<order>²|\^2|\^\{2\}|2)?\s*(?P<top>" + _NAME + ")" + _AT.format("above")
_BELOW = r"(?P<below>" + _NAME + r")(?P<power>²|\^2|\^\{2\})?" + _AT.format("under")
_SPELLINGS = [
    re.compile(rf"(?:∂|\\partial\s*)\s*{_TOP}\s*/\s*(?:∂|\\partial\s*)\s*{_BELOW}"),
    re.compile(rf"(?<!\w)d{_TOP}\s*/\s*d{_BELOW}(?!\w)"),
    re.compile(rf"(?<!\w)d(?P<top>{_NAME}?)_d(?P<below>{_NAME})(?!\w)"),
    re.compile(rf"(?<!\w)(?:d|∂|grad_|∇_?)(?P<below>{_NAME})(?!\w)"),
]
_LETTERS = 0xA000  # Yi syllables: letters to Python and to the language, in nobody's formulas
_EXAMPLE = "dJ/dW = δ2ᵀ xᵀ"


@dataclass(frozen=True)
class Derivative:
    """∂top/∂below, or with `second` ∂²top/∂below²; `letters` are those of its indices, top first, where it has them."""

    top: str
    below: str
    second: bool = False
    letters: tuple[str, ...] | None = None

    @property
    def symbol(self) -> str:
        """As people read it, without indices."""
        top, below = display_name(self.top), display_name(self.below)
        return f"∂²{top}/∂{below}²" if self.second else f"∂{top}/∂{below}"


@dataclass
class Claim:
    """One line: what it is about, and the formulas it is said to equal, in a row.

    about: a derivative, a name, or a formula.  letters: of the left side's indices.  sides: trees, with their texts.
    derivatives: those that stand as factors, by the name that they have in the trees.
    """

    text: str
    about: Derivative | str | ast.Expr
    letters: tuple[str, ...] | None
    left: str
    sides: list[tuple[ast.Expr, str]]
    derivatives: dict[str, Derivative]
    line: int = 1
    span: Span | None = None


def read_claims(context: Context, text: str, dialect: str = "whiteboard") -> list[Claim]:
    """The claims in a text, a line each (`;` separates too; # begins a comment). Raises ChainruleError."""
    reader = _Reader(context, text.replace("\r\n", "\n").replace("\r", "\n"), dialect)
    return reader.run()


class _Reader:
    """One pass over one text."""

    def __init__(self, context: Context, text: str, dialect: str) -> None:
        self.context, self.text, self.dialect = context, text, dialect
        self.names = {canonical_name(n): n for n in context.user_names}
        self.words: dict[str, Derivative] = {}
        self.symbols: dict[str, Derivative] = {}
        self.numbers = count(_LETTERS)
        self.own: set[str] = set()

    def error(self, message: str, hint: str | None, start: int, end: int) -> LanguageError:
        return LanguageError(message, hint, Span(self.text, start, max(end, start + 1)))

    def run(self) -> list[Claim]:
        found: list[Claim] = []
        start = 0
        for number, line in enumerate(self.text.split("\n"), 1):
            body = re.split(r"#|%" if self.dialect == "matlab" else r"#", line, maxsplit=1)[0]
            at = start
            for part in body.split(";"):
                if part.strip():
                    found.append(self.claim(part, at, number))
                at += len(part) + 1
            start += len(line) + 1
        if not found:
            raise LanguageError("there is no claim to check", _EXAMPLE)
        return found

    def claim(self, part: str, start: int, number: int) -> Claim:
        written = self.substituted(part, start)
        pieces = _split(written)
        end = start + len(part.rstrip())
        begin = start + len(part) - len(part.lstrip())
        if len(pieces) == 1:
            raise self.error("a claim says what something equals, and there is no = in it", _EXAMPLE, begin, end)
        for position, (piece, at) in enumerate(pieces):
            if not piece.strip():
                where = start + at
                side = "left" if not position else "right"
                raise self.error(f"the {side} side of = is missing", _EXAMPLE, max(begin, where - 1), where + 1)
        self.symbols = {}
        left, at = pieces[0]
        about, letters = self.left_side(left, start + at)
        sides = [(self.formula(piece, start + at), self.shown(piece, start + at)) for piece, at in pieces[1:]]
        if isinstance(about, str) and canonical_name(about) not in self.names:
            self.own.add(about)
            self.names[canonical_name(about)] = about
        shown = self.shown(left, start + at)
        return Claim(
            part.strip(), about, letters, shown, sides, dict(self.symbols), number, Span(self.text, begin, end)
        )

    def shown(self, piece: str, at: int) -> str:
        """The user's own text of a piece."""
        return self.text[at : at + len(piece)].strip()

    # -- derivatives -----------------------------------------------------------------------------------------------

    def substituted(self, part: str, start: int) -> str:
        """The text with each derivative as one word of the same length."""
        out = part
        for pattern in _SPELLINGS:
            position = 0
            while True:
                match = pattern.search(out, position)
                if match is None:
                    break
                word = self.word(match, start, out)
                if word is None:
                    position = match.end() if pattern is not _SPELLINGS[3] else match.start() + 1
                    continue
                begin, end = match.span()
                if out[begin - 1 : begin] == "(" and re.match(r"\s*\)\s*\[", out[end:]):  # (∂z/∂x)[i,j]
                    close = out.index(")", end) + 1
                    begin, end = begin - 1, close
                    word = word[0] * (end - begin)
                    self.words[word] = self.words[match_word(self.words, word)]
                out = out[:begin] + word + out[end:]
                position = end
        return out

    def word(self, match: re.Match[str], start: int, out: str) -> str | None:
        """What stands for a match, or None where it is no derivative."""
        groups = match.groupdict()
        sure = match.group().startswith(("∂", "\\", "∇", "grad"))
        below, top = groups["below"], groups.get("top")
        second = bool(groups.get("order"))
        if second and not groups.get("power") and below.endswith("2") and canonical_name(below) not in self.names:
            below = below[:-1]
        if not sure:
            for whole in re.findall(_NAME, match.group()):
                if canonical_name(whole) in self.names or whole in known_functions():
                    return None
        names = [below] if top is None else [top, below]
        for name in names:
            if canonical_name(name) not in self.names or canonical_name(name) in self.own:
                if top is None or not (sure or self.plausible(names)):
                    return None
                raise self.unknown(name, start + match.start() + match.group().rfind(name))
        if top is None:
            if self.context.derivation is None:
                return None
            top = self.context.derivation.loss
        derivative = Derivative(self.names[canonical_name(top)], self.names[canonical_name(below)], second)
        letter = chr(next(self.numbers))
        at = ""
        if groups.get("above") is not None or groups.get("under") is not None:
            given = [g for g in (groups.get("above"), groups.get("under")) if g is not None]
            at = f"[{','.join(''.join(g.split()) for g in given)}]"
            if len(at) >= len(match.group()):
                raise self.error("these indices cannot be read", "∂z[k]/∂W[i,j]", start + match.start(),
                                 start + match.end())  # fmt: skip
        word = letter * (len(match.group()) - len(at))
        self.words[word] = derivative
        return word + at

    def plausible(self, names: list[str]) -> bool:
        """At least one of the two is known: dJ/dQ with a misspelt Q is a derivative, dt/da of own names is not."""
        return any(canonical_name(n) in self.names for n in names)

    def unknown(self, name: str, at: int) -> UnknownNameError:
        try:
            self.context.net.name(name)
        except UnknownNameError as error:
            return UnknownNameError(error.message, error.hint, Span(self.text, at, at + len(name)))
        return UnknownNameError(f"the name {name} is not known", None, Span(self.text, at, at + len(name)))

    # -- sides -----------------------------------------------------------------------------------------------------

    def left_side(self, piece: str, at: int) -> tuple[Derivative | str | ast.Expr, tuple[str, ...] | None]:
        text = piece.strip()
        at += len(piece) - len(piece.lstrip())
        match = re.fullmatch(rf"({_NAME})\s*(?:\[([^\[\]]*)\])?", text)
        if match is None:
            return self.formula(piece, at), None
        name, inside = match.groups()
        letters = None
        if inside is not None:
            letters = tuple(part.strip() for part in inside.split(","))
            if not all(re.fullmatch(_NAME, letter) for letter in letters) and not re.fullmatch(r"\d+", inside.strip()):
                raise self.error(
                    "the left side may only have plain indices", "[i,j]", at + match.start(2), at + match.end(2)
                )
            if len(set(letters)) != len(letters):
                raise self.error("an index stands twice on the left side", "a letter for each axis, such as [i,j]",
                                 at + match.start(2), at + match.end(2))  # fmt: skip
        derivative = self.words.get(name)
        if derivative is not None:
            return derivative, letters
        known = self.names.get(canonical_name(name))
        if known is None and letters is not None and len(letters) != 1:  # else a sequence of the user's own
            raise UnknownNameError(f"the name {name} is not known", None, Span(self.text, at, at + len(name)))
        return known or name, letters

    def formula(self, piece: str, at: int) -> ast.Expr:
        """The tree of one side; its spans point into the whole text."""
        pad = " " * at + piece
        functions = known_functions() | {d.name for d in self.context.definitions} | set(self.context.program.functions)
        try:
            tree = parse_expression(pad, self.dialect, functions, [*self.names.values(), *self.words])
        except ChainruleError as error:
            if error.span is not None:
                error.span = Span(self.text, error.span.start, error.span.end)
            error.message = self.spelled(error.message)
            error.hint = self.spelled(error.hint) if error.hint else None
            raise
        return self.renamed(tree)

    def spelled(self, text: str) -> str:
        """Words that stand for derivatives, as people read them."""
        for word, derivative in self.words.items():
            text = text.replace(word, derivative.symbol)
        return text

    def renamed(self, node: ast.Expr) -> ast.Expr:
        """The tree with the names of derivatives, and spans into the user's own text."""
        span = Span(self.text, node.span.start, node.span.end) if node.span is not None else None
        if isinstance(node, ast.Name):
            return ast.Name(self.derivative_name(node.name), span)
        if isinstance(node, ast.Indexed):
            base = self.renamed(node.base)
            assert isinstance(base, ast.Name)
            return replace(node, base=base, span=span)
        if isinstance(node, ast.Negate | ast.Transpose | ast.Entry):
            return replace(node, operand=self.renamed(node.operand), span=span)
        if isinstance(node, ast.Blocks):
            return replace(node, rows=tuple(tuple(map(self.renamed, row)) for row in node.rows), span=span)
        if isinstance(node, ast.Binary):
            return replace(node, left=self.renamed(node.left), right=self.renamed(node.right), span=span)
        if isinstance(node, ast.Call):
            return replace(node, args=tuple(self.renamed(a) for a in node.args), span=span)
        return replace(node, span=span)

    def derivative_name(self, name: str) -> str:
        derivative = self.words.get(name)
        if derivative is None:
            return name
        self.symbols[derivative.symbol] = derivative
        return derivative.symbol


def match_word(words: dict[str, Derivative], word: str) -> str:
    """The shorter word of the same letter."""
    return next(w for w in words if w[0] == word[0])


def _split(text: str) -> list[tuple[str, int]]:
    """The pieces between the = that stand outside brackets, each with where it begins."""
    pieces: list[tuple[str, int]] = []
    depth, start = 0, 0
    for position, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "=" and depth <= 0:
            around = text[position - 1 : position] + text[position + 1 : position + 2]
            if not set(around) & set("=<>!:"):
                pieces.append((text[start:position], start))
                start = position + 1
    return [*pieces, (text[start:], start)]
