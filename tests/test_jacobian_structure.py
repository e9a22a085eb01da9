"""What `Jacobian.structure` says, compared with the numbers of the Jacobian."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr

# program, by, structure
STRUCTURES = {
    "A X B": ("param X : n × m\nconst A : k × n\nconst B : m × l\nY = A X B", "X", "Kronecker product Bᵀ ⊗ A"),
    "W x": ("param W : m × n\ninput x : n\nz = W x", "W", "Kronecker product xᵀ ⊗ I"),
    "x vᵀ": ("param x : n\nconst v : m\nY = x vᵀ", "x", "Kronecker product v ⊗ I"),
    "v xᵀ": ("param x : n\nconst v : m\nY = v xᵀ", "x", "Kronecker product I ⊗ v"),
    "x W": ("param W : n × m\ninput x : 1 × n\nz = x W", "W", "Kronecker product I ⊗ x"),
    "colsum": ("param X : n × m\ny = colsum(X)", "X", "Kronecker product I ⊗ ones(n)ᵀ"),
    "rowsum": ("param X : n × m\ny = rowsum(X)", "X", "Kronecker product ones(m)ᵀ ⊗ I"),
    "inverse": ("param X : n × n\nY = inv(X)", "X", "Kronecker product Yᵀ ⊗ (−Y)"),
    "transpose": ("param X : n × m\nY = Xᵀ", "X", "transposition"),
    "same": ("param X : n × m\nY = X", "X", "identity"),
    "relu": ("param X : n × m\nY = relu(X)", "X", "diagonal"),
    "softmax of rows": ("param X : n × m\nY = softmax(X)", "X", "block diagonal, a block for each of the n"),
    "softmax": ("param x : n\ny = softmax(x)", "x", "diagonal plus rank one"),
    "unit vector": ("param x : n\ny = x/norm(x)", "x", "diagonal plus rank one"),
    "scaled": ("param x : n\nconst s : scalar\ny = s x", "x", "scaled identity"),
    "tanh": ("param x : n\ny = tanh(x)", "x", "diagonal"),
    "outer": ("param x : n\nconst a : n\nconst b : m\ny = b (aᵀ x)", "x", "outer product"),
    "two outer": (
        "param x : n\nconst a : n\nconst b : m\nconst c : m\nconst d : n\ny = b (aᵀ x) + c (dᵀ x)", "x",
        "of rank 2 at most",
    ),
    "linear": ("param x : n\nconst A : m × n\ny = A x", "x", "general"),
    "symmetric": ("param x : n\nconst A : n × n\ny = A Aᵀ x", "x", "symmetric"),
    "nothing": ("param x : n\nconst a : n\ny = a", "x", "zero"),
}  # fmt: skip
SIZES = {"n": 5, "m": 3, "k": 2, "l": 7}


def column_by_column(array: np.ndarray, outer: int) -> np.ndarray:
    """∂vec/∂vec as a matrix."""
    shape = array.shape
    rows, columns = int(np.prod(shape[:outer])), int(np.prod(shape[outer:]))
    order = [*reversed(range(outer)), *reversed(range(outer, array.ndim))]
    return array.transpose(order).reshape(rows, columns)


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_is_that_of_the_numbers(name: str) -> None:
    text, by, wanted = STRUCTURES[name]
    net = cr.parse(text)
    found = net.jacobian(by)
    assert found.structure == wanted
    rng = np.random.default_rng(4)
    arrays = {
        n: rng.standard_normal([d if isinstance(d, int) else SIZES[d] for d in item.shape])
        for n, item in net.declarations.items()
    }
    value = found.evaluate(**arrays)
    outer = len([d for d in net.dims[found.of] if d != 1])
    matrix = column_by_column(value, outer)
    kind = re.sub(r" [^ ]* ⊗ .*", "", wanted)
    if kind == "Kronecker product":
        left, right = wanted.removeprefix("Kronecker product ").split(" ⊗ ")
        out, source = net.dims[found.of], net.dims[by]
        parts = []
        for factor, rows, columns in ((left, out[1], source[1]), (right, out[0], source[0])):
            if factor == "I":
                parts.append(np.eye(SIZES[str(rows if rows != 1 else columns)]))
                continue
            given = {**arrays, **net.evaluate(**arrays)}
            declared = "\n".join(f"const {n} : {' × '.join(map(str, net.dims[n]))}" for n in (*arrays, found.of))
            program = cr.parse(f"{declared}\nread_ = {factor}")
            read = program.evaluate(**{n: given[n] for n in (*arrays, found.of)})["read_"]
            parts.append(read.reshape([SIZES.get(str(d), 1) for d in program.dims["read_"]]))
        np.testing.assert_allclose(matrix, np.kron(*parts), rtol=1e-12)
    elif kind in ("diagonal", "identity", "scaled identity", "zero"):
        assert not (matrix - np.diag(np.diag(matrix))).any() if kind != "zero" else not matrix.any()
        assert kind != "identity" or (np.diag(matrix) == 1).all()
        assert kind != "scaled identity" or len(set(np.diag(matrix))) == 1
    elif kind in ("outer product", "of rank 2 at most"):
        assert np.linalg.matrix_rank(matrix) == {"outer product": 1}.get(kind, 2)
    elif kind == "symmetric":
        np.testing.assert_allclose(matrix, matrix.T)
    elif kind == "transposition":
        assert np.array_equal(value, np.einsum("il,jk->ijkl", np.eye(3), np.eye(5)).transpose(0, 1, 2, 3))
    elif kind.startswith("block diagonal"):
        assert all(not value[a, :, b].any() for a in range(5) for b in range(5) if a != b)


def test_a_hessian_is_symmetric_or_says_more() -> None:
    net = cr.parse("param X : N × D\ninput w : D\nlabel y : N\np = sigmoid(X w)\nJ = BCE(y, p)")
    assert net.hessian("w").structure == "symmetric"
    assert cr.parse("param w : D\nJ = sum(exp(w))").hessian("w").structure == "diagonal"
