"""LaTeX: what is written compiles with pdflatex and with lualatex, without errors and without lines that run out.

Many derivations are one document, so that each engine runs once. Without a TeX installation these tests are skipped;
`.ci/run` installs one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.explanation.steps import Formula, Step
from chainrule.notation import tree
from chainrule.notation.latex import function_to_latex
from chainrule.notation.lines import broken, width
from chainrule.notation.prose import escaped, formula_to_latex, sentence_to_latex, sentence_to_math
from chainrule.notation.tree import at, partial, sigma, sym
from chainrule.outputs.latex import PREAMBLE

ROOT = Path(__file__).parents[2]

NETWORKS = {
    "odd names": """
input  x̂2 : D_x
label  ŷ_true : π, one-hot
param  W_out : π × D_h
param  Wθ : D_h × D_x
param  _b : D_h
const  λ : scalar
const  é : scalar
const  ж : scalar
h_1 = relu(Wθ x̂2 + _b)
θ_out = W_out h_1
p̄ = softmax(θ_out)
loss = CE(ŷ_true, p̄) + λ/2 norm(W_out)^2 + é ж norm(Wθ)^2
""",
    "unknown functions": """
function f : scalar -> scalar
function g : D -> K
input x : D
param a : K
v = g(f(x))
J = aᵀ v
""",
    "index notation": """
param A : H × N × N
input V : H × N × D
param B : M × N
O[h,i,d] = sum(j, A[h,i,j] V[h,j,d])
S[i,m] = sum(k, B[m,k] B[i,k])
J = sum(O) + sum(S) + 1/7 sum(B.^(1/3))
""",
    "long formulas": """
