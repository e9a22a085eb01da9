"""Tree out as text, in the one canonical form: what is printed parses back to the same tree.

Brackets are set by binding strength, and only where the tree would otherwise be another one. Well-formed trees
are those that the parser makes: a `Number` is not negative (except as an exponent) and a finite decimal; an
exponent −2 is `Number(-2)`, not `Negate(Number(2))`; one name is not used both as a variable and as a function.
"""

from __future__ import annotations

import re
from fractions import Fraction

from chainrule.language import ast
from chainrule.language.bound import summed_letter
from chainrule.sizes import is_derived, written

__all__ = ["print_expression", "print_program", "print_statement"]

# binding strength, from weak to strong
_COMPARE, _SUM, _SIGN, _TERM, _PRODUCT, _POWER, _BASE, _ATOM = range(8)
_LEVEL = {"+": _SUM, "-": _SUM, "∘": _TERM, "@": _PRODUCT, "*": _PRODUCT, "/": _PRODUCT, "./": _PRODUCT}
# what the two sides need to stand without brackets: + leans left, comparisons do not chain
_NEEDS = {_COMPARE: (_SUM, _SUM), _SUM: (_SUM, _TERM), _TERM: (_TERM, _PRODUCT), _PRODUCT: (_PRODUCT, _POWER)}
_SPELLING = {"-": " − ", "/": "/", "<=": " ≤ ", ">=": " ≥ "}
_LOOKS_TRANSPOSED = re.compile(r"T\b")  # x^T is xᵀ; the power is x^(T)
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def print_program(program: ast.Program) -> str:
    """The program in canonical form, a statement a line, ending with a line end."""
    lines = [print_statement(statement) for statement in program.statements]
    if program.minimize is not None:
        lines.append(f"minimize {program.minimize}")
    return "".join(line + "\n" for line in lines)


def print_statement(statement: ast.Declaration | ast.FunctionDeclaration | ast.Definition | ast.Equation) -> str:
    """One statement in canonical form, without a line end.

    >>> print_statement(ast.Declaration("param", "W", ("D_h", "D_x"), ("symmetric",)))
    'param W : D_h × D_x, symmetric'
    """
    match statement:
        case ast.Declaration(kind, name, shape, facts):
            return ", ".join([f"{kind} {name} : {_shape(shape)}", *facts])
        case ast.FunctionDeclaration(name, domain, codomain):
            return f"function {name} : {_shape(domain)} → {_shape(codomain)}"
        case ast.Definition(name, parameters, body):
            plain = len(parameters) - len(statement.defaults)
            shown = [*parameters[:plain]]
            shown += [f"{p}={_print(d)[0]}" for p, d in zip(parameters[plain:], statement.defaults, strict=True)]
            entry = "" if statement.indices is None else f"[{_indices(statement.indices)}]"
            return f"def {name}({', '.join(shown)}){entry} = {print_expression(body)}"
        case ast.Equation(name, indices, value, recurrence):
            left = name if indices is None else f"{name}[{_indices(indices)}]"
            loop = ""
            if recurrence is not None:
                loop = f" for {recurrence.index} = {_signed(recurrence.first)}..{_signed(recurrence.last)}"
            return f"{left} = {print_expression(value)}{loop}"


def print_expression(expr: ast.Expr) -> str:
    """The expression in canonical form.

    >>> print_expression(ast.Binary("@", ast.Name("W"), ast.Binary("+", ast.Name("x"), ast.Name("y"))))
    'W (x + y)'
    """
    return _print(expr)[0]


def _shape(shape: tuple[ast.TypeDim, ...]) -> str:
    shown = [f"({written(dim, str)})".replace("−", "-") if is_derived(dim) else str(dim) for dim in shape]
    return " × ".join(shown) if shape else "scalar"


def _indices(indices: tuple[ast.IndexRef, ...]) -> str:
    return ",".join(map(_index, indices))


