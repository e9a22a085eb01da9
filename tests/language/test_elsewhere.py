"""A function under the name that another library gives it is not read, but its name here is said."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.language.elsewhere import CALLED_HERE
from chainrule.language.scope import known_functions
from chainrule.library import entries


def test_every_name_here_is_of_the_library_and_none_elsewhere_is() -> None:
    assert set(CALLED_HERE.values()) <= entries().keys()
    assert not CALLED_HERE.keys() & known_functions()


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("crossentropy", "CE(y, p)"), ("cross_entropy_loss", "CE(y, p)"), ("CrossEntropyLoss", "CE(y, p)"),
        ("mean_squared_error", "MSE("), ("BCEWithLogitsLoss", "BCE_logits("),
    ],
)  # fmt: skip
def test_the_name_here_is_said(written: str, hint: str) -> None:
    with pytest.raises(cr.UnknownNameError) as caught:
        cr.parse(f"input y : D\nparam p : D\nJ = {written}(y, p)")
    assert f"the function {written} is not known" in str(caught.value)
    assert hint in str(caught.value.hint)


def test_the_hint_for_a_loss_that_is_no_scalar_does_not_use_its_own_name() -> None:
    for name, hint in (("J", "L = sum(J)"), ("z", "J = sum(z)")):
        with pytest.raises(cr.DimensionError) as caught:
            cr.parse(f"param p : D\n{name} = tanh(p)").derive()
        assert hint in str(caught.value.hint)
