"""From "no rule takes this token" to plain words: what the user probably meant, and what to write instead.

The tables only say where reading stopped and which tokens would have gone on. The shape of the line says more:
no `=`, two of them, a misspelt first word, nothing behind an operator. The questions below are asked in order,
the most telling first.
"""

from __future__ import annotations

from chainrule.errors import LanguageError, Span
from chainrule.language.lalr import Stuck
from chainrule.language.tokens import CODE_WORDS, STATEMENT_WORDS, Token

__all__ = ["explain"]

EMPTY = (("LPAR", "RPAR"), ("LSQB", "RSQB"), ("LBLOCK", "RSQB"))
_WORDS = {
    "NAME": "a name", "FNAME": "a function", "NUMBER": "a number", "EQUALS": "=", "COLON": ":", "COMMA": "a comma",
    "LPAR": "(", "RPAR": ")", "LSQB": "[", "LBLOCK": "[", "RSQB": "]", "ARROW": "→", "DOTS": "..", "TIMES": "×",
    "CMP": "a comparison",
    "NORM_CLOSE": "‖", "FOR": "for", "FACT": "a fact",
}  # fmt: skip
_OPERATORS = frozenset({"PLUS", "MINUS", "PRODUCT", "HADAMARD", "CARET", "CMP", "ROOT"})
_OPERAND = "a name, a number, or a formula in brackets"
_EXAMPLES = {
    "DECLARE": "input x : D_x,   param W : D_h × D_x,   const λ : scalar",
    "FUNCTION": "function f : D_x → D_h",
    "DEF": "def swish(u) = u ∘ sigmoid(u)",
    "MINIMIZE": "minimize J",
}


def explain(source: str, tokens: list[Token], stuck: Stuck, expression: bool) -> LanguageError:
    """The error to show for a statement (or, with `expression`, a lone expression) at which the parser got stuck."""
    at = tokens[stuck.index] if stuck.index < len(tokens) else None
    before = tokens[stuck.index - 1] if stuck.index else None
    span = _span(source, at) if at is not None else _span(source, tokens[-1])

    def error(message: str, hint: str | None = None, where: Span = span) -> LanguageError:
        return LanguageError(message, hint, where)

    if not expression:
        found = _about_the_line(source, tokens, at, before)
        if found is not None:
            return found
    if (
        before is not None
        and before.kind == "NAME"
        and before.text == "lambda"
        and at is not None
        and at.kind == "COLON"
    ):
        return error("lambda is the Greek letter λ here, not a function", "def f(x) = …")
    if at is None and before is not None and (before.kind in _OPERATORS or before.kind in ("EQUALS", "COMMA")):
        return error(f"something is missing behind {_shown(source, before)}", _OPERAND, _span(source, before))
    if (
        before is not None
        and at is not None
        and before.kind in _OPERATORS
        and at.kind in _OPERATORS | {"RPAR", "EQUALS"}
    ):
        return error(f"something is missing between {_shown(source, before)} and {_shown(source, at)}", _OPERAND,
                     Span(source, before.start, at.end))  # fmt: skip
    if (
        at is not None
        and before is not None
        and (before.kind, at.kind) in (("LPAR", "RPAR"), ("LSQB", "RSQB"), ("LBLOCK", "RSQB"))
    ):
        return error("these brackets are empty", _OPERAND, Span(source, before.start, at.end))
    if at is not None and at.kind == "CMP" and any(token.kind == "CMP" for token in tokens[: stuck.index]):
        return error("comparisons do not chain", "(a < b) ∘ (b < c)")
    if at is not None and at.kind == "LSQB":
        return error("only a name, a call or something in brackets can have indices", "(A B)[i,j]")
    if at is not None and at.kind == "TIMES":
        return error("× stands between sizes; here a product is meant", "W x or W @ x; elementwise: a ∘ b")
    if at is not None and at.kind == "EQUALS":
        return error("= cannot stand here", "== for a comparison; one equation a line")
    wanted = sorted({_WORDS[kind] for kind in stuck.expected if kind in _WORDS} if len(stuck.expected) <= 5 else set())
    hint = " or ".join(wanted) + (" here" if at is not None else " behind it") if wanted else None
    if at is None:
        return error("the text ends too early", hint)
    if hint is None:
        lone = before is None or before.kind in ("EQUALS", "COMMA", "LPAR", "LSQB", "NORM_OPEN", "FNAME")
        hint = f"take {_shown(source, at)} away, or put {_OPERAND} before it" if lone else "one equation a line"
    return error(f"{_shown(source, at)} cannot stand here", hint)


