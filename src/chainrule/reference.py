"""The reference evaluation: a program's equations, one after the other, in float64, by einsum.

It is slow and plain on purpose. It does not share code with the plans that are compiled, so that each can check the
other. Source of truth for what an expression in index notation means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import Atom, Expr, Index, free, variables
from chainrule.algebra.loops import Loop, one_step, stages
from chainrule.algebra.program import Equation, Operation, Program
from chainrule.algebra.relations import relation_of
from chainrule.dims import Dim
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import OPERATIONS
from chainrule.functions.sequences import initial_rows
from chainrule.functions.values import apply_function
from chainrule.sizes import value_of

__all__ = ["evaluate_equation", "evaluate_expression", "evaluate_program", "evaluates_many_points"]

Array = NDArray[np.float64]


def evaluate_program(
    program: Program, values: Mapping[str, Array], sizes: Mapping[str, int], only: Iterable[str] | None = None
) -> dict[str, Array]:
    """Values of all equations (or those in `only` and what they need), float64.

    `values`: arrays of the declared variables, without axes of size 1 (a column and a row have one axis). Some may
    carry one more axis in front, the same for all that do: many points are then evaluated at once, where
    `evaluates_many_points(program)`.
    `sizes`: the value of each symbolic size.
    """
    known: dict[str, Array] = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    needed = _needed(program, only) if only is not None else None
    with np.errstate(all="ignore"):
        for stage in stages(program):
            if isinstance(stage, Loop):
                if needed is None or any(e.name in needed for e in stage.equations):
                    known |= _evaluate_loop(program, stage, known, sizes)
            elif stage.name not in known and (needed is None or stage.name in needed):
                known[stage.name] = evaluate_equation(program, stage, known, sizes)
    return known


def evaluates_many_points(program: Program) -> bool:
    """True where arrays may carry one more axis in front."""
    operations = [e.value for e in program if isinstance(e.value, Operation)]
    return all(OPERATIONS[o.op].pointwise or not o.args for o in operations)


def _evaluate_loop(
    program: Program, loop: Loop, known: Mapping[str, Array], sizes: Mapping[str, int]
) -> dict[str, Array]:
    """Step by step: what one step takes from earlier ones, then its equations, each on arrays without the time axis."""
    count = _size(loop.dim, sizes)
    bodies = []
    for equation in loop.body:
        assert isinstance(equation.value, dict)
        bodies.append((equation.name, *_step_of(program, equation.name, equation.value, loop.axes[equation.name])))
    rows: dict[str, dict[int, Array]] = {e.name: {} for e in loop.equations}
    for t in reversed(range(count)) if loop.backwards else range(count):
        for equation in loop.lags:
            assert isinstance(equation.value, Operation)
            name, *first = equation.value.args
            there = t + equation.value.attributes[0]
            dims = [d for k, d in enumerate(program.variables[name].dims) if k != loop.axes[name]]
            if 0 <= there < count:
                rows[equation.name][t] = rows[name][there]
            elif first:
                array = initial_rows(program, equation.value, known[first[0]])
                shape = [_size(d, sizes) for d in dims]
                rows[equation.name][t] = np.broadcast_to(array, (*array.shape[: array.ndim - len(dims)], *shape))
            else:
                rows[equation.name][t] = np.zeros([_size(d, sizes) for d in dims])
        for name, expression, needed, indices in bodies:
            here = {}
            for step, (variable, places) in needed.items():
                if not places:
                    here[step] = known[variable]
                    continue
                if variable in rows:
                    here[step] = rows[variable][t]
                    continue
                array = known[variable]
                rank = len(program.variables[variable].dims)
                for gone, place in enumerate(sorted(places, reverse=True)):
                    array = np.take(array, t, axis=place - (rank - gone))  # from the end: axes in front stay
                here[step] = array
            rows[name][t] = evaluate_expression(expression, indices, here, sizes, program.functions)
    out = {}
    for name, found in rows.items():
        arrays = np.broadcast_arrays(*(found[t] for t in range(count)))
        at = loop.axes[name] - len(program.variables[name].dims)
        out[name] = np.stack(arrays, axis=at)
    return out


_Step = tuple[Expr, dict[str, tuple[str, tuple[int, ...]]], tuple[Index, ...]]
_step_memory: dict[int, tuple[Expr, int, _Step]] = {}


def _step_of(program: Program, name: str, value: Expr, axis: int) -> _Step:
    """One step of an equation, the arrays that it needs (by their names in it), and its free indices."""
    remembered = _step_memory.get(id(value))
    if remembered is not None and remembered[0] is value and remembered[1] == axis:
        return remembered[2]
    needed: dict[str, tuple[str, tuple[int, ...]]] = {}

    def step_name(variable: str, places: tuple[int, ...]) -> str:
        called = f"{variable}@{','.join(map(str, places))}"
        needed[called] = (variable, places)
        return called

    dims = program.variables[name].dims
    expression = one_step(value, free(dims), axis, step_name)
    needed |= {whole: (whole, ()) for whole in variables(expression) if whole not in needed}
    made = (expression, needed, free([d for k, d in enumerate(dims) if k != axis]))
    if len(_step_memory) > 1000:
        _step_memory.clear()
    _step_memory[id(value)] = (value, axis, made)
    return made


def _needed(program: Program, only: Iterable[str]) -> set[str]:
    needed, stack = set(), list(only)
    while stack:
        name = stack.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in program.equations:
            stack.extend(program.equations[name].arguments)
    return needed


def evaluate_equation(
    program: Program, equation: Equation, known: Mapping[str, Array], sizes: Mapping[str, int]
) -> Array:
    """The value of one equation, given those that it uses."""
    variable = program.variables[equation.name]
    if isinstance(equation.value, Operation):
        record = OPERATIONS[equation.value.op]
        arrays = [known[name] for name in equation.value.args]
        return np.asarray(record.evaluate(equation.value, arrays, program, sizes), dtype=np.float64)
    return evaluate_expression(equation.value, variable.indices, known, sizes, program.functions, program)


def evaluate_expression(
    expression: Expr,
    indices: tuple[Index, ...],
    known: Mapping[str, Array],
    sizes: Mapping[str, int],
    functions: Mapping[str, Any] | None = None,
    program: Program | None = None,
) -> Array:
    """The array of an expression over its free `indices`, in their order. `program`: what its names stand for."""
    terms = _prepared(expression, indices)
    total: Any = 0.0
    for scalar, scales, atoms, subscripts in terms:
        for dim, exponent in scales:
            scalar = scalar * float(_size(dim, sizes)) ** exponent
        if not atoms:
            total = total + scalar
            continue
        operands = []
        for atom, exponent in atoms:
            array: Any
            if atom[0] == "δ":
                array = np.eye(_size(atom[2][0][1], sizes))
            elif atom[0] == "rel":
                array = _relation_array(atom, sizes)
            elif atom[0] == "1":
                array = np.ones(_size(atom[2][0][1], sizes))
            else:
                array = _atom_array(atom, known, functions or {})
                if exponent != 1:
                    array = array**exponent
            operands.append(array)
        if len(operands) > 1 and subscripts is not None and not all(np.isfinite(array).all() for array in operands):
            operands = _masked(atoms, operands, subscripts, program)
        greedy = len(operands) > 4 or (len(operands) > 1 and any(atom[0] == "rel" for atom, _ in atoms))
        if greedy and subscripts is not None and any(atom[0] == "rel" for atom, _ in atoms):
            operands, subscripts = _looked_up(atoms, operands, subscripts, sizes)
        value = operands[0] if subscripts is None else np.einsum(subscripts, *operands, optimize=greedy)
        total = total + (value if scalar == 1.0 else scalar * value)
    if np.ndim(total) < len(indices):
        total = np.broadcast_to(total, tuple(_size(dim, sizes) for _, dim in indices)).copy()
    return np.asarray(total, dtype=np.float64)


# One term, ready to run: number, (size, exponent)s, (atom, exponent)s, einsum subscripts (None: the atom as it is).
_Term = tuple[float, list[tuple[Dim, float]], list[tuple[Atom, "int | float"]], "str | None"]
_memory: dict[int, tuple[Expr, tuple[Index, ...], list[_Term]]] = {}
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _prepared(expression: Expr, indices: tuple[Index, ...]) -> list[_Term]:
    """The terms of an expression, taken apart once. An expression is never changed after it is made."""
    known = _memory.get(id(expression))
    if known is not None and known[0] is expression and known[1] == indices:
        return known[2]
    terms = [_prepare(factors, bound, float(c), indices) for (factors, bound), c in expression.items()]
    if len(_memory) > 5000:
        _memory.clear()
    _memory[id(expression)] = (expression, indices, terms)
    return terms


def _prepare(
    factors: tuple[tuple[Atom, Any], ...], bound: tuple[Index, ...], scalar: float, indices: tuple[Index, ...]
) -> _Term:
    scales: list[tuple[Dim, float]] = []
    atoms: list[tuple[Atom, int | float]] = []
    label: dict[Index, str] = {}
    inputs: list[str] = []
    for atom, exponent in factors:
        head, name, own = atom
        if head == "#":
            scales.append((name, float(exponent)))  # type: ignore[arg-type]
            continue
        if head == "n":
            scalar *= float(name) ** float(exponent)  # type: ignore[arg-type]
            continue
        if isinstance(name, tuple):
            own = tuple(dict.fromkeys(own))
        for i in own:
            label.setdefault(i, _LETTERS[len(label)])
        inputs.append("".join(label[i] for i in own))
        atoms.append((atom, int(exponent) if exponent == int(exponent) else float(exponent)))
    scales.extend((index[1], 1.0) for index in bound if index not in label)
    if atoms:
        for index in indices:
            if index not in label:
                label[index] = _LETTERS[len(label)]
                inputs.append(label[index])
                atoms.append((("1", "", (index,)), 1))
    output = "".join(label[i] for i in indices) if atoms else ""
    same = len(inputs) == 1 and inputs[0] == output
    many = [f"...{letters}" for letters in inputs]  # the dots: arrays may carry an axis of many points in front
    return scalar, scales, atoms, None if same else ",".join(many) + "->..." + output


def _masked(
    atoms: list[tuple[Atom, int | float]], operands: list[Array], subscripts: str, program: Program | None
) -> list[Array]:
    """What is no number becomes 0 where a mask beside it is 0: (x > 0) log(x), as a choice is computed everywhere."""
    letters = [part.removeprefix("...") for part in subscripts.split("->")[0].split(",")]
    masks = [k for k, (atom, e) in enumerate(atoms) if e > 0 and _has_mask(atom, program, 0)]
    out = list(operands)
    for k, array in enumerate(operands):
        if np.isfinite(array).all():
            continue
        for m in masks:
            if m != k and set(letters[m]) <= set(letters[k]):
                both = f"...{letters[m]},...{letters[k]}->...{letters[k]}"
                holds = np.einsum(both, (operands[m] != 0).astype(float), np.ones(array.shape))
                out[k] = np.where(holds != 0, out[k], 0.0)
    return out


def _has_mask(atom: Atom, program: Program | None, depth: int) -> bool:
    """True for a comparison, and for a name in whose every term one is a factor (the adjoint of a branch)."""
    head, name, _ = atom
    if head in FUNCTIONS:
        return FUNCTIONS[head].idempotent
    value = program.expression(name) if program is not None and not head and isinstance(name, str) else None
    if not value or depth > 8:
        return False
    rest = dict(value)
    if rest.pop(((), ()), 0) == 1:  # 1 − m
        return list(rest.values()) == [-1] and all(_has_mask(a, program, depth + 1) for a, _ in next(iter(rest))[0])
    return all(any(e > 0 and _has_mask(a, program, depth + 1) for a, e in factors) for factors, _ in value)


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    return value_of(dim, sizes)


def _looked_up(
    atoms: list[tuple[Atom, int | float]], operands: list[Array], subscripts: str, sizes: Mapping[str, int]
) -> tuple[list[Array], str]:
    """Relations with a summed index of one array are carried out by indexing it: k = i + a in x[k] gives x[i, a].

    Only so that no product of dense arrays of 0 and 1 is formed; what does not fit stays one.
    """
    inputs, output = subscripts.split("->")
    letters = [part.removeprefix("...") for part in inputs.split(",")]
    arrays: list[Array | None] = list(operands)
    for k, (atom, _) in sorted(enumerate(atoms), key=lambda item: -len(item[1][0][2])):
        if atom[0] != "rel":
            continue
        comparison, offset, coefficients = relation_of(str(atom[1]))
        best: tuple[int, int, int] | None = None
        for place, c in enumerate(coefficients):
            letter = letters[k][place]
            holders = [j for j, own in enumerate(letters) if j != k and arrays[j] is not None and letter in own]
            if comparison != "=" or c not in (1, -1) or letter in output or len(holders) != 1:
                continue
            (j,) = holders
            others = set(letters[k]) - {letter}
            if atoms[j][0][0] == "rel" or letters[j].count(letter) != 1 or others & set(letters[j]):
                continue
            size = _size(atom[2][place][1], sizes)
            if best is None or size > best[0]:
                best = (size, place, j)
        if best is None:
            continue
        size, place, j = best
        sign = int(coefficients[place])  # k = sign · (offset − Σ others)
        shape = [_size(dim, sizes) for p, (_, dim) in enumerate(atom[2]) if p != place]
        total = np.full(shape, _size(offset, sizes))
        rest = [(p, c) for p, c in enumerate(coefficients) if p != place]
        for axis, (_, c) in enumerate(rest):
            along = np.arange(shape[axis]) * _size(c, sizes)
            total = total - along.reshape([-1 if q == axis else 1 for q in range(len(shape))])
        total = sign * total
        inside = (total >= 0) & (total < size)
        array = arrays[j]
        assert array is not None
        axis = array.ndim - len(letters[j]) + letters[j].index(letters[k][place])
        found = np.take(array, np.where(inside, total, 0), axis=axis)
        where = inside.reshape(inside.shape + (1,) * (array.ndim - axis - 1))
        at = letters[j].index(letters[k][place])
        arrays[j] = np.where(where, found, 0.0)
        letters[j] = letters[j][:at] + "".join(letters[k][p] for p, _ in rest) + letters[j][at + 1 :]
        arrays[k] = None
    kept = [(own, array) for own, array in zip(letters, arrays, strict=True) if array is not None]
    return [array for _, array in kept], ",".join(f"...{own}" for own, _ in kept) + "->" + output


def _relation_array(atom: Atom, sizes: Mapping[str, int]) -> Array:
    """1 where the indices, counted from 0, are so related; 0 elsewhere."""
    comparison, offset, coefficients = relation_of(str(atom[1]))
    shape = tuple(_size(dim, sizes) for _, dim in atom[2])
    total = np.zeros(shape, dtype=np.int64) - _size(offset, sizes)
    for axis, c in enumerate(coefficients):
        along = np.arange(shape[axis]) * _size(c, sizes)
        total = total + along.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.asarray(total == 0 if comparison == "=" else total <= 0, dtype=np.float64)


def _atom_array(atom: Atom, known: Mapping[str, Array], functions: Mapping[str, Any]) -> Array:
    head, name, indices = atom
    if isinstance(name, tuple):  # several arguments: align them on their distinct indices
        order = list(dict.fromkeys(indices))
        arrays, start = [], 0
        for argument, arity in name:
            mine = list(indices[start : start + arity])
            start += arity
            array = known[argument]
            front = array.ndim - arity  # an axis of many points, if there is one
            for i in [i for i in dict.fromkeys(mine) if mine.count(i) > 1]:  # a diagonal: it becomes the last axis
                while mine.count(i) > 1:
                    a = mine.index(i)
                    b = mine.index(i, a + 1)
                    array = array.diagonal(axis1=front + a, axis2=front + b)
                    mine = [j for k, j in enumerate(mine) if k not in (a, b)] + [i]
            array = array.transpose([*range(front), *(front + mine.index(i) for i in order if i in mine)])
            arrays.append(array[(..., *(slice(None) if i in mine else None for i in order))])
        return apply_function(head, arrays, functions)
    array = known[name]  # type: ignore[index]
    return array if head == "" else apply_function(head, [array], functions)
