"""What tests of chunks share: a step compiled in each way there is to go in chunks, not in the one that is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import chainrule.plan.build
from chainrule.errors import UnsupportedError
from chainrule.plan import Request
from chainrule.plan.chunking import Split


@pytest.fixture
def every_way(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of the way to go in chunks, among all that there are; UnsupportedError after the last."""
    chosen = [0]

    def pick(_: Request, options: Sequence[tuple[Split, float]], *__: object) -> Split:
        if chosen[0] >= len(options):
            raise UnsupportedError("that was the last")
        return options[chosen[0]][0]

    monkeypatch.setattr(chainrule.plan.build, "split", pick)
    return chosen
