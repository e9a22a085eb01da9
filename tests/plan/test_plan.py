"""What a plan decides: which work is shared, which contraction is which call, what lives in which memory."""

from __future__ import annotations

from itertools import pairwise

import pytest

import chainrule as cr
from chainrule.algebra.program import is_anonymous
from chainrule.plan import Plan, build_plan, contraction_form
from chainrule.plan.graph import ELEMENTWISE
from plan.builders import PROGRAMS, Builder, attention, one_layer_rows, random_program


def forms(plan: Plan) -> list[str]:
    return [contraction_form(node).name for node in plan.steps if node.op == "contract"]


def count(plan: Plan, op: str, function: str = "") -> int:
    return sum(node.op == op and (not function or node.attributes[0] == function) for node in plan.steps)


def named(program_name: str) -> Plan:
    program = PROGRAMS[program_name]()
    return build_plan(program, [name for name in program.equations if not is_anonymous(name)])


def test_the_network_of_the_note_is_five_matrix_products_and_one_dot() -> None:
    program = one_layer_rows()
    plan = build_plan(program, ["J", "∂J/∂W", "∂J/∂b1", "∂J/∂U", "∂J/∂b2"])
    assert forms(plan) == ["gemm", "gemm", "flat", "gemm", "gemm", "gemm"]
    assert count(plan, "map", "exp") == 1
    assert count(plan, "map", "positive") == 1
    assert count(plan, "map", "sgn") == 0


def test_dead_equations_are_left_out() -> None:
    plan = build_plan(one_layer_rows(), ["H"])
    assert [node.op for node in plan.steps] == ["contract", "add", "map"]
    assert plan.arguments == ("X", "W", "b1")


def test_attention_is_batched_matrix_products() -> None:
    plan = build_plan(attention(), ["O", "∂J/∂V", "∂J/∂Q", "∂J/∂K_"])
    assert set(forms(plan)) == {"batched", "pairwise"}
    assert forms(plan).count("pairwise") == 1  # rowsum(G ∘ O)


def test_a_product_within_a_sum_has_the_order_of_axes_of_what_it_meets() -> None:
    """A Hessian times a direction has products Δ Uᵀ between elementwise ones: nothing is read across its rows."""
    net = cr.parse("""
        input X : N × D
        label Y : N × K, one-hot
        param W : D × H
        param U : H × K
        Z = tanh(X W)
        Θ = Z U
        J = mean(CE(Y, softmax(Θ)))
    """)
    program = net.hessian_product("W").program
    plan = build_plan(program, [list(program.equations)[-1]])
    elementwise = [node for node in plan.steps if node.op in ELEMENTWISE and node.rank == 2]
    assert len(elementwise) > 10
    for node in elementwise:
        assert all(list(operand.axes) == sorted(operand.axes) for operand in node.operands), node.equation


def test_a_vector_goes_through_a_chain_of_matrices_first() -> None:
    b = Builder(i="A", j="B", k="C", n="D")
    for name, indices in (("P", "ij"), ("Q", "jk"), ("R", "kn"), ("v", "n")):
        b.declare(name, indices)
    b.define("y", "i", "P[i,j] Q[j,k] R[k,n] v[n]")
    assert forms(build_plan(b.program, ["y"])) == ["gemv", "gemv", "gemv"]


def test_a_diagonal_scales_a_matrix_and_is_never_formed() -> None:
    b = Builder(n="N", d="D", e="D")
    b.declare("X", "nd")
    b.declare("p", "n")
    b.define("H", "de", "X[n,d] p[n] X[n,e]")
    plan = build_plan(b.program, ["H"])
    assert [node.op for node in plan.steps] == ["multiply", "contract"]


def test_a_diagonal_covers_only_its_own_indices() -> None:
    """x[n,d] (A[n,i,j] + δ_ij b[n,i]): the sum is formed before it is repeated along d."""
    b = Builder(n="N", d="D", i="H", j="H")
    b.declare("x", "nd")
    b.declare("A", "nij")
    b.declare("b", "ni")
    b.define("O", "nidj", "x[n,d] A[n,i,j]", "x[n,d] δ[i,j] b[n,i]")
    plan = build_plan(b.program, ["O"])
    assert [(node.op, node.rank) for node in plan.steps] == [("add_embed", 3), ("multiply", 4)]


def test_scalars_are_applied_to_the_smallest_array() -> None:
    b = Builder(n="N", d="D", h="H")
    b.declare("X", "nd")
    b.declare("g", "n")
    b.define("s", "d", "X[n,d] g[n] #N^-1")
    b.define("O", "nd", "2 g[n] s[d]")
    plan = build_plan(b.program, ["O"])
    assert all(node.rank == 1 for node in plan.steps if node.op == "scale")


def test_a_common_matrix_is_multiplied_once() -> None:
    b = Builder(n="N", d="D", h="H")
    b.declare("A", "nd")
    b.declare("B", "nd")
    b.declare("W", "dh")
    b.define("O", "nh", "A[n,d] W[d,h]", "B[n,d] W[d,h]")
    assert [node.op for node in build_plan(b.program, ["O"]).steps] == ["add", "contract"]


def test_one_more_contraction_than_the_exhaustive_search_takes() -> None:
    b = Builder(**{letter: letter.upper() for letter in "abcdefghij"})
    letters = "abcdefghij"
    for left, right in pairwise(letters):
        b.declare(f"M_{left}", left + right)
    b.define("P", "aj", " ".join(f"M_{x}[{x},{y}]" for x, y in pairwise(letters)))
    assert forms(build_plan(b.program, ["P"])) == ["gemm"] * 8


@pytest.mark.parametrize("name", PROGRAMS)
def test_memory_of_the_networks(name: str) -> None:
    check_memory(named(name))


@pytest.mark.parametrize("block", range(5))
def test_memory_of_random_programs(block: int) -> None:
    for seed in range(100 * block, 100 * block + 100):
        program = random_program(seed)
        check_memory(build_plan(program, list(program.equations)[-3:]))


def check_memory(plan: Plan) -> None:
    """Walk through the plan: a value that is read is still where it was written; outputs keep memory of their own."""
    holds: dict[int, object] = {}
    for node in plan.steps:
        for operand in node.operands:
            seen = operand.node
            while seen.op == "diagonal":
                seen = seen.operands[0].node
            if seen in plan.block:
                assert holds[plan.block[seen].number] is seen
        if node in plan.block:
            block = plan.block[node]
            if node in plan.overwrites:
                assert plan.block[node.operands[plan.overwrites[node]].node] is block
                assert node.op in ELEMENTWISE | {"add_embed"}
            else:
                assert all(plan.block.get(operand.node) is not block for operand in node.operands)
            assert (block.dims, block.dtype) == (node.dims, node.dtype)
            holds[block.number] = node
    kept = [plan.block[node].number for node in plan.outputs.values() if node.rank]
    assert len(kept) == len(set(kept))
    for node in plan.outputs.values():
        if node.rank:
            assert holds[plan.block[node].number] is node
            assert plan.block[node].fresh


def test_without_reuse_each_value_has_its_own_memory() -> None:
    plan = build_plan(one_layer_rows(), ["J", "∂J/∂W"], reuse=False)
    assert not plan.overwrites
    assert all(len(block.nodes) == 1 for block in plan.blocks)
