"""What chainrule knows of functions: records of elementwise primitives and of opaque operations."""

from chainrule.functions import constant as _constant  # noqa: F401
from chainrule.functions import elementwise as _elementwise  # noqa: F401  (registers its records)
from chainrule.functions import error_function as _error_function  # noqa: F401
from chainrule.functions import matrices as _matrices  # noqa: F401
from chainrule.functions import onehot as _onehot  # noqa: F401
from chainrule.functions import positions as _positions  # noqa: F401
from chainrule.functions import reductions as _reductions  # noqa: F401
from chainrule.functions import sequences as _sequences  # noqa: F401
from chainrule.functions import spectra as _spectra  # noqa: F401
from chainrule.functions import unknown as _unknown  # noqa: F401
from chainrule.functions.records import FUNCTIONS, Function, register

__all__ = ["FUNCTIONS", "Function", "register"]
