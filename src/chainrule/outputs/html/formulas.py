"""One error signal or gradient on the page: both layouts, dimension lines, the reason, and the steps as a chain."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from chainrule.dims import ascii_name
from chainrule.notation.mathml import inner_mathml
from chainrule.notation.mathml_names import name_to_mathml
from chainrule.notation.sentence import sentence_to_html
from chainrule.notation.sizes import shape_text, size_text
from chainrule.outputs.html.names import Names, unmarked

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.explanation.steps import Formula, Step

__all__ = ["chain_list", "conditions_section", "formula_article"]


def formula_article(gradient: Gradient, derivation: Derivation, names: Names, explain: int) -> str:
    """Heading, formula in each layout with its dimension line, reason, steps."""
    is_signal = gradient.name in derivation.backward.signals
    derivative = names.derivative(gradient)
    anchor = ("signal-" + ascii_name(gradient.name)) if is_signal else ("gradient-" + ascii_name(gradient.of))
    left = f"{name_to_mathml(gradient.name)}<mo>=</mo>{derivative}" if is_signal else derivative
    heading = (
        f"<math>{name_to_mathml(gradient.name)}</math>, the signal at <math>{names.described(gradient.of)}</math>"
        if is_signal
        else f"Gradient at <math>{name_to_mathml(gradient.of)}</math>"
    )
    reason = f'<p class="reason scroll">{sentence_to_html(gradient.reason)}</p>' if gradient.reason else ""
    return f"""<article class="formula" id="{anchor}">
<h3><span>{heading}</span> <span class="size">{names.size(gradient.shape)}</span></h3>
<div class="layouts">
{_layouts(gradient, left, names, is_signal)}</div>
{reason}{_steps(gradient, explain)}
</article>"""


def _layouts(gradient: Gradient, left: str, names: Names, is_signal: bool) -> str:
    right = _inside(gradient.mathml)
    own = _own_size(gradient)
    if is_signal:
        return _layout("", "", left, right, _sizes(own, gradient.sizes), names)
    turned = gradient.turned
    if turned is None or turned.text == gradient.text:
        return _layout("", "in both layouts", left, right, _sizes(own, gradient.sizes), names)
    shape = gradient.shape
    turned_own = size_text(shape[1], shape[0]) if len(shape) == 2 else own
    return _layout("shape", "shape layout", left, right, _sizes(own, gradient.sizes), names) + _layout(
        "numerator", "numerator layout", left, inner_mathml(turned.tree), _sizes(turned_own, turned.size_line), names
    )


def _inside(mathml: str) -> str:
    return mathml.removeprefix("<math>").removesuffix("</math>")


def _own_size(gradient: Gradient) -> str:
    return shape_text(gradient.shape)


def _sizes(own: str, line: str) -> str:
    return own if line in ("", own) else f"{own} = {line}"


def _layout(kind: str, label: str, left: str, right: str, sizes: str, names: Names) -> str:
    tag = f'<p class="tag">{label}</p>' if label else ""
    line = f'<p class="sizes">{names.size_line(sizes)}</p>' if sizes else ""
    return f"""<div class="layout {kind}">{tag}
<div class="scroll result"><math display="block">{left}<mo>=</mo>{right}</math>{line}</div></div>
"""


def _steps(gradient: Gradient, explain: int) -> str:
    if not explain:
        return ""
    steps = tuple(gradient.steps)
    if not steps:
        return ""
    count = f"{len(steps)} step{'s' if len(steps) > 1 else ''}"
    return f"""<details class="steps" open><summary>How it comes about <span class="count">{count}</span></summary>
{chain_list(steps, explain)}
</details>"""


def chain_list(steps: Iterable[Step], explain: int) -> str:
    """A chain of equalities; the left-hand side is written again only where a new chain begins."""
    out: list[str] = []
    before: Formula | None = None
    for step in steps:
        if before is None or step.left.text != before.text:
            out.append(_line(step.left, "", ""))
        out.append(_line(step.right, "=", _rule(step), _details(step, explain)))
        before = step.right
    return f'<ol class="chain">\n{"".join(out)}</ol>'


def _line(formula: Formula, sign: str, rule: str, details: str = "") -> str:
    equals = f"<mo>{sign}</mo>" if sign else ""
    kind = "" if sign else ' class="start"'
    beside = f'<div class="rule">{rule}</div>' if rule else ""
    return f'<li{kind}><div class="scroll"><math>{equals}{_inside(formula.mathml)}</math></div>{beside}{details}</li>\n'


def _rule(step: Step) -> str:
    """The rule's name, its identity in the book, the detail, and what is assumed and not said by the detail."""
    numbered = step.identity == step.rule and step.rule[:1].isdigit()
    out = f'<span class="name">{"identity " if numbered else ""}{sentence_to_html(step.rule)}</span>'
    if step.identity and step.identity != step.rule:
        out += f' <span class="identity">{escape(step.identity)}</span>'
    if step.detail:
        out += f' <span class="detail">{sentence_to_html(step.detail)}</span>'
    for condition in step.conditions:
        if condition not in step.detail:
            out += f' <span class="condition">{sentence_to_html(condition)}</span>'
    return out


def _details(step: Step, explain: int) -> str:
    """What folds open below a step: finer steps, the proof."""
    out = ""
    if step.within:
        count = f"{len(step.within)} finer step{'s' if len(step.within) > 1 else ''}"
        out += _folded("finer", count, chain_list(step.within, explain), explain >= 2)
    if step.proof:
        out += _folded("proof", "proof in index notation", _proof(step), explain >= 3)
    return out


def _proof(step: Step) -> str:
    """The lines of a proof. Where it is an identity's, its letters are its own, and what they are here is said."""
    lines: list[str] = []
    for line in step.proof:
        if line.left is not None:
            lines.append(_line(line.left, "", ""))
        lines.append(_line(line.right, "=" if lines else "", sentence_to_html(line.rule)))
    body = f'<ol class="chain">\n{"".join(lines)}</ol>'
    if not step.identity:
        return body
    here = ", ".join(f"{_name(letter)} is {_name(meant)}" for letter, meant in step.bindings.items() if letter != meant)
    said = f"In the letters of identity {escape(step.identity)}" + (f"; here {here}" if here else "")
    return unmarked(f'<p class="here">{said}.</p>\n{body}')


def _name(name: str) -> str:
    return f"<math>{name_to_mathml(name)}</math>"


def _folded(kind: str, title: str, body: str, is_open: bool) -> str:
    return f'<details class="{kind}"{" open" if is_open else ""}><summary>{title}</summary>\n{body}</details>'


def _all_steps(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        yield step
        yield from _all_steps(step.within)


def conditions_section(derivation: Derivation, explain: int) -> str:
    """Everything that the steps assume, once each, with where it was used."""
    used: dict[str, dict[str, None]] = {}
    for gradient in (*derivation.signals.values(), *derivation.gradients.values()) if explain else ():
        for step in _all_steps(gradient.steps):
            for condition in step.conditions:
                used.setdefault(condition, {})[gradient.symbol.split(" = ")[0]] = None
    if not used:
        return ""
    items = "\n".join(
        f'<li>{sentence_to_html(condition)} <span class="where">used for {escape(", ".join(places))}</span></li>'
        for condition, places in used.items()
    )
    return f"""<section aria-labelledby="conditions">
<h2 id="conditions">Conditions used</h2>
<ul class="conditions">
{items}
</ul>
</section>"""
