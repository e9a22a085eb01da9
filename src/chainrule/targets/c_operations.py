"""Operations on whole arrays in C: which there are, and their lines."""

from __future__ import annotations

__all__ = ["has_operation"]


def has_operation(name: str) -> bool:
    """True where the operation has C code."""
    return False
