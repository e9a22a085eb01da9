"""Training with the real compiler: networks as written, in both styles, on scikit-learn's digits."""

import pytest

import chainrule
from chainrule.training import load_data, train

SAMPLE = """
input x : D_x
label y : N_c, one-hot
param W : D_h × D_x
param b1 : D_h
param U : N_c × D_h
param b2 : N_c
z = W x + b1
h = relu(z)
θ = U h + b2
ŷ = softmax(θ)
J = CE(y, ŷ)
"""
BATCH = """
input X : N × D_x
label Y : N × N_c, one-hot
param W : D_x × D_h
param b1 : 1 × D_h
param U : D_h × N_c
param b2 : 1 × N_c
Z = X W + b1
H = relu(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ))
"""
DEEP = """
input x : 64
label y : 10, one-hot
const λ : scalar
param A : D_1 × 64
param B : D_2 × D_1
param C : 10 × D_2
h1 = tanh(A x)
h2 = tanh(B h1)
p = softmax(C h2)
J = CE(y, p) + λ/2 norm(C)^2
"""
DIGITS = load_data("digits")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (SAMPLE, {}),
        (BATCH, {}),
        (DEEP, {"sizes": {"D_1": 48, "D_2": 32}, "constants": {"λ": 1e-4}, "rate": 0.1}),
    ],
    ids=["sample", "batch", "deep"],
)
def test_networks_learn_the_digits_and_resume_bit_for_bit(tmp_path, monkeypatch, text, options):
    monkeypatch.setattr("chainrule.training.run.save_picture", lambda *_: None)  # see test_pictures.py
    net = chainrule.parse(text)
    whole = train(net, DIGITS, out=tmp_path / "a", show=False, **options)
    assert whole.test_accuracy >= 0.95
    train(net, DIGITS, epochs=2, out=tmp_path / "b", show=False, **options)
    rest = train(net, DIGITS, epochs=40, out=tmp_path / "b", resume=True, show=False)
    assert rest.resumed == 2
    for name, value in whole.parameters.items():
        assert value.tobytes() == rest.parameters[name].tobytes()
