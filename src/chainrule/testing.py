"""For other people's test suites: is a hand-written gradient right?

    from chainrule.testing import assert_gradient

    def test_backward():
        assert_gradient("one_layer.net", {"W": grad_W, "b1": grad_b1})

A wrong gradient fails the test with the reason: a transpose, a factor 1/N, a missing relu′(z).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule import api
from chainrule.check.functions import TOLERANCE, check_function
from chainrule.check.result import Check
from chainrule.errors import ChainruleError
from chainrule.network import Network

__all__ = ["assert_gradient"]


def assert_gradient(
    net: Network | str | os.PathLike[str],
    f: Callable[..., Any] | Mapping[str, Callable[..., Any]],
    wrt: str | Sequence[str] | None = None,
    *,
    layout: str | None = "shape",
    rtol: float = TOLERANCE,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> None:
    """Fail unless a function gives the gradient of a network's loss.

    net: a network, its text, or the path of its file.
    f: {name: function}, one for each gradient, or one function for all (see `chainrule.check_function`, which says
    how it is called). wrt: what the one function is the gradient by; by default all parameters.
    layout: shape (the gradient has the shape of the parameter), numerator, or None for either.
    rtol: relative to the largest entry. seed, sizes: of the random points; sizes such as {"N": 4}.

    The function is called in float64; the comparison runs in float64. Raises AssertionError with the diagnosis, and
    ChainruleError where the network or the function cannot be used.
    """
    __tracebackhide__ = True  # pytest shows the line of the test, not this one
    network = _network(net)
    failed = []
    for name, function in f.items() if isinstance(f, Mapping) else [(None, f)]:
        check = check_function(network, function, wrt if name is None else name, layout, rtol, seed, sizes)
        if not check.ok:
            failed.append(check)
    if failed:
        raise AssertionError(_message(network, failed))


def _network(net: Network | str | os.PathLike[str]) -> Network:
    if isinstance(net, Network):
        return net
    if isinstance(net, os.PathLike):
        return api.load(net)
    if "=" in net or "\n" in net:
        return api.parse(net)
    if not Path(net).is_file():
        raise ChainruleError(f"{net} is neither a file nor a network", "the path of a network, or its text")
    return api.load(net)


def _message(net: Network, failed: list[Check]) -> str:
    title = f" of {net.title}" if net.title else ""
    many = f"{len(failed)} gradients{title} are" if len(failed) > 1 else f"a gradient{title} is"
    return "\n".join([f"{many} not right (checked in float64)", *map(str, failed)])
