"""What functions of the library are called elsewhere, for those whose name here looks nothing like it.

Only for hints: a name from another library means what that library says, so it is never read as ours. To add one: a
line in CALLED_HERE, in small letters without underscores, and without `loss` at its end.
"""

from __future__ import annotations

__all__ = ["CALLED_HERE", "name_here"]

CALLED_HERE = {
    "crossentropy": "CE", "categoricalcrossentropy": "CE", "nll": "CE", "negativeloglikelihood": "CE",
    "softmaxcrossentropy": "CE_logits", "crossentropywithlogits": "CE_logits",
    "softmaxcrossentropywithlogits": "CE_logits", "sparsecategoricalcrossentropy": "CE_labels",
    "binarycrossentropy": "BCE", "bcewithlogits": "BCE_logits", "binarycrossentropywithlogits": "BCE_logits",
    "sigmoidcrossentropy": "BCE_logits", "meansquarederror": "MSE", "squarederror": "MSE",
    "meanabsoluteerror": "MAE", "kldiv": "KL", "kldivergence": "KL", "cosinesimilarity": "cosine",
}  # fmt: skip


def name_here(name: str) -> str | None:
    """The library's name of what is called `name` elsewhere; None where no such is known."""
    key = name.lower().replace("_", "")
    return CALLED_HERE.get(key) or CALLED_HERE.get(key.removesuffix("loss"))
