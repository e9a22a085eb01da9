"""The user's own equations as formulas: the tree of the language becomes a tree of notation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.program import Program
from chainrule.dims import canonical_name, display_name
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.bound import OVER_A_LETTER, summed_letter
from chainrule.language.printer import print_expression
from chainrule.notation import parts, tree
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
    if isinstance(node, ast.Entry):
        return replace(node, operand=respelled(node.operand))
    if isinstance(node, ast.Blocks):
        return replace(node, rows=tuple(tuple(map(respelled, row)) for row in node.rows))
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
            if n.operand == ast.Number(Fraction(1)):
                return tree.ones(1, "n")  # as long as what follows
            inner = visit(n.operand)
            return Node("T", (inner,), None, inner.cols, inner.rows)
        if isinstance(n, ast.Call):
            return call(n)
        if isinstance(n, ast.Indexed):
            return tree.at(n.base.name, [print_index(r) for r in n.indices])
        if isinstance(n, ast.Entry):
            return tree.entry(visit(n.operand), [print_index(r) for r in n.indices])
        if isinstance(n, ast.Blocks):
            return parts.blocks([[visit(part) for part in row] for row in n.rows])
        if isinstance(n, ast.Range):
            return Node("raw", (), print_expression(n))
        left, right = visit(n.left), visit(n.right)
        rows, cols = (left.rows if left.rows != 1 else right.rows), (right.cols if right.cols != 1 else left.cols)
        if n.op in ("+", "-"):
            first, signs = (left.args, left.data) if left.op == "sum" else ((left,), (1,))
            assert isinstance(signs, tuple)
            return Node("sum", (*first, right), (*signs, 1 if n.op == "+" else -1), rows, cols)
        if n.op in ("@", "*", "∘"):  # read from the left: A B C is (A B) C
            op = "had" if n.op == "∘" else "prod"
            return Node(op, (*(left.args if left.op == op else (left,)), right), None, rows, cols)
        if n.op in ("/", "./"):
            return Node("div" if n.op == "/" else "ediv", (left, right), None, rows, cols)
        if n.op not in ("^", ".^"):
            return Node("rel", (left, right), n.op, rows, cols)
        value = number(n.right)
        if value is None:
            circle = r"\circ " if n.op == ".^" and left.rows != left.cols else ""
            return Node("raised", (left, right), circle, left.rows, left.cols)
        return Node("^" if n.op == "^" else "pow", (left,), value, left.rows, left.cols)

    def call(n: ast.Call) -> Node:
        letter = summed_letter(n)
        if letter is not None and n.function in OVER_A_LETTER and canonical_name(letter) not in names:
            limit = n.options[0][1] if n.options else None
            last = print_expression(limit.last) if isinstance(limit, ast.Range) else ""
            return tree.sigma(letter, visit(n.args[-1]), n.function, last)
        if letter is not None and n.options:
            places = [tree.equal(tree.sym(word), visit(value)) for word, value in n.options]
            return tree.call(n.function, (*places, visit(n.args[0])), 1, 1)
        args = tuple(visit(a) for a in n.args)
        if n.function == "indicator" and args[0].op == "rel":
            return Node("bracket", args)
        if n.function == "ones" and len(args) == 1:
            return tree.ones(n.args[0].name if isinstance(n.args[0], ast.Name) else "n", 1)
        if n.function == "sqrt" and len(args) == 1:
            return Node("pow", args, Fraction(1, 2), args[0].rows, args[0].cols)
        if n.function == "norm" and len(args) == 1:
            return Node("norm", args)
        options = tuple(Node("rel", (tree.sym(name), visit(value)), "==") for name, value in n.options)
        same = args[0] if n.function in FUNCTIONS else tree.num(1)
        return tree.call(n.function + "'" * n.primes, (*args, *options), same.rows, same.cols)

    return visit(node)


def number(node: ast.Expr) -> Fraction | None:
    """The value of a number, which may have a sign or be a quotient: −1/2."""
    if isinstance(node, ast.Binary) and node.op == "/":
        top, bottom = number(node.left), number(node.right)
        return top / bottom if top is not None and bottom else None
    if isinstance(node, ast.Negate):
        value = number(node.operand)
        return -value if value is not None else None
    return Fraction(node.value) if isinstance(node, ast.Number) else None


def print_index(index: ast.IndexRef) -> str:
    """i, t-1, 2, 2i+a or 1:3."""
    if index.kind:
        return print_expression(ast.Indexed(ast.Name("x"), (index,)))[2:-1].replace("−", "-")
    if index.name is None:
        return str(index.offset)
    return f"{index.name}{index.offset:+d}" if index.offset else index.name
