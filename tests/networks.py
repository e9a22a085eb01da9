"""Networks that several tests look at: the examples, a deep one, and one of sixty nodes."""

from functools import cache
from pathlib import Path

import chainrule as cr
from chainrule.derivation import Derivation

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("one_layer", "one_layer_rows", "attention", "layer_norm", "mlp_12", "residual_60")


def mlp(layers: int) -> str:
    """A chain of `layers` affine maps, all of different sizes."""
    lines = ["input x : D_0", f"label y : D_{layers}, one-hot"]
    for k in range(1, layers + 1):
        lines += [f"param W{k} : D_{k} × D_{k - 1}", f"param b{k} : D_{k}"]
    before = "x"
    for k in range(1, layers):
        lines += [f"z{k} = W{k} {before} + b{k}", f"h{k} = relu(z{k})"]
        before = f"h{k}"
    lines += [f"θ = W{layers} {before} + b{layers}", "ŷ = softmax(θ)", "J = CE(y, ŷ)"]
    return "\n".join(lines) + "\n"


def residual(blocks: int) -> str:
    """Blocks that add to what comes in: every value is used twice, and signals are shared."""
    lines = ["input X : N × D", "label Y : N × K, one-hot", "param U : D × K"]
    for k in range(1, blocks + 1):
        lines += [f"param W{k} : D × H", f"param V{k} : H × D"]
    before = "X"
    for k in range(1, blocks + 1):
        lines += [f"A{k} = tanh({before} W{k})", f"H{k} = {before} + A{k} V{k}"]
        before = f"H{k}"
    lines += [f"Θ = {before} U", "Ŷ = softmax(Θ)", "J = mean(CE(Y, Ŷ))"]
    return "\n".join(lines) + "\n"


@cache
def derivation(name: str) -> Derivation:
    """The derivation of a network of `NAMES`."""
    made = {"mlp_12": lambda: mlp(12), "residual_60": lambda: residual(14)}
    net = cr.parse(made[name]()) if name in made else cr.load(EXAMPLES / f"{name}.net")
    return net.derive()
