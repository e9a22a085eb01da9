"""Packages that only training needs: imported when first used, and missed with a clear error.

`import chainrule` must work with NumPy alone, so scikit-learn, matplotlib and safetensors are imported
through `optional`, inside the functions that use them. To use another one, add it to the extra `demo`
in pyproject.toml and call `optional("package.module")` where it is needed.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from chainrule.errors import ChainruleError

__all__ = ["optional", "require"]

HINT = "pip install 'chainrule[demo]'"
DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def optional(module: str) -> Any:
    """The imported `module`; a `ChainruleError` that says what to install if it cannot be imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module) from error


def require(*packages: str) -> None:
    """Raise a `ChainruleError` for the first of `packages` that is not installed, without importing any.

    A run checks what it needs at its end (the picture) before its beginning, so that minutes of training
    do not end in an import error.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise _missing(package)


def _missing(module: str) -> ChainruleError:
    package = module.partition(".")[0]
    return ChainruleError(f"training needs {DISTRIBUTIONS.get(package, package)}, which cannot be imported", hint=HINT)
