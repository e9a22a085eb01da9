"""Ordinary training loops: the examples with torch.optim and optax learn."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["train_torch.py", "train_jax.py"])
def test_an_example_learns_digits(name: str) -> None:
    if name == "train_jax.py":
        pytest.importorskip("optax")
    finished = subprocess.run(
        [sys.executable, EXAMPLES / name],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert finished.returncode == 0, finished.stderr
    losses = [float(number) for number in re.findall(r"loss ([\d.]+)", finished.stdout)]
    assert len(losses) == 8
    assert losses[-1] < 0.2
    (accuracy,) = re.findall(r"test accuracy ([\d.]+)", finished.stdout)
    assert float(accuracy) > 0.93
