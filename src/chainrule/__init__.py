"""chainrule: every gradient of a network, in closed matrix form, checked and compiled.

>>> import chainrule as cr
>>> net = cr.parse("input x : D\\nparam W : K × D\\nz = W x\\nJ = norm(z)^2 / 2")
>>> print(net.derive().gradients["W"].text)
z xᵀ
"""

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
    "load",
    "parse",
]