def _index(index: ast.IndexRef) -> str:
    if index.kind == "slice":
        return ":".join("" if side is None else _tight(side) for side in (index.first, index.last))
    if index.kind == "sum":
        assert index.first is not None
        return _tight(index.first)
    if index.name is None:
        return _signed(index.offset)
    if index.offset == 0:
        return index.name
    return f"{index.name}{'+' if index.offset > 0 else '−'}{abs(index.offset)}"


def _tight(expr: ast.Expr) -> str:
    """A formula in brackets [ ], without spaces where it can be: 2i+a−1, d (i−1)+j."""
    match expr:
        case ast.Binary("+" | "-" as op, left, right):
            second = _tight(right)
            if op == "-" and isinstance(right, ast.Binary) and right.op in ("+", "-"):
                second = f"({second})"
            if isinstance(right, ast.Negate):
                second = f"({second})"
            return f"{_tight(left)}{'+' if op == '+' else '−'}{second}"
        case ast.Negate(operand):
            inner = _tight(operand)
            return f"−({inner})" if isinstance(operand, ast.Binary) and operand.op in ("+", "-") else f"−{inner}"
        case ast.Binary("@", ast.Number() as left, ast.Name(name)):
            return f"{_tight(left)}{name}"
        case ast.Binary("@" | "*" as op, left, right):
            sides = [
                f"({_tight(side)})" if isinstance(side, ast.Negate | ast.Binary) else _tight(side)
                for side in (left, right)
            ]
            if isinstance(left, ast.Binary) and left.op in ("@", "*"):
                sides[0] = _tight(left)
            space = "*" if op == "*" else " · " if sides[1][0].isnumeric() else " "
            return space.join(sides)
        case _:
            return _print(expr)[0]


def _signed(value: ast.TypeDim) -> str:
    return str(value).replace("-", "−")


def _print(expr: ast.Expr) -> tuple[str, int]:
    """The text of an expression and how strongly it binds."""
    match expr:
        case ast.Name(name):
            return name, _ATOM
        case ast.Number(value, text):  # ½ stays as it was written; every other number has one spelling
            return (text, _ATOM) if text.isnumeric() and not text.isdecimal() else _number(value)
        case ast.Indexed(base, indices):
            return f"{base.name}[{_indices(indices)}]", _ATOM
        case ast.Call():
            return _call(expr), _ATOM
        case ast.Entry(operand, indices):
            inner = _print(operand)[0]
            return f"{inner if isinstance(operand, ast.Call) else f'({inner})'}[{_indices(indices)}]", _ATOM
        case ast.Range(last):
            return f"1..{_print(last)[0]}", _SUM
        case ast.Blocks(rows):
            return f"[{'; '.join(', '.join(_print(part)[0] for part in row) for row in rows)}]", _ATOM
        case ast.Negate(operand):
            return "−" + _at(operand, _TERM), _SIGN
        case ast.Transpose(operand):
            return _transpose(operand), _BASE
        case ast.Binary(op, left, right):
            if op in ("^", ".^"):
                return _power(op, left, right)
            if op == "@":
                return _product(left, right), _PRODUCT
            level = _LEVEL.get(op, _COMPARE)
            needs_left, needs_right = _NEEDS[level]
            return _at(left, needs_left) + _SPELLING.get(op, f" {op} ") + _at(right, needs_right), level


def _at(expr: ast.Expr, level: int) -> str:
    """The text of an expression where something of at least this strength must stand."""
    text, strength = _print(expr)
    return text if strength >= level else f"({text})"


def _product(left: ast.Expr, right: ast.Expr) -> str:
    first, second = (_at(side, need) for side, need in zip((left, right), _NEEDS[_PRODUCT], strict=True))
    if isinstance(left, ast.Binary) and left.op == "./":
        first = f"({first})"  # x ./ A w would have two readings
    if second[0] == "[" and _is_one_row(right) and not _IS_FACTOR.search(first):
        second = f"({second})"  # x [A, B] would be entries of x
    dotted = second[0].isnumeric() and (second not in ("1", "1ᵀ") or first[-1].isnumeric())
    return f"{first} · {second}" if dotted else f"{first} {second}"


