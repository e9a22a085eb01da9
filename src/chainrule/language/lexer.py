"""Text into statements of tokens: dialect, comments, line ends, and what kind of bracket or quote each one is.

Three things that a grammar cannot know are settled here: a name in front of a bracket is a function (FNAME) or
a factor (NAME); a line end inside a bracket ends nothing; behind a declaration's comma stand free words (FACT).
Brackets are matched here too, so that a forgotten one is reported where it was opened.
"""

from __future__ import annotations

import re

from chainrule.errors import LanguageError, Span
from chainrule.language import names
from chainrule.language.tokens import FORBIDDEN_NAMES, OPERAND_ENDS, SIGNS, STATEMENT_WORDS, Token

__all__ = ["MAX_DEPTH", "statements"]

MAX_DEPTH = 200  # brackets within brackets; everything behind the parser may recurse this deep

# letters without superscripts and the transpose sign, then also digits and combining accents
_FRACTION = "¼-¾⅐-⅞"  # ½ and its like are numbers of one character
_NO_LETTERS = f"⁰¹²³⁴-⁹ᵀᴴⁿⁱʼ{_FRACTION}"
_NAME_GOES_ON = rf"(?:[^\W{_NO_LETTERS}]|[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20f0])"
_NAME = rf"[^\W\d₀-₉{_NO_LETTERS}]{_NAME_GOES_ON}*"
_NOT_IN_NAME = f"(?!{_NAME_GOES_ON})"
_DECIMAL = r"(?:[0-9]+\.[0-9]+|[0-9]+\.(?=[\s),;+\-]|$)|[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+" + _NOT_IN_NAME + ")?"
_NUMBER = rf"[{_FRACTION}]|{_DECIMAL}"
_TRANSPOSE = r"\^\s*(?:[T⊤ᵀ]" + _NOT_IN_NAME + r"|\{\s*[T⊤]\s*\})|ᵀ|⊤|\.'|['′″]"
_TIGHT = r"\.T" + _NOT_IN_NAME + r"|⁻ᵀ|\^\s*(?:[-−]\s*[T⊤]" + _NOT_IN_NAME + r"|\{\s*[-−]\s*[T⊤]\s*\})|[⁻⁺]?[⁰¹²³⁴-⁹]+"
_SIGN = r"->|<=|>=|==|!=|\.\.\.?|\.\^|\.\*|\./|\*\*|:=|[=:,()\[\]{}→…×√+\-−–<>≤≥≠@·⋅∙/∘⊙*^|]"
_NORM = r"(?:‖|\|\|)(?:[₁₂]|_[12F]" + _NOT_IN_NAME + ")?"


def _pattern(comment: str, name: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<SPACE>[^\S\n]+)|(?P<NAME>{name})|(?P<TRANSPOSE>{_TRANSPOSE})|(?P<TIGHT>{_TIGHT})|(?P<NUMBER>{_NUMBER})"
        rf"|(?P<NORM>{_NORM})|(?P<SIGN>{_SIGN})|(?P<NEWLINE>\n)|(?P<SEMICOLON>;)|(?P<COMMENT>[{comment}][^\n]*)"
    )


_SOURCES = {
    "whiteboard": ("#", _NAME),
    "numpy": ("#", rf"(?:(?:np|numpy)\.(?:linalg\.)?)?{_NAME}"),
    "matlab": ("#%", _NAME),
}
_PATTERNS: dict[str, re.Pattern[str]] = {}
_FACTS = {"whiteboard": re.compile(r"[^\n;#]*"), "numpy": re.compile(r"[^\n;#]*"), "matlab": re.compile(r"[^\n;#%]*")}
_SPACES = re.compile(r"\s*")
_EXPONENT = re.compile(rf"([eE][+-]?[0-9]+)({_NAME_GOES_ON}+)")
_CLOSES = {")": "(", "]": "[", "}": "{"}


