"""Sizes and names: what two spellings of one name have in common, and what a size may be.

A size (dimension) is a positive integer, a symbol such as "D_x", or an expression in symbols (`chainrule.sizes`); two
symbols are two sizes. Names come in
Unicode and ASCII spellings (θ and theta, ŷ and y_hat, δ₁ and delta1): `canonical_name` maps both to one key,
`display_name` gives the form that people read, `ascii_name` the form for a C file or an old terminal.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from chainrule.sizes import is_derived, written

__all__ = ["Dim", "ascii_name", "canonical_name", "display_dim", "display_name", "format_shape"]

Dim = int | str

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π",
    "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
TO_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
GREEK_NAMES = {letter: name for name, letter in GREEK.items()} | {"ϵ": "epsilon", "ϕ": "phi", "ϑ": "theta"}
ACCENT_NAMES = {mark: name for name, mark in ACCENTS.items()}

_PIECE = re.compile(r"[A-Za-z]+|[^A-Za-z]+")


@lru_cache(maxsize=1 << 14)
def canonical_name(name: str) -> str:
    """The key under which all spellings of `name` are one: Unicode letters, digits on the line, no accents apart.

    >>> canonical_name("theta") == canonical_name("θ"), canonical_name("y_hat") == canonical_name("ŷ")
    (True, True)
    >>> canonical_name("δ₁") == canonical_name("delta1") == canonical_name("delta_1")
    True
    """
    text = unicodedata.normalize("NFC", name).translate(SUBSCRIPTS)
    text = text.replace("ϵ", "ε").replace("ϕ", "φ").replace("ϑ", "θ").replace("µ", "μ")
    parts: list[str] = []
    for position, part in enumerate(text.split("_")):
        match = _PIECE.match(part)
        if match and match.group() in GREEK:
            part = GREEK[match.group()] + part[match.end() :]
        if position and part in ACCENTS and parts and parts[-1]:
            base, digits = _split_digits(parts[-1])
            parts[-1] = base + ACCENTS[part] + digits
            continue
        accented = re.fullmatch(r"(hat|bar|tilde|dot)(\d+)", part) if position else None
        if accented and parts and parts[-1]:
            parts[-1] += ACCENTS[accented.group(1)] + accented.group(2)
            continue
        if position and part.isdigit() and parts and parts[-1] and parts[-1][-1] not in "0123456789":
            parts[-1] += part
            continue
        parts.append(part)
    return unicodedata.normalize("NFC", "_".join(parts))


def _split_digits(text: str) -> tuple[str, str]:
    stem = text.rstrip("0123456789")
    return stem, text[len(stem) :]


@lru_cache(maxsize=1 << 14)
def display_name(name: str) -> str:
    """The form that people read: Greek letters, accents, and subscript digits behind a Greek letter.

    >>> display_name("delta1"), display_name("b1"), display_name("y_hat")
    ('δ₁', 'b1', 'ŷ')
    """
    text = canonical_name(name)
    stem, digits = _split_digits(text)
    letter = stem[1:] if stem[:1] == "d" else stem  # dδ₁: the tangent of δ₁
    if digits and letter and unicodedata.normalize("NFD", letter)[0] in GREEK_NAMES and "_" not in stem:
        return stem + digits.translate(TO_SUBSCRIPTS)
    return text


def ascii_name(name: str) -> str:
    """An ASCII identifier for `name`: θ is theta, ŷ is y_hat, δ₁ is delta1.

    >>> ascii_name("δ₁"), ascii_name("ŷ"), ascii_name("x̂2")
    ('delta1', 'y_hat', 'x2_hat')
    """
    stem, digits = _split_digits(canonical_name(name))
    out, accents = "", ""
    for char in unicodedata.normalize("NFD", stem):
        if char in ACCENT_NAMES:
            accents += "_" + ACCENT_NAMES[char]
        elif char in GREEK_NAMES:
            out += GREEK_NAMES[char]
        elif char.isascii():
            out += char
        else:
            out += f"u{ord(char):x}"
    return out + digits + accents


def display_dim(dim: Dim) -> str:
    """A size as people write it: 3, D_h, H d, N + M."""
    return written(dim, display_name)


def format_shape(shape: tuple[Dim, ...]) -> str:
    """A shape as people write it: `D_h × D_x`, or `scalar`."""
    shown = [f"({display_dim(d)})" if len(shape) > 1 and is_derived(d) else display_dim(d) for d in shape]
    return " × ".join(shown) if shape else "scalar"
