"""What generated code is timed against: one file for each library, as someone who knows it well would write it.

Each file has `CONTENDERS`, the contenders for each model. A step works on the same inputs each time, gives loss and
gradients, and pays nothing that is not its own: buffers are reused, functions are compiled before the first turn.
"""

from __future__ import annotations

import importlib
import pkgutil

from chainrule.bench.case import Contender

__all__ = ["every_peer", "peers"]


def _tables() -> list[dict[str, tuple[Contender, ...]]]:
    return [importlib.import_module(f"{__name__}.{m.name}").CONTENDERS for m in pkgutil.iter_modules(__path__)]


def peers(model: str) -> list[Contender]:
    """All that know a model."""
    return [contender for table in _tables() for contender in table.get(model, ())]


def every_peer() -> list[Contender]:
    """All, of every model."""
    return [contender for table in _tables() for known in table.values() for contender in known]
