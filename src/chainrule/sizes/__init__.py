"""Sizes that are worked out from others: N + M of a concatenation, H d of a reshape, (n − k)//s + 1 of a convolution.

A size is a whole number, a symbol, or an expression in symbols, which is a text in one canonical form ("N + M",
"H*d", "(n - 3)//2 + 1"), so two sizes are equal where their texts are. `polynomials` has that form, `arithmetic` adds
and divides, `proofs` has inequalities for all sizes from 1, `solving` finds symbols, `wording` writes sizes for readers
and for code.
"""

from chainrule.sizes.arithmetic import minus, plus, quotient, renamed, symbols_of, times, value_of, with_derived
from chainrule.sizes.polynomials import Polynomial, is_derived, polynomial, spelled
from chainrule.sizes.proofs import never_negative
from chainrule.sizes.solving import linear, settle, solved
from chainrule.sizes.wording import spoken, written

__all__ = [
    "Polynomial",
    "is_derived",
    "linear",
    "minus",
    "never_negative",
    "plus",
    "polynomial",
    "quotient",
    "renamed",
    "settle",
    "solved",
    "spelled",
    "spoken",
    "symbols_of",
    "times",
    "value_of",
    "with_derived",
    "written",
]
