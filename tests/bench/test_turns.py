"""The harness: contenders take turns in processes of their own, and what is wrong is said and not timed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from chainrule.bench.case import Case, Contender
from chainrule.bench.drawing import draw
from chainrule.bench.page import page
from chainrule.bench.record import Line, Outcome, Run
from chainrule.bench.table import amount, duration, markdown, rich_table, rows, summary
from chainrule.bench.turns import ASLEEP, judge, let_sleep, measure
from chainrule.errors import ChainruleError

CASE = Case(
    "t", "a test", "fake", "input x : N\nparam W : N × K\nJ = norm(Wᵀ x)^2\n", {"N": 3, "K": 5}, ("W",), seconds=0.1,
    turns=3,
)  # fmt: skip


def fake(name: str, kind: str = "peer", **options: object) -> Contender:
    return Contender(name, kind, f"bench.fakes:{name}", options=options)


def test_what_is_wrong_is_said_and_not_timed() -> None:
    there = [
        fake("right"), fake("wrong", "ours"), fake("bound", "bound"), fake("refusing"), fake("ending"),
        fake("stumbling"), Contender("absent", "peer", "bench.fakes:right", ("a_package_that_is_not_there",)),
    ]  # fmt: skip
    before = dict(os.environ)
    run = measure(CASE, there, 1)
    assert dict(os.environ) == before
    told = {line.name: line.excluded for line in run.lines}
    assert told["right"] == told["bound"] == ""
    assert "W differs from right's: relative difference 1.0e-03" in told["wrong"]
    assert told["refusing"] == "ValueError: no such network"
    assert told["ending"] == "its process ended with status 3"
    assert "cannot be read" in told["stumbling"]
    assert told["absent"] == "a_package_that_is_not_there is not installed"
    assert [line.name for line in run.timed()] != []
    assert {line.name for line in run.timed()} == {"right", "bound"}
    right = run.line("right")
    assert right is not None
    assert right.turns >= 3
    assert right.note == "threads 1, 1"
    assert right.low is not None
    assert right.high is not None
    assert right.median is not None
    assert 0 < right.low <= right.median <= right.high
    assert run.ours is None


def test_contenders_take_turns_in_another_order_each_round(tmp_path: Path) -> None:
    path = tmp_path / "log"
    names = "abc"
    contenders = [Contender(n, "peer", "bench.fakes:writing", options={"path": str(path), "name": n}) for n in names]
    run = measure(CASE, contenders, 2)
    turns = {line.turns for line in run.lines}
    assert len(turns) == 1
    (count,) = turns
    # each turn is two steps: one that wakes the threads, and the one that is timed
    rounds = path.read_text(encoding="utf-8")[-6 * count :]
    orders = [rounds[6 * k : 6 * k + 6 : 2] for k in range(count)]
    assert all(rounds[2 * k] == rounds[2 * k + 1] for k in range(3 * count))
    assert {"".join(sorted(order)) for order in orders} == {"abc"}
    assert [order[0] for order in orders] == [names[k % 3] for k in range(count)]
    assert all(line.median is not None and 0.03 <= line.median < 3 for line in run.lines)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not say which threads run here")
def test_nobody_begins_while_the_threads_of_another_spin() -> None:
    """A thread that looks for work for a while after a step, as those of a BLAS do, in a process that waits."""
    text = """
import sys, threading, time
def spin():
    print("spins", flush=True)
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        pass
threading.Thread(target=spin).start()
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.readline()
        start = perf_counter()
        let_sleep([process.pid])
        assert 0.4 < perf_counter() - start < ASLEEP + 0.5
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not account for memory here")
def test_memory_is_what_a_step_needs() -> None:
    run = measure(CASE, [fake("right"), fake("hungry", "ours")], 1)
    right, hungry = run.line("right"), run.line("hungry")
    assert right is not None
    assert hungry is not None
    assert right.peak is not None
    assert hungry.peak is not None
    assert right.peak < 20_000_000 < 58_000_000 < hungry.peak < 90_000_000


def test_judge() -> None:
    want = {"loss": 2.0, "W": np.array([[1.0, -4.0]]), "b": np.array([1e-9])}
    assert judge(want, want) == (0.0, "")
    assert judge(want, {**want, "W": np.array([1.0, -4.0])}) == (0.0, "")  # a row or a matrix of one row
    assert judge(want, {**want, "W": np.array([[1.0, -4.4]])}) == (pytest.approx(0.1), "W")
    assert judge(want, {"loss": 2.0}) == (float("inf"), "W")
    assert judge(want, {**want, "W": np.ones(3)}) == (float("inf"), "W")
    assert judge(want, {**want, "W": np.array([[np.nan, -4.0]])}) == (float("inf"), "W")
    assert judge(want, {**want, "b": np.array([3e-9])})[0] == pytest.approx(2.0)
    assert judge(want, {**want, "b": np.array([3e-9])}, ("b",))[0] < 1e-8


