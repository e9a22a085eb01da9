"""The benchmark compares like with like: all contenders give the same loss and gradients."""

from __future__ import annotations

import pytest
from benchmarks.contenders import CONTENDERS
from benchmarks.network import SIZES, Size, data
from benchmarks.run import table
from benchmarks.timing import _arrays, _check_equal


@pytest.mark.parametrize("size", [SIZES["a"], Size(7, 13, 11, 5)], ids=str)
def test_contenders_agree(size: Size) -> None:
    results = {}
    for name, prepare in CONTENDERS.items():
        try:
            step = prepare(data(size))
        except ImportError:  # torch is not needed to use or to test the rest
            continue
        step()
        results[name] = _arrays(step())
    assert len(results) >= 4
    assert _check_equal(results) < 1e-5


def test_a_wrong_contender_is_found() -> None:
    arrays = data(SIZES["a"])
    results = {name: _arrays(CONTENDERS[name](arrays)()) for name in ("generated", "generated, plain")}
    loss, gradients = results["generated, plain"]
    results["generated, plain"] = loss, {**gradients, "b1": gradients["b1"] * 1.001}
    with pytest.raises(AssertionError, match="gives something else"):
        _check_equal(results)


def test_table() -> None:
    seconds = {"generated": [28e-6, 29e-6, 31e-6], "torch eager": [90e-6, 92.25e-6, 1e-4]}
    lines = table({"size": "a", "threads": 1, "seconds": seconds})
    assert lines[0] == "a: batch 1, 64-32-10, 1 thread"
    assert lines[1].split() == ["generated", "29", "µs", "28", "µs", "…", "31", "µs", "3.18", "×"]
