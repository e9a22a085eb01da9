"""The registry of targets: what is found, what is refused, and with which hint."""

import dataclasses
import inspect

import pytest

import chainrule as cr
from chainrule.errors import UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import OPERATIONS
from chainrule.plan import graph
from chainrule.plan.relations import STRUCTURAL
from chainrule.targets import registry

NET = cr.parse("input x : D\nparam w : D\nJ = (w' x)^2")


def test_an_unknown_target_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnsupportedError, match="no target fortran") as caught:
        NET.derive().compile("fortran")
    assert all(name in str(caught.value) for name in registry.names())
    with pytest.raises(UnsupportedError, match="no target arrays"):  # a file beside the targets is none
        NET.derive().compile("arrays")
    with pytest.raises(UnsupportedError, match=r"no target \.\./x"):
        NET.jacobian("w").compile("../x")


def test_an_unknown_option_is_refused_with_those_that_the_target_takes() -> None:
    with pytest.raises(UnsupportedError, match="the target numpy has no option plane") as caught:
        NET.derive().compile("numpy", plane=True)
    assert "plain" in str(caught.value)
    with pytest.raises(UnsupportedError, match="no option chunks"):
        NET.hessian("w").compile("numpy", chunks=3)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    record = dataclasses.replace(registry.find("numpy"), packages=("a_package_that_is_not_there",), extra="abacus")
    monkeypatch.setitem(registry._TARGETS, "numpy", record)
    with pytest.raises(UnsupportedError, match="needs a_package_that_is_not_there") as caught:
        NET.derive().compile("numpy")
    assert 'pip install "chainrule[abacus]"' in str(caught.value)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="registered already"):
        registry.register(registry.find("numpy"))


@pytest.mark.parametrize("name", registry.names())
def test_a_record_says_what_it_is(name: str) -> None:
    target = registry.find(name)
    assert target.name == name
    assert target.summary
    assert not target.summary.endswith(".")
    known = set(inspect.signature(target.compile).parameters)
    assert {"loss", "gradients", "dtype", "comments", "name"} <= known
    assert set(target.options) <= known
    assert all(target.options.values())


def test_the_vocabulary_is_all_that_a_plan_may_hold() -> None:
    words = registry.vocabulary()
    assert len(set(words)) == len(words)
    assert {name for kind, name in words if kind == "function"} == {*FUNCTIONS, *graph.MAPS}
    assert {name for kind, name in words if kind == "operation"} == {*OPERATIONS, *STRUCTURAL}
    with pytest.raises(AssertionError, match="STEPS"):
        graph.Graph().make("twist", (), ())
