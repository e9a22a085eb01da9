"""Train one_layer_rows.net with optax on the digits of scikit-learn; its backward pass is the derived one."""

from pathlib import Path

import jax
import numpy as np
import optax
from sklearn.datasets import load_digits

import chainrule as cr

net = cr.load(Path(__file__).with_name("one_layer_rows.net"))
step = net.derive(net.parameters).compile("jax", dtype="float32")

rng = np.random.default_rng(0)
pixels, digits = load_digits(return_X_y=True)
X = (pixels / 16).astype("float32")
Y = np.eye(10, dtype="float32")[digits]
train, test = np.split(rng.permutation(len(X)), [1437])

parameters = {
    "W": rng.normal(0, (2 / 64) ** 0.5, (64, 32)).astype("float32"),
    "b1": np.zeros(32, "float32"),
    "U": rng.normal(0, (2 / 32) ** 0.5, (32, 10)).astype("float32"),
    "b2": np.zeros(10, "float32"),
}
optimizer = optax.adam(0.01)
state = optimizer.init(parameters)


@jax.jit
def update(parameters, state, X, Y):
    """One step of the optimizer."""
    loss, gradients = jax.value_and_grad(lambda p: step.function(X=X, Y=Y, **p))(parameters)
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(parameters, updates), state, loss


for epoch in range(8):
    order = rng.permutation(train)
    for rows in np.split(order[: len(order) // 64 * 64], len(order) // 64):
        parameters, state, loss = update(parameters, state, X[rows], Y[rows])
    print(f"epoch {epoch + 1}: loss {loss:.3f}")

found = net.forward(["Ŷ"], target="jax", dtype="float32")(X=X[test], **jax.device_get(parameters))["Ŷ"]
print(f"test accuracy {(found.argmax(1) == digits[test]).mean():.3f}")
