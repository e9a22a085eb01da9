"""What is timed computes the same: every contender of every row, at small sizes, in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.bench.case import Case, Contender
from chainrule.bench.cases import CASES, ONE_LAYER, choose, everyone, with_data
from chainrule.bench.ours import products
from chainrule.bench.peers import every_peer
from chainrule.bench.turns import judge
from chainrule.bench.user import user_case
from chainrule.cli import app
from chainrule.errors import ChainruleError, UnsupportedError

SMALL = {
    "N": 7, "D_x": 13, "D_h": 11, "N_c": 5, "D": 6, "H": 3, "K": 5, "B": 2, "T": 7, "d": 2,
}  # fmt: skip
COMPILERS = ("torch.compile", "PyTensor")  # take up to a minute to compile; compared when the benchmark runs


def small(case: Case) -> Case:
    sizes = {name: SMALL[name] for name in case.sizes}
    options = dict(case.options)
    if case.model == "training":
        options |= {"batch": 7, "epochs": 2}
        sizes["N"] = 21
    return replace(case, sizes=sizes, options=options, chunk=None if case.chunk is None else 3)


def agree(case: Case, contenders: list[Contender]) -> int:
    results = {}
    for contender in contenders:
        if contender.missing or contender.name in COMPILERS:
            continue
        try:
            ready = contender.prepare(case, case.arrays(), 1)
        except UnsupportedError:
            assert contender.options["target"] != "numpy" or contender.kind == "bound"
            continue  # the table says so
        ready.run()
        result = ready.run()
        if ready.values is not None:
            results[contender.name] = {n: np.array(v) for n, v in ready.values(result).items()}
    first = next(c.name for c in contenders if c.kind == "peer" and c.name in results)
    for name, found in results.items():
        assert set(found) == set(results[first]), name
        assert judge(results[first], found, case.options.get("zero", ()))[0] < 5e-5, name
    return len(results)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch.func's own
@pytest.mark.parametrize("key", [case.key for case in CASES if case.key not in "bcde"])
def test_contenders_agree(key: str) -> None:
    (case,) = choose([key])
    assert agree(small(case), everyone(small(case))) >= 2


@pytest.mark.parametrize("sizes", [(13, 11, 5), (4, 16, 8), (3, 2, 2)])
def test_loops_by_hand_for_one_sample(sizes: tuple[int, int, int]) -> None:
    (case,) = choose(["b"])
    case = replace(case, sizes={"N": 1, **dict(zip(("D_x", "D_h", "N_c"), sizes, strict=True))})
    assert agree(case, everyone(case, ("numpy",), ("C by hand", "NumPy by hand"))) == 3
    assert "C by hand" not in {c.name for c in everyone(small(case))}


def test_a_network_of_ones_own() -> None:
    path = Path("examples/attention.net")
    network = cr.load(path)
    case = user_case(
        network, path.read_text(encoding="utf-8"), "attention", {"N": 3, "M": 5}, wrt=("Q", "V"), dtype="float64",
        threads=(1,), chunk=None, dialect="whiteboard",
    )  # fmt: skip
    assert case.sizes == {"N": 3, "d": 128, "M": 5, "e": 128}
    assert case.title == "attention, N = 3, d = 128, M = 5, e = 128"
    assert agree(case, everyone(case, ("numpy", "torch"), ("autograd", "torch"))) == 4


def test_every_row_has_a_generated_step_and_a_judge() -> None:
    for case in CASES:
        kinds = {contender.kind for contender in everyone(case)}
        assert {"ours", "peer"} <= kinds, case.key
    assert {"torch eager", "torch.compile", "JAX jit", "PyTensor", "Numba by hand", "autograd", "NumPy by hand"} <= {
        contender.name for contender in everyone(CASES[0])
    }
    names = [case.key for case in CASES]
    assert len(names) == len(set(names))


def test_choice() -> None:
    assert [case.key for case in choose(["c", "a"])] == ["a", "c"]
    assert len(choose([])) == len(CASES)
    with pytest.raises(UnsupportedError, match="no row z"):
        choose(["z"])
    with pytest.raises(UnsupportedError, match="no target numby"):
        everyone(CASES[0], ("numby",))
    with pytest.raises(UnsupportedError, match="no peer tensorflow"):
        everyone(CASES[0], (), ("tensorflow",))
    assert {c.name for c in everyone(CASES[0], ("numpy",), ("torch",)) if c.kind == "peer"} == {
        "torch eager", "torch.compile",
    }  # fmt: skip
    assert all(not c.needs or isinstance(c.needs[0], str) for c in every_peer())


def test_the_products_are_those_of_the_step() -> None:
    """The five products of the note's network, of the right sizes, and no more."""
    case = replace(small(CASES[0]), text=ONE_LAYER)
    ready = products(case, case.arrays(), 1, "numpy")
    shapes = sorted(value.shape for value in ready.run().values())
    assert shapes == sorted([(7, 11), (7, 5), (7, 11), (13, 11), (11, 5)])
    chunked = replace(case, chunk=3)
    ready = products(chunked, chunked.arrays(), 1, "numpy")
    assert ready.share == pytest.approx(3 / 7)
    assert sorted(v.shape for v in ready.run().values()) == sorted([(3, 11), (3, 5), (3, 11), (13, 11), (11, 5)])


