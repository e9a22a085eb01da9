"""The book of identities: what people look up, each as one record. Where a step of a derivation is one, it is cited."""

from chainrule.book import linear, losses, note, reductions  # noqa: F401  (they register their records)
from chainrule.book.record import BOOK, Identity, register

__all__ = ["BOOK", "Identity", "register"]