def _about_the_line(source: str, tokens: list[Token], at: Token | None, before: Token | None) -> LanguageError | None:
    first, kinds = tokens[0], [token.kind for token in tokens]
    whole = Span(source, first.start, tokens[-1].end)
    if first.kind in ("DECLARE", "FUNCTION", "DEF", "MINIMIZE", "DIALECT"):
        if len(tokens) > 1 and tokens[1].kind in ("EQUALS", "LSQB"):
            return LanguageError(
                f"{first.text} is a word of the language and cannot be a name", f"{first.text}_", _span(source, first)
            )
        if first.kind == "DIALECT":
            return LanguageError("dialect stands in the first line, before everything else", None, whole)
        if first.kind == "DECLARE" and "COLON" not in kinds:
            names = " ".join(token.text for token in tokens[1:2]) or "x"
            return LanguageError(
                f"the size of {names} is missing", f"{first.text} {names} : D, or {first.text} {names} : scalar", whole
            )
        if first.kind == "DEF" and at is not None and at.kind == "NAME" and before is first:
            return LanguageError(f"the arguments of {at.text} are missing", f"def {at.text}(u) = …", _span(source, at))
        span = whole if at is None else _span(source, at)
        what = "the line ends too early" if at is None else f"{_shown(source, at)} cannot stand here"
        if at is not None and before is not None and before.kind == "NAME" and at.kind == "NAME" and "COLON" in kinds:
            what = f"a comma or × is missing between {before.text} and {at.text}"
        hint = _EXAMPLES[first.kind]
        if "COLON" in kinds and "PRODUCT" in [token.kind for token in (at, before) if token is not None]:
            hint = "a size times a size is 2 D, and D//2 is a half of D, rounded down"
        return LanguageError(what, hint, span)
    if first.text in CODE_WORDS:
        return LanguageError(
            "this looks like code: a program is a list of equations", "z = W x + b", _span(source, first)
        )
    meant = _statement_word(first, tokens)
    if meant is not None:
        return LanguageError(f"{first.text} begins no statement", meant, _span(source, first))
    if "EQUALS" not in kinds:
        if "COLON" in kinds:
            return LanguageError(
                "this looks like a declaration, but does not say of what",
                f"input {first.text} : …, or label, param, const",
                whole,
            )
        twice = next((token for token in tokens if token.text == "=="), None)
        if twice is not None and twice is tokens[1]:
            return LanguageError("== compares, and nothing has a name here", f"{first.text} = …", _span(source, twice))
        return LanguageError("this line has no =, so nothing has a name", "z = W x + b", whole)
    equals = kinds.index("EQUALS")
    if equals == 0:
        return LanguageError("the left side of = is missing", "z = W x + b", _span(source, tokens[0]))
    if equals == len(tokens) - 1:
        return LanguageError("the right side of = is missing", f"{first.text} = …", _span(source, tokens[equals]))
    if before is None or at is None or at.start < tokens[equals].start or kinds[:equals] != ["NAME"]:
        left = tokens[:equals]
        span = Span(source, left[0].start, left[-1].end)
        if left[0].kind == "FNAME":
            return LanguageError(
                "on the left side of = stands one name", f"def {span.text} = … to define a function", span
            )
        if at is not None and at.start < tokens[equals].start and not _has_indices(kinds[:equals]):
            return LanguageError("on the left side of = stands one name", "z = W x + b", span)
    return None


def _has_indices(kinds: list[str]) -> bool:
    return kinds[:2] == ["NAME", "LSQB"]


def _statement_word(first: Token, tokens: list[Token]) -> str | None:
    """The word that a misspelt first word stands for: `imput x : D` means input."""
    if first.kind not in ("NAME", "FNAME") or len(tokens) < 2 or tokens[1].kind not in ("NAME", "FNAME"):
        return None
    if "COLON" not in [token.kind for token in tokens] and "EQUALS" in [token.kind for token in tokens[:3]]:
        return None
    import difflib  # only a mistake pays for it

    other = {"parameter": "param", "constant": "const", "target": "label", "output": "label", "var": "input",
             "weight": "param", "weights": "param", "let": "const", "fn": "function", "func": "function",
             "maximize": "minimize", "loss": "minimize"}  # fmt: skip
    if first.text.lower() in other:
        return other[first.text.lower()]
    close = difflib.get_close_matches(first.text.lower(), list(STATEMENT_WORDS), n=1, cutoff=0.6)
    if close:
        return close[0]
    return "input, label, param or const" if "COLON" in [token.kind for token in tokens] else None


def _shown(source: str, token: Token) -> str:
    return source[token.start : token.end] or token.text


def _span(source: str, token: Token) -> Span:
    return Span(source, token.start, token.end)
