"""Generated NumPy code against 50 digits of mpmath: wherever torch is within 4 units in the last place, so are we.

Values and gradients, float32 and float64, on points that are tiny, ordinary, near kinks and far out. The truth is
written here with dual numbers, in forms that do not cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

import chainrule as cr
from chainrule.targets.c import compile_c
from chainrule.targets.numpy import compile_numpy

mp.mp.dps = 50
LIMIT = 4.0
half = mp.mpf("0.5")


@dataclass
class Dual:
    """A number with its derivative."""

    v: mp.mpf
    d: mp.mpf = 0

    def __add__(self, other: object) -> Dual:
        other = dual(other)
        return Dual(self.v + other.v, self.d + other.d)

    def __sub__(self, other: object) -> Dual:
        return self + dual(other) * -1

    def __mul__(self, other: object) -> Dual:
        other = dual(other)
        return Dual(self.v * other.v, self.d * other.v + self.v * other.d)

    def __truediv__(self, other: object) -> Dual:
        other = dual(other)
        return Dual(self.v / other.v, (self.d - self.v / other.v * other.d) / other.v)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Dual:
        return self * -1


def dual(x: object) -> Dual:
    return x if isinstance(x, Dual) else Dual(mp.mpf(x))


def lift(value: Callable[..., mp.mpf], slope: Callable[..., mp.mpf]) -> Callable[[Dual], Dual]:
    return lambda x: Dual(value(x.v), slope(x.v) * x.d)


def logistic(v: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-v))


def log1pexp(v: mp.mpf) -> mp.mpf:
    return mp.log1p(mp.exp(v)) if v < 0 else v + mp.log1p(mp.exp(-v))


exp = lift(mp.exp, mp.exp)
log = lift(mp.log, lambda v: 1 / v)
log1p = lift(mp.log1p, lambda v: 1 / (1 + v))
expm1 = lift(mp.expm1, mp.exp)
sqrt = lift(mp.sqrt, lambda v: half / mp.sqrt(v))
sin = lift(mp.sin, mp.cos)
cos = lift(mp.cos, lambda v: -mp.sin(v))
tan = lift(mp.tan, lambda v: mp.sec(v) ** 2)
arctan = lift(mp.atan, lambda v: 1 / (1 + v * v))
sinh, cosh = lift(mp.sinh, mp.cosh), lift(mp.cosh, mp.sinh)
tanh = lift(mp.tanh, lambda v: mp.sech(v) ** 2)
erf = lift(mp.erf, lambda v: 2 / mp.sqrt(mp.pi) * mp.exp(-v * v))
erfc = lift(mp.erfc, lambda v: -2 / mp.sqrt(mp.pi) * mp.exp(-v * v))
sigmoid = lift(logistic, lambda v: logistic(v) * logistic(-v))
softplus = lift(log1pexp, logistic)
absolute = lift(abs, mp.sign)
relu = lift(lambda v: max(v, mp.mpf(0)), lambda v: mp.mpf(v > 0))


def clip(x: Dual, low: int, high: int) -> Dual:
    return dual(low) if x.v < low else dual(high) if x.v > high else x


def selu(x: Dual) -> Dual:
    scale, alpha = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")
    return scale * (x if x.v > 0 else alpha * expm1(x))


@dataclass
class Case:
    """text: in the language.  kinks: points without a derivative.  positive: the domain.

    single: for float32 only. In float64 the slope loses its digits around its zero, and torch has more or less of them
    by chance; no wider number is at hand.
    """

    text: str
    truth: Callable[[Dual], Dual]
    torch: Callable[[torch.Tensor], torch.Tensor]
    kinks: tuple[float, ...] = ()
    positive: bool = False
    single: bool = False


EDGES = (-3.0, 3.0)
SQRT_2_PI = mp.mpf(0.7978845608028654)
CASES = {
    "exp": Case("exp(x)", exp, torch.exp),
    "log": Case("log(x)", log, torch.log, positive=True),
    "log(1 + x)": Case("log(1 + x)", log1p, torch.log1p, positive=True),
    "exp(x) - 1": Case("exp(x) - 1", expm1, torch.expm1),
    "1 - exp(x)": Case("1 - exp(x)", lambda x: -expm1(x), lambda x: -torch.expm1(x)),
    "sqrt": Case("sqrt(x)", sqrt, torch.sqrt, positive=True),
    "sin": Case("sin(x)", sin, torch.sin),
    "cos": Case("cos(x)", cos, torch.cos),
    "tan": Case("tan(x)", tan, torch.tan),
    "arctan": Case("arctan(x)", arctan, torch.atan),
    "sinh": Case("sinh(x)", sinh, torch.sinh),
    "cosh": Case("cosh(x)", cosh, torch.cosh),
    "tanh": Case("tanh(x)", tanh, torch.tanh),
    "erf": Case("erf(x)", erf, torch.erf),
    "abs": Case("abs(x)", absolute, torch.abs, (0.0,)),
    "relu": Case("relu(x)", relu, torch.relu, (0.0,)),
    "leaky_relu": Case(
        "leaky_relu(x, 0.25)", lambda x: x if x.v > 0 else x / 4, lambda x: F.leaky_relu(x, 0.25), (0.0,)
    ),
    "elu": Case("elu(x, 1)", lambda x: x if x.v > 0 else expm1(x), F.elu, (0.0,)),
    "selu": Case("selu(x)", selu, F.selu, (0.0,)),
    "sigmoid": Case("sigmoid(x)", sigmoid, torch.sigmoid),
    "1 ./ (1 + exp(-x))": Case("1 ./ (1 + exp(-x))", sigmoid, torch.sigmoid),
    "1 - sigmoid": Case("1 - sigmoid(x)", lambda x: sigmoid(-x), lambda x: torch.sigmoid(-x)),
    "softplus": Case("softplus(x)", softplus, F.softplus),
    "log(1 + exp(x))": Case("log(1 + exp(x))", softplus, F.softplus),
    "log_sigmoid": Case("log_sigmoid(x)", lambda x: -softplus(-x), F.logsigmoid),
    "log(sigmoid(x))": Case("log(sigmoid(x))", lambda x: -softplus(-x), F.logsigmoid),
    "gelu": Case("gelu(x)", lambda x: x * half * erfc(x * (-1 / mp.sqrt(2))), F.gelu),
    "silu": Case("silu(x)", lambda x: x * sigmoid(x), F.silu, single=True),
    "mish": Case("mish(x)", lambda x: x * tanh(softplus(x)), F.mish, single=True),
    "gelu_tanh": Case(
        "gelu_tanh(x)", lambda x: x * sigmoid(2 * SQRT_2_PI * (x + mp.mpf(0.044715) * x * x * x)),
        lambda x: F.gelu(x, approximate="tanh"), single=True,
    ),
    "softsign": Case("softsign(x)", lambda x: x / (1 + absolute(x)), F.softsign),
    "hard_sigmoid": Case("hard_sigmoid(x)", lambda x: clip(x + 3, 0, 6) / 6, F.hardsigmoid, EDGES),
    "hard_tanh": Case("hard_tanh(x)", lambda x: clip(x, -1, 1), F.hardtanh, (-1.0, 1.0)),
    "hard_swish": Case("hard_swish(x)", lambda x: x * clip(x + 3, 0, 6) / 6, F.hardswish, EDGES),
}  # fmt: skip
MAGNITUDES = (
    0, 1e-40, 1e-30, 1e-10, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1, 1.0000001, 1.5, 2, 2.9999998, 3, 3.0000002, 4, 5, 7, 9, 12,
    16, 20, 30, 50, 80, 87, 88.5, 90, 95, 103, 200, 700, 709.5, 720, 1000, 1e4,
)  # fmt: skip


def points(case: Case, dtype: type) -> np.ndarray:
    sizes = np.array([*MAGNITUDES, *np.random.default_rng(1).uniform(0, 12, 40)])
    if case.single:  # densely around the zeros of the slopes, and where the slope is almost 1
        sizes = np.concatenate([sizes, np.linspace(0.6, 1.6, 101), np.linspace(3, 12, 91)])
    x = sizes[sizes > 0] if case.positive else np.concatenate([sizes, -sizes])
    x = np.unique(x.astype(dtype))
    return x[~np.isin(x, np.array(case.kinks, dtype))]


def ulps(got: np.ndarray, truth: list[mp.mpf], dtype: type) -> np.ndarray:
    """How far off, in units of the last place of the truth."""
    largest, least = mp.mpf(float(np.finfo(dtype).max)), float(np.finfo(dtype).smallest_subnormal)
    out = []
    for g, t in zip(got, truth, strict=True):
        if abs(t) > largest:
            out.append(float("inf") if np.isfinite(g) else 0.0)
        elif not np.isfinite(g):
            out.append(float("inf"))
        else:
            out.append(float(abs(mp.mpf(float(g)) - t) / mp.mpf(max(float(np.spacing(abs(dtype(t)))), least))))
    return np.array(out)


PAIRS = [(n, t) for n, c in CASES.items() for t in (np.float32, np.float64) if t is np.float32 or not c.single]


@pytest.mark.parametrize(("name", "dtype"), PAIRS, ids=[f"{n}-{t.__name__}" for n, t in PAIRS])
def test_elementwise_functions_where_torch_is_within_four_ulp(name: str, dtype: type) -> None:
    case = CASES[name]
    x = points(case, dtype)
    net = cr.parse(f"input x : n\nz = {case.text}\nJ = sum(z)")
    tensor = torch.tensor(x, requires_grad=True)
    theirs = case.torch(tensor)
    theirs.sum().backward()
    truth = [case.truth(Dual(mp.mpf(float(v)), mp.mpf(1))) for v in x]
    derivation = net.derive()
    gradient = derivation.backward.gradients["x"]
    with np.errstate(all="ignore"):
        ours = compile_numpy(derivation.program, ["z", gradient], dtype=dtype.__name__)(x=x)
    for what, mine, other, right in (
        ("value", ours["z"], theirs.detach().numpy(), [t.v for t in truth]),
        ("gradient", ours[gradient], tensor.grad.numpy(), [t.d for t in truth]),
    ):
        reached = ulps(other, right, dtype) <= LIMIT
        off = ulps(np.broadcast_to(mine, x.shape), right, dtype)
        worse = reached & (off > LIMIT)
        assert reached.sum() > 20
        assert not worse.any(), (what, [(float(v), float(u)) for v, u in zip(x[worse], off[worse], strict=True)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sigmoid", "1 - sigmoid", "log_sigmoid", "softplus"])
def test_in_c_the_sigmoid_is_exact_down_to_the_smallest_numbers(name: str, dtype: type) -> None:
    """It was 0 from −89 on, where e⁸⁹ is no number of float32: down to −103 there is one for it."""
    near, far = (80.0, 103.0) if dtype is np.float32 else (700.0, 744.0)
    x = np.concatenate([np.linspace(near, far, 150), -np.linspace(near, far, 150), np.linspace(-9, 9, 50)])
    x = x.astype(dtype)
    derivation = cr.parse(f"input x : n\nz = {CASES[name].text}\nJ = sum(z)").derive()
    gradient = derivation.backward.gradients["x"]
    found = compile_c(derivation.program, ["z", gradient], dtype=dtype.__name__)(x=x)
    truth = [CASES[name].truth(Dual(mp.mpf(float(v)), mp.mpf(1))) for v in x]
    assert ulps(found["z"], [t.v for t in truth], dtype).max() <= 4
    assert ulps(found[gradient], [t.d for t in truth], dtype).max() <= 4


@pytest.mark.parametrize(("text", "truth"), [("erf(x)", erf), ("erfc(x)", erfc)], ids=["erf", "erfc"])
def test_the_error_function_is_within_five_ulp(text: str, truth: Callable[[Dual], Dual]) -> None:
    x = np.concatenate([np.linspace(-6.5, 27, 700), [0.46875, 0.4687500001, 4, 4.0000001, 1e-300, 1e-320, -0.0]])
    got = compile_numpy(cr.parse(f"input x : n\nz = {text}").program, ["z"])(x=x)["z"]
    assert ulps(got, [truth(Dual(mp.mpf(float(v)))).v for v in x], np.float64).max() < (4 if text == "erf(x)" else 5)
    special = compile_numpy(cr.parse(f"input x : n\nz = {text}").program, ["z"])(x=np.array([np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(special["z"], [1, -1, np.nan] if text == "erf(x)" else [0, 2, np.nan])


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
def test_the_error_function_of_a_whole_number(plain: bool) -> None:
    """erfc(1) was computed as an integer, and 0."""
    net = cr.parse("input x : n\nJ = sum(x) (erf(1) + 10 erfc(1) + 100 normal_cdf(1) + normal_pdf(2) + gelu(1))")
    want = float(mp.erf(1) + 10 * mp.erfc(1) + 100 * mp.ncdf(1) + mp.npdf(2) + mp.ncdf(1))
    for dtype in (np.float32, np.float64):
        loss, gradients = net.derive().compile(plain=plain, dtype=dtype.__name__)(x=np.ones(1, dtype))
        assert loss == pytest.approx(want, rel=1e-6)
        assert gradients["x"] == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("x.^3 - 3 x.^2 + 3 x", lambda x: x * x * x - 3 * x * x + 3 * x),  # the slope 3 (x - 1)² cancels at 1
        ("x ∘ cos(x) - tanh(x)", lambda x: x * cos(x) + tanh(x) * -1),
        ("x ∘ sigmoid(2 x) + exp(-x)", lambda x: x * sigmoid(2 * x) + exp(-x)),
    ],
)
def test_what_a_user_writes_keeps_its_digits_in_float32(text: str, truth: Callable[[Dual], Dual], plain: bool) -> None:
    """Within one unit in the last place, where float32 lost half of its digits: no function is known by name."""
    x = np.concatenate([np.linspace(0.9, 1.1, 42), np.linspace(0.01, 6, 60)]).astype(np.float32)
    derivation = cr.parse(f"input x : n\nJ = sum({text})").derive()
    step = derivation.compile(plain=plain, dtype="float32")
    assert "np.float64" in step.source
    assert "_precise" not in derivation.compile(plain=plain).source  # float64 has nothing wider
    _, gradients = step(x=x)
    assert gradients["x"].dtype == np.float32
    right = [truth(Dual(mp.mpf(float(v)), mp.mpf(1))).d for v in x]
    assert ulps(gradients["x"], right, np.float32).max() <= 1


def test_slopes_of_known_sign_are_left_in_float32() -> None:
    for text in ("sigmoid(x)", "tanh(x)", "softplus(x)", "relu(x)", "arctan(x)", "x.^2", "elu(x, 1)"):
        source = cr.parse(f"input x : n\nJ = sum({text})").derive().compile(dtype="float32").source
        assert "_precise" not in source, text
    softmax = cr.parse("input x : n\nlabel y : n\nJ = CE(y, softmax(tanh(x)))").derive().compile(dtype="float32").source
    assert "_precise" not in softmax  # exp(t - max(t)) is a function of what is computed from two arrays
