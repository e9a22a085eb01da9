"""What needs values: if x, float(x), x.item(). An array of known numbers gives them; a traced one refuses."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ChainruleError

__all__ = ["Valueless"]


class Valueless:
    """The part of a traced array that NumPy and Python ask for values."""

    @property
    def data(self) -> Any:
        """The numbers, where they are known; else None."""
        raise NotImplementedError

    def refusal(self, what: str, hint: str | None) -> ChainruleError:
        """An error with the user's line, to raise."""
        raise NotImplementedError

    def __bool__(self) -> bool:
        if self.data is not None:
            return bool(self.data)
        raise self.refusal("a traced array is neither true nor false: the code runs once", "np.where(x > 0, a, b)")

    def __float__(self) -> float:
        if self.data is not None:
            return float(self.data)
        raise self.refusal("a traced array has no value to turn into a number", "the array itself")

    def __int__(self) -> int:
        if self.data is not None:
            return int(self.data)
        raise self.refusal("a traced array has no value to turn into a whole number", "the array itself")

    def __index__(self) -> int:
        raise self.refusal("a traced array has no value to count or to index with", "whole numbers that are known")

    def __complex__(self) -> complex:
        raise self.refusal("a traced array has no value to turn into a number", "the array itself")

    def __round__(self, *_: Any) -> Any:
        raise self.refusal("round() of a traced array", "the array itself")

    def item(self, *at: Any) -> Any:
        """A number, where it is known."""
        if self.data is not None:
            return self.data.item(*at)
        raise self.refusal(".item() of a traced array: it has no values", "the array itself")

    def tolist(self) -> Any:
        """Numbers, where they are known."""
        if self.data is not None:
            return self.data.tolist()
        raise self.refusal(".tolist() of a traced array: it has no values", "the array itself")

    def __contains__(self, what: object) -> bool:
        if self.data is not None:
            return what in self.data
        raise self.refusal("a traced array is neither true nor false, so that nothing is found in it", None)
