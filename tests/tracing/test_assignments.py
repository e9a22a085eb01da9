"""Whole functions from courses and repositories: the network is the function, its gradient the slope."""

import numpy as np
import pytest

from traced_functions import agrees
from tracing.assignments import CASES


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_like_numpy(name):
    function, given = CASES[name]
    arrays = {k: v for k, v in given.items() if isinstance(v, np.ndarray) and v.dtype.kind == "i"}
    shapes = {k: v if isinstance(v, tuple) else v.shape for k, v in given.items()}
    agrees(function, shapes, {k: int(v.max()) + 1 for k, v in arrays.items()}, points=1)
