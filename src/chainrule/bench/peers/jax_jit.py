"""JAX: value_and_grad under jit, arrays already on the device, results waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.bench.case import Arrays, Case, Contender, Ready, trained
from chainrule.bench.translated import loss_function

__all__ = ["CONTENDERS"]

HERE = __name__


def _device(case: Case, arrays: Mapping[str, Any]) -> dict[str, Any]:
    import jax

    if case.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    return {name: jax.block_until_ready(jax.device_put(array)) for name, array in arrays.items()}


def _gradients(case: Case, given: dict[str, Any], loss: Callable[[Mapping[str, Any], Mapping[str, Any]], Any]) -> Ready:
    """loss(parameters, data) and its gradients, compiled together."""
    import jax

    step = jax.jit(jax.value_and_grad(loss))
    parameters = {name: given[name] for name in case.wrt}
    data = {name: array for name, array in given.items() if name not in case.wrt}

    def run() -> Any:
        return jax.block_until_ready(step(parameters, data))

    return Ready(run, lambda r: {"loss": r[0], **r[1]})


def one_layer(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The network of the note, for rows; labels as class numbers."""
    import jax
    import jax.numpy as jnp

    given = _device(case, {n: a for n, a in arrays.items() if n != "Y"} | {"y": arrays["Y"].argmax(1)})

    def loss(p: Mapping[str, Any], d: Mapping[str, Any]) -> Any:
        H = jax.nn.relu(d["X"] @ p["W"] + p["b1"])
        logs = jax.nn.log_softmax(H @ p["U"] + p["b2"])
        return -jnp.take_along_axis(logs, d["y"][:, None], 1).mean()

    return _gradients(case, given, loss)


