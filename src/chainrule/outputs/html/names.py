"""What each symbol of a page is: its kind and its size, for the table of names and for the note beside a symbol."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING

from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim, canonical_name, display_name, format_shape
from chainrule.notation.binding import ATOM
from chainrule.notation.mathml import inner_mathml
from chainrule.notation.mathml_names import name_parts, name_to_mathml, partial_to_mathml
from chainrule.sizes import symbols_of

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient

__all__ = ["KINDS", "Names", "unmarked"]

_MARK = re.compile(r' data-name="([^"]*)"')

KINDS = {"input": "input", "label": "label", "param": "parameter", "const": "constant", "value": "value"}


class Names:
    """The names of one derivation, and how they are written on its page."""

    def __init__(self, derivation: Derivation) -> None:
        self._derivation = derivation
        self._program = derivation.program
        self._signal_of = dict(derivation.backward.signals)
        dims = {d for v in self._program.variables.values() for dim in v.dims for d in symbols_of(dim)}
        self._dims = sorted(dims)
        shown = sorted({display_name(d) for d in dims}, key=len, reverse=True)
        self._dim_pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, shown))})(?!\w)" if shown else r"(?!)")

    def descriptions(self) -> dict[str, str]:
        """Canonical name -> what it is and its size, in words: for the note beside a symbol."""
        out = {}
        for name, variable in self._program.variables.items():
            if is_anonymous(name) or name.startswith("∂"):
                continue
            kind = KINDS.get(variable.kind, variable.kind)
            if variable.kind == "signal":
                kind = f"error signal at {self._derivation.describe(self._signal_of[name])}"
            elif name == self._derivation.loss:
                kind = "loss"
            size = format_shape(variable.shape)
            facts = "".join(f", {fact}" for fact in variable.facts)
            out[canonical_name(name)] = f"{display_name(name)}: {kind}, {size}{facts}"
        for dim in self._dims:
            out.setdefault(canonical_name(dim), f"{display_name(dim)}: a size")
        return out

    def signal_css(self) -> str:
        """The signals' colour, wherever they occur."""
        chosen = ",".join(f'[data-name="{canonical_name(s)}"]' for s in self._signal_of)
        return f"{chosen}{{color:var(--signal)}}\n" if chosen else ""

    def mathml(self, name: str) -> str:
        """A name as a formula."""
        return f"<math>{name_to_mathml(name)}</math>"

    def size(self, shape: tuple[Dim, ...]) -> str:
        """D_h × D_x, each size a symbol that lights up; `scalar`."""
        if not shape:
            return "scalar"
        parts = [name_to_mathml(d) if isinstance(d, str) else f"<mn>{d}</mn>" for d in shape]
        return f"<math><mrow>{'<mo>×</mo>'.join(parts)}</mrow></math>"

    def size_line(self, text: str) -> str:
        """The dimension line as HTML: every size a symbol that lights up."""

        def shown(match: re.Match[str]) -> str:
            stem, below = name_parts(match.group())
            name = escape(canonical_name(match.group()))
            under = f"<sub>{escape(','.join(below))}</sub>" if below else ""
            return f'<i data-name="{name}">{escape(stem)}{under}</i>'

        return self._dim_pattern.sub(shown, escape(text)).replace("ᵀ", "<sup>⊤</sup>")

    def derivative(self, gradient: Gradient) -> str:
        """∂J/∂W, with indices where the formula is written in index notation."""
        indices = gradient.written.indices
        below = self.described(gradient.of)
        if indices:
            letters = '<mo separator="true">,</mo>'.join(f"<mi>{escape(i)}</mi>" for i in indices)
            below = f"<msub>{below}<mrow>{letters}</mrow></msub>"
        return partial_to_mathml(name_to_mathml(self._derivation.loss), below)

    def described(self, name: str) -> str:
        """A name, or in brackets what an anonymous one stands for."""
        return inner_mathml(self._derivation.describe_node(name), ATOM)

    def only_known(self, page: str) -> str:
        """The page with marks on the derivation's own names alone: a proof may have letters of its own."""
        known = self.descriptions()
        return _MARK.sub(lambda mark: mark.group() if unescape(mark.group(1)) in known else "", page)


def unmarked(mathml: str) -> str:
    """A formula whose letters are not the network's, though they may look alike: an identity's W is not this W."""
    return _MARK.sub("", mathml)
