"""Cases: one JSON object a line, with a function, what to differentiate, and the published answer as NumPy code."""

from __future__ import annotations

import json
import keyword
import linecache
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import LanguageError
from chainrule.tracing.array import Traced
from chainrule.tracing.ufuncs import apply

__all__ = ["KINDS", "Case", "Unusable", "draw", "read_cases"]

KINDS = ("gradient", "jacobian", "hessian")
# What `init` says of an argument -> what is declared of it. Only facts that change no derivative by convention.
FACTS = {"onehot": "one-hot", "onehot_rows": "one-hot", "prob": "rows sum to 1", "pos": "positive",
         "mask": "mask", "sym": "symmetric", "spd": "symmetric"}  # fmt: skip


@dataclass(frozen=True)
class Unusable:
    """A line of a file that is no case, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Case:
    """One case. `tolerance` is relative to the largest entry of the answer."""

    id: str
    expr: str
    shapes: dict[str, tuple[int, ...]]
    wrt: str
    kind: str
    expected: str
    numpy_forward: str
    numpy_expected: str
    init: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1e-9
    source: str = ""

    def function(self, body: str, name: str) -> Callable[..., Any]:
        """A field with NumPy code as a function of the arguments."""
        lines = body.split("\n")
        if len(lines) == 1 and "return" not in body:
            lines = [f"return {body}"]
        text = f"def {name}({', '.join(self.shapes)}):\n" + "".join(f"    {line}\n" for line in lines)
        file = f"<{self.id}.{name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)  # so that an error can show the line
        space = namespace()
        exec(compile(text, file, "exec"), space)
        made: Callable[..., Any] = space[name]
        return made

    def forward(self) -> Callable[..., Any]:
        """The function that is differentiated."""
        return self.function(self.numpy_forward, "forward")

    def answer(self) -> Callable[..., Any]:
        """The published derivative."""
        return self.function(self.numpy_expected, "expected")

    def facts(self) -> dict[str, str]:
        """What is declared of arguments; of the one that is differentiated by, what the text says: S symmetric."""
        known = {name: FACTS[how] for name, how in self.init.items() if how in FACTS and name != self.wrt}
        if FACTS.get(self.init.get(self.wrt, "")) == "symmetric":
            said = re.search(r",([^,;()]*?) symmetric\s*$", self.expr)
            if said is not None and self.wrt in re.findall(r"\w+", said.group(1)):
                known[self.wrt] = "symmetric"
        return known | {name: "integer" for name, how in self.init.items() if _is_integer(how) and name != self.wrt}


def namespace() -> dict[str, Any]:
    """What the code of a case may use."""
    space: dict[str, Any] = {"np": np, "det": np.linalg.det, "inv": np.linalg.inv, "__name__": "conformance_case"}
    exec(HELPERS, space)
    try:
        from scipy.special import erf
    except ImportError:
        return {**space, "erf": _erf}
    return {**space, "erf": erf}


def _erf(x: Any) -> Any:
    """The error function where there is no SciPy."""
    return apply("erf", x) if isinstance(x, Traced) else np.vectorize(math.erf, otypes=[float])(x)


HELPERS = """
def relu(x):
    return np.maximum(0, x)

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
"""


def read_cases(path: str | os.PathLike[str]) -> list[Case | Unusable]:
    """The cases of a file, in order, and the lines that are none. Raises LanguageError where there is no case."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise LanguageError(
            f"{path} cannot be read: {error.strerror}", "a file of cases, one JSON object a line"
        ) from None
    except UnicodeDecodeError:
        raise LanguageError(f"{path} is not a text file (UTF-8)", "a file of cases, one JSON object a line") from None
    found = [_case(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    bad = [f for f in found if isinstance(f, Unusable)]
    if len(bad) == len(found):
        first = f": line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise LanguageError(f"{path} holds no case{first}", "the fields of a conformance case, one JSON object a line")
    return found


def _case(line: str, number: int) -> Case | Unusable:
    try:
        data = json.loads(line)
        case = Case(
            id=str(data["id"]),
            expr=str(data.get("expr", "")),
            shapes={str(k): tuple(int(d) for d in v) for k, v in data["shapes"].items()},
            wrt=str(data["wrt"]),
            kind=str(data["kind"]),
            expected=str(data.get("expected", "")),
            numpy_forward=str(data["numpy_forward"]),
            numpy_expected=str(data["numpy_expected"]),
            init={str(k): str(v) for k, v in data.get("init", {}).items()},
            tolerance=float(next((data[k] for k in ("tolerance", "tol", "rtol", "atol") if k in data), 1e-9)),
            source=str(data.get("source", "")),
        )
    except KeyError as error:
        return Unusable(number, f"the case has no {error}")
    except (ValueError, TypeError, AttributeError) as error:
        return Unusable(number, f"no conformance case: {error}")
    problem = _problem(case)
    return case if problem is None else Unusable(number, f"{case.id}: {problem}")


def _problem(case: Case) -> str | None:
    """What makes a case unusable, or None."""
    if case.kind not in KINDS:
        return f"the kind {case.kind} is not known: it is one of {', '.join(KINDS)}"
    if case.wrt not in case.shapes:
        return f"wrt is {case.wrt}, which has no shape"
    if not 0 < case.tolerance < 1:
        return f"the tolerance {case.tolerance}"
    for name, shape in case.shapes.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            return f"{name} is no name of an argument"
        if any(d < 1 for d in shape):
            return f"the shape {list(shape)} of {name}"
    for name, how in case.init.items():
        if name not in case.shapes:
            return f"init of {name}, which has no shape"
        if how not in MAKERS and not _is_integer(how):
            return f"init {how} of {name} is not known: it is one of {', '.join(MAKERS)}, intK"
        shape = case.shapes[name]
        if how in SQUARE and (len(shape) != 2 or shape[0] != shape[1]):
            return f"init {how} of {name}, which is no square matrix"
        if how in ROWS and not shape:
            return f"init {how} of {name}, which is a number"
    if _is_integer(case.init.get(case.wrt, "")):
        return f"wrt is {case.wrt}, which holds whole numbers"
    return None


SQUARE = {"sym", "spd", "well", "pdns"}
ROWS = {"onehot", "onehot_rows", "prob"}


def draw(case: Case, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Random arguments as `init` says; standard normal by default."""
    return {name: _array(case.init.get(name, ""), shape, rng) for name, shape in case.shapes.items()}


def _array(how: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    normal = rng.standard_normal(shape)
    maker = MAKERS.get(how)
    if maker is not None:
        return np.asarray(maker(normal, rng), dtype=np.float64)
    if _is_integer(how):
        return np.asarray(rng.integers(0, int(how[3:]), shape))
    return np.asarray(normal)


def _is_integer(how: str) -> bool:
    return how.startswith("int") and how[3:].isdigit() and int(how[3:]) > 0


def _one_hot(x: NDArray[np.float64], rng: np.random.Generator) -> Any:
    return np.eye(x.shape[-1])[rng.integers(0, x.shape[-1], x.shape[:-1])]


def _definite(x: NDArray[np.float64], rng: np.random.Generator) -> Any:
    return x @ x.T / len(x) + np.eye(len(x))


MAKERS: Mapping[str, Callable[[NDArray[np.float64], np.random.Generator], Any]] = {
    "onehot": _one_hot,
    "onehot_rows": _one_hot,
    "mask": lambda x, rng: rng.integers(0, 2, x.shape),
    "pos": lambda x, rng: rng.uniform(0.3, 2.0, x.shape),
    "prob": lambda x, rng: rng.dirichlet(np.ones(x.shape[-1]), x.shape[:-1]),
    "sym": lambda x, rng: (x + x.T) / 2,
    "spd": _definite,
    "well": lambda x, rng: x / 3 + np.diag(rng.choice([-1.0, 1.0], len(x)) * rng.uniform(1.5, 2.5, len(x))),
    "pdns": lambda x, rng: _definite(x, rng) + (x - x.T) / 2,
}
