"""Programs with loops written out step by step: h[t] for t = 1..T becomes h_1, h_2, …, which knows nothing of loops.

An oracle that shares no code with recurrences: no lag, no indicator of a step, no adjoint carried from pass to pass. It
works on the tree of the text, for a size T that is a number, and only where sequences stand with a step: x[t], h[t-1],
h[T], h[t,i], sum(t, …). `unrolled` gives the text; `split` and `joined` bring arrays there and gradients back.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.language import ast
from chainrule.language.parser import parse_program
from chainrule.language.printer import print_program


class Unroller:
    """Writes out the loops over one size, here T, in `steps` steps."""

    def __init__(self, text: str, size: str, steps: int) -> None:
        self.net = cr.parse(text)
        self.tree = parse_program(text, functions=[])
        self.size, self.steps = size, steps
        self.sequences: set[str] = set()
        self.initial: dict[tuple[str, int], str] = {}
        self.zeros: dict[str, tuple[int | str, ...]] = {}  # declared in place of steps that are not there
        self.computed: set[str] = set()

    def text(self) -> str:
        """The program without loops."""
        statements = list(self.tree.statements)
        for s in statements:
            if isinstance(s, ast.Declaration) and s.shape[:1] == (self.size,):
                self.sequences.add(s.name)
            elif isinstance(s, ast.Equation) and s.recurrence is not None:
                self.sequences.add(s.name)
                self.computed.add(s.name)
        out: list[Any] = []
        at = 0
        while at < len(statements):
            s = statements[at]
            at += 1
            if isinstance(s, ast.Declaration) and s.name in self.sequences:
                rest = s.shape[1:]
                out += [replace(s, name=f"{s.name}_{k}", shape=rest) for k in range(1, self.steps + 1)]
            elif isinstance(s, ast.Equation) and s.recurrence is not None:
                group = [s]
                while at < len(statements) and getattr(statements[at], "recurrence", None) == s.recurrence:
                    group.append(statements[at])  # type: ignore[arg-type]
                    at += 1
                order = range(1, self.steps + 1)
                for k in reversed(order) if s.recurrence.last == 1 else order:
                    out += [self.equation(e, k) for e in group]
            elif isinstance(s, ast.Equation) and s.indices and s.name in self.sequences:
                (ref,) = s.indices  # a value before the first step
                k = ref.offset if ref.name is None else self.steps + ref.offset
                if s.value != ast.Number(Fraction(0)):  # else it is 0 in any case
                    self.initial[s.name, k] = name = f"{s.name}_at_{k + 90}"
                    out.append(ast.Equation(name, None, self.expr(s.value, {})))
            elif isinstance(s, ast.Equation):
                out.append(replace(s, value=self.expr(s.value, {})))
            else:
                out.append(s)
        for name, shape in self.zeros.items():
            out.insert(0, ast.Declaration("const", name, shape))
        return print_program(replace(self.tree, statements=tuple(out)))

    def equation(self, e: ast.Equation, k: int) -> ast.Equation:
        assert e.indices is not None
        assert e.recurrence is not None
        letter = e.recurrence.index
        rest = tuple(ref for ref in e.indices if ref.name != letter)
        value = self.expr(e.value, {letter: k})
        return ast.Equation(f"{e.name}_{k}", rest or None, value)

    def expr(self, node: ast.Expr, at: dict[str, int]) -> ast.Expr:
        """The formula with numbers for letters of steps."""
        if isinstance(node, ast.Name) and node.name in at:
            return ast.Number(Fraction(at[node.name]))
        if isinstance(node, ast.Name):
            assert node.name not in self.sequences, f"{node.name} without a step"
            return ast.Number(Fraction(self.steps)) if node.name == self.size else node
        if isinstance(node, ast.Indexed) and node.base.name in self.sequences:
            return self.step(node, at)
        if isinstance(node, ast.Call) and node.function in ("sum", "mean") and self.letter(node) is not None:
            letter = self.letter(node)
            assert letter is not None
            terms = [self.expr(node.args[1], {**at, letter: k}) for k in range(1, self.steps + 1)]
            total = reduce(lambda a, b: ast.Binary("+", a, b), terms)
            return ast.Binary("/", total, ast.Number(Fraction(self.steps))) if node.function == "mean" else total
        if isinstance(node, ast.Binary):
            return replace(node, left=self.expr(node.left, at), right=self.expr(node.right, at))
        if isinstance(node, (ast.Negate, ast.Transpose)):
            return replace(node, operand=self.expr(node.operand, at))
        if isinstance(node, ast.Call):
            return replace(node, args=tuple(self.expr(a, at) for a in node.args))
        return node

    def letter(self, node: ast.Call) -> str | None:
        """t of sum(t, …) where t is a step."""
        first = node.args[0] if len(node.args) == 2 else None
        if not isinstance(first, ast.Name):
            return None

        def stands(inner: Any) -> bool:
            if isinstance(inner, ast.Indexed):
                return inner.base.name in self.sequences and inner.indices[0].name == first.name
            parts = [getattr(inner, k, None) for k in ("left", "right", "operand")]
            return any(stands(p) for p in (*parts, *getattr(inner, "args", ())) if p is not None)

        return first.name if stands(node.args[1]) else None

    def step(self, node: ast.Indexed, at: dict[str, int]) -> ast.Expr:
        ref, *rest = node.indices
        start = 0 if ref.name is None else self.steps if ref.name == self.size else at[ref.name]
        k = start + ref.offset
        name = node.base.name
        if (name, k) in self.initial:
            base = self.initial[name, k]
        elif 1 <= k <= self.steps:
            base = f"{name}_{k}"
        else:
            base = f"zeros_like_{name}"
            var = self.net.program.variables[name]
            row = var.steps is not None and var.steps.orientation == "row"
            self.zeros[base] = ((1,) if row else ()) + var.dims[1:]
        return ast.Indexed(ast.Name(base), tuple(rest)) if rest else ast.Name(base)


def split(unroller: Unroller, values: dict[str, Any], sizes: dict[str, int]) -> dict[str, Any]:
    """Arrays for the program written out."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if name in unroller.sequences:
            out |= {f"{name}_{k + 1}": np.asarray(value)[k] for k in range(unroller.steps)}
        else:
            out[name] = value
    for name, shape in unroller.zeros.items():
        dims = [sizes[d] if isinstance(d, str) else d for d in shape]
        out[name] = np.zeros([d for d in dims if d != 1] if len(dims) == 2 else dims)
    return out


def joined(unroller: Unroller, found: dict[str, Any], name: str) -> Any:
    """The gradient at a name of the program with loops."""
    if name not in unroller.sequences:
        return found.get(name)
    return np.stack([np.asarray(found[f"{name}_{k + 1}"]) for k in range(unroller.steps)])
