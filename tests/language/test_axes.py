"""Which axis a function goes along (over=), and how small arrays are repeated in arrays of three or more axes."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import DimensionError, LanguageError

SIZES = {"B": 3, "T": 5, "D": 7, "K": 11}
AXES_OF_MATRIX = {"over=rows": 0, "over=columns": 1, "over=first": 0, "over=last": 1, "over=0": 0, "over=-2": 0,
                  "axis=-1": 1, "over=T": 0, "over=D": 1, "": 1}  # fmt: skip


def _arrays(net, seed=0):
    rng = np.random.default_rng(seed)
    named = {name: net.dims[name] for name in (*net.inputs, *net.parameters)}
    columns = {name: dims[:-1] if dims[-1:] == (1,) else dims for name, dims in named.items()}
    shapes = {name: tuple(SIZES.get(d, d) for d in dims) for name, dims in columns.items()}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _torch_gradients(function, arrays):
    given = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    loss = function(**given)
    loss.backward()
    return float(loss.detach()), {name: a.grad.numpy() for name, a in given.items() if a.grad is not None}


def _agree(text, function):
    net = cr.parse(text)
    arrays = _arrays(net)
    expected, gradients = _torch_gradients(function, arrays)
    loss, found = net.derive().compile("numpy")(**arrays)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert set(found) == set(gradients)
    for name, gradient in gradients.items():
        assert np.allclose(found[name], gradient, rtol=1e-10, atol=1e-12), name


@pytest.mark.parametrize("said", AXES_OF_MATRIX)
@pytest.mark.parametrize("function", ["softmax", "log_softmax", "logsumexp"])
def test_functions_of_an_axis_go_along_any_axis_of_a_matrix(function, said):
    axis = AXES_OF_MATRIX[said]
    whole = {"softmax": torch.softmax, "log_softmax": torch.log_softmax, "logsumexp": torch.logsumexp}[function]
    weights = "" if function == "logsumexp" else " ∘ G"
    text = f"input S : T × D\ninput G : T × D\nA = {function}(S{', ' + said if said else ''}){weights}\nJ = sum(A.^3)"

    def by_torch(S, G):
        return ((whole(S, axis) if function == "logsumexp" else whole(S, axis) * G) ** 3).sum()

    if function == "logsumexp":
        text = text.replace("input G : T × D\n", "")
        _agree(text, lambda S: by_torch(S, None))
    else:
        _agree(text, by_torch)


@pytest.mark.parametrize(("said", "axis"), [("0", 0), ("1", 1), ("-1", 2), ("T", 1), ("last", 2), ("first", 0)])
def test_softmax_goes_along_any_axis_of_a_tensor(said, axis):
    _agree(
        f"input S : B × T × D\ninput G : B × T × D\nP = softmax(S, over={said})\nJ = sum(P ∘ G)",
        lambda S, G: (torch.softmax(S, axis) * G).sum(),
    )


def test_losses_and_norms_go_along_the_axis_that_is_said():
    _agree(
        "input Z : T × D\ninput Y : T × D\nc = CE_logits(Y, Z, over=rows)\nn = norm(Z, over=columns)\n"
        "J = sum(c.^2) + sum(n.^3) + norm1(Y, over=rows) norm1(Y, over=rows)ᵀ",
        lambda Z, Y: (
            ((Y * torch.log_softmax(Z, 0)).sum(0) ** 2).sum()
            + (torch.linalg.vector_norm(Z, dim=1) ** 3).sum()
            + (Y.abs().sum(0) ** 2).sum()
        ),
    )


def test_normalisation_of_a_tensor_goes_along_its_last_axis():
    _agree(
        "input X : B × T × D\nparam γ : D\nparam β : D\nJ = sum(layer_norm(X, γ, β, 0.01).^3)",
        lambda X, γ, β: (torch.nn.functional.layer_norm(X, (7,), γ, β, 0.01) ** 3).sum(),
    )


def test_a_definition_hands_its_axis_on():
    _agree(
        "def centred(u, k=2, over=last) = k (u - mean(u, over=over))\n"
        "def squares(u, over=first) = sum(centred(u, over=over).^2, over=over)\n"
        "input X : T × D\nJ = sum(squares(X).^2) + sum(squares(X, over=columns).^2) + sum(centred(X, 3).^4)",
        lambda X: (
            ((4 * (X - X.mean(0)) ** 2).sum(0) ** 2).sum()
            + ((4 * (X - X.mean(1, keepdim=True)) ** 2).sum(1) ** 2).sum()
            + ((3 * (X - X.mean(1, keepdim=True))) ** 4).sum()
        ),
    )


def test_small_arrays_are_repeated_along_the_axes_that_they_lack():
    text = (
        "input X : B × T × D\nparam E : T × D\nparam γ : D\nparam w : B\nparam t : T\nparam r : 1 × D\n"
        "Z = (X + E) ∘ γ + w - t ∘ X ./ (2 + r.^2)\nJ = sum(Z.^2)"
    )
    _agree(
        text,
        lambda X, E, γ, w, t, r: (
            ((X + E) * γ + w[:, None, None] - t[:, None] * X / (2 + r**2)) ** 2
        ).sum(),
    )  # fmt: skip
    said = cr.parse(text).repeats
    assert said[0] == "E (T × D) is repeated along B of X"
    assert "w (B × 1) is repeated along T and D of (X + E) ∘ γ" in said


def test_a_product_goes_along_the_last_axis_of_a_tensor():
    _agree(
        "input X : B × T × D\nparam W : D × K\nparam v : K\ns = tanh(X W) v\nJ = sum(s.^2)",
        lambda X, W, v: ((torch.tanh(X @ W) @ v) ** 2).sum(),
    )


@pytest.mark.parametrize(
    ("text", "error", "message", "hint"),
    [
        ("input X : 3 × 3 × 3\nparam g : 3 × 3\nJ = sum(X + g)", DimensionError, "in 3 ways", "a name for each size"),
        ("input X : B × T × D\nparam g : D × T\nJ = sum(X + g)", DimensionError, "do not agree", ""),
        ("input X : B × T × D\nparam g : 1 × B\nJ = sum(X + g)", DimensionError, "do not agree", ""),
        ("input X : B × T × D\nparam W : K × D\nJ = sum(X W)", DimensionError, "the last axis meets", "X Wᵀ"),
        ("input X : B × T × D\nparam W : K × B\nJ = sum(W X)", DimensionError, "named indices", ""),
        ("input X : T × D\nparam g : D\nJ = sum(X ∘ g)", DimensionError, "do not agree", "gᵀ, repeated over the rows"),
        ("input X : T × D\nJ = sum(softmax(X, over=K))", LanguageError, "over=K names no one axis", ""),
        ("input X : D × D\nJ = sum(softmax(X, over=D))", LanguageError, "over=D names no one axis", ""),
        ("input X : T × D\nJ = sum(gelu(X, over=rows))", LanguageError, "gelu has no option over", ""),
        ("def f(u, over=D) = sum(u, over=over)\ninput x : D\nJ = f(x)", LanguageError, "D is no default", "over=last"),
        ("def f(u, k=last) = k u\ninput x : D\nJ = sum(f(x))", LanguageError, "last is no default for k", ""),
    ],
)
def test_what_has_no_one_meaning_is_refused(text, error, message, hint):
    with pytest.raises(error) as caught:
        cr.parse(text)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_call_along_another_axis_is_shown_so_and_read_again():
    net = cr.parse("input S : T × D\nJ = sum(softmax(S, over=rows) ∘ S)")
    shown = net.derive().gradients["S"].text
    assert "softmax(S, over=rows)" in shown
    again = cr.parse(f"input S : T × D\nG = {shown}")
    arrays = _arrays(net)
    assert np.allclose(again.evaluate(**arrays)["G"], net.derive().compile()(**arrays)[1]["S"])
    assert r"\text{over rows}" in net.derive().latex()


def test_the_usual_axis_goes_without_saying():
    assert "over" not in cr.parse("input S : T × D\nJ = sum(softmax(S, over=columns) ∘ S)").derive().gradients["S"].text


def test_a_traced_softmax_along_the_rows_is_called_so():
    def loss(x, y):
        e = np.exp(x - x.max(axis=0))
        return -np.sum(y * np.log(e / e.sum(axis=0)))

    net = cr.trace(loss, labels="y", x=("T", "K"), y=("T", "K"))
    assert net.derive().gradients["x"].text == "1ᵀ y ∘ softmax(x, over=rows) − y"


@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
def test_attention_scores_of_a_batch_have_two_sizes_alike(function):
    """B × T × T: a sum along the last axis is repeated along it again, whatever the sizes are called."""
    whole = getattr(torch, function)
    _agree(
        f"input S : B × T × T\ninput G : B × T × T\nJ = sum({function}(S) ∘ G) + sum(({function}(S, over=1) ∘ G).^2)",
        lambda S, G: (whole(S, -1) * G).sum() + ((whole(S, 1) * G) ** 2).sum(),
    )
    _agree(
        "input S : B × T × T\nE = exp(S - max(S, over=last))\nJ = sum((E ./ sum(E, over=last)).^3)",
        lambda S: (torch.softmax(S, -1) ** 3).sum(),
    )
