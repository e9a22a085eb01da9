"""The catalogue of mistakes that people make in gradients: one record each, known both ways."""

from chainrule.check.mistakes import amount as _amount  # noqa: F401  (registers its records)
from chainrule.check.mistakes import chain as _chain  # noqa: F401
from chainrule.check.mistakes import shape as _shape  # noqa: F401
from chainrule.check.mistakes import sums as _sums  # noqa: F401
from chainrule.check.mistakes.records import MISTAKES, Change, Mistake, register

__all__ = ["MISTAKES", "Change", "Mistake", "register"]
