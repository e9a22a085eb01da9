"""The arrays that a program is given: each in its shape, with the facts that it was declared with; and the sizes.

Raises ArrayError, with the name of the array, for the first that cannot be what was declared. Arrays may come with or
without axes of size 1, as on paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.algebra.program import Program
from chainrule.dims import display_dim, display_name, format_shape
from chainrule.errors import ArrayError
from chainrule.sizes import is_derived, settle, symbols_of
from chainrule.targets.held_facts import broken

__all__ = ["checked_arrays"]


def checked_arrays(program: Program, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """Arrays in float64 by the program's names, without axes of size 1, and the sizes that they set."""
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}
    values: dict[str, Any] = {}
    derived: list[tuple[str, int]] = []
    for variable in program.variables.values():
        if variable.kind not in ("input", "label", "param", "const"):
            continue
        if variable.name not in given:
            raise ArrayError(f"no array for {variable.name} ({format_shape(variable.shape)})", f"{variable.name}=…")
        try:
            array = np.asarray(given[variable.name], dtype=np.float64)
        except (TypeError, ValueError):
            raise ArrayError(f"{variable.name} is not an array of numbers") from None
        if np.isnan(array).any():
            raise ArrayError(f"{variable.name} holds NaN", "clean the data first")
        if array.ndim == len(variable.shape) != len(variable.dims):
            keep = [k for k, d in enumerate(variable.shape) if d != 1]
            if all(array.shape[k] == 1 for k in range(array.ndim) if k not in keep):
                array = array.reshape([array.shape[k] for k in keep])
        if array.ndim != len(variable.dims):
            raise ArrayError(
                f"{variable.name} is {format_shape(variable.shape)}, but the array has shape {array.shape}"
            )
        for dim, got in zip(variable.dims, array.shape, strict=True):
            if is_derived(dim):
                derived.append((str(dim), got))
                origin.setdefault(str(dim), variable.name)
                continue
            wanted = dim if isinstance(dim, int) else sizes.setdefault(dim, got)
            if isinstance(dim, str):
                origin.setdefault(dim, variable.name)
            if wanted != got:
                by = f" ({origin[dim]} says so)" if isinstance(dim, str) else ""
                raise ArrayError(
                    f"{variable.name} is {format_shape(variable.shape)} with {dim} = {wanted}{by}, "
                    f"but the array has shape {array.shape}"
                )
        fact = broken(array, variable.facts)
        if fact is not None:
            raise ArrayError(
                f"{variable.name} is declared {fact}, but the array is not",
                f"leave the fact out of the declaration of {variable.name}",
            )
        values[variable.name] = array
    unknown = [n for n in given if n not in values]
    if unknown:
        raise ArrayError(f"{unknown[0]} is computed by the program and cannot be given")
    wrong = settle(derived, sizes)
    if wrong is not None:
        dim, got = wrong
        by = ", ".join(f"{display_name(s)} = {sizes[s]}" for s in symbols_of(dim) if s in sizes)
        raise ArrayError(
            f"{origin[dim]} has a size {got} where {display_dim(dim)} is asked for{', with ' if by else ''}{by}"
        )
    return values, sizes
