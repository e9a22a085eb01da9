"""The picture shows the program: every name, every use, every signal, and nothing else."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.algebra.program import is_anonymous
from chainrule.derivation import Derivation
from chainrule.dims import display_name
from chainrule.picture.graph import Graph, network_graph
from chainrule.picture.split import TALLEST, columns, depths
from networks import EXAMPLES, NAMES, derivation, mlp

SVG = "{http://www.w3.org/2000/svg}"


def graph(found: Derivation) -> Graph:
    return network_graph(found.network.program, found.backward, {e.name: e.text for e in found.network.equations})


def texts(svg: str, kind: str) -> list[str]:
    root = ET.fromstring(svg)
    return ["".join(e.itertext()) for e in root.iter(f"{SVG}text") if e.get("class") == kind]


def test_the_graph_of_one_layer() -> None:
    found = graph(derivation("one_layer"))
    assert {(u.source, u.target, u.back) for u in found.uses} == {
        ("W", "z", True), ("x", "z", True), ("b1", "z", True), ("z", "h", True), ("U", "θ", True), ("h", "θ", True),
        ("b2", "θ", True), ("θ", "ŷ", True), ("ŷ", "J", True), ("y", "J", False),
    }  # fmt: skip
    assert {key: box.signal for key, box in found.boxes.items() if box.signal} == {
        "z": "δ2", "θ": "δ1", "b1": "δ2", "b2": "δ1",
    }  # fmt: skip
    assert found.boxes["W"].size == "D_h × D_x"
    assert found.boxes["J"].kind == "loss"
    assert not found.boxes["y"].has_adjoint


def test_nothing_flows_back_to_what_is_not_asked_for() -> None:
    found = graph(cr.load(EXAMPLES / "one_layer.net").derive(["U"]))
    assert {(u.source, u.target) for u in found.uses if u.back} == {("U", "θ"), ("θ", "ŷ"), ("ŷ", "J")}


def test_an_adjoint_that_is_another_places_signal_carries_its_name() -> None:
    """c = a + b hands δ on to a as it is."""
    net = cr.parse("param W : n × m\nparam b : n\ninput x : m\na = W x\nz = a + b\nJ = sum(tanh(z))")
    found = net.derive()
    boxes = graph(found).boxes
    assert boxes["a"].signal == boxes["z"].signal != ""


@pytest.mark.parametrize("name", NAMES)
def test_columns_draw_every_use_and_every_box_once(name: str) -> None:
    whole = graph(derivation(name))
    parts = columns(whole)
    full = [key for part in parts for key, box in part.boxes.items() if not box.ghost]
    assert sorted(full) == sorted(whole.boxes)
    drawn = {(u.source, u.target.lstrip("▸"), u.back) for part in parts for u in part.uses}
    assert drawn == {(u.source, u.target, u.back) for u in whole.uses}
    within = [(u.source, u.target) for part in parts for u in part.uses if not u.target.startswith("▸")]
    assert len(within) == len(whole.uses)
    for part in parts:
        inner = {key for key, box in part.boxes.items() if not box.ghost and not box.is_leaf}
        rows = {row for key, row in depths(whole).items() if key in inner}
        assert len(rows) <= TALLEST + 1
        assert {key for u in part.uses for key in (u.source, u.target)} <= set(part.boxes)


def test_a_short_network_stays_in_one_column_and_a_long_one_does_not() -> None:
    assert len(columns(graph(derivation("one_layer")))) == 1
    assert len(columns(graph(derivation("mlp_12")))) == 3


def test_cuts_are_where_one_value_crosses() -> None:
    """In a residual network a cut inside a block would cross two values, between blocks one."""
    for part in columns(graph(derivation("residual_60"))):
        crossing = {k for k, box in part.boxes.items() if box.ghost and not box.is_leaf and not k.startswith("▸")}
        assert len(crossing) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_svg_is_well_formed_and_says_what_it_shows(name: str) -> None:
    found = derivation(name)
    svg = found.picture()
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    labelled = (root.get("aria-labelledby") or "").split()
    told = {e.get("id"): e.text or "" for e in root.iter() if e.tag in (f"{SVG}title", f"{SVG}desc") and e.get("id")}
    assert labelled == list(told)
    words = told["picture-told"]
    for equation in found.network.equations:
        assert f"{display_name(equation.name)} (" in words
    for signal, of in found.backward.signals.items():
        assert f"signal {display_name(signal)} flows back" in words
        assert is_anonymous(of) or display_name(of) in words
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", svg)


def test_sizes_stand_on_the_edges_and_signals_on_their_tabs() -> None:
    svg = derivation("one_layer").picture()
    amounts = sorted(texts(svg, "amount"))
    assert amounts == sorted(
        ["Dx × 1", "Dh × Dx", "Dh × 1", "Dh × 1", "Nc × Dh", "Dh × 1", "Nc × 1", "Nc × 1", "Nc × 1", "Nc × 1"]
    )
    root = ET.fromstring(svg)
    tabs = [g for g in root.iter(f"{SVG}g") if g.get("class") == "signal"]
    assert sorted(g.get("data-name") or "" for g in tabs) == ["δ1", "δ2"]
    back = [p for p in root.iter(f"{SVG}path") if p.get("class") == "back" and p.get("data-name")]
    assert sorted(p.get("data-name") or "" for p in back) == ["δ1"] * 3 + ["δ2"] * 3


def test_a_page_gets_the_picture_without_style_sheet_and_background() -> None:
    found = derivation("one_layer")
    assert "<style>" in found.picture()
    assert "paper" in found.picture()
    assert "<style>" not in found.picture(standalone=False)
    assert 'class="paper"' not in found.picture(standalone=False)


def test_sixty_nodes_take_less_than_a_second_and_a_deep_network_grows_evenly() -> None:
    import time

    def seconds(text: str) -> float:
        found = cr.parse(text).derive()
        best = 9.0
        for _ in range(2):
            start = time.perf_counter()
            found.picture()
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(mlp(20)) < 1
    assert seconds(mlp(80)) < 12 * max(seconds(mlp(20)), 0.05)


def test_an_odd_title_stays_text() -> None:
    net = cr.parse("param w : n\nJ = w' w")
    net.title = "<script>&"
    assert (ET.fromstring(net.derive().picture()).findtext(f"{SVG}title") or "").startswith("<script>&:")


def test_a_network_of_one_equation() -> None:
    found = cr.parse("param w : n\nJ = w' w").derive()
    assert "J = wᵀ w" in "".join(ET.fromstring(found.picture()).itertext())


def test_what_is_declared_and_not_used_is_drawn_without_edges() -> None:
    with pytest.warns(cr.ChainruleWarning):
        found = cr.parse("param w : n\nparam idle : n\nJ = w' w").derive()
    drawn = graph(found)
    assert "idle" in drawn.boxes
    assert all("idle" not in (u.source, u.target) for u in drawn.uses)
    assert "idle" in "".join(ET.fromstring(found.picture()).itertext())


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    from chainrule.cli import app

    out = tmp_path / "net.svg"
    found = CliRunner().invoke(app, ["picture", str(EXAMPLES / "attention.net"), "-o", str(out)])
    assert found.exit_code == 0
    assert ET.fromstring(out.read_text(encoding="utf-8")).tag == f"{SVG}svg"
    shown = CliRunner().invoke(app, ["picture", str(EXAMPLES / "attention.net")])
    assert shown.output == out.read_text(encoding="utf-8")


def test_boxes_of_a_loop_show_the_step_and_whole_formulas_have_no_dots() -> None:
    """They said h = tanh(A h[t−1] …), and J = CE(y, softmax(U h[T]))… though nothing was cut."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", cr.load(EXAMPLES / "lstm.net").derive().picture())
    shown = [re.sub(r"<[^>]*>", "", text) for text in texts]
    assert "J = CE(y, softmax(U h[T]))" in shown
    assert any(text.startswith("h[t] = read[t]") for text in shown)


