"""Is my formula right? Claims about gradients in the user's own writing, checked and explained.

`check` takes formulas, `check_function` takes code. The verdict is a `Check`. The package is callable itself, so that
`chainrule.check(…)` means the same whether or not anything else has imported it before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from chainrule.check.claims import check_claims
from chainrule.check.context import context_of
from chainrule.check.reading import read_claims
from chainrule.check.result import Check
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["Check", "check", "check_function"]

LAYOUTS = (None, "numerator", "shape")


def check(net: Network, claim: str, layout: str | None = None, dialect: str = "whiteboard") -> Check:
    """Is a claim about a derivative of this network right, and if not, why not?

    claim: "dJ/dW = δ2ᵀ xᵀ", in the network's names, with its error signals δ₁, δ₂, … and derivatives such as ∂θ/∂h
    as factors; a chain A = B = C is checked link by link, several lines are checked line by line, and may define names.
    layout: numerator or shape, where the claim must be right in that one; None where it may be right in either.

    Values are compared in float64 at random points. Raises ChainruleError where the claim cannot be read.
    """
    if layout not in LAYOUTS:
        raise ChainruleError(f"there is no layout {layout!r}", "numerator, shape, or None for either")
    context = context_of(net)
    return check_claims(context, read_claims(context, claim, dialect), layout)


def check_function(
    net: Network, f: Callable[..., Any], wrt: str | Sequence[str] | None = None, layout: str | None = None
) -> Check:
    """Is a Python function the gradient of the loss, and if not, why not?

    f: takes those arrays that it names as its parameters (x, W, y_hat, delta1 …), in float64, a column and a row with
    one axis (or, if it cannot use these, shaped as on paper); returns an array, a tuple in the order of `wrt`, or
    {name: array}. wrt: by default all parameters. layout: as in `check`.
    Raises ChainruleError where f cannot be called or returns something else.
    """
    if layout not in LAYOUTS:
        raise ChainruleError(f"there is no layout {layout!r}", "numerator, shape, or None for either")
    from chainrule.check.functions import check_function as run

    return run(net, f, wrt, layout)


class _Callable(ModuleType):
    """A module that is its main function as well."""

    def __call__(self, net: Network, claim: str, layout: str | None = None, dialect: str = "whiteboard") -> Check:
        return check(net, claim, layout, dialect)


sys.modules[__name__].__class__ = _Callable
