"""Several threads do one step: the same numbers, no races, and nobody waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.algebra.program import Program
from chainrule.targets import c_glue
from chainrule.targets.c import compile_c
from chainrule.targets.c_build import compiler
from chainrule.targets.c_source import c_source
from plan.builders import PROGRAMS, SIZES, draw, one_layer_rows, random_program

PARAMETERS = ["∂J/∂W", "∂J/∂b1", "∂J/∂U", "∂J/∂b2"]


@pytest.fixture(autouse=True)
def _however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_glue, "LEAST", 0)


def same(program: Program, outputs: list[str], seed: int = 0, threads: int = 3, **options: object) -> bool:
    """The values by several threads are those of one; False where the program is not divided."""
    step = compile_c(program, outputs, dtype="float64", threads=threads, **options)  # type: ignore[arg-type]
    if not step._made.work:
        return False
    arrays = draw(program, SIZES, seed)
    with np.errstate(all="ignore"):
        want = compile_c(program, outputs, dtype="float64", **options)(**arrays)  # type: ignore[arg-type]
        for _ in range(3):
            got = step(**arrays)
            for name, value in want.items():
                finite = np.abs(value)[np.isfinite(value)]
                scale = float(finite.max()) if finite.size else 1.0
                np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-10 * scale)
    return True


def outputs_of(program: Program) -> list[str]:
    return [n for n in program.equations if not n.startswith("%")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_networks(name: str) -> None:
    program = PROGRAMS[name]()
    same(program, outputs_of(program))
    sizes = {d: SIZES[d] for v in program.variables.values() for d in v.dims if isinstance(d, str)}
    same(program, outputs_of(program), threads=2, sizes=sizes)


def test_most_networks_are_divided() -> None:
    found = {n: bool(c_source(PROGRAMS[n](), outputs_of(PROGRAMS[n]()), threads=2).work) for n in PROGRAMS}
    assert found["one_layer_rows"]
    assert found["attention"]
    assert sum(found.values()) > len(found) / 2, found


def test_random_programs() -> None:
    divided = [same(random_program(seed), list(random_program(seed).equations)[-3:], seed) for seed in range(5)]
    assert sum(divided) > 2


@pytest.mark.long
def test_many_random_programs() -> None:
    for seed in range(100, 250):
        program = random_program(seed)
        same(program, list(program.equations), seed, threads=2 + seed % 3)


def test_a_program_of_single_numbers_is_done_by_one() -> None:
    """There is nothing to divide; the code waited for a team that nobody gave it."""
    derivation = cr.parse("param a : scalar\nparam b : scalar\nJ = a b + tanh(a)").derive()
    loss, gradients = derivation.compile("c", threads=3, dtype="float64", blas="none")(a=2.0, b=5.0)
    assert loss == pytest.approx(10 + np.tanh(2), rel=1e-14)
    assert gradients["b"] == 2.0


def test_chunks() -> None:
    for options in ({"chunk": 3}, {"memory": "3kB"}):
        assert same(one_layer_rows(), ["J", *PARAMETERS], **options)


# -- races -----------------------------------------------------------------------------------------------------------

_RACES = """
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
enum {{ TEAM = {threads} }};
static pthread_barrier_t gate;
static {real} *a[40];
static void meet(const struct team *team) {{ (void)team; pthread_barrier_wait(&gate); }}
static void *work(void *number)
{{
    const struct team mine = {{ (size_t)number, TEAM, meet }};
    const struct team *team = &mine;
    {call}
    return NULL;
}}
int main(void)
{{
    size_t n[{count}] = {{{numbers}}};
    unsigned state = 1;
    pthread_barrier_init(&gate, NULL, TEAM);
    for (int k = 0; k < {count}; k++) {{
        a[k] = malloc(n[k] * sizeof({real})); /* exactly as long as it must be */
        for (size_t i = 0; i < n[k]; i++) {{
            state = state * 1664525u + 1013904223u;
            a[k][i] = ({real})(state >> 8) / 8388608 - 1;
        }}
    }}
    pthread_t threads[TEAM];
    for (size_t k = 0; k < TEAM; k++)
        pthread_create(&threads[k], NULL, work, (void *)k);
    for (size_t k = 0; k < TEAM; k++)
        pthread_join(threads[k], NULL);
    return 0;
}}
"""


def raced(program: Program, outputs: list[str], path: Path, kind: str, threads: int = 3, waits: bool = True,
          **options: object) -> bool:  # fmt: skip
    """Run once under a sanitizer, by real threads that meet at a real barrier."""
    made = c_source(program, outputs, threads=threads, **options)  # type: ignore[arg-type]
    if not made.work:
        return False
    real = "float" if made.dtype == "float32" else "double"
    dims = [program.variables[n].dims for n in (*made.plan.arguments, *made.results)]
    texts = [str(int(np.prod([SIZES[d] if isinstance(d, str) else d for d in shape]))) for shape in dims]
    numbers = [str(SIZES[d]) for d in made.sizes]
    work = f"{made.function}_workspace("
    if work in made.text:
        texts.append(f"{work}{', '.join(numbers)})")
    arguments = ", ".join([*numbers, *(f"a[{k}]" for k in range(len(texts))), "team"])
    main = _RACES.format(
        real=real, threads=threads, count=len(texts), numbers=", ".join(texts), call=f"{made.function}({arguments});"
    )
    source = path / "main.c"
    text = made.text if waits else made.text.replace("team->wait(team);", ";")
    source.write_text(text + main, encoding="utf-8")
    flags = ["-g", "-O1", f"-fsanitize={kind}", "-fno-sanitize-recover=all", "-std=gnu99", "-pthread"]
    built = subprocess.run(
        [*compiler(), *flags, str(source), "-o", str(path / "main"), "-lm"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if "cannot find" in built.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(path / "main")], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, (ran.stderr[:3000], made.text)
    return True


@pytest.mark.parametrize("kind", ["thread", "address,undefined"])
def test_no_races(kind: str, tmp_path: Path) -> None:
    for name in ("one_layer_rows", "attention"):
        assert raced(PROGRAMS[name](), outputs_of(PROGRAMS[name]()), tmp_path, kind)
    assert raced(one_layer_rows(), ["J", *PARAMETERS], tmp_path, kind, chunk=3)


def test_a_race_is_seen(tmp_path: Path) -> None:
    """Without its waits the step has races, and the test above sees them."""
    outputs = ["J", *PARAMETERS]
    assert c_source(one_layer_rows(), outputs, threads=3).text.count("team->wait(team);") >= 2
    with pytest.raises(AssertionError, match="data race"):
        raced(one_layer_rows(), outputs, tmp_path, "thread", waits=False)


@pytest.mark.long
def test_no_races_in_any_program(tmp_path: Path) -> None:
    for name in PROGRAMS:
        raced(PROGRAMS[name](), outputs_of(PROGRAMS[name]()), tmp_path, "thread")
    for seed in range(60):
        program = random_program(seed)
        raced(program, list(program.equations), tmp_path, "thread", threads=2 + seed % 2)


# -- the pool --------------------------------------------------------------------------------------------------------


def step_and_arrays(seed: int) -> tuple[object, dict[str, np.ndarray]]:
    step = compile_c(one_layer_rows(), PARAMETERS, loss="J", threads=2)
    arrays = draw(one_layer_rows(), {"N": 90, "D": 150, "H": 80, "K": 11}, seed)
    return step, {name: array.astype(np.float32) for name, array in arrays.items()}


@pytest.mark.parametrize("shared", [True, False], ids=["one step", "two steps"])
def test_two_threads_call_at_once(shared: bool) -> None:
    """Who finds the pool busy does it alone: the numbers differ by rounding only."""
    first, second = step_and_arrays(1), step_and_arrays(2)
    steps = [first[0], first[0] if shared else second[0]]
    inputs = [first[1], second[1]]
    expected = [steps[0](**i) for i in inputs]  # type: ignore[operator]
    wrong: list[str] = []

    def work(number: int) -> None:
        for _ in range(60):
            loss, gradients = steps[number](**inputs[number])  # type: ignore[operator]
            if abs(loss - expected[number][0]) > 1e-5 * abs(loss):
                wrong.append("loss")
            wrong.extend(
                n for n, a in gradients.items() if not np.allclose(a, expected[number][1][n], rtol=1e-3, atol=1e-6)
            )

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_after_fork_has_threads_of_its_own() -> None:
    """In a process of its own, whose other libraries do not mind."""
    text = (
        "import os, sys\nimport numpy as np\nimport chainrule as cr\nfrom chainrule.targets import c_glue\n"
        "c_glue.LEAST = 0\n"
        "net = cr.parse('param A : N × K\\nparam B : K × M\\nJ = norm(A B)^2')\n"
        "step = net.derive().compile('c', threads=2, dtype='float64')\n"
        "arrays = dict(A=np.ones((5, 3)), B=np.ones((3, 7)))\n"
        "first = step(**arrays)[0]\nchild = os.fork()\n"
        "if not child:\n    os._exit(0 if step(**arrays)[0] == first == 315.0 else 1)\n"
        "assert step(**arrays)[0] == first\nsys.exit(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_other_numbers_of_threads_in_one_process() -> None:
    program = one_layer_rows()
    arrays = {n: a.astype(np.float32) for n, a in draw(program, SIZES, 0).items()}
    steps = [compile_c(program, PARAMETERS, loss="J", threads=n) for n in (2, 5, 1, 3, 2)]
    losses = [step(**arrays)[0] for step in steps + steps]
    np.testing.assert_allclose(losses, losses[2], rtol=1e-5)


def test_what_runs_several_threads_is_said() -> None:
    net = cr.parse("param A : N × K\nJ = norm(A)^2")
    assert "struct team" in net.derive().compile("c", threads=2).source
    assert "struct team" not in net.derive().compile("c").source
