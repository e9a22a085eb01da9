"""Chunks: the same numbers as with all rows at once, no array with all rows, a refusal where that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError, ChainruleError, UnsupportedError
from chainrule.plan import Request, build_plan, read_request
from chainrule.plan.chunking import CHUNK_OPS
from chainrule.targets.numpy import Step, compile_numpy
from plan.builders import PROGRAMS, draw, one_layer_rows, random_program

OUTPUTS = ["J", "∂J/∂W", "∂J/∂b1", "∂J/∂U", "∂J/∂b2"]
SIZES = {"N": 7, "D": 5, "H": 3, "K": 13, "T": 11}
VARIANTS: list[dict[str, bool]] = [{}, {"plain": True}, {"reuse_outputs": True}]


def equal(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> None:
    for name, value in want.items():
        finite = np.abs(value)[np.isfinite(value)]
        scale = float(finite.max()) if finite.size else 1.0
        np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-10 * scale)


def steady(value: np.ndarray, moved: np.ndarray) -> bool:
    """Whether a value is known to the digits that are compared: sin(1e9 x) is not, in whatever order sums are added."""
    return bool(np.all(~np.isfinite(value) | (np.abs(moved - value) <= 1e-11 * np.abs(value))))


def check_every_index(program: object, outputs: list[str], chosen: list[int], seed: int) -> int:
    arrays = draw(program, SIZES, seed)  # type: ignore[arg-type]
    loops = 0
    with np.errstate(all="ignore"):
        whole = compile_numpy(program, outputs)  # type: ignore[arg-type]
        want = {n: np.array(v) for n, v in whole(**arrays).items()}
        moved = whole(**{n: a * (1 + 4e-16) for n, a in arrays.items()})
        want = {n: v for n, v in want.items() if steady(v, np.asarray(moved[n]))}
        for chosen[0] in range(20):
            options = VARIANTS[chosen[0] % len(VARIANTS)]
            try:
                step = compile_numpy(program, outputs, chunk=3, **options)  # type: ignore[arg-type]
            except UnsupportedError:
                return loops
            assert step.plan.chunks is not None
            loops += len(step.plan.chunks.loops)
            for _ in range(2):  # the second call finds the memory of the first
                equal(step(**arrays), want)
            equal(compile_numpy(program, outputs, chunk=100, **options)(**arrays), want)  # type: ignore[arg-type]
    return loops


@pytest.mark.parametrize("block", range(4))
def test_random_programs_along_every_index(block: int, every_way: list[int]) -> None:
    """7 rows, three at a time: the last chunk has one; and all at once, where a chunk has more rows than there are."""
    loops = 0
    for seed in range(12 * block, 12 * block + 12):
        program = random_program(seed)
        loops += check_every_index(program, list(program.equations)[-3:], every_way, seed)
    assert loops > 20


def test_rows_of_a_diagonal_are_put_in_place(every_way: list[int]) -> None:
    """A diagonal has no memory of its own, which was asked for."""
    program = random_program(1192)
    assert check_every_index(program, list(program.equations)[-3:], every_way, 1192) >= 4


@pytest.mark.long
def test_many_random_programs_along_every_index(every_way: list[int]) -> None:
    for seed in range(1000, 1400):
        program = random_program(seed)
        check_every_index(program, list(program.equations)[-3:], every_way, seed)


@pytest.mark.parametrize("name", PROGRAMS)
def test_networks_along_every_index(name: str, every_way: list[int]) -> None:
    program = PROGRAMS[name]()
    outputs = [n for n in program.equations if not n.startswith("%")]
    assert check_every_index(program, outputs, every_way, 0) > 0


def memory_is_respected(step: Step) -> None:
    """A value that is read is still where it was written; nothing from outside a loop is overwritten in it."""
    plan = step.plan
    assert plan.chunks is not None
    holds: dict[int, object] = {}
    rounds = [range(first, last) for first, last in plan.chunks.loops]
    order: list[int] = []
    for place in range(len(plan.steps)):
        order.append(place)
        for loop in rounds:
            if place == loop[-1]:
                order += loop  # a second time round
    for place in order:
        node = plan.steps[place]
        for k, operand in enumerate(node.operands):
            seen = operand.node
            while seen.op in ("diagonal", "rows"):
                seen = seen.operands[0].node
            if seen in plan.block and not (node.op in ("accumulate", "put") and k == 0):
                assert holds[plan.block[seen].number] is seen
        if node in plan.block:
            holds[plan.block[node].number] = node
    for node in plan.outputs.values():
        if node.rank:
            assert holds[plan.block[node].number] is node


@pytest.mark.parametrize("reuse", [True, False])
def test_memory_of_random_programs(reuse: bool, every_way: list[int]) -> None:
    for seed in range(40):
        program = random_program(seed)
        outputs = list(program.equations)[-3:]
        for every_way[0] in range(20):
            try:
                memory_is_respected(compile_numpy(program, outputs, chunk=3, plain=not reuse))
            except UnsupportedError:
                break


def test_the_logits_of_a_vocabulary_are_never_held() -> None:
    """One loop over the samples: no block has both N and K, and no gradient needs another pass."""
    plan = build_plan(one_layer_rows(), OUTPUTS, chunk=read_request(512, None))
    assert plan.chunks is not None
    assert (plan.chunks.dim, plan.chunks.count, len(plan.chunks.loops)) == ("N", 512, 1)
    assert not any("N" in block.dims for block in plan.blocks)
    assert any("N" in dims and "K" in dims for dims, _ in plan.chunks.without)
    inside = {node.op for node in plan.steps[slice(*plan.chunks.loops[0])]}
    assert {"rows", "contract", "accumulate"} <= inside
    assert "put" not in inside
    assert not CHUNK_OPS & {node.op for node in build_plan(one_layer_rows(), OUTPUTS).steps}


def test_only_the_last_layer_is_gone_through_where_rows_meet_before() -> None:
    """Attention over all rows, then logits: queries, keys and the residual are whole, scores and logits are not."""
    net = cr.parse(
        """
        input X : N × D
        label Y : N × K, one-hot
        param A : D × D
        param B : D × D
        param U : D × K
        H = X + softmax(X A (X B)ᵀ) X
        Θ = H U
        J = mean(CE(Y, softmax(Θ)))
        """
    )
    derivation = net.derive(["A", "B", "U"])
    step = derivation.compile(chunk={"N": 3})
    for sizes in [block.dims for block in step.plan.blocks]:
        assert sizes.count("N") < 2
        assert not {"N", "K"} <= set(sizes)
    arrays = draw(net.program, SIZES)
    arrays["Y"] = np.eye(SIZES["K"])[np.arange(7) % SIZES["K"]]
    loss, gradients = derivation.compile()(**arrays)
    got_loss, got = step(**arrays)
    assert got_loss == pytest.approx(loss, rel=1e-12)
    equal(got, gradients)


def test_a_gradient_by_rows_is_written_where_it_belongs() -> None:
    net = cr.load("examples/one_layer_rows.net")
    derivation = net.derive(["W", "X"])
    step = derivation.compile(chunk=4, dtype="float32")
    assert "dX_rows = dX[start:stop]" in step.source
    assert "np.dot(Δ2, W.T, out=dX_rows)" in step.source
    assert "dX[start:stop] = Δ2 @ W.T" in derivation.compile(chunk=4, plain=True).source


@pytest.mark.parametrize("rows", [1, 4, 6, 11, 12, 1000])
def test_any_number_of_rows(rows: int) -> None:
    program = one_layer_rows()
    arrays = draw(program, SIZES | {"N": 11})
    want = compile_numpy(program, OUTPUTS[1:], loss="J")(**arrays)
    got = compile_numpy(program, OUTPUTS[1:], loss="J", chunk=rows)(**arrays)
    assert got[0] == pytest.approx(want[0], rel=1e-12)
    equal(got[1], want[1])


def test_memory_says_how_many_rows() -> None:
    program = one_layer_rows()
    step = compile_numpy(program, OUTPUTS[1:], loss="J", dtype="float32", memory="100kB")
    # two K, three H (one of them a mask) and one number for each row; parts of four gradients beside them
    fixed = 4 * (5 * 3 + 3 + 3 * 1000 + 1000)
    each = 4 * (2 * 1000 + 2 * 3 + 1) + 3
    report = step.memory_report(N=512, D=5, H=3, K=1000)
    assert f"{(100_000 - fixed) // each} rows at a time" in report
    assert "with all at once" in report
    with pytest.raises(ArrayError, match="not enough"):
        step.memory_report(N=512, D=5, H=3, K=10**6)
    arrays = {n: a.astype(np.float32) for n, a in draw(program, SIZES | {"K": 30000}).items()}
    with pytest.raises(MemoryError, match="not enough for a single row"):
        step(**arrays)


def test_the_workspace_stays_within_what_was_said() -> None:
    """Bytes of the arrays that the generated code really allocates."""
    program = one_layer_rows()
    step = compile_numpy(program, OUTPUTS[1:], loss="J", memory=50_000)
    arrays = draw(program, SIZES | {"N": 300, "K": 101})
    step(**arrays)
    held = step._run.__globals__["_memory"].held
    (blocks,) = held.values()
    total = sum(block.nbytes for block in blocks)
    assert 40_000 < total <= 50_000


def test_what_is_said() -> None:
    source = compile_numpy(one_layer_rows(), OUTPUTS[1:], loss="J", chunk=512).source
    assert "Goes through N in chunks of 512 rows." in source
    assert "(512, K)" in source
    step = compile_numpy(one_layer_rows(), OUTPUTS[1:], loss="J")
    assert step.memory_report(N=2, D=3, H=5, K=7).startswith("workspace")
    with pytest.raises(ArrayError, match="depends on K"):
        step.memory_report(N=2, D=3, H=5)


@pytest.mark.parametrize(
    ("text", "dim"),
    [
        ("param A : D × D, symmetric\nJ = logdet(A)", None),  # an operation on the whole matrix
        ("param x : D\nconst c : D\nJ = sum(x ∘ c)", None),  # nothing is held in any case
        ("input X : N × D\nparam w : D\nconst y : N\nJ = norm(X w - y)^2", "M"),  # no such index
    ],
)
def test_refused_where_nothing_is_saved(text: str, dim: str | None) -> None:
    derivation = cr.parse(text).derive()
    with pytest.raises(UnsupportedError, match="would save no memory"):
        derivation.compile(chunk=3 if dim is None else {dim: 3})


@pytest.mark.parametrize(
    "options", [{"chunk": 0}, {"chunk": True}, {"chunk": 2.5}, {"chunk": {"N": 2, "M": 3}}, {"memory": "much"},
                {"memory": "0MB"}, {"memory": "-3MB"}, {"chunk": 3, "memory": "1MB"}],
)  # fmt: skip
def test_requests_that_say_nothing(options: dict[str, object]) -> None:
    with pytest.raises(ChainruleError):
        cr.load("examples/one_layer_rows.net").derive(["W"]).compile(**options)


def test_requests() -> None:
    assert read_request(None, None) is None
    assert read_request({"N": 5}, None) == Request(5, None, "N")
    assert read_request(None, "1.5 MB") == Request(None, 1_500_000)
    assert read_request(None, "2MiB") == Request(None, 2 << 20)
    assert read_request(None, 4096) == Request(None, 4096)