_IS_FACTOR = re.compile(r"ᵀ$|(?<![\w.])(?!1$)[0-9][0-9.]*$")  # what a bracket behind it cannot hold entries of


def _is_one_row(expr: ast.Expr) -> bool:
    """True where the first factor is arrays beside each other only: [A, B], [A, B]ᵀ."""
    match expr:
        case ast.Blocks(rows):
            return len(rows) == 1
        case ast.Transpose(inner) | ast.Binary("^" | ".^", inner, _):
            return _is_one_row(inner)
        case _:
            return False


def _transpose(operand: ast.Expr) -> str:
    match operand:
        case ast.Binary("^", base, ast.Number(value)) if value == -1 and not _is_power(base):
            return _at(base, _BASE) + "⁻ᵀ"
        case ast.Binary("^" | ".^"):
            return f"({_print(operand)[0]})ᵀ"
        case _:
            return _at(operand, _BASE) + "ᵀ"


def _is_power(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Binary) and expr.op in ("^", ".^")


def _power(op: str, base: ast.Expr, exponent: ast.Expr) -> tuple[str, int]:
    below = f"({_print(base)[0]})" if _is_power(base) else _at(base, _BASE)
    if isinstance(exponent, ast.Number):
        value = exponent.value
        if op == "^" and value.denominator == 1:
            return below + str(value.numerator).translate(_SUPERSCRIPTS), _BASE
        if value < 0:
            return f"{below}{op}−{_at(ast.Number(-value), _ATOM)}", _POWER
    if isinstance(exponent, ast.Binary) and _is_power(exponent) and not _is_superscript(exponent):
        return f"{below}{op}({_print(exponent)[0]})", _POWER
    above = _at(exponent, _ATOM)
    if _LOOKS_TRANSPOSED.match(above):
        above = f"({above})"
    return f"{below}{op}{above}", _POWER


def _is_superscript(expr: ast.Binary) -> bool:
    return expr.op == "^" and isinstance(expr.right, ast.Number) and expr.right.value.denominator == 1


def _call(call: ast.Call) -> str:
    if call.function == "indicator" and len(call.args) == 1 and not call.options and not call.primes:
        condition = call.args[0]
        if isinstance(condition, ast.Binary) and condition.op == "==":
            return f"1[{_at(condition.left, _SUM)} = {_at(condition.right, _SUM)}]"
        return f"1[{_print(condition)[0]}]"
    parts = [_print(argument)[0] for argument in call.args]
    if summed_letter(call) is not None and call.options:  # sum(k = 1..3, …), ismax(k = i, …): the letter comes first
        parts = [*(f"{name} = {_print(value)[0]}" for name, value in call.options), *parts]
    else:
        parts += [f"{name}={_print(value)[0]}" for name, value in call.options]
    return f"{call.function}{'′' * call.primes}({', '.join(parts)})"


def _number(value: Fraction) -> tuple[str, int]:
    """A decimal if there is a finite one; otherwise (no literal of the language) a quotient, in brackets if need be."""
    if value < 0:
        return "−" + _number(-value)[0], _SIGN
    if value.denominator == 1:
        return _shortened(str(value.numerator), 0), _ATOM
    places, rest = 0, value.denominator
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}", _PRODUCT
    return _shortened(str(value.numerator * 10**places // value.denominator), places), _ATOM


def _shortened(digits: str, places: int) -> str:
    """`digits` × 10^−places, written out or, if that is long, as 1e-05 is: 1e-5."""
    plain = (
        digits if not places else f"{digits.rjust(places + 1, '0')[:-places]}.{digits.rjust(places + 1, '0')[-places:]}"
    )
    stripped = digits.rstrip("0") or "0"
    exponent = len(digits) - len(stripped) - places
    scientific = f"{stripped}e{exponent}"
    return scientific if len(plain) > 5 and len(scientific) < len(plain) else plain
