"""Labels with one number for each row, where a definition needs one for each class: CE(t, softmax(X)).

Class numbers would be taken for weights: they are refused, with what can be written instead. Other labels are repeated
as any column is, and that is said, since nobody sees it in a definition. A further kind of label is a line here.
"""

from __future__ import annotations

from chainrule.algebra.expr import free
from chainrule.algebra.program import Program
from chainrule.errors import DimensionError
from chainrule.language.pieces import bare_name
from chainrule.language.values import Value

__all__ = ["repeated_label"]


def repeated_label(program: Program, small: Value, big: Value) -> str | None:
    """What is to be said of a label that is repeated over the columns of what it is multiplied with; None if nothing.

    Raises DimensionError where it holds whole numbers.
    """
    if small.orientation != "column" or big.orientation != "matrix":
        return None
    variable = program.variables.get(bare_name(small.expr, free(small.dims)) or "")
    if variable is None or variable.kind != "label" or "mask" in variable.facts:
        return None
    if "integer" in variable.facts:
        raise DimensionError(
            f"{variable.name} ({small.shape}) has one whole number a row, and {big.dims[1]} are needed",
            f"CE_labels({variable.name}, z) of logits z, or a one-hot label : {big.shape}",
        )
    return f"{variable.name} ({small.shape}) is repeated over {big.dims[1]} columns"