def statements(
    source: str,
    dialect: str,
    functions: frozenset[str],
    variables: frozenset[str] = frozenset(),
    start: int = 0,
    expression: bool = False,
) -> list[list[Token]]:
    """The statements of `source` from `start` on, each a list of tokens, none of them empty.

    `functions` are known from outside; the text's own declarations are added (its variables win over them).
    With `expression`, line ends and statement words mean nothing: all is one list.
    """
    lexer = _Lexer(source, dialect, expression)
    lexer.run(start)
    names.resolve_calls(lexer.lines, lexer.openings, functions, variables, always_call=dialect != "whiteboard")
    return lexer.lines


class _Lexer:
    """One pass over one text."""

    def __init__(self, source: str, dialect: str, expression: bool) -> None:
        self.source, self.dialect, self.expression = source, dialect, expression
        self.lines: list[list[Token]] = []
        self.line: list[Token] = []
        self.openings: list[tuple[list[Token], int]] = []  # where a bracket follows a name: line, index of the name
        self.brackets: list[tuple[str, int]] = []
        self.shape = False  # behind the colon of a declaration, where `x` may be × and a comma begins facts

    def error(self, message: str, hint: str | None, start: int, end: int) -> LanguageError:
        return LanguageError(message, hint, Span(self.source, start, end))

    def run(self, position: int) -> None:
        pattern = _PATTERNS.get(self.dialect)
        if pattern is None:
            pattern = _PATTERNS[self.dialect] = _pattern(*_SOURCES[self.dialect])
        source, signs = self.source, SIGNS[self.dialect]
        match_at, size = pattern.match, len(source)
        while position < size:
            match = match_at(source, position)
            if match is None:
                raise self._strange(position)
            kind, text, start, position = match.lastgroup, match.group(), position, match.end()
            if kind == "SPACE" or kind == "COMMENT":
                continue
            if kind == "NAME":
                position = self._name(text, start, position)
            elif kind == "SIGN":
                sign = signs.get(text)
                if sign is None:
                    raise self._strange_sign(text, start, position)
                position = self._sign(sign[0], sign[1], start, position)
            elif kind == "NEWLINE":
                if not self.brackets and not self.expression:
                    self._end()
            elif kind == "SEMICOLON":
                if self.brackets and self.brackets[-1][0] == "[":
                    self.line.append(Token("SEMICOLON", ";", start, position))
                    continue
                if self.brackets:
                    raise self._unclosed()
                if self.expression:
                    raise self.error("one expression is expected here, not several statements", None, start, position)
                self._end()
            elif kind == "NUMBER":
                self._check_exponent(text, start, position)
                if self.line and self.line[-1].kind == "NUMBER" and not self.shape:
                    raise self.error(
                        "two numbers stand side by side",
                        f"{self.line[-1].text} · {text} for a product, ones(n) for a vector of ones",
                        start,
                        position,
                    )
                self.line.append(Token("NUMBER", text, start, position))
            elif kind == "NORM":
                self._norm(text, start, position)
            else:  # TRANSPOSE, TIGHT
                if text in "'′″" and not (self.line and self.line[-1].kind in OPERAND_ENDS):
                    raise self.error(
                        "a quote transposes what stands before it, and nothing does", "Wᵀ or W'", start, position
                    )
                if text == "'" and self.dialect == "numpy":
                    raise self.error(
                        "a quote has no meaning in dialect numpy", "W.T for the transpose", start, position
                    )
                assert kind is not None
                self.line.append(Token(kind, text, start, position))
        if self.brackets:
            raise self._unclosed()
        self._end()

    def _check_exponent(self, text: str, start: int, end: int) -> None:
        """Refuses 1e-5x: 0.00001 x to one reader, 1 e − 5 x to another."""
        goes_on = _EXPONENT.match(self.source, end)
        if goes_on is not None and text[-1].isdecimal() and not self.shape:
            power, rest = goes_on.groups()
            apart = f"{power[0]} {power[1]} {power[2:]}" if power[1] in "+-" else power
            raise self.error(
                "this can be read in two ways: where does the number end?",
                f"{text}{power} {rest} or {text} {apart}{rest}, with spaces",
                start,
                goes_on.end(),
            )

    def _end(self) -> None:
        if self.line:
            self.lines.append(self.line)
            self.line = []
        self.shape = False

    def _name(self, text: str, start: int, end: int) -> int:
        line, source = self.line, self.source
        if not line and text in STATEMENT_WORDS and not self.expression:
            line.append(Token(STATEMENT_WORDS[text], text, start, end))
            return end
        if self.shape:
            spaced = source[start - 1 : start].isspace() and source[end : end + 1].isspace()
            if text == "x" and spaced and line[-1].kind in ("NAME", "NUMBER"):
                line.append(Token("TIMES", "×", start, end))
                return end
            if text in ("ℝ", "R") and source.startswith("^", end):
                return end + 1  # ℝ^{D_h × D_x} is D_h × D_x
            if text == "ℝ":
                text = "scalar"
        elif text == "for" and line and not self.expression:
            line.append(Token("FOR", text, start, end))
            return end
        elif text == "in" and line and len(line) > 1 and line[-2].kind == "FOR":
            line.append(Token("EQUALS", "=", start, end))
            return end
        if text in FORBIDDEN_NAMES or text.startswith("__"):
            raise names.refused(source, text, start, end, first=not line)
        if "." in text:
            text = text.rpartition(".")[2]  # np.exp is exp
        line.append(Token("NAME", text, start, end))
        return end

    def _sign(self, kind: str, text: str, start: int, end: int) -> int:
        line = self.line
        if kind == "LPAR":
            self._open("(", start)
            if line and line[-1].kind in ("NAME", "TRANSPOSE"):
                self.openings.append((line, len(line) - 1))
        elif kind == "LSQB":
            self._open("[", start)
            kind = "LSQB" if line and self._has_entries(line[-1], start) else "LBLOCK"
        elif kind == "LBRACE":
            if not (line and line[-1].kind == "CARET") and not (self.shape and line[-1].kind in ("COLON", "ARROW")):
                raise self.error("braces stand only behind ^", "x[t] for an index, x_t for a name", start, end)
            self._open("{", start)
            kind = "LPAR"
        elif kind == "RPAR" or kind == "RSQB" or kind == "RBRACE":
            self._close(self.source[start], start)
            kind = "RPAR" if kind == "RBRACE" else kind
        elif kind == "COMMA" and self.shape:
            if not self.brackets:
                return self._facts(start)
            if self.source[_skip_spaces(self.source, end)] == ")":
                return end  # (D,)
            kind = "TIMES"
        elif kind == "COLON" and line and line[0].kind in ("DECLARE", "FUNCTION"):
            self.shape = True
        line.append(Token(kind, text, start, end))
        return end

    def _facts(self, comma: int) -> int:
        match = _FACTS[self.dialect].match(self.source, comma + 1)
        assert match is not None
        position = comma + 1
        for part in match.group().split(","):
            words = " ".join(part.split())
            if not words:
                raise self.error("a comma with no fact behind it", "for example: , one-hot", comma, comma + 1)
            begin = position + len(part) - len(part.lstrip())
            self.line.append(Token("FACT", words.lower(), begin, begin + len(part.strip())))
            comma, position = position + len(part), position + len(part) + 1
        return match.end()

    def _has_entries(self, before: Token, start: int) -> bool:
        """Whether a bracket holds indices of what stands before it; 2 [A, B] and xᵀ [A, B] are products."""
        if before.kind not in OPERAND_ENDS:
            return False
        factor = before.kind in ("TRANSPOSE", "TIGHT") or (before.kind == "NUMBER" and before.text != "1")  # 1[i = j]
        return before.end == start or not (factor or _has_rows(self.source, start))

    def _norm(self, text: str, start: int, end: int) -> None:
        inside = bool(self.brackets) and self.brackets[-1][0] == "‖"
        if inside and self.line and self.line[-1].kind in OPERAND_ENDS:
            self.brackets.pop()
            self.line.append(Token("NORM_CLOSE", "norm1" if text[-1] in "1₁" else "norm", start, end))
            return
        width = 1 if text[0] == "‖" else 2
        if len(text) > width:
            raise self.error("this norm closes, but nothing opened it", "‖x‖₁", start, end)
        self._open("‖", start)
        self.line.append(Token("NORM_OPEN", "‖", start, end))

    def _open(self, bracket: str, start: int) -> None:
        self.brackets.append((bracket, start))
        if len(self.brackets) > MAX_DEPTH:
            raise self.error(
                f"nested too deeply: more than {MAX_DEPTH} brackets within brackets",
                "give the parts names",
                start,
                start + 1,
            )

    def _close(self, bracket: str, start: int) -> None:
        if not self.brackets:
            raise self.error(f"this {bracket} closes nothing", "take it away, or open it", start, start + 1)
        opened, at = self.brackets[-1]
        if opened != _CLOSES[bracket]:
            closing = self._closing(opened)
            hint = f"{closing} instead, or add {closing} before it"
            raise self.error(f"this {bracket} cannot close the {opened} before it", hint, at, start + 1)
        self.brackets.pop()

    def _unclosed(self) -> LanguageError:
        opened, start = self.brackets[-1]
        return self.error(f"this {opened} is never closed", f"add {self._closing(opened)}", start, start + 1)

    @staticmethod
    def _closing(opened: str) -> str:
        return next((close for close, open_ in _CLOSES.items() if open_ == opened), opened)

    def _strange(self, start: int) -> LanguageError:
        char = self.source[start]
        if char in '"“”‘’`':
            return self.error("there are no strings in the language", "Wᵀ or W' for the transpose", start, start + 1)
        if char == ".":
            return self._dot(start)
        if not char.isprintable():
            return self.error(f"an invisible character, U+{ord(char):04X}, stands here", "delete it", start, start + 1)
        hint = {"%": "# begins a comment", "∑": "sum(k, A[i,k] B[k,j])", "Σ": "sum(k, A[i,k] B[k,j])",
                "⊗": "kron(A, B), or x yᵀ for an outer product", "⟨": "dot(x, y), or xᵀ y", "⟩": "dot(x, y), or xᵀ y",
                "\\": "solve(A, b)", "∇": "the loss alone: its gradients are what is found", "∞": "a large number",
                "∂": "the loss alone: its gradients are what is found", "±": "+ or −", "&": "∘, of conditions",
                "~": "1 − x, or -x"}.get(char)  # fmt: skip
        return self.error(f"{char} has no meaning here", hint or "take it away", start, start + 1)

    def _dot(self, start: int) -> LanguageError:
        match = re.compile(r"\.\s*(\w+)").match(self.source, start)
        if match is None:
            hint = ".* ./ .^ for elementwise operations"
            return self.error("a dot alone has no meaning here", hint, start, start + 1)
        word = match.group(1)
        hint = f"{word}(x): functions stand before their argument" if not word.startswith("_") else "take it away"
        return self.error(f"this looks like code: .{word} has no meaning here", hint, start, match.end())

    def _strange_sign(self, text: str, start: int, end: int) -> LanguageError:
        hints = {
            "**": "^ for a power, .^ for an elementwise power",
            "^": "** for a power",
            ".^": "** for an elementwise power",
            ".*": "* for the elementwise product",
            "./": "/ for elementwise division",
            ":=": "=",
            "|": "abs(x), or ‖x‖ for a norm",
            "!=": "1 − 1[i = j]",
            "≠": "1 − 1[i = j]",
        }
        where = "" if self.dialect == "whiteboard" else f" in dialect {self.dialect}"
        return self.error(f"{text} has no meaning{where}", hints.get(text), start, end)


def _has_rows(source: str, start: int) -> bool:
    """True for W [h; x], a product with a block: no index has a semicolon."""
    depth = 0
    for letter in source[start:]:
        depth += (letter in "([{") - (letter in ")]}")
        if not depth or letter == "\n":
            return False
        if letter == ";" and depth == 1:
            return True
    return False


def _skip_spaces(source: str, position: int) -> int:
    match = _SPACES.match(source, position)
    assert match is not None
    return min(match.end(), len(source) - 1)