param W : D × D
param x : D
param k : D
q = (tanh(x) + sigmoid(x) + cos(x) + exp(x)) ∘ (log(softplus(x)) + relu(x) ∘ sin(k) + 3 cos(k) ∘ tanh(k) ∘ x)
J = norm(q ∘ (W tanh(q) + Wᵀ sin(q) + cos(W x + k)) + sin(k) ∘ exp(k) ∘ cos(x) ∘ tanh(k))^2 / 17
""",
    "a batch": (ROOT / "examples" / "one_layer_rows.net").read_text(encoding="utf-8"),
    "no dependence": "input x : D\nparam V : K × D\nJ = sum(1[x > 0] ∘ x.^2)",
}


def derivations() -> Iterator[Derivation]:
    for name, text in NETWORKS.items():
        net = cr.parse(text)
        net.title = f"{name} 100% & #1_{{test}} $ ~ ^ \\ é “quoted” θ"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cr.ChainruleWarning)
            yield net.derive()
    for path in sorted((ROOT / "examples").glob("*.net")):
        yield cr.load(path).derive()


def compiled(engine: str, folder: Path, tex: str) -> str:
    """The log of one run."""
    assert tex.isascii(), sorted({c for c in tex if not c.isascii()})
    (folder / "page.tex").write_text(tex, encoding="ascii")
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, "\n".join(re.findall(r"^!.*(?:\n.*){4}", log, re.MULTILINE))
    assert (folder / "page.pdf").stat().st_size > 10_000
    return log


def body(document: str) -> str:
    assert document.startswith(PREAMBLE)
    return document.removeprefix(PREAMBLE).removesuffix("\\end{document}\n")


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_documents_compile(engine: str, tmp_path: Path, explained: Derivation) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    parts = [body(d.latex(explain, True, layout)) for d in derivations() for explain, layout in ((0, "both"),)]
    parts += [body(explained.latex(level, True, layout)) for level, layout in ((1, "shape"), (3, "numerator"))]
    log = compiled(engine, tmp_path, PREAMBLE + "\\clearpage\n".join(parts) + "\\end{document}\n")
    assert "Missing character" not in log
    wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(wide, default=0.0) < 3, wide


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_blocks_compile_in_an_article_with_amsmath_alone(tmp_path: Path, explained: Derivation) -> None:
    parts = [d.latex(layout=x) for d in derivations() for x in ("both", "numerator")]
    parts += [explained.latex(level) for level in (0, 1, 2, 3)]
    head = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
    log = compiled("pdflatex", tmp_path, head + "\n\n\\clearpage\n".join(parts) + "\n\\end{document}\n")
    wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(wide, default=0.0) < 12, wide


def test_a_block_gives_both_layouts_side_by_side() -> None:
    derivation = cr.load(ROOT / "examples" / "one_layer.net").derive()
    both = derivation.latex()
    assert (
        r"\frac{\partial J}{\partial W} &= \delta_{2}^\top x^\top & \text{numerator layout:} & x \delta_{2} \\" in both
    )
    assert "shape layout" in both
    assert r"\frac{\partial J}{\partial W} &= x \delta_{2} \\" in derivation.latex(layout="numerator")
    assert r"\text{numerator" not in derivation.latex(layout="shape")


def test_a_chain_has_its_rules_at_the_right(explained: Derivation) -> None:
    block = explained.latex(1)
    chain = block[block.index(r"\delta_{2} = ") : block.index(r"\frac{\partial J}{\partial x} &")]
    assert (
        r"\frac{\partial J}{\partial \theta} \, \frac{\partial \theta}{\partial h} \, \frac{\partial h}{\partial z} && "
        in chain
    )
    assert r"&= \delta_{1} U \frac{\partial h}{\partial z} && \text{2.1" in chain
    assert r"&& \delta_{1}\text{ is known}" in chain
    assert r"(1\times D_{h}) = (1\times N_{c})(N_{c}\times D_{h}) \circ (1\times D_{h})" in chain
    assert block.endswith(r"Conditions used: $\operatorname{relu}'(0)$ is taken as 0.")


def test_proofs_come_once(explained: Derivation) -> None:
    block = explained.latex(3)
    assert block.count("% proof of 2.1") == 1
    assert (
        r"\frac{\partial \theta_{k}}{\partial h_{i}} &= \sum_{l} U_{kl} \frac{\partial h_{l}}{\partial h_{i}}" in block
    )


def test_long_sums_are_broken_at_their_signs() -> None:
    terms = [(1 if k % 2 else -1, at(f"a{k}", "ij")) for k in range(12)]
    node = tree.sum_of(terms)
    lines = broken(node, 20)
    assert len(lines) > 2
    assert all(line[0] in "+-" for line in lines[1:])
    assert "".join(lines).replace(" ", "").count("a_{") == 12


def test_brackets_that_a_line_ends_in_are_not_left_and_right() -> None:
    inner = tree.sum_of([(1, sym(f"b{k}", "n", 1)) for k in range(20)])
    lines = broken(tree.transpose(tree.product([sym("W", "n", "n"), inner])), 20)
    text = " ".join(lines)
    assert text.count(r"\bigl(") == text.count(r"\bigr)") == 2
    assert text.endswith(r"\bigr)^\top")
    assert r"\left" not in text
    assert width(inner) > 40


def test_sentences() -> None:
    names = {"U", "h", "b2", "x", "D_h"}
    assert sentence_to_latex("θ = U h + b2 gives ∂θ/∂h = U", names) == (
        r"$\theta = U h + b_{2}$ gives $\partial \theta/\partial h = U$"
    )
    assert sentence_to_math("relu′(0) is taken as 0") == r"\operatorname{relu}'(0)\text{ is taken as 0}"
    assert sentence_to_latex("b2 (1 × D_h) is repeated over the 5 rows", names) == (
        r"$b_{2}$ ($1 \times D_{h}$) is repeated over the 5 rows"
    )
    assert formula_to_latex("1[k = i] x[j]ᵀ").strip() == r"\mathbf{1}[k = i] x_{j}^\top"
    assert escaped("a_b & 5% #1 {x} ~ ^ \\ $").isascii()


@pytest.mark.parametrize("text", ["∂z[k]/∂W[i,j]", "X⁻ᵀ", "‖x‖ ≤ 1", "中 é ñ ŷ", "x.^(1/2)", "δ₁₂ → ∞", "½ ⊙ ∇"])
def test_no_unicode_is_left(text: str) -> None:
    assert formula_to_latex(text).isascii()
    assert sentence_to_latex(text).isascii()
    assert sentence_to_math(text).isascii()


def test_steps_in_index_notation_are_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    net = cr.parse("param W : m × n\ninput x : n\nJ = sum(tanh(W x))")
    left = Formula(partial(sym("J"), at("W", "ij")))
    step = Step(left, Formula(sigma("k", tree.product([at("a", "k"), at("x", "j")]))), "chain rule")
    monkeypatch.setattr(Derivation, "steps", lambda _, g: [step] if g.of == "W" else [])
    block = net.derive().latex(1)
    assert r"\frac{\partial J}{\partial W_{ij}} &= \sum_{k} a_{k} x_{j} && \text{chain rule}" in block


@pytest.mark.parametrize("form", ["latex", "markdown"])
def test_a_sentence_that_begins_with_a_name_does_not_change_it(form: str) -> None:
    """ "b1 is repeated" became "B1 is repeated", h[0] became H[0]: other names."""
    rows = cr.load(ROOT / "examples" / "one_layer_rows.net").derive()
    loop = cr.load(ROOT / "examples" / "rnn.net").derive()
    shown = [d.latex(0, True) if form == "latex" else d.markdown() for d in (rows, loop)]
    assert "is repeated over the" in shown[0]
    assert "is 0, since no value is given" in shown[1]
    assert "B_{1}" not in shown[0]
    assert "H_{0}" not in shown[1]


def test_the_name_of_a_function_is_upright_with_digits_inside() -> None:
    assert function_to_latex("max_pool1d") == r"\operatorname{max\_pool1d}"
    assert function_to_latex("conv2d'") == r"\operatorname{conv2d}'"
    assert function_to_latex("f1") == "f_{1}"
