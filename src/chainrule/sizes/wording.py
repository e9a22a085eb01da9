"""How sizes are written: for a reader (H d, N + M), and as code."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.sizes.polynomials import TOKEN, Dim, is_derived, parts_of, polynomial, spelled

__all__ = ["spoken", "written"]


def written(dim: Dim, name: Callable[[str], str], times_sign: str = " ") -> str:
    """How a size is read: H d, N + M, (n − 1)//2 + 1."""
    if isinstance(dim, int):
        return str(dim).replace("-", "−")
    if not is_derived(dim):
        return name(dim)
    ordered = sorted(polynomial(dim), key=lambda t: (t[1] < 0, -len(t[0]), t[0]))
    out = ""
    for key, c in ordered:
        shown = []
        for symbol in key:
            parts = parts_of(symbol)
            if parts is None:
                shown.append(name(symbol))
                continue
            texts = [written(spelled(p), name, times_sign) for p in parts]
            above, below = (f"({t})" if len(t.split()) > 1 else t for t in texts)
            shown.append(f"{above}//{below}" if len(key) == 1 and abs(c) == 1 else f"({above}//{below})")
        text = times_sign.join(shown if abs(c) == 1 and key else [str(abs(c)), *shown])
        out += (" − " if c < 0 else " + ") if out else ("−" if c < 0 else "")
        out += text
    return out


def spoken(dim: Dim, name: Callable[[str], str]) -> str:
    """A size as Python (or C, but for //), with brackets where it is a sum or a product; names as `name` gives them."""
    if isinstance(dim, int):
        return str(dim)
    if not is_derived(dim):
        return name(dim)
    out = "".join(f" {t} " if t in ("+", "-", "*", "//") else t if t in "()" or t.isdecimal() else name(t)
                  for t in TOKEN.findall(dim))  # fmt: skip
    return f"({out.replace('( -', '(-').strip()})"
