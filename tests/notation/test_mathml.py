"""MathML says the same as the text: it is read back and evaluated; and it is the MathML that browsers know."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.notation import tree
from chainrule.notation.mathml import to_mathml
from chainrule.notation.mathml_names import name_to_mathml
from networks import NAMES, derivation

PROGRAMS = {
    "norms": "input x : n\nparam A : m × n\nr = A x\nJ = norm(r)^2 + norm(A)",
    "means": "input X : N × D\nparam w : D\nlabel y : N\np = sigmoid(X w)\nJ = mean(BCE(y, p)) + (1/2) w' w",
    "fractions": "param a : n\nparam b : scalar\nu = (a + b) ./ (1 + a .^ 2)\nJ = sum(u .^ 3)/(b + 2)",
    "powers": "param x : n\ns = sum(exp(x))\nJ = s^(-2) + sqrt(s)",
    "quadratic": "param S : n × n, symmetric\nparam x : n\nJ = (1/2) x' S x",
    "unit": "param x : n\nu = x/norm(x)\nJ = sum(u .^ 3)",
    "two layers": "input X : N × D\nparam W : D × H\nparam b : 1 × H\nparam V : H × 1\n"
    "H_1 = tanh(X W + b)\nJ = sum((H_1 V) .^ 2)",
}


def derivations() -> list[tuple[str, Derivation]]:
    found = [(name, derivation(name)) for name in NAMES]
    return found + [(name, cr.parse(text).derive()) for name, text in PROGRAMS.items()]


ALL = derivations()
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "mover": 2, "munder": 2}
CORE = {*CHILDREN, "math", "mrow", "mi", "mn", "mo", "mtext", "msqrt", "mstyle"}


def formulas(found: Derivation) -> list[tuple[str, str]]:
    """(text, MathML) of every signal, gradient and, in numerator layout, gradient."""
    every = [*found.signals.values(), *found.gradients.values()]
    out = [(g.text, g.mathml) for g in every if g.written.node is not None]
    return out + [(g.numerator, to_mathml(g.numerator_node)) for g in every if g.numerator_node is not None]


@pytest.mark.parametrize(("name", "found"), ALL, ids=[name for name, _ in ALL])
def test_formulas_are_well_formed_mathml_core(name: str, found: Derivation) -> None:
    for _, mathml in formulas(found):
        for element in ET.fromstring(mathml).iter():
            assert element.tag in CORE, element.tag
            if element.tag in CHILDREN:
                assert len(element) == CHILDREN[element.tag]
            if element.tag in ("mi", "mn", "mo", "mtext"):
                assert len(element) == 0
                assert element.text, "an empty token has no meaning"


SIGNS = {"⁢": " ", "⁡": "", "−": " - ", "+": " + ", "∘": " .* ", "·": " ", ",": ", "}


def linear(e: ET.Element) -> str:
    """MathML as text of the language, with no bracket that is not drawn."""
    parts = list(e)
    transposed = bool(parts) and parts[-1].text == "⊤"
    if e.tag == "msubsup" or (e.tag == "msub" and "data-name" in e.attrib):
        return e.attrib["data-name"] + ("'" if transposed else "")
    if e.tag == "mover" or e.tag in ("mi", "mn") or (e.tag == "mrow" and "data-name" in e.attrib):
        return e.attrib.get("data-name", (e.text or "").replace("𝟏", "1").replace("σ", "sigmoid"))
    if e.tag == "mo":
        return SIGNS.get(e.text or "", e.text or "")
    if e.tag == "mfrac":
        return f"(({linear(parts[0])}) ./ ({linear(parts[1])}))"  # a scalar below divides every entry as well
    if e.tag == "msqrt":
        return f"sqrt({''.join(map(linear, parts))})"
    if e.tag == "msup":
        base = linear(parts[0])
        if transposed:
            return f"{base}'"
        exponent = linear(parts[1])
        elementwise = ".*" in exponent
        return f"{base}{'.^' if elementwise else '^'}({exponent.replace('.*', '').strip()})"
    inside = "".join(map(linear, parts))
    bars = re.fullmatch(r"‖(.*)‖", inside)
    return f"norm({bars.group(1)})" if bars else inside


@pytest.mark.parametrize(("name", "found"), ALL, ids=[name for name, _ in ALL])
def test_read_back_it_has_the_value_of_the_text(name: str, found: Derivation) -> None:
    """Every bracket that is needed is drawn, every transpose and sign is there: the values say so."""
    net = found.network
    forward = str(net).replace(f"minimize {found.loss}", "")
    signals = "\n".join(f"{s} = {g.text}" for s, g in found.signals.items())
    lines, counter = [], itertools.count()
    for text, mathml in formulas(found):
        if "ones(" in text:  # a drawn 𝟏 does not say its size
            continue
        n = next(counter)
        lines += [f"Text_{n} = {text}", f"Drawn_{n} = {linear(ET.fromstring(mathml))}"]
    assert lines
    program = cr.parse(f"{forward}\n{signals}\n" + "\n".join(lines))
    sizes: dict[str, int] = {}
    primes = itertools.cycle([3, 5, 7, 2])
    rng = np.random.default_rng(0)
    arrays = {}
    for declared in program.declarations.values():
        shape = [d if isinstance(d, int) else sizes.setdefault(d, next(primes)) for d in declared.shape]
        arrays[declared.name] = rng.uniform(0.2, 0.9, shape)
        if "one-hot" in declared.facts:
            width = arrays[declared.name].shape[-1]
            arrays[declared.name] = np.eye(width)[rng.integers(0, width, arrays[declared.name].shape[:-1])]
        if "symmetric" in declared.facts:
            arrays[declared.name] += arrays[declared.name].T
    values = program.evaluate(**arrays)
    for n in range(next(counter)):
        np.testing.assert_allclose(values[f"Drawn_{n}"], values[f"Text_{n}"], rtol=1e-12, err_msg=lines[2 * n + 1])


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("W", '<mi data-name="W">W</mi>'),
        ("b1", '<msub data-name="b1"><mi>b</mi><mrow><mn>1</mn></mrow></msub>'),
        ("D_x", '<msub data-name="D_x"><mi>D</mi><mrow><mi>x</mi></mrow></msub>'),
        ("y_hat", '<mover accent="true" data-name="ŷ"><mi>y</mi><mo stretchy="false">^</mo></mover>'),
        ("theta", '<mi data-name="θ">θ</mi>'),
        ("loss", '<mi data-name="loss">loss</mi>'),
    ],
)
def test_names(name: str, drawn: str) -> None:
    assert name_to_mathml(name) == drawn


def test_the_transpose_of_a_name_with_a_subscript_stands_above_the_subscript() -> None:
    delta = tree.sym("δ1", 1, "n")
    assert to_mathml(tree.transpose(delta)) == (
        '<math><msubsup data-name="δ1"><mi>δ</mi><mrow><mn>1</mn></mrow><mi>⊤</mi></msubsup></math>'
    )


def test_a_fraction_below_a_transpose_has_brackets() -> None:
    """A fraction line groups by itself in a product, but not below an exponent."""
    half = tree.Node("div", (tree.sym("A", "m", "n"), tree.sym("d")), None, "m", "n")
    assert "(" not in to_mathml(tree.product([half, tree.sym("B", "n", "k")]))
    assert "(" in to_mathml(tree.Node("T", (half,), None, "n", "m"))


def test_entries_of_index_notation() -> None:
    entry = tree.Node("at", (), ("W", "i", "j"))
    assert "<mi>W</mi><mrow><mi>i</mi><mi>j</mi></mrow>" in to_mathml(entry)
    total = tree.sigma("j", entry)
    assert "<munder><mo>∑</mo><mi>j</mi></munder>" in to_mathml(total)
    assert "(" in to_mathml(tree.Node("prod", (total, tree.sym("x"))))  # or x would be read as summed
    same = tree.Node("iverson", (), ("i", "j"))
    assert ET.fromstring(to_mathml(same)).find(".//mo[.='=']") is not None
    slope = tree.Node("partial", (tree.sym("z", "n"), tree.sym("x", "m")))
    assert len(ET.fromstring(to_mathml(slope)).findall(".//mo[.='∂']")) == 2


def test_what_is_text_is_escaped() -> None:
    assert to_mathml(tree.Node("raw", (), "a < b & c")) == "<math><mtext>a &lt; b &amp; c</mtext></math>"
