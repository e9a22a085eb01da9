"""x[x > 0]: entries that a mask says, whose number nobody knows. What is done to them is done under the mask.

NumPy gives a shorter array; here all entries stay, beside the mask. Elementwise operations keep it, sums and means
count only what the mask lets through, and x[m] *= 0.1 writes the result back where m is true. Anything that needs the
length or the order is refused. A function that has no value at an entry outside the mask, log of a negative number,
gives no number there: use np.where with a safe argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import UnsupportedError
from chainrule.tracing.array import Traced, make
from chainrule.tracing.sums import total
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, UFUNC_TABLE
from chainrule.tracing.ufuncs import number, over, times

__all__ = ["Picked"]

SUMMED = {np.sum: "sum", np.mean: "mean"}
HINT = "a mask as a factor, np.where, or whole numbers that are known"


class Picked(np.lib.mixins.NDArrayOperatorsMixin):
    """The entries of `whole` where `mask` is true."""

    def __init__(self, whole: Traced, mask: Traced) -> None:
        self.whole = whole
        self.mask = mask

    def refuse(self, what: str) -> UnsupportedError:
        """The error, with the user's line."""
        self.whole.refuse(f"{what} of entries that depend on values", HINT)

    def same_mask(self, mask: Traced) -> bool:
        """True where the other mask is this one."""
        return self.mask.axes == mask.axes and self.mask.expr == mask.expr

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        options.pop("out", None)  # x[m] *= 2: what is made is written back by the index
        if method != "__call__" or options or ufunc.__name__ not in UFUNC_TABLE or ufunc.__name__ == "matmul":
            self.refuse(f"np.{ufunc.__name__}")
        plain = []
        for value in inputs:
            if isinstance(value, Picked):
                if not self.same_mask(value.mask) or value.whole.axes != self.whole.axes:
                    self.refuse("an operation of two masks")
                plain.append(value.whole)
                continue
            if np.ndim(value):
                self.refuse("an operation with an array")
            plain.append(value)
        return Picked(getattr(ufunc, method)(*plain), self.mask)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in SUMMED and len(args) == 1 and not kwargs:
            return getattr(self, SUMMED[function])()
        return self.refuse(f"np.{function.__name__}")

    def sum(self) -> Traced:
        """Σ of what the mask lets through."""
        return total(times(self.whole, self._weights()))

    def mean(self) -> Traced:
        """That, by how many there are."""
        return over(self.sum(), total(self._weights()))

    def _weights(self) -> Traced:
        mask = number(self.mask)
        while len(mask.axes) < len(self.whole.axes):
            mask = mask[..., None]
        if mask.axes != self.whole.axes:
            mask = FUNCTION_TABLE[np.broadcast_to](mask, self.whole.axes)
        return mask

    def copy(self) -> Picked:
        """The same: nothing is written into it."""
        return Picked(make(self.whole, self.whole.expr, self.whole.axes), self.mask)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse(f".{name}")

    def __iter__(self) -> Any:
        return self.refuse("a loop over rows")

    def __len__(self) -> int:
        self.refuse("len()")
        return 0

    def __getitem__(self, key: Any) -> Any:
        return self.refuse("a part")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.refuse("a write into a copy")


METHODS["picked"] = Picked
