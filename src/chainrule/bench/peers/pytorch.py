"""PyTorch: eager, as most people write it, and the same compiled by torch.compile; torch.func for second order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.bench.case import Arrays, Case, Contender, Ready, trained

__all__ = ["CONTENDERS"]

HERE = __name__
Loss = Callable[[Mapping[str, Any]], Any]


def _tensors(arrays: Mapping[str, Any], threads: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _gradients(case: Case, tensors: dict[str, Any], loss: Loss, compiled: bool) -> Ready:
    """The usual step: forward, backward; gradients are set to None each time."""
    import torch

    names = case.wrt
    parameters = [tensors[name].requires_grad_() for name in names]
    forward = torch.compile(loss) if compiled else loss

    def run() -> Any:
        for parameter in parameters:
            parameter.grad = None
        value = forward(tensors)
        value.backward()
        return value.item()

    def values(value: float) -> dict[str, Any]:
        return {"loss": value, **{n: p.grad.numpy() for n, p in zip(names, parameters, strict=True)}}

    return Ready(run, values)


def one_layer(case: Case, arrays: Arrays, threads: int, compiled: bool = False) -> Ready:
    """The network of the note, for rows; labels as class numbers."""
    import torch

    tensors = _tensors({n: a for n, a in arrays.items() if n != "Y"}, threads)
    tensors["y"] = torch.from_numpy(arrays["Y"].argmax(1))

    def loss(t: Mapping[str, Any]) -> Any:
        H = torch.relu(torch.addmm(t["b1"], t["X"], t["W"]))
        return torch.nn.functional.cross_entropy(torch.addmm(t["b2"], H, t["U"]), t["y"])

    return _gradients(case, tensors, loss, compiled)


def attention(case: Case, arrays: Arrays, threads: int, compiled: bool = False) -> Ready:
    """Scaled dot-product attention by torch's own fused function."""
    import torch

    def loss(t: Mapping[str, Any]) -> Any:
        out = torch.nn.functional.scaled_dot_product_attention(t["Q"], t["K"], t["V"])
        return (out * t["G"]).sum()

    return _gradients(case, _tensors(arrays, threads), loss, compiled)


def layer_norm(case: Case, arrays: Arrays, threads: int, compiled: bool = False) -> Ready:
    """Layer normalisation by torch's own fused function."""
    import torch

    width = (case.sizes["D"],)

    def loss(t: Mapping[str, Any]) -> Any:
        return (torch.nn.functional.layer_norm(t["X"], width, t["γ"], t["β"], 1e-5) * t["G"]).sum()

    return _gradients(case, _tensors(arrays, threads), loss, compiled)


def lstm(case: Case, arrays: Arrays, threads: int, compiled: bool = False) -> Ready:
    """torch.nn.LSTM with the network's weights: gates in torch's order i, f, g, o, one bias 0."""
    import torch

    tensors = _tensors(arrays, threads)
    gates = "ifgo"
    layer = torch.nn.LSTM(case.sizes["D"], case.sizes["D"], bias=False)

    def stacked(stem: str, source: Callable[[str], Any]) -> Any:
        return torch.cat([source(f"{stem}{gate}").T for gate in gates])

    def parameter(name: str) -> Any:
        return tensors[name]

    with torch.no_grad():
        layer.weight_ih_l0.copy_(stacked("W", parameter))
        layer.weight_hh_l0.copy_(stacked("U", parameter))
    X, G = tensors["X"], tensors["G"]
    forward = torch.compile(layer) if compiled else layer

    def run() -> Any:
        layer.weight_ih_l0.grad = layer.weight_hh_l0.grad = None
        value = (forward(X)[0] * G).sum()
        value.backward()
        return value.item()

    def values(value: float) -> dict[str, Any]:
        found = {"loss": value}
        for stem, weight in (("W", layer.weight_ih_l0), ("U", layer.weight_hh_l0)):
            for gate, part in zip(gates, weight.grad.chunk(4), strict=True):
                found[f"{stem}{gate}"] = part.T.contiguous().numpy()
        return found

    return Ready(run, values)