def test_training_on_data_is_judged_by_accuracy(tmp_path: Path) -> None:
    """Two classes that lie apart: every contender learns them, and the table has the share of test samples."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 84)
    X = (rng.normal(size=(84, 6)) + 4 * y[:, None]).astype(np.float32)
    Y = np.eye(2, dtype=np.float32)[y]
    np.savez(tmp_path / "d.npz", X=X[:63], Y=Y[:63], X_test=X[63:], Y_test=Y[63:])
    (case,) = choose(["training"])
    case = with_data(replace(case, options={**case.options, "batch": 7, "epochs": 5}), str(tmp_path / "d.npz"))
    assert (case.sizes["N"], case.sizes["D_x"], case.sizes["N_c"]) == (63, 6, 2)
    assert "63 samples of 6, 21 to test on" in case.title
    found = {}
    for contender in everyone(case, ("c", "numpy")):
        ready = contender.prepare(case, case.arrays(), 1)
        assert ready.values is not None
        found[contender.name] = ready.values(ready.run())["accuracy"]
    assert len(found) == 4
    assert min(found.values()) == max(found.values()) > 0.95


def test_several_threads_are_for_those_who_use_them() -> None:
    (case,) = choose(["c"])
    alone, both = ({c.name for c in everyone(case, threads=n)} for n in (1, 2))
    assert alone - both == {"autograd", "PyTensor", "Numba by hand", "NumPy by hand"}
    assert "autograd" in {c.name for c in everyone(case, (), ("autograd",), 2)}


def test_data() -> None:
    arrays = small(choose(["gpt2_block"])[0]).arrays()
    assert arrays["M"][0, 1] == -1e9
    assert arrays["M"][1, 0] == 0
    for case in map(small, CASES):
        first, second = case.arrays(), case.arrays()
        assert first.keys() == second.keys()
        assert all((first[n] == second[n]).all() and first[n].dtype == np.float32 for n in first)


def test_the_command(tmp_path: Path) -> None:
    """A file in, a table on the terminal, data, a page and its pictures out; then all of these from the data."""
    path, written = tmp_path / "o.json", tmp_path / "b.md"
    arguments = [
        "bench", "examples/one_layer_rows.net", "--sizes", "N=7,D_x=13", "--size", "D_h=11", "--size", "N_c=5",
        "--quick", "--targets", "numpy", "--peers", "autograd", "--json", str(path), "--write", str(written),
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "N = 7, D_x = 13, N_c = 5, D_h = 11" in done.output
    content = json.loads(path.read_text(encoding="utf-8"))
    assert [line["name"] for line in content["runs"][0]["lines"]] == ["numpy", "products (numpy)", "autograd"]
    assert not any(line["excluded"] for line in content["runs"][0]["lines"])
    assert written.read_text(encoding="utf-8").startswith("# Benchmarks")
    assert written.with_suffix(".svg").exists()
    picture = tmp_path / "p.png"
    again = CliRunner().invoke(app, ["bench", "--from", str(path), "--picture", str(picture)])
    assert again.exit_code == 0, again.output
    assert "autograd" in again.output
    assert picture.exists()


@pytest.mark.parametrize(
    "arguments", [["--picture", "p.gif"], ["--threads", "many"], ["--only", "zz"], ["--from", "nowhere.json"],
                  ["examples/one_layer.net", "--targets", "fortran"]],
)  # fmt: skip
def test_what_it_refuses(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(done.exception, ChainruleError)
