"""Every target on every program: equal to the reference, or refused for a word that the target is listed to lack.

In the default run the quick targets compute all of them and the others a sample; `-m long` has all.
CHAINRULE_GOLDEN=write writes the list of what targets lack anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import UnsupportedError
from chainrule.targets import registry
from targets.corpus import corpus, entry, refused

QUICK = ("numpy", "torch")
GOLDEN = Path(__file__).parent / "golden" / "coverage.txt"
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
LOOPS = {"loop/lstm over a batch", "loop/gru", "loop/both_ways over a batch", "loop/scalar", "loop/two steps back"}
SAMPLE = {name for k, name in enumerate(corpus()) if k % 17 == 0 or name.startswith("extra")} | LOOPS


def pairs() -> list[object]:
    return list(_pairs())


def _pairs():  # type: ignore[no-untyped-def]
    for target in registry.names():
        for k, name in enumerate(corpus()):
            for dtype in TOLERANCE:
                kept = target in QUICK or (name in SAMPLE and dtype == ("float64", "float32")[k % 2])
                yield pytest.param(target, name, dtype, marks=[] if kept else [pytest.mark.long])


@pytest.mark.parametrize(("target", "name", "dtype"), pairs())
def test_values_are_the_references(target: str, name: str, dtype: str) -> None:
    record = registry.find(target)
    if record.missing:
        pytest.skip(f"{record.missing[0]} is not installed")
    found = entry(name)
    lacking = refused(target, name)
    if lacking:
        with pytest.raises(UnsupportedError):
            found.compile(target, dtype)
        return
    arrays = {key: np.asarray(value, dtype) for key, value in found.arrays.items()}
    wanted = found.expected({key: value.astype(np.float64) for key, value in arrays.items()})
    got = found.compile(target, dtype)(**arrays)
    assert got.keys() == wanted.keys()
    for key, value in wanted.items():
        result = np.asarray(got[key])
        assert not result.ndim or result.dtype == dtype
        scale = max(1.0, float(np.abs(value).max(initial=0.0)))
        assert np.isfinite(value).all()
        np.testing.assert_allclose(
            result.reshape(np.shape(value)), value, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=f"{name}: {key}"
        )


def test_a_sum_over_many_loops_keeps_its_digits() -> None:
    """A sum over the five axes of a convolution: terms of both signs, a hundred thousand of them."""
    found = entry("library/conv3d")
    arrays = {key: np.asarray(value, np.float32) for key, value in found.arrays.items()}
    wanted = float(found.expected({key: value.astype(np.float64) for key, value in arrays.items()})["loss"])
    got = float(found.compile("c", "float32")(**arrays)["loss"])
    assert abs(got - wanted) < 2e-6 * abs(wanted)


def test_what_targets_lack_is_known() -> None:
    lines = []
    for target in registry.names():
        lines.append(target)
        lines += [f"  lacks {word}" for word in registry.find(target).lacks]
        lines += [
            f"  refuses {name}: {', '.join(sorted(words))}" for name in corpus() if (words := refused(target, name))
        ]
    held = set().union(*(entry(name).words for name in corpus()))
    lines.append("compared nowhere, since no program has it (tests/targets/extras.py may)")
    lines += [f"  {kind} {word}" for kind, word in registry.vocabulary() if (kind, word) not in held]
    text = "\n".join(lines) + "\n"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), "CHAINRULE_GOLDEN=write pytest tests/targets/test_coverage.py"
