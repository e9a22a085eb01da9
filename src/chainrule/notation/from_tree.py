"""The user's own equations as formulas: the tree of the language becomes a tree of notation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.program import Program
from chainrule.dims import canonical_name, display_name
from chainrule.language import ast
from chainrule.notation import tree
from chainrule.notation.latex import name_to_latex
from chainrule.notation.tree import Node

__all__ = ["respelled", "tree_to_node"]


def respelled(node: ast.Expr) -> ast.Expr:
    """The same expression with every name as people read it: θ for theta, ŷ for y_hat."""
    if isinstance(node, ast.Name):
        return replace(node, name=display_name(node.name))
    if isinstance(node, ast.Negate | ast.Transpose):
        return replace(node, operand=respelled(node.operand))
    if isinstance(node, ast.Binary):
        return replace(node, left=respelled(node.left), right=respelled(node.right))
    if isinstance(node, ast.Call):
        return replace(node, args=tuple(respelled(a) for a in node.args))
    if isinstance(node, ast.Indexed):
        return replace(node, base=replace(node.base, name=display_name(node.base.name)))
    return node


def tree_to_node(node: ast.Expr, program: Program) -> Node:
    """The formula that the user wrote, for LaTeX."""
    names = {canonical_name(n): v for n, v in program.variables.items()}

    def visit(n: ast.Expr) -> Node:
        if isinstance(n, ast.Number):
            return tree.num(n.value)
        if isinstance(n, ast.Name):
            variable = names.get(canonical_name(n.name))
            if variable is None or len(variable.dims) > 2:
                return tree.sym(n.name)
            shape = variable.shape or (1, 1)
            return tree.sym(n.name, *(shape if len(shape) == 2 else (*shape, 1)))
        if isinstance(n, ast.Negate):
            return Node("sum", (visit(n.operand),), (-1,))
        if isinstance(n, ast.Transpose):
            inner = visit(n.operand)
            return Node("T", (inner,), None, inner.cols, inner.rows)
        if isinstance(n, ast.Call):
            return tree.call(n.function + "'" * n.primes, tuple(visit(a) for a in n.args), 1, 1)
        if isinstance(n, ast.Indexed):
            letters = ",".join(
                (r.name or "") + (f"{r.offset:+d}" if r.offset and r.name else str(r.offset) if not r.name else "")
                for r in n.indices
            )
            return Node("raw", (), f"{name_to_latex(n.base.name)}_{{{letters}}}")
        left, right = visit(n.left), visit(n.right)
        rows, cols = (left.rows if left.rows != 1 else right.rows), (right.cols if right.cols != 1 else left.cols)
        if n.op in ("+", "-"):
            return Node("sum", (left, right), (1, 1 if n.op == "+" else -1), rows, cols)
        if n.op in ("@", "*"):
            return Node("prod", (left, right), None, rows, cols)
        if n.op == "∘":
            return Node("had", (left, right), None, rows, cols)
        if n.op in ("/", "./"):
            return Node("div", (left, right), None, rows, cols)
        if n.op in ("^", ".^") and isinstance(n.right, (ast.Number, ast.Negate)):
            value = n.right.value if isinstance(n.right, ast.Number) else None
            if value is None and isinstance(n.right, ast.Negate) and isinstance(n.right.operand, ast.Number):
                value = -n.right.operand.value
            if value is not None:
                return Node(
                    "pow", (left,), Fraction(value), left.rows if n.op == ".^" else 1, left.cols if n.op == ".^" else 1
                )
        symbol = {"^": "^", ".^": "^", "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "="}[n.op]
        from chainrule.notation.latex import to_latex

        if n.op in ("^", ".^"):
            return Node("raw", (), f"{to_latex(left, 6)}^{{{to_latex(right)}}}")
        return Node("raw", (), f"{to_latex(left)} {symbol} {to_latex(right)}")

    return visit(node)