def lstm_loop(case: Case, arrays: Arrays, threads: int, compiled: bool = False) -> Ready:
    """An LSTM as a loop over steps, the gates' weights joined and the input's products taken out of the loop.

    compiled: one step is, for all of them at once take minutes.
    """
    import torch

    def cell(z: Any, h: Any, c: Any, U: Any) -> Any:
        i, f, g, o = torch.addmm(z, h, U).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    step = torch.compile(cell) if compiled else cell

    def loss(t: Mapping[str, Any]) -> Any:
        W, U = (torch.cat([t[f"{stem}{gate}"] for gate in "ifgo"], 1) for stem in "WU")
        h = c = t["X"].new_zeros(t["X"].shape[1:])
        hidden = []
        for z in (t["X"] @ W).unbind(0):
            h, c = step(z, h, c, U)
            hidden.append(h)
        return (torch.stack(hidden) * t["G"]).sum()

    return _gradients(case, _tensors(arrays, threads), loss, compiled=False)


def gpt2_block(case: Case, arrays: Arrays, threads: int, compiled: bool = False) -> Ready:
    """A block of GPT-2 with torch's fused attention; weights of all heads in one matrix."""
    import torch

    tensors = _tensors(arrays, threads)
    F = torch.nn.functional
    width = (case.sizes["D"],)

    def projected(t: Mapping[str, Any], x: Any, z: str) -> Any:
        return torch.einsum("ic,hce->hie", x, t[f"W{z}"]) + t[f"c{z}"][:, None, :]

    def loss(t: Mapping[str, Any]) -> Any:
        x = F.layer_norm(t["X"], width, t["g"], t["b"], 1e-5)
        out = F.scaled_dot_product_attention(*(projected(t, x, z) for z in "qkv"), is_causal=True)
        r = t["X"] + torch.einsum("hie,hec->ic", out, t["Wo"]) + t["c"]
        m = F.layer_norm(r, width, t["r"], t["s"], 1e-5)
        out = r + F.gelu(m @ t["W"] + t["w"]) @ t["V"] + t["v"]
        return (out * t["G"]).sum()

    return _gradients(case, tensors, loss, compiled)


# -- second order -----------------------------------------------------------------------------------------------------


def _second(case: Case, arrays: Arrays, threads: int) -> dict[str, Any]:
    """The network of two layers, or logistic regression, as functions of one parameter for torch.func."""
    import torch

    t = _tensors(arrays, threads)
    F = torch.nn.functional

    def mlp(W: Any) -> Any:
        return F.cross_entropy(torch.tanh(t["X"] @ W) @ t["U"], t["Y"])

    def logistic(w: Any) -> Any:
        return F.binary_cross_entropy_with_logits(t["X"] @ w + t["b"], t["y"])

    return {"W": (mlp, t.get("W")), "w": (logistic, t.get("w"))}


def hessian(case: Case, arrays: Arrays, threads: int) -> Ready:
    """torch.func.hessian: forward mode over reverse mode, vectorised."""
    import torch

    name = case.what.split(":")[-1]
    loss, at = _second(case, arrays, threads)[name]
    found = torch.func.hessian(loss)
    return Ready(lambda: found(at), lambda r: {"value": r.detach().numpy()})


def newton(case: Case, arrays: Arrays, threads: int) -> Ready:
    """w − H⁻¹ g with torch.func.hessian and torch.linalg.solve."""
    import torch

    loss, at = _second(case, arrays, threads)["w"]
    slope, curvature = torch.func.grad(loss), torch.func.hessian(loss)

    def run() -> Any:
        return at - torch.linalg.solve(curvature(at), slope(at))

    return Ready(run, lambda r: {"value": r.detach().numpy()})


