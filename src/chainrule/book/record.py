"""The record of an identity, and the registry of all of them: the book.

An identity says what the derivative of a small program is. It is stated once, in the whiteboard language: `program`
with its last equation (or `of`), the name `wrt` to differentiate by, and the answer. Without `upstream` the answer is
the Jacobian ∂of/∂wrt in numerator layout; with it, `shape` is what a signal `upstream` = ∂J/∂of becomes at `wrt`, in
the shape of `wrt` (and `numerator` the same in numerator layout, where that is a matrix).

A new identity is one `register(Identity(…))` in one of the files of this package (or in a user's program, through
`chainrule.register_identity`): its test, its page in the book and its line in explanations follow from the record.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOOK", "Identity", "register"]

NOTE = "Computing Neural Network Gradients"


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity.

    name: how steps cite it, such as "2.1" or "softmax".  title: what it is about, in a few words.
    program: declarations and equations in the whiteboard language.  wrt: the name to differentiate by.
    of: what is differentiated; the last equation where it is left out.
    upstream: the letter for ∂J/∂of; "" for an identity about the Jacobian itself.
    numerator, shape: the answer in each layout; "" where it is not said.
    conditions: what is assumed beyond the declared facts.  source: where it stands in the literature.
    """

    name: str
    title: str
    program: str
    wrt: str
    numerator: str = ""
    shape: str = ""
    of: str = ""
    upstream: str = ""
    conditions: tuple[str, ...] = ()
    source: str = ""


BOOK: dict[str, Identity] = {}


def register(identity: Identity) -> Identity:
    """Add an identity to the book. Raises ValueError where the name is taken or nothing is stated."""
    if identity.name in BOOK:
        raise ValueError(f"the identity {identity.name} is in the book already")
    if not identity.numerator and not identity.shape:
        raise ValueError(f"the identity {identity.name} states no answer")
    BOOK[identity.name] = identity
    return identity
