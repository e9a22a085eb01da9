"""The words behind a declaration's comma: what each needs, which are others together, what a stray word may mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["FACTS", "IMPLIED_FACTS", "SQUARE_FACTS", "fact_meant", "spelled_out"]

SQUARE_FACTS = {
    "symmetric", "positive definite", "orthogonal", "diagonal", "lower triangular", "upper triangular",
}  # fmt: skip
IMPLIED_FACTS = {"stochastic": ("rows sum to 1", "nonnegative")}  # a fact that is others together
FACTS = SQUARE_FACTS | {"one-hot", "mask", "rows sum to 1", "positive", "nonnegative", "integer", *IMPLIED_FACTS}


def spelled_out(facts: Iterable[str]) -> tuple[str, ...]:
    """Facts with those that are others together written as these."""
    return tuple(dict.fromkeys(single for fact in facts for single in IMPLIED_FACTS.get(fact, (fact,))))


def fact_meant(word: str) -> str | None:
    """The fact that a word begins, also misspelled: onehot is one-hot. None for what is none."""
    firsts = {fact.replace("-", " ").split()[0]: fact for fact in sorted(FACTS, reverse=True)}
    firsts |= {fact.replace("-", "").split()[0]: fact for fact in sorted(FACTS, reverse=True)}
    if word.lower() in firsts:
        return firsts[word.lower()]
    close = difflib.get_close_matches(word.lower(), firsts, 1, 0.75) if len(word) > 3 else []
    return firsts[close[0]] if close else None
