"""The C text under AddressSanitizer and UndefinedBehaviorSanitizer, on each program of the corpus.

Arrays are exactly as long as they must be, and the numbers that come out are the reference's: the code reads and writes
nothing else, and does nothing of which C says nothing. Long for all of the corpus; some of it always.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import UnsupportedError
from chainrule.sizes import value_of
from chainrule.targets.c_build import compiler
from chainrule.targets.c_source import CSource, c_source
from targets.corpus import Entry, corpus, entry, refused

FLAGS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-std=c99", "-Wall", "-Wextra",
         "-Wpedantic", "-Werror"]  # fmt: skip
SOME = corpus()[::37]

_MAIN = """
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **path)
{{
    const size_t n[] = {{{lengths}, 0}};
    double *a[{many} + 1];
    FILE *in = fopen(path[1], "rb"), *out = fopen(path[2], "wb");
    if (count != 3 || !in || !out)
        return 2;
    for (int k = 0; k < {many}; k++) {{
        a[k] = malloc(n[k] * sizeof(double));
        if (k < {inputs} && fread(a[k], sizeof(double), n[k], in) != n[k])
            return 3;
    }}
    {call}
    for (int k = {inputs}; k < {inputs} + {results}; k++)
        fwrite(a[k], sizeof(double), n[k], out);
    for (int k = 0; k < {many}; k++)
        free(a[k]);
    fclose(in);
    fclose(out);
    return 0;
}}
"""


def sizes_of(found: Entry, made: CSource) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name in made.plan.arguments:
        dims = found.program.variables[name].dims
        shape = np.asarray(found.arrays[name]).reshape([-1 if isinstance(d, str) else d for d in dims]).shape if (
            sum(isinstance(d, str) for d in dims) < 2) else np.shape(found.arrays[name])  # fmt: skip
        sizes |= {d: n for d, n in zip(dims, shape, strict=True) if isinstance(d, str)}
    return sizes


def sanitized(found: Entry, path: Path) -> None:
    made = c_source(found.program, found.outputs, dtype="float64")
    sizes = sizes_of(found, made)
    dims = [found.program.variables[n].dims for n in (*made.plan.arguments, *made.results)]
    lengths = [str(int(np.prod([value_of(d, sizes) for d in shape]))) for shape in dims]
    numbers = [str(sizes[d]) for d in made.sizes]
    work = f"{made.function}_workspace("
    if work in made.text:
        lengths.append(f"{work}{', '.join(numbers)})")
    inputs, results = len(made.plan.arguments), len(made.results)
    arguments = ", ".join([*numbers, *(f"a[{k}]" for k in range(len(lengths)))])
    main = _MAIN.format(
        lengths=", ".join(lengths) or "0", many=len(lengths), inputs=inputs, results=results,
        call=f"{made.function}({arguments});",
    )  # fmt: skip
    (path / "main.c").write_text(made.text + main, encoding="utf-8")
    given = [np.asarray(found.arrays[n], np.float64).ravel() for n in made.plan.arguments]
    (path / "in").write_bytes(b"".join(a.tobytes() for a in given))
    built = subprocess.run(
        [*compiler(), *FLAGS, str(path / "main.c"), "-o", str(path / "main"), "-lm"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if "cannot find" in built.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run(
        [str(path / "main"), str(path / "in"), str(path / "out")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, (ran.stderr[:4000], made.text)
    got = np.fromfile(path / "out", np.float64)
    expected = found.expected(found.arrays)
    position, compared = 0, 0
    keys = {}
    if found.derivation is not None:
        keys = {symbol: key for key, symbol in found.derivation.backward.gradients.items()} | {
            found.derivation.loss: "loss"
        }
    for name, shape in zip(made.results, dims[inputs:], strict=True):
        length = int(np.prod([value_of(d, sizes) for d in shape]))
        key = keys.get(name, "")
        if key in expected:
            want = np.asarray(expected[key], np.float64).ravel()
            scale = float(np.abs(want[np.isfinite(want)]).max(initial=1.0))
            compared += 1
            np.testing.assert_allclose(got[position : position + length], want, rtol=1e-8, atol=1e-9 * scale)
        position += length
    assert compared == results


@pytest.mark.parametrize("name", SOME)
def test_some_of_the_corpus(name: str, tmp_path: Path) -> None:
    sanitized(entry(name), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", corpus())
def test_all_of_the_corpus(name: str, tmp_path: Path) -> None:
    if refused("c", name):
        with pytest.raises(UnsupportedError):
            sanitized(entry(name), tmp_path)
    else:
        sanitized(entry(name), tmp_path)
