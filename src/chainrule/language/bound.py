"""Which letter a call binds, seen from the tree alone: k in sum(k, x[k]), max(k, x[i,k]) and ismax(k = j, x[i,k]).

What such a call goes over is its last argument. sum(k = 1..3, …) says how far the letter runs, where no array says it.
A function that goes over a letter is one more name here, and `letters.py` says what it means.
"""

from __future__ import annotations

from chainrule.language import ast

__all__ = ["AT_A_LETTER", "OVER_A_LETTER", "children", "chosen_letter", "index_pair", "summed_letter"]

OVER_A_LETTER = frozenset({"sum", "mean", "max", "min", "prod"})
AT_A_LETTER = frozenset({"ismax", "ismin", "prod_others", "cumprod"})


def summed_letter(node: ast.Expr) -> str | None:
    """k in sum(k, …), sum(k = 1..3, …), max(k, x[k]) and ismax(k = i, x[k]); what it goes over is the last argument."""
    if not isinstance(node, ast.Call):
        return None
    if node.function in OVER_A_LETTER and len(node.args) == 2 and not node.options:
        letter = node.args[0].name if isinstance(node.args[0], ast.Name) else None
        return letter if node.function in ("sum", "mean") or _has_letter(node.args[1], letter) else None
    if len(node.args) == len(node.options) == 1:
        word, value = node.options[0]
        if node.function in OVER_A_LETTER and isinstance(value, ast.Range):
            return word
        if node.function in AT_A_LETTER and word not in ("over", "axis"):
            return word
    return None


def chosen_letter(node: ast.Expr) -> tuple[str, str] | None:
    """The two letters of ismax(k = i, …)."""
    if summed_letter(node) is None or not isinstance(node, ast.Call) or node.function not in AT_A_LETTER:
        return None
    word, value = node.options[0]
    return (word, value.name) if isinstance(value, ast.Name) else None


def _has_letter(node: ast.Expr, letter: str | None) -> bool:
    """True where the letter stands among indices: then max(k, x[k]) goes over it."""
    if isinstance(node, ast.Indexed | ast.Entry):
        for ref in node.indices:
            if ref.name == letter or any(_names(side, letter) for side in (ref.first, ref.last)):
                return True
    return any(_has_letter(child, letter) for child in children(node))


def _names(node: ast.Expr | None, letter: str | None) -> bool:
    if isinstance(node, ast.Name):
        return node.name == letter
    if isinstance(node, ast.Indexed):
        return _has_letter(node, letter)
    return node is not None and any(_names(child, letter) for child in children(node))


def index_pair(node: ast.Expr) -> tuple[str, str] | None:
    """The two names in i = j."""
    if isinstance(node, ast.Binary) and node.op in ("==", "=") and isinstance(node.left, ast.Name):
        return (node.left.name, node.right.name) if isinstance(node.right, ast.Name) else None
    return None


def children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    """What a node is made of; not what stands among indices or options."""
    if isinstance(node, ast.Binary):
        return (node.left, node.right)
    if isinstance(node, (ast.Negate, ast.Transpose)):
        return (node.operand,)
    if isinstance(node, ast.Call):
        return node.args
    if isinstance(node, ast.Entry):
        return (node.operand,)
    if isinstance(node, ast.Blocks):
        return tuple(part for row in node.rows for part in row)
    return ()
