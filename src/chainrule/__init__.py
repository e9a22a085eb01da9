"""chainrule: every gradient of a network, in closed matrix form, checked and compiled.

>>> import chainrule as cr
>>> net = cr.parse("input x : D\\nparam W : K × D\\nz = W x\\nJ = norm(z)^2 / 2")
>>> print(net.derive().gradients["W"].text)
z xᵀ
"""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.api import load, parse
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
    from chainrule.check import check, check_function

__version__ = "0.1.0"

__all__ = [
    "ArrayError",
    "ChainruleError",
    "ChainruleWarning",
    "DimensionError",
    "LanguageError",
    "UnknownNameError",
    "UnsupportedError",
    "__version__",
    "check",
    "check_function",
    "load",
    "parse",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for, so that `import chainrule` stays light."""
    if name in ("check", "check_function"):
        module = importlib.import_module("chainrule.check")
        globals()[name] = getattr(module, name)
        return globals()[name]
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
