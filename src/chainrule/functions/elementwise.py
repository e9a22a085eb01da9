"""The elementwise functions that chainrule knows as primitives: one record each.

What can be written with these is a definition in the language (`chainrule.library`), so that its derivative is found.
"""

from __future__ import annotations

from math import inf

from chainrule.functions.records import Function, register

__all__: list[str] = []

_KINK = "the derivative at 0 is taken as 0"

register(Function("exp", ("y",), "np.exp({x})", latex=r"\exp", ufunc="np.exp", nonnegative=True, positive=True))
register(Function("log", ("x^-1",), "np.log({x})", latex=r"\log", ufunc="np.log", domain=(0.0, inf)))
register(
    Function(
        "relu", ("sgn(y)",), "np.maximum({x}, 0)", latex=r"\operatorname{relu}", kinks=(0.0,),
        at_kink="relu′(0) is taken as 0", nonnegative=True,
        source="Computing Neural Network Gradients, section 4",
    )
)  # fmt: skip
register(
    Function(
        "sgn", ("0",), "np.sign({x})", latex=r"\operatorname{sgn}", ufunc="np.sign", kinks=(0.0,),
        at_kink="sgn(0) = 0", idempotent_on_nonnegative=True,
    )
)  # fmt: skip
register(
    Function(
        "step", ("0",), "({x} > 0).astype({x}.dtype)", latex=r"\operatorname{step}", kinks=(0.0,),
        at_kink="step(0) = 0", nonnegative=True, idempotent=True,
    )
)  # fmt: skip
register(
    Function(
        "iszero", ("0",), "({x} == 0).astype({x}.dtype)", latex=r"\operatorname{iszero}", kinks=(0.0,),
        at_kink="its derivative is taken as 0", nonnegative=True, idempotent=True,
    )
)  # fmt: skip
register(
    Function(
        "nonneg", ("0",), "({x} >= 0).astype({x}.dtype)", latex=r"\operatorname{nonneg}", kinks=(0.0,),
        at_kink="nonneg(0) = 1", nonnegative=True, idempotent=True,
    )
)  # fmt: skip
register(
    Function(
        "where", ("0", "x", "iszero(x)"), "np.where({x}, {x2}, {x3})", latex=r"\operatorname{where}",
        source="where(c, a, b) is a where c holds, and b elsewhere; c is 0 or 1",
    )
)  # fmt: skip
register(
    Function(
        "abs", ("sgn(x)",), "np.abs({x})", latex=r"\operatorname{abs}", ufunc="np.abs", kinks=(0.0,),
        at_kink=_KINK, nonnegative=True,
    )
)  # fmt: skip
register(
    Function(
        "sigmoid", ("y - y^2",), "1 / (1 + np.exp(-{x}))", text="σ", latex=r"\sigma", nonnegative=True, positive=True,
        source="σ′ = σ(1 − σ)",
    )
)  # fmt: skip
register(Function("tanh", ("1 - y^2",), "np.tanh({x})", latex=r"\tanh", ufunc="np.tanh"))
register(
    Function(
        "softplus", ("sigmoid(x)",), "np.logaddexp({x}, 0)", latex=r"\operatorname{softplus}",
        nonnegative=True, positive=True,
    )
)  # fmt: skip
register(Function("sin", ("cos(x)",), "np.sin({x})", latex=r"\sin", ufunc="np.sin"))
register(Function("cos", ("- sin(x)",), "np.cos({x})", latex=r"\cos", ufunc="np.cos"))
register(Function("tan", ("1 + y^2",), "np.tan({x})", latex=r"\tan", ufunc="np.tan", domain=(-1.5, 1.5)))
register(Function("arctan", ("arctan_slope(x)",), "np.arctan({x})", latex=r"\arctan", ufunc="np.arctan"))
register(
    Function(
        "arctan_slope", ("- 2 x y^2",), "1 / (1 + {x} * {x})", latex=r"\arctan'", text="arctan′",
        nonnegative=True, positive=True, source="arctan′(x) = 1/(1 + x²)",
    )
)  # fmt: skip
register(Function("sinh", ("cosh(x)",), "np.sinh({x})", latex=r"\sinh", ufunc="np.sinh"))
register(
    Function("cosh", ("sinh(x)",), "np.cosh({x})", latex=r"\cosh", ufunc="np.cosh", nonnegative=True, positive=True)
)
register(
    Function(
        "pow", ("x2 y x^-1", "y log(x)"), "{x} ** {x2}", latex=r"\operatorname{pow}", domain=(0.0, inf),
        source="∂aᵇ/∂a = b aᵇ⁻¹, written with the output: b aᵇ / a",
    )
)  # fmt: skip
