"""Sentences with formulas in them, as LaTeX: “θ = U h + b2 gives ∂θ/∂h = U”, (1×N_c)(N_c×D_h), a user's title.

Rules, reasons and conditions are said in text. LaTeX must not get their Unicode raw (pdflatex knows none of it), and
what is mathematics should look like it: words stay words, names and signs become formulas. A sign that is missing is
one more entry in `SIGNS`.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Collection

from chainrule.dims import GREEK_NAMES
from chainrule.notation.latex import entry_to_latex, name_to_latex, to_latex
from chainrule.notation.phrases import inlined
from chainrule.notation.sentence import Sentence, say
from chainrule.notation.tree import Node

__all__ = ["escaped", "formula_to_latex", "sentence_parts", "sentence_to_latex", "sentence_to_math", "wrapped"]

SIGNS = {
    "∂": r"\partial ", "∇": r"\nabla ", "∘": r"\circ ", "⊙": r"\odot ", "×": r"\times ", "·": r"\cdot ", "−": "-",
    "±": r"\pm ", "→": r"\to ", "↦": r"\mapsto ", "⇒": r"\Rightarrow ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ",
    "≈": r"\approx ", "∈": r"\in ", "∞": r"\infty ", "√": r"\surd ", "‖": r"\Vert ", "…": r"\dots ", "*": r"\ast ",
    "∑": r"\textstyle\sum ", "∏": r"\textstyle\prod ", "ℝ": r"\mathbf{R}", "ᵀ": r"^\top ", "⊤": r"^\top ",
    "′": "'", "″": "''", "𝟏": r"\mathbf{1}", "⟨": r"\langle ", "⟩": r"\rangle ", "½": r"\tfrac{1}{2}",
    "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\sim ",
    "\\": r"\backslash ",
}  # fmt: skip
UP = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n", strict=True))
DOWN = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
WORDS = {  # what a sentence may hold that LaTeX's text mode needs spelled
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'", "–": "--", "—": "---",
    "…": r"\dots{}", "ß": r"\ss{}", "æ": r"\ae{}", "ø": r"\o{}", "å": r"\aa{}", "Ø": r"\O{}", "Æ": r"\AE{}",
    "œ": r"\oe{}", "ł": r"\l{}", "ı": r"\i{}", "«": "``", "»": "''", "\u00a0": "~",
}  # fmt: skip
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030c": "v ", "\u0304": "=",
    "\u0307": ".", "\u0306": "u ", "\u030a": "r ", "\u0327": "c ", "\u030b": "H ", "\u0328": "k ",
}  # fmt: skip

_NO_LETTERS = "⁰¹²³⁴-⁹ᵀᴴⁿⁱ"
_NAME = rf"[^\W\d₀-₉{_NO_LETTERS}](?:[^\W{_NO_LETTERS}]|[\u0300-\u036f])*"
_TOKEN = re.compile(
    rf"(?P<ENTRY>{_NAME}\[[^\[\]=]*\])|(?P<IVERSON>(?<![\w.])1\[)|(?P<NAME>{_NAME})|(?P<POWER>\.?\^(?:\d+|\([^()]*\)))"
    rf"|(?P<UP>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+ᵀ?)|(?P<DOWN>[₀-₉]+)|(?P<REST>.)",
    re.DOTALL,
)
_MATH = re.compile(r"[∂∘×·−→≤≥≠≈∈√‖ᵀ⊤′⁰¹²³⁴-⁹⁻₀-₉=+\[\]^\u0300-\u036f]|1\[")
_ENGLISH = {"a", "A", "I", "is", "in", "it", "at", "by", "of", "the", "to", "as"}


def formula_to_latex(text: str) -> str:
    r"""A formula written in text, for math mode.

    >>> formula_to_latex("(1×N_c) ∘ ∂θ/∂h"), formula_to_latex("W[i,j] = x[j]ᵀ")
    ('(1\\times N_{c}) \\circ \\partial \\theta/\\partial h', 'W_{ij} = x_{j}^\\top ')
    """
    out = ""
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind == "ENTRY":
            name, letters = token[:-1].split("[", 1)
            piece = entry_to_latex(name, [x.strip() for x in letters.split(",")])
        elif kind == "IVERSON":
            piece = r"\mathbf{1}["
        elif kind == "NAME":
            piece = _name(token, text[match.end() :])
        elif kind == "POWER":
            circle = r"\circ " if token[0] == "." else ""
            piece = "^{" + circle + formula_to_latex(token.lstrip(".^").strip("()")) + "}"
        elif kind == "UP":
            piece = "^{" + "".join(UP.get(c, r"\top") for c in token) + "}"
        elif kind == "DOWN":
            piece = "_{" + "".join(DOWN[c] for c in token) + "}"
        else:
            piece = SIGNS.get(token) or (token if token.isascii() else rf"\text{{{escaped(token)}}}")
        space = piece[:1].isalpha() and re.search(r"\\[A-Za-z]+$", out) is not None
        out += (" " if space else "") + piece.replace("  ", " ")
    return out.replace("  ", " ")


def _name(name: str, behind: str) -> str:
    """A name in a formula; a word before a bracket is a function."""
    if len(name) > 1 and name.isascii() and name.isalpha() and behind[:1] in ("(", "′"):
        return rf"\operatorname{{{name}}}"
    return name_to_latex(name)


def escaped(text: str) -> str:
    r"""Words for LaTeX's text mode, in ASCII: 50_000 % is 50\_000 \%, é is \'{e}; of an alien script, its code.

    >>> escaped("my_net & 5 %"), escaped("naïve")
    ('my\\_net \\& 5 \\%', 'na\\"{\\i}ve')
    """
    out: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        if char in WORDS:
            out.append(WORDS[char])
        elif char.isascii():
            out.append(char if char.isprintable() else " ")
        elif char in GREEK_NAMES or char in SIGNS:
            out.append(f"${formula_to_latex(char).strip()}$")
        elif char in UP or char in DOWN:
            out.append(f"${'^' if char in UP else '_'}{{{UP.get(char) or DOWN[char]}}}$")
        else:
            out.append(_accented(char))
    return "".join(out)


def _accented(char: str) -> str:
    base, *marks = list(unicodedata.normalize("NFD", char))
    if marks and base.isascii() and all(m in ACCENTS for m in marks):
        piece = {"i": r"\i", "j": r"\j"}.get(base, base) if marks[0] != "\u0327" else base
        for mark in marks:
            piece = rf"\{ACCENTS[mark].strip()}{{{piece}}}"
        return piece
    if marks and base in GREEK_NAMES:
        return f"${name_to_latex(char)}$"
    return f"[U+{ord(char):04X}]"


def sentence_to_latex(text: str, names: Collection[str] = ()) -> str:
    r"""For text mode: words, with each formula between dollar signs.

    >>> sentence_to_latex("δ₁ is known")
    '$\\delta_{1}$ is known'
    """
    return "".join(f"${x.strip()}$" if math else escaped(x) for math, x in sentence_parts(text, names))


def sentence_to_math(text: str, names: Collection[str] = (), plain: bool = False) -> str:
    r"""For math mode: formulas, with the words in \text{…}; `plain`: words as they are, for a page that knows Unicode.

    >>> sentence_to_math("δ₁ is known")
    '\\delta_{1}\\text{ is known}'
    """
    out = ""
    for math, piece in sentence_parts(text, names):
        out += (
            piece if math else r"\text{" + (re.sub(r"([%&#$_{}])", r"\\\1", piece) if plain else escaped(piece)) + "}"
        )
    return out


def sentence_parts(text: str, names: Collection[str]) -> list[tuple[bool, str]]:
    """A sentence as runs of words (False) and of formulas (True); formulas are LaTeX already.

    A `Sentence` knows its formulas; in plain text they are found by their look.
    """
    if isinstance(text, Sentence):
        return [
            run
            for piece in text.parts
            for run in ([(True, to_latex(inlined(piece)))] if isinstance(piece, Node) else sentence_parts(piece, names))
        ]
    runs: list[tuple[bool, str]] = []
    for word in re.findall(r"\s+|\S+", text):
        if word.isspace():
            runs.append((False, word))
            continue
        front, core, back = _bare(word)
        math = _is_math(core, names)
        if core.isdigit() and len(runs) > 1 and runs[-1][1].isspace():
            math = runs[-2][0]  # a number is mathematics beside mathematics
        elif math and len(runs) > 1 and runs[-1][1].isspace() and runs[-2][1].isdigit():
            runs[-2] = (True, runs[-2][1])
        runs += [(False, front)] if front else []
        runs.append((math, core))
        runs += [(False, back)] if back else []
    joined: list[tuple[bool, str]] = []
    for position, (math, piece) in enumerate(runs):
        if piece.isspace() and joined and joined[-1][0] and position + 1 < len(runs) and runs[position + 1][0]:
            math = True  # a blank between two formulas makes them one
        if joined and joined[-1][0] == math:
            joined[-1] = (math, joined[-1][1] + piece)
        else:
            joined.append((math, piece))
    return [(math, formula_to_latex(piece) if math else piece) for math, piece in joined]


def wrapped(text: str, width: int) -> list[str]:
    """A sentence in lines of at most about `width` letters; a formula is not broken, nor parted from its comma."""
    if not isinstance(text, Sentence):
        return textwrap.wrap(text, width)
    chunks: list[list[str | Node]] = [[]]
    for piece in text.parts:
        words: list[str | Node] = [piece] if isinstance(piece, Node) else [*piece.split(" ")]
        for k, word in enumerate(words):
            if k and chunks[-1]:
                chunks.append([])
            if word:
                chunks[-1].append(word)
    lines: list[Sentence] = []
    for chunk in chunks:
        added = say(lines[-1], " ", *chunk) if lines else say(*chunk)
        if lines and len(added) <= width:
            lines[-1] = added
        elif chunk:
            lines.append(say(*chunk))
    return list(lines)


def _bare(word: str) -> tuple[str, str, str]:
    """A word without the punctuation around it; brackets that it closes itself are its own."""
    front = back = ""
    while word and (word[-1] in ",.;:?!" or (word[-1] == ")" and word.count(")") > word.count("("))):
        word, back = word[:-1], word[-1] + back
    while word and word[0] == "(" and word.count("(") > word.count(")"):
        word, front = word[1:], front + word[0]
    return front, word, back


def _is_math(word: str, names: Collection[str]) -> bool:
    if word in names:
        return word not in _ENGLISH
    if not word or word.isdigit() or "://" in word:
        return False
    if any(c in GREEK_NAMES for c in word) or re.fullmatch(rf"{_NAME}\(.+\)", word):
        return True
    return bool(_MATH.search(unicodedata.normalize("NFD", word))) and not _accented_word(word)


def _accented_word(word: str) -> bool:
    """naïve is a word, ŷ and x̂2 are names: an accent on one letter alone makes a name."""
    letters = [c for c in unicodedata.normalize("NFD", word) if c.isalpha()]
    return len(letters) > 2 and all(c.isalpha() or unicodedata.combining(c) for c in unicodedata.normalize("NFD", word))
