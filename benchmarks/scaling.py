"""Times of parsing and deriving for deep networks: per layer they should not grow with depth.

python -m benchmarks.scaling
"""

from __future__ import annotations

import gc
import time

import chainrule as cr

__all__ = ["mlp"]


def mlp(layers: int, residual: bool = False) -> str:
    """A multi-layer perceptron as a program, all sizes D, plain or residual."""
    lines = ["input x : D", "label y : D"]
    lines += [f"param W{k} : D × D\nparam b{k} : D" for k in range(1, layers + 1)]
    before = "x"
    for k in range(1, layers + 1):
        if residual and k > 1:
            lines.append(f"h{k} = {before} + relu(W{k} {before} + b{k})")
        else:
            lines += [f"z{k} = W{k} {before} + b{k}", f"h{k} = relu(z{k})"]
        before = f"h{k}"
    return "\n".join([*lines, f"J = norm({before} - y)^2"]) + "\n"


def _time(layers: int, residual: bool) -> tuple[float, float]:
    text = mlp(layers, residual)
    parse = derive = float("inf")
    for _ in range(3):
        gc.collect()
        start = time.perf_counter()
        net = cr.parse(text)
        middle = time.perf_counter()
        net.derive()
        stop = time.perf_counter()
        parse, derive = min(parse, middle - start), min(derive, stop - middle)
    return parse, derive


def main() -> None:
    """Print a table."""
    _time(3, True)
    print("network   layers   parse (s)   derive (s)   parse/layer (ms)   derive/layer (ms)")
    for residual in (False, True):
        for layers in (100, 200, 400, 800):
            parse, derive = _time(layers, residual)
            kind = "residual" if residual else "plain"
            print(
                f"{kind:8}  {layers:6}  {parse:10.3f}  {derive:11.3f}"
                f"  {1e3 * parse / layers:17.3f}  {1e3 * derive / layers:18.3f}"
            )


if __name__ == "__main__":
    main()
