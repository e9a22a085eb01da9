"""Identifiers in C: the user's names in ASCII (θ is theta, ŷ is y_hat), away from C's own words and its library's."""

from __future__ import annotations

from chainrule.dims import ascii_name
from chainrule.targets.c_helpers import helper_names
from chainrule.targets.names import Names, identifier

__all__ = ["CNames"]

_WORDS = (
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "asm",
    "typeof", "bool", "true", "false", "NULL", "INFINITY", "NAN", "I", "size_t", "int64_t", "main", "exp", "log",
    "sqrt", "pow", "sin", "cos", "tan", "atan", "tanh", "sinh", "cosh", "fabs", "erf", "erfc", "expm1", "log1p",
    "fmax", "fmin", "SIMD", "CBLAS", "BLAS_THREADS", "SIZE_MAX", "PTRDIFF_MAX", "INT64_MAX", "UINT64_MAX", "HUGE_VAL",
    "HUGE_VALF", "M_PI", "M_E", "errno", "signgam", "complex", "linux", "unix", "i386", "expf", "logf", "sqrtf",
    "powf", "sinf", "cosf", "tanf", "atanf", "tanhf", "sinhf", "coshf", "fabsf", "erff", "erfcf", "floor", "floorf",
    "expm1f", "log1pf", "fmaxf", "fminf", "frexp", "frexpf", "ldexp", "ldexpf", "signbit",
)  # fmt: skip
# What operations declare inside of their loops: no array may have these names there.
_LOCALS = ("at", "best", "count", "found", "label", "numbers", "other", "product", *(f"i{axis}" for axis in range(16)))


class CNames(Names):
    """Gives each thing a C identifier of its own."""

    def __init__(self, reserved: tuple[str, ...] = ()) -> None:
        super().__init__(())
        self._taken = {*_WORDS, *_LOCALS, *helper_names(), *reserved}

    def take(self, wanted: str) -> str:
        """`wanted` in ASCII, with a number or an underscore behind it where it is taken."""
        return super().take(ascii_name(identifier(wanted)))

    def plain(self, wanted: str) -> str:
        """`wanted`, which is an identifier already."""
        return super().take(wanted)

    def is_taken(self, name: str) -> bool:
        """True where the name is in use."""
        return name in self._taken