def outcome() -> Outcome:
    made = Outcome("2026-01-02T03:04:05+00:00", {"processor": "P", "cores": "2", "system": "S", "python": "3.11"})
    lines = [
        Line("numpy", "ours", 2e-5, 1.9e-5, 2.2e-5, 1.8e-5, 9, 0.3, 12_000_000, 1e-7),
        Line("c", "ours", 1e-5, 0.9e-5, 1.2e-5, 0.8e-5, 9, 0.5, 9_000, 1e-7, note="openblas"),
        Line("JAX jit", "peer", 3e-5, 2.9e-5, 3.1e-5, 2.8e-5, 9, 1.5, None, 0.0),
        Line("torch eager", "peer", excluded="W differs | a lot"),
        Line("products (c)", "bound", 0.9e-5, 0.9e-5, 0.9e-5, 0.9e-5, 9),
    ]
    made.runs.append(Run("a", "batch 1", 1, "float32", {"N": 1}, lines))
    slow = [Line("numpy", "ours", 2.0, 1.9, 2.5, 1.8, 3, 0.3), Line("JAX jit", "peer", 1.0, 0.9, 1.2, 0.8, 3)]
    made.runs.append(Run("f", "large", 2, "float32", {"N": 2}, slow))
    return made


def test_json_is_read_back_and_names_no_machine(tmp_path: Path) -> None:
    path = tmp_path / "new" / "outcome.json"
    outcome().save(path)
    assert Outcome.load(path) == outcome()
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {"schema", "when", "machine", "runs"}
    assert set(content["runs"][0]) == {"key", "title", "threads", "dtype", "sizes", "lines"}
    now = Outcome.now()
    assert {"processor", "cores", "python", "numpy", "torch"} <= set(now.machine)
    assert platform.node() not in [*now.machine.values()]
    path.write_text(json.dumps({**content, "schema": 99}), encoding="utf-8")
    with pytest.raises(ChainruleError, match="schema 99"):
        Outcome.load(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ChainruleError, match="no outcome"):
        Outcome.load(path)


def test_tables() -> None:
    first, _ = outcome().runs
    told = rows(first)
    assert [row.name for row in told] == ["products (c)", "c", "numpy", "JAX jit", "torch eager"]
    assert [row.ratio for row in told] == ["0.90", "1.00", "2.00", "3.00", ""]
    assert told[1].spread == "9.00 µs … 12.0 µs"
    assert told[2].peak == "12.0 MB"
    assert (told[4].median, told[4].remark) == ("—", "W differs | a lot")
    assert rich_table(first).row_count == 5
    text = "\n".join(markdown(first))
    assert "| **c** | 10.0 µs |" in text
    assert "W differs \\| a lot" in text
    head, a, f = summary(outcome())
    assert head == ["row", "threads", "generated", "", "JAX jit", "torch eager", "the products alone"]
    assert a == ["a: batch 1", "1", "10.0 µs", "c", "3.00 ×", "", "0.90 ×"]
    assert f == ["f: large", "2", "2.00 s", "numpy", "0.50 ×", "", ""]


def test_the_page_says_where_another_is_ahead() -> None:
    text = page(outcome(), "benchmarks.svg")
    assert "* f, 2 threads: JAX jit takes 0.50 of the time of numpy." in text
    assert "* a," not in text
    assert "](benchmarks.svg)" in text
    assert "2026-01-02 on 2 cores of P (S)" in text


def test_the_picture(tmp_path: Path) -> None:
    paths = [tmp_path / "p.svg", tmp_path / "p.png"]
    draw(outcome(), paths)
    root = ET.fromstring(paths[0].read_text(encoding="utf-8"))
    words = "".join(root.itertext())
    for word in ("a: batch 1", "f: large, 2 threads", "JAX jit", "the products alone", "generated, the fastest target"):
        assert word in words
    assert "torch eager" not in words  # it was excluded
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    again = tmp_path / "again.svg"
    draw(outcome(), [again])
    assert again.read_bytes() == paths[0].read_bytes()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5.4e-7, "0.54 µs"), (2.912e-5, "29.1 µs"), (9.999e-4, "1.00 ms"), (0.1234, "123 ms"), (2.314, "2.31 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_amounts() -> None:
    assert [amount(x) for x in (17, 9_000, 412e6, 1.66e9)] == ["17 B", "9.00 kB", "412 MB", "1.66 GB"]