RNN = """input x : T × D
param A : H × H
param B : H × D
param C : H × H
h[t] = tanh(A h[t-1] + B x[t])  for t = 1..T
g[t] = tanh(C g[t+1] + h[t])  for t = T..1
J = sum(h ∘ g)"""
DEEP = """input x : T × D
param A : D × D
h0[t] = x[t] + A h12[t-1]  for t = 1..T
""" + "".join(f"h{k + 1}[t] = tanh(A h{k}[t])  for t = 1..T\n" for k in range(12)) + "J = norm(h12)^2"  # fmt: skip


def test_what_a_step_takes_from_another_is_a_dashed_line() -> None:
    found = cr.parse(RNN).derive()
    whole = graph(found)
    assert [(a.source, a.shown) for a in whole.again] == [("h", "h[t−1]"), ("g", "g[t+1]")]
    assert all(a.target in whole.boxes for a in whole.again)
    svg = found.picture()
    root = ET.fromstring(svg)
    lines = [p for p in root.iter(f"{SVG}path") if p.get("class") == "again" and p.get("data-name")]
    assert [p.get("data-name") for p in lines] == ["h", "g"]
    assert all(p.get("stroke-dasharray") for p in lines)
    assert {"h[t−1]", "g[t+1]", "from another step of the loop"} <= set(texts(svg, "small"))
    told = "".join(root.find(f"{SVG}desc").itertext())  # type: ignore[union-attr]
    assert "and h[t−1]." in told
    width = float(root.get("viewBox", "").split()[2])
    for p in lines:  # inside of the picture
        assert all(0 <= float(x) <= width for x in re.findall(r"H(-?[\d.]+)", p.get("d", "")))


def test_a_loop_over_several_columns_keeps_its_line() -> None:
    found = cr.parse(DEEP).derive()
    parts = columns(graph(found))
    assert len(parts) > 1
    assert sum(len(part.again) for part in parts) == 1
    assert texts(found.picture(), "small").count("h12[t−1]") == 1


def test_a_network_without_loops_has_no_dashed_line() -> None:
    assert "another step" not in derivation("one_layer").picture()
    assert not graph(derivation("one_layer")).again