def hessian_product(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Forward mode over reverse mode in one direction."""
    import torch

    name = case.what.split(":")[-1]
    loss, at = _second(case, arrays, threads)[name]
    direction = torch.from_numpy(np.array(arrays[f"d{name}"]))

    def run() -> Any:
        return torch.func.jvp(torch.func.grad(loss), (at,), (direction,))[1]

    return Ready(run, lambda r: {"value": r.detach().numpy()})


def sample_norms(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The gradient of every sample by vmap, then its squared norm."""
    import torch

    t = _tensors(arrays, threads)
    F = torch.nn.functional

    def loss(W: Any, x: Any, y: Any) -> Any:
        hidden = torch.relu(W @ x + t["b1"])
        return F.cross_entropy(t["U"] @ hidden + t["b2"], y)

    every = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))

    def run() -> Any:
        return (every(t["W"], t["X"], t["Y"]) ** 2).sum((1, 2))

    return Ready(run, lambda r: {"value": r.detach().numpy()})


# -- training ---------------------------------------------------------------------------------------------------------


def training(case: Case, arrays: Arrays, threads: int) -> Ready:
    """All epochs of stochastic gradient descent with torch.optim.SGD, from the same start each time."""
    import torch

    data = _tensors(arrays, threads)
    labels = data["Y"].argmax(1)
    names, rate = case.wrt, float(case.options["rate"])
    batch, epochs = int(case.options["batch"]), int(case.options["epochs"])
    F = torch.nn.functional

    def run() -> Any:
        p = {n: data[n].clone().requires_grad_() for n in names}
        optimiser = torch.optim.SGD(p.values(), rate)
        for _ in range(epochs):
            for start in range(0, len(labels), batch):
                x, y = data["X"][start : start + batch], labels[start : start + batch]
                optimiser.zero_grad()
                H = torch.relu(torch.addmm(p["b1"], x, p["W"]))
                F.cross_entropy(torch.addmm(p["b2"], H, p["U"]), y).backward()
                optimiser.step()
        return p

    return Ready(run, lambda p: trained(arrays, {n: t.detach().numpy() for n, t in p.items()}))


def program(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Any program: the forward pass that chainrule writes for torch, differentiated by torch itself."""
    from chainrule import api
    from chainrule.targets import registry

    network = api.parse(case.text, str(case.options.get("dialect", "whiteboard")))
    name = network.scalar_loss()
    forward = registry.find("torch").compile(network.program, (name,), dtype=case.dtype)

    def loss(t: Mapping[str, Any]) -> Any:
        return forward(**{n: t[n] for n in forward.names})[name]

    return _gradients(case, _tensors(arrays, threads), loss, compiled=False)


def _both(function: str) -> tuple[Contender, ...]:
    return (
        Contender("torch eager", "peer", f"{HERE}:{function}", ("torch",)),
        Contender("torch.compile", "peer", f"{HERE}:{function}", ("torch",), {"compiled": True}, True),
    )


def _functional(function: str) -> tuple[Contender, ...]:
    return (Contender("torch.func", "peer", f"{HERE}:{function}", ("torch",)),)


CONTENDERS = {
    "one_layer": _both("one_layer"),
    "attention": _both("attention"),
    "layer_norm": _both("layer_norm"),
    "lstm": (  # torch.compile leaves nn.LSTM as it is
        Contender("torch eager", "peer", f"{HERE}:lstm", ("torch",)),
        Contender("torch eager, a loop", "peer", f"{HERE}:lstm_loop", ("torch",)),
        Contender("torch.compile", "peer", f"{HERE}:lstm_loop", ("torch",), {"compiled": True}, True),
    ),
    "gpt2_block": _both("gpt2_block"),
    "hessian": _functional("hessian"),
    "newton": _functional("newton"),
    "hessian_product": _functional("hessian_product"),
    "sample_norms": _functional("sample_norms"),
    "program": (Contender("torch eager", "peer", f"{HERE}:program", ("torch",)),),
    "training": (Contender("torch eager", "peer", f"{HERE}:training", ("torch",)),),
}
