"""chainrule: every gradient of a network, in closed matrix form, checked and compiled.

>>> import chainrule as cr
>>> net = cr.parse("input x : D\\nparam W : K × D\\nz = W x\\nJ = norm(z)^2 / 2")
>>> print(net.derive().gradients["W"].text)
z xᵀ
"""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.api import load, parse, trace
from chainrule.errors import (
    ArrayError,
    ChainruleError,
    ChainruleWarning,
    DimensionError,
    LanguageError,
    UnknownNameError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from chainrule.book import Identity
    from chainrule.check import check, check_function
    from chainrule.explanation.entries import identities, register_identity

__version__ = "0.1.0"

LAZY = {  # what is imported when it is first asked for, and where it stands
    "Identity": "chainrule.book",
    "check": "chainrule.check",
    "check_function": "chainrule.check",
    "identities": "chainrule.explanation.entries",
    "register_identity": "chainrule.explanation.entries",
}

__all__ = [
    "ArrayError",
    "ChainruleError",
    "ChainruleWarning",
    "DimensionError",
    "Identity",
    "LanguageError",
    "UnknownNameError",
    "UnsupportedError",
    "__version__",
    "check",
    "check_function",
    "identities",
    "load",
    "parse",
    "register_identity",
    "trace",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for, so that `import chainrule` stays light."""
    if name in LAZY:
        globals()[name] = getattr(importlib.import_module(LAZY[name]), name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
