"""What networks, derivations, gradients and Jacobians show in a notebook; see `notation.display`.

A derivation shows its formulas, a gradient also its reason and its steps. Steps and entries of the book know how they
show themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from chainrule.dims import Dim, display_name, format_shape
from chainrule.explanation.steps import step_rows
from chainrule.notation.display import aligned, bundle, details, heading, math, quiet, table
from chainrule.notation.latex import to_latex
from chainrule.notation.mathml import inner_mathml
from chainrule.notation.mathml_names import name_to_mathml
from chainrule.notation.sentence import sentence_to_html
from chainrule.notation.text import to_text
from chainrule.outputs.html.names import Names
from chainrule.outputs.html.tables import equation_parts
from chainrule.outputs.story import forms
from chainrule.outputs.text import derivation_text, formula_lines, plain, program_lines

if TYPE_CHECKING:
    from chainrule.curvature import Derived
    from chainrule.derivation import Derivation, Gradient
    from chainrule.explanation.told import Told
    from chainrule.jacobians import Jacobian
    from chainrule.network import Network

__all__ = ["derivation_bundle", "gradient_bundle", "jacobian_bundle", "network_bundle", "told_bundle"]

EQUALS = "<mo>=</mo>"


def _size(shape: tuple[Dim, ...]) -> str:
    """D_h × D_x, or the word scalar."""
    if not shape:
        return quiet("scalar")
    parts = [name_to_mathml(d) if isinstance(d, str) else f"<mn>{d}</mn>" for d in shape]
    return quiet(f"<math><mrow>{'<mo>×</mo>'.join(parts)}</mrow></math>")


def network_bundle(net: Network) -> dict[str, str]:
    """What is declared, and the equations with their sizes."""
    given = [
        [quiet(item.kind), math(name_to_mathml(name)), _size(net.dims[name]), quiet(escape(", ".join(item.facts)))]
        for name, item in net.declarations.items()
    ]
    computed = [[math(*equation_parts(e)), _size(e.shape)] for e in net.equations]
    said = "".join(f"<div>{quiet(escape(note))}</div>" for note in net.repeats)
    title = heading(escape(net.title or "Network"), f"loss {display_name(net.loss)}" if net.loss else "")
    latex = aligned((e.latex_name, e.latex) for e in net.equations)
    return bundle(plain(program_lines(net)).rstrip("\n"), title + table(given) + table(computed) + said, latex)


def derivation_bundle(derivation: Derivation) -> dict[str, str]:
    """Every signal and gradient in one table."""
    names = Names(derivation)
    html = ""
    if derivation.signals:
        rows = [_row(derivation, s, names) for s in derivation.signals.values()]
        html += heading("Error signals", "numerator layout: a row at a vector") + table(rows)
    rows = [_row(derivation, g, names) for g in derivation.gradients.values()]
    html += heading("Gradients", "each in the shape of its parameter; beside it, in numerator layout") + table(rows)
    every = (*derivation.signals.values(), *derivation.gradients.values())
    latex = aligned((derivation.latex_symbol(g), g.latex) for g in every)
    return bundle(derivation_text(derivation), html, latex)


def _left(derivation: Derivation, gradient: Gradient, names: Names) -> str:
    derivative = names.derivative(gradient)
    if gradient.name not in derivation.backward.signals:
        return derivative
    return name_to_mathml(gradient.name) + EQUALS + derivative


def _row(derivation: Derivation, gradient: Gradient, names: Names) -> list[str]:
    main, *others = forms(derivation, gradient, "both")
    beside = "".join(math(inner_mathml(o.written.tree)) for o in others)
    right = math(EQUALS, inner_mathml(main.written.tree))
    return [math(_left(derivation, gradient, names)), right, _size(gradient.shape), quiet(beside)]


def gradient_bundle(derivation: Derivation, gradient: Gradient) -> dict[str, str]:
    """The formula in its layouts with its sizes, the reason, and the steps."""
    names = Names(derivation)
    left = _left(derivation, gradient, names)
    rows = []
    for form in forms(derivation, gradient, "both"):
        said = f"{form.layout} layout" if gradient.turned is not None else ""
        rows.append([math(left), math(EQUALS, inner_mathml(form.written.tree)), _size(form.written.shape), quiet(said)])
        left = ""
    html = table(rows)
    if gradient.reason:
        html += f"<div>{sentence_to_html(gradient.reason)}</div>"
    if gradient.steps:
        html += details("How it comes about", table(step_rows(gradient.steps)), unfolded=True)
    latex = aligned(_gradient_latex(derivation, gradient))
    return bundle(plain(formula_lines(derivation, gradient, 1, "both")).strip("\n"), html, latex)


def _gradient_latex(derivation: Derivation, gradient: Gradient) -> Iterator[tuple[str, str]]:
    yield derivation.latex_symbol(gradient), gradient.latex
    before = None
    for step in gradient.steps:
        yield step.left.latex if before != step.left else "", step.right.latex
        before = step.right


def jacobian_bundle(jacobian: Jacobian) -> dict[str, str]:
    """The formula, its size and structure, and one entry."""
    known = "" if jacobian.structure == "general" else jacobian.structure
    left = jacobian.left_node
    rows = []
    if jacobian.letters:
        rows.append([math(inner_mathml(left)), sentence_to_html(jacobian.text)])
    else:
        right = math(EQUALS, inner_mathml(jacobian.written.tree))
        rows.append([math(inner_mathml(left)), right, _size(jacobian.shape), quiet(escape(known))])
    entry = jacobian.entry_nodes
    if jacobian.letters or entry[1] != jacobian.written.tree:
        rows.append([math(inner_mathml(entry[0])), math(EQUALS, inner_mathml(entry[1])), "", quiet("one entry")])
    steps = _told_steps(jacobian.told)
    text = f"{jacobian}\n{format_shape(jacobian.shape)}" + (f", {known}" if known else "") + f"\n{jacobian.entry}"
    sides = entry if jacobian.letters else (left, jacobian.written.tree)
    latex = aligned([(to_latex(sides[0]), to_latex(sides[1]))])
    return bundle(text, table(rows) + steps, latex)


def _told_steps(told: Iterable[Told]) -> str:
    """The steps of every formula on the way, folded away."""
    out = ""
    for one in told:
        if one.steps:
            name = math(inner_mathml(one.left))
            out += details(f"How {name} comes about", table(step_rows(one.steps)))
    return out


def told_bundle(value: Derived) -> dict[str, str]:
    """What is computed on the way, and the value; the steps folded away."""
    rows = [[math(inner_mathml(t.left)), math(EQUALS, inner_mathml(t.right)), _size(t.shape)] for t in value.told]
    said = f"<div>{sentence_to_html(value.said)}</div>"
    latex = aligned((to_latex(t.left), to_latex(t.right)) for t in value.told)
    text = "\n".join(f"{to_text(t.left)} = {to_text(t.right)}" for t in value.told)
    return bundle(text, said + table(rows) + _told_steps(value.told), latex)
