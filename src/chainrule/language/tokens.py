"""What the lexer hands to the parser, and the words and signs of the language.

A token's `kind` is a terminal of `grammar.lark`. Signs of one strength share a kind and are told apart by the
token's `text`, which is the operator of the tree; so a dialect is no more than a table of signs.
"""

from __future__ import annotations

import keyword
from typing import NamedTuple

__all__ = ["CODE_WORDS", "DIALECTS", "FORBIDDEN_NAMES", "OPERAND_ENDS", "SIGNS", "STATEMENT_WORDS", "Token"]


class Token(NamedTuple):
    """One word or sign: its kind, its meaning (or its text), and where it stands."""

    kind: str
    text: str
    start: int
    end: int


DIALECTS = ("whiteboard", "numpy", "matlab")

STATEMENT_WORDS = {
    "input": "DECLARE",
    "label": "DECLARE",
    "param": "DECLARE",
    "const": "DECLARE",
    "function": "FUNCTION",
    "def": "DEF",
    "minimize": "MINIMIZE",
    "minimise": "MINIMIZE",
    "dialect": "DIALECT",
}

# `lambda` is the Greek letter; the three constants may stand on the right (np.sum(x, keepdims=True))
FORBIDDEN_NAMES = frozenset(keyword.kwlist) - {"lambda", "True", "False", "None"}
CODE_WORDS = frozenset({
    "assert", "async", "await", "break", "class", "continue", "del", "except", "finally", "for", "from", "global", "if",
    "import", "nonlocal", "pass", "print", "raise", "return", "try", "while", "with", "yield",
})  # fmt: skip

# after one of these a value is complete: a quote transposes it, a bar closes a norm
OPERAND_ENDS = frozenset({"NAME", "NUMBER", "RPAR", "RSQB", "NORM_CLOSE", "TIGHT", "TRANSPOSE"})

_COMMON = {
    "=": ("EQUALS", "="),
    ":": ("COLON", ":"),
    ",": ("COMMA", ","),
    "(": ("LPAR", "("),
    ")": ("RPAR", ")"),
    "[": ("LSQB", "["),
    "]": ("RSQB", "]"),
    "{": ("LBRACE", "{"),
    "}": ("RBRACE", "}"),
    "->": ("ARROW", "→"),
    "→": ("ARROW", "→"),
    "..": ("DOTS", ".."),
    "...": ("DOTS", ".."),
    "…": ("DOTS", ".."),
    "×": ("TIMES", "×"),
    "√": ("ROOT", "√"),
    "+": ("PLUS", "+"),
    "-": ("MINUS", "-"),
    "−": ("MINUS", "-"),
    "–": ("MINUS", "-"),
    "<": ("CMP", "<"),
    ">": ("CMP", ">"),
    "<=": ("CMP", "<="),
    ">=": ("CMP", ">="),
    "≤": ("CMP", "<="),
    "≥": ("CMP", ">="),
    "==": ("CMP", "=="),
    "@": ("PRODUCT", "@"),
    "·": ("PRODUCT", "@"),
    "⋅": ("PRODUCT", "@"),
    "∙": ("PRODUCT", "@"),
    "/": ("PRODUCT", "/"),
    "∘": ("HADAMARD", "∘"),
    "⊙": ("HADAMARD", "∘"),
}

# In code, products of both kinds are equally strong; on a whiteboard A ∘ W x is A ∘ (W x).
SIGNS = {
    "whiteboard": _COMMON
    | {
        "*": ("PRODUCT", "*"),
        ".*": ("HADAMARD", "∘"),
        "./": ("PRODUCT", "./"),
        "^": ("CARET", "^"),
        ".^": ("CARET", ".^"),
    },
    "numpy": _COMMON | {"*": ("PRODUCT", "∘"), "**": ("CARET", ".^"), "∘": ("PRODUCT", "∘"), "⊙": ("PRODUCT", "∘")},
    "matlab": _COMMON
    | {
        "*": ("PRODUCT", "@"),
        ".*": ("PRODUCT", "∘"),
        "./": ("PRODUCT", "./"),
        "^": ("CARET", "^"),
        ".^": ("CARET", ".^"),
        "∘": ("PRODUCT", "∘"),
        "⊙": ("PRODUCT", "∘"),
    },
}  # fmt: skip