def attention(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Scaled dot-product attention."""
    import jax
    import jax.numpy as jnp

    def loss(p: Mapping[str, Any], d: Mapping[str, Any]) -> Any:
        scores = jnp.einsum("bhid,bhjd->bhij", p["Q"], p["K"]) * case.sizes["d"] ** -0.5
        out = jnp.einsum("bhij,bhjd->bhid", jax.nn.softmax(scores), p["V"])
        return (out * d["G"]).sum()

    return _gradients(case, _device(case, arrays), loss)


def _normalised(jnp: Any, x: Any, gain: Any, offset: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return gain * centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) + offset


def layer_norm(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Layer normalisation."""
    import jax.numpy as jnp

    def loss(p: Mapping[str, Any], d: Mapping[str, Any]) -> Any:
        return (_normalised(jnp, p["X"], p["γ"], p["β"]) * d["G"]).sum()

    return _gradients(case, _device(case, arrays), loss)


def lstm(case: Case, arrays: Arrays, threads: int) -> Ready:
    """An LSTM by lax.scan, the gates' weights joined and the input's products taken out of the loop."""
    import jax
    import jax.numpy as jnp

    width = case.sizes["D"]

    def loss(p: Mapping[str, Any], d: Mapping[str, Any]) -> Any:
        W = jnp.concatenate([p[f"W{g}"] for g in "ifgo"], 1)
        U = jnp.concatenate([p[f"U{g}"] for g in "ifgo"], 1)

        def cell(state: Any, z: Any) -> Any:
            h, c = state
            z = z + h @ U
            i, f, g, o = (z[:, k * width : (k + 1) * width] for k in range(4))
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((d["X"].shape[1], width), d["X"].dtype)
        _, hidden = jax.lax.scan(cell, (zero, zero), d["X"] @ W)
        return (hidden * d["G"]).sum()

    return _gradients(case, _device(case, arrays), loss)


def gpt2_block(case: Case, arrays: Arrays, threads: int) -> Ready:
    """A block of GPT-2."""
    import jax
    import jax.numpy as jnp

    def loss(p: Mapping[str, Any], d: Mapping[str, Any]) -> Any:
        t = {**p, **d}
        x = _normalised(jnp, t["X"], t["g"], t["b"])
        q, k, v = (jnp.einsum("ic,hce->hie", x, t[f"W{z}"]) + t[f"c{z}"][:, None, :] for z in "qkv")
        scores = jnp.einsum("hie,hje->hij", q, k) * case.sizes["d"] ** -0.5 + t["M"]
        out = jnp.einsum("hij,hje->hie", jax.nn.softmax(scores), v)
        r = t["X"] + jnp.einsum("hie,hec->ic", out, t["Wo"]) + t["c"]
        m = _normalised(jnp, r, t["r"], t["s"])
        out = r + jax.nn.gelu(m @ t["W"] + t["w"], approximate=False) @ t["V"] + t["v"]
        return (out * t["G"]).sum()

    return _gradients(case, _device(case, arrays), loss)


# -- second order -----------------------------------------------------------------------------------------------------


def _second(case: Case, arrays: Arrays, name: str) -> tuple[Callable[[Any, Any], Any], Any, dict[str, Any]]:
    import jax
    import jax.numpy as jnp

    given = _device(case, arrays)

    def mlp(W: Any, d: Any) -> Any:
        logs = jax.nn.log_softmax(jnp.tanh(d["X"] @ W) @ d["U"])
        return -(d["Y"] * logs).sum(1).mean()

    def logistic(w: Any, d: Any) -> Any:
        z = d["X"] @ w + d["b"]
        return (jax.nn.softplus(z) - d["y"] * z).mean()

    at = given.pop(name)
    return (mlp if name == "W" else logistic), at, given


def hessian(case: Case, arrays: Arrays, threads: int) -> Ready:
    """jacfwd of jacrev, compiled."""
    import jax

    loss, at, data = _second(case, arrays, case.what.split(":")[-1])
    found = jax.jit(jax.jacfwd(jax.jacrev(loss)))
    return Ready(lambda: jax.block_until_ready(found(at, data)), lambda r: {"value": r})


def newton(case: Case, arrays: Arrays, threads: int) -> Ready:
    """w − H⁻¹ g, compiled as a whole."""
    import jax
    import jax.numpy as jnp

    loss, at, data = _second(case, arrays, "w")

    @jax.jit  # type: ignore[untyped-decorator]
    def step(w: Any, d: Any) -> Any:
        return w - jnp.linalg.solve(jax.hessian(loss)(w, d), jax.grad(loss)(w, d))

    return Ready(lambda: jax.block_until_ready(step(at, data)), lambda r: {"value": r})


def hessian_product(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Forward mode over reverse mode in one direction, compiled."""
    import jax

    name = case.what.split(":")[-1]
    loss, at, data = _second(case, {n: a for n, a in arrays.items() if n != f"d{name}"}, name)
    direction = jax.device_put(np.array(arrays[f"d{name}"]))

    @jax.jit  # type: ignore[untyped-decorator]
    def step(w: Any, v: Any, d: Any) -> Any:
        return jax.jvp(lambda u: jax.grad(loss)(u, d), (w,), (v,))[1]

    return Ready(lambda: jax.block_until_ready(step(at, direction, data)), lambda r: {"value": r})


def sample_norms(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The gradient of every sample by vmap, then its squared norm, compiled together."""
    import jax

    given = _device(case, arrays)

    def loss(W: Any, x: Any, y: Any) -> Any:
        hidden = jax.nn.relu(W @ x + given["b1"])
        return -(y * jax.nn.log_softmax(given["U"] @ hidden + given["b2"])).sum()

    @jax.jit  # type: ignore[untyped-decorator]
    def step(W: Any, X: Any, Y: Any) -> Any:
        every = jax.vmap(jax.grad(loss), (None, 0, 0))(W, X, Y)
        return (every**2).sum((1, 2))

    return Ready(lambda: jax.block_until_ready(step(given["W"], given["X"], given["Y"])), lambda r: {"value": r})


def training(case: Case, arrays: Arrays, threads: int) -> Ready:
    """All epochs of stochastic gradient descent: a compiled step that gives its buffers away, called for each batch."""
    import jax
    import jax.numpy as jnp

    rate, batch = float(case.options["rate"]), int(case.options["batch"])
    epochs, names = int(case.options["epochs"]), case.wrt
    given = _device(case, {"X": arrays["X"], "y": arrays["Y"].argmax(1)})
    count = len(arrays["X"])

    def loss(p: Mapping[str, Any], x: Any, y: Any) -> Any:
        H = jax.nn.relu(x @ p["W"] + p["b1"])
        return -jnp.take_along_axis(jax.nn.log_softmax(H @ p["U"] + p["b2"]), y[:, None], 1).mean()

    def step(p: Any, x: Any, y: Any) -> Any:
        return jax.tree.map(lambda w, g: w - rate * g, p, jax.grad(loss)(p, x, y))

    compiled = jax.jit(step, donate_argnums=0)
    batches = [(given["X"][s : s + batch], given["y"][s : s + batch]) for s in range(0, count, batch)]

    def run() -> Any:
        p = {n: jax.device_put(arrays[n]) for n in names}
        for _ in range(epochs):
            for x, y in batches:
                p = compiled(p, x, y)
        return jax.block_until_ready(p)

    return Ready(run, lambda p: trained(arrays, p))


def program(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Any program: its own NumPy code, run with JAX's NumPy."""
    import jax.numpy

    loss = loss_function(case, jax.numpy)
    return _gradients(case, _device(case, arrays), lambda p, d: loss({**p, **d}))


def _one(function: str) -> tuple[Contender, ...]:
    return (Contender("JAX jit", "peer", f"{HERE}:{function}", ("jax",), compiles=True),)


CONTENDERS = {
    name: _one(name)
    for name in (
        "one_layer", "attention", "layer_norm", "lstm", "gpt2_block", "hessian", "newton", "hessian_product",
        "sample_norms", "training", "program",
    )
}  # fmt: skip
