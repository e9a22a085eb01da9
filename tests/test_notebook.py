"""Notebooks: what each object shows of itself, and the example, which is run afresh."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

import chainrule as cr

NOTEBOOK = Path(__file__).parents[1] / "examples" / "gradients.ipynb"


def one_layer() -> Any:
    return cr.load("examples/one_layer.net")


TENSORS = "param A : m × n × p\ninput b : p\nS[i,j,k] = A[i,j,k] b[k]\nJ = sum(tanh(S))"
OBJECTS: dict[str, Callable[[], Any]] = {
    "network": one_layer,
    "tensors": lambda: cr.parse(TENSORS),
    "derivation": lambda: one_layer().derive(),
    "no signals": lambda: cr.parse("param w : n\nJ = norm(w)^2").derive(),
    "indices": lambda: cr.parse(
        "param A : m × n × p\ninput b : p\nS[i,j,k] = A[i,j,k] b[k]\nJ = sum(tanh(S))"
    ).derive(),
    "rows": lambda: cr.load("examples/one_layer_rows.net").derive(),
    "signal": lambda: one_layer().derive().signals["δ₂"],
    "gradient": lambda: one_layer().derive().gradients["W"],
    "jacobian": lambda: one_layer().jacobian("x", "z"),
    "entry": lambda: one_layer().jacobian("W[i,j]", "z"),
    "hessian": lambda: cr.load("examples/logistic.net").hessian("w"),
    "step": lambda: one_layer().derive().signals["δ₂"].steps[-1],
    "less": lambda: cr.parse("input a : n\nparam w : n\nm = a < w\nJ = sum(w ∘ m)"),
    **{f"book {name}": lambda e=e: e for name, e in cr.identities().items()},
}


@pytest.fixture(params=OBJECTS)
def shown(request: pytest.FixtureRequest) -> dict[str, str]:
    """What IPython shows of an object."""
    data, _ = InteractiveShell.instance().display_formatter.format(OBJECTS[request.param]())
    return dict(data)


def test_text_html_and_latex(shown: dict[str, str]) -> None:
    assert set(shown) == {"text/plain", "text/html", "text/latex"}
    assert "object at 0x" not in shown["text/plain"]
    assert "Node(" not in shown["text/plain"]


def test_the_html_is_a_fragment_that_leaks_nothing(shown: dict[str, str]) -> None:
    html = shown["text/html"]
    root = ET.fromstring(html.replace("<details open>", "<details>"))
    tags = {element.tag for element in root.iter()}
    assert "math" in tags
    assert not tags & {"style", "script", "link", "html", "head", "body"}
    for element in root.iter():
        assert not set(element.attrib) & {"class", "id", "data-name", "onclick"}
    styles = " ".join(element.get("style", "") for element in root.iter())
    assert not re.search(r"#[0-9a-f]{3}|rgb|background:(?!none)|color:(?!inherit)|position|url", styles)
    assert "$" not in html  # the notebook would read TeX between two of them


def test_the_latex_is_one_display_formula(shown: dict[str, str]) -> None:
    latex = shown["text/latex"]
    assert latex.startswith("$$\n\\begin{aligned}")
    assert latex.endswith("\\end{aligned}\n$$")
    assert latex.isascii()
    assert latex.count("{") == latex.count("}")
    assert all(line.count("&") == 1 for line in latex.splitlines()[2:-2])
    assert "%" not in latex  # a comment would hide what follows, in one line


def test_what_a_gradient_says() -> None:
    data = one_layer().derive().gradients["W"]._repr_mimebundle_()
    assert "row i is δ₂'s, a row, so δ₂ᵀ" in data["text/plain"]
    assert "numerator layout" in data["text/html"]
    assert "chain rule" in data["text/html"]
    assert data["text/latex"].count(r"\delta_{2}^\top x^\top") == 2  # the formula, and the end of its steps


def test_steps_have_a_short_repr() -> None:
    steps = one_layer().derive().gradients["W"].steps
    assert repr(steps[1]) == "<Step ∂J/∂z ∂z/∂W = δ₂ ∂z/∂W   δ₂ is known  (δ₂ = ∂J/∂z)>"
    assert repr(steps[1].left) == "<Formula ∂J/∂z ∂z/∂W>"
    assert repr(one_layer().derive()) == "<Derivation of J: 2 signals, 5 gradients>"


def plain(notebook: nbformat.NotebookNode) -> list[str]:
    """The text of every output."""
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    return [o.text if o.output_type == "stream" else o.data["text/plain"] for o in outputs]


def test_the_example_runs_and_its_stored_outputs_are_current() -> None:
    """`python docs/make_pages.py` writes them anew."""
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    fresh = nbformat.from_dict(stored)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    before = plain(stored)
    html = [o.data["text/html"] for c in stored.cells for o in c.get("outputs", ()) if "text/html" in o.get("data", ())]
    nbclient.NotebookClient(fresh, timeout=60, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    assert plain(fresh) == before
    assert html == [
        o.data["text/html"] for c in fresh.cells for o in c.get("outputs", ()) if "text/html" in o.get("data", ())
    ]
    assert len(before) > 10
