"""Whole runs with a hand-written network: accuracy, resumption bit for bit, refusals that write nothing."""

import importlib.util
import io
import time

import numpy as np
import pytest
from rich.console import Console

from chainrule.errors import ChainruleError
from chainrule.training import load_data, read_checkpoint, train
from chainrule.training.checkpoint import network_hash
from chainrule.training.data import Dataset
from chainrule.training.network import find_sizes, initialise, roles
from training.fake import Declaration, OneLayer

DIGITS = load_data("digits")


def small(classes=3, n=101, features=4):
    """Separable blobs, so small that a run takes milliseconds; 101 leaves a ragged last batch."""
    generator = np.random.default_rng(5)
    y = np.arange(n) % classes
    x = (generator.normal(size=(n, features)) + 3 * np.eye(classes, features)[y]).astype(np.float32)
    return Dataset("blobs", x[20:], y[20:], x[:20], y[:20], classes, None, 0.0, 1.0)


def refusal(*args, **options):
    with pytest.raises(ChainruleError) as caught:
        train(*args, show=False, **options)
    return str(caught.value)


@pytest.fixture(autouse=True)
def quick_picture(request, monkeypatch):
    """Drawing takes a second: only the tests that look at the picture draw it."""
    if "real_picture" not in request.fixturenames:
        monkeypatch.setattr("chainrule.training.run.save_picture", lambda path, *_: path.write_bytes(b"picture"))


@pytest.fixture
def real_picture():
    """Asked for by tests that need the picture as it is."""


@pytest.mark.usefixtures("real_picture")
@pytest.mark.parametrize("rows", [False, True])
def test_the_defaults_reach_97_percent_on_digits(tmp_path, rows):
    start = time.perf_counter()
    outcome = train(OneLayer(rows=rows), DIGITS, out=tmp_path, show=False)
    assert outcome.test_accuracy >= 0.97
    assert outcome.records[-1].test_accuracy == outcome.test_accuracy
    assert outcome.records[0].loss > outcome.records[-1].loss
    assert outcome.confusion.sum() == 360
    assert time.perf_counter() - start < 30  # a second or two; generous, for a busy machine
    assert outcome.picture.stat().st_size > 50_000
    assert len(outcome.records) == outcome.settings.epochs


def test_both_styles_start_from_matrices_of_the_same_spread():
    for rows in (False, True):
        net = OneLayer(rows=rows)
        found = roles(net)
        start = initialise(net, found, find_sizes(net, found, DIGITS, {"D_h": 300}), seed=0)
        assert start["W"].shape == ((64, 300) if rows else (300, 64))
        assert start["W"].std() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
        assert start["U"].std() == pytest.approx((2 / 300) ** 0.5, rel=0.05)
        assert not start["b1"].any()
        assert start["b1"].shape == (300,)


def test_every_sample_is_used_once_in_an_epoch_and_the_last_batch_may_be_smaller(tmp_path):
    net = OneLayer()
    train(net, small(), epochs=3, batch=16, out=tmp_path, show=False)
    assert net.steps == 3 * 6  # 81 samples: five batches of 16 and one of 1


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    options = {"rate": 0.05, "batch": 16, "seed": 7, "show": False}
    whole = train(OneLayer(), small(), epochs=6, out=tmp_path / "a", sizes={"D_h": 9}, **options)

    class Stop(Exception):
        pass

    def interrupt(record):
        if record.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        train(OneLayer(), small(), epochs=6, out=tmp_path / "b", sizes={"D_h": 9}, on_epoch=interrupt, **options)
    rest = train(OneLayer(), small(), epochs=6, out=tmp_path / "b", resume=True, show=False)  # the rest is remembered
    assert rest.resumed == 2
    assert rest.settings == whole.settings
    for name, value in whole.parameters.items():
        assert value.tobytes() == rest.parameters[name].tobytes()
    strip = [(item.epoch, item.loss, item.train_accuracy, item.test_accuracy) for item in whole.records]
    assert strip == [(item.epoch, item.loss, item.train_accuracy, item.test_accuracy) for item in rest.records]


def test_two_seeds_differ_and_one_seed_repeats(tmp_path):
    runs = [train(OneLayer(), small(), epochs=2, seed=s, out=tmp_path, show=False).parameters["W"] for s in (1, 1, 2)]
    assert runs[0].tobytes() == runs[1].tobytes() != runs[2].tobytes()


def test_resuming_a_finished_run_only_draws_the_picture(tmp_path):
    first = train(OneLayer(), small(), epochs=2, out=tmp_path, show=False)
    first.picture.unlink()
    net = OneLayer()
    again = train(net, small(), epochs=2, out=tmp_path, resume=True, show=False)
    assert net.steps == 0
    assert again.picture.exists()


def test_resume_refuses_what_does_not_belong(tmp_path):
    assert "nothing to resume" in refusal(OneLayer(), small(), out=tmp_path, resume=True)
    outcome = train(OneLayer(), small(), epochs=1, out=tmp_path, show=False)
    before = outcome.checkpoint.read_bytes()
    assert "another network" in refusal(OneLayer(text="two layers"), small(), out=tmp_path, resume=True)
    assert "other data" in refusal(OneLayer(), small(n=90), out=tmp_path, resume=True)
    assert "begun with seed 0, not 3" in refusal(OneLayer(), small(), out=tmp_path, resume=True, seed=3)
    message = refusal(OneLayer(), small(), out=tmp_path, resume=True, sizes={"D_h": 5})
    assert "U is 3 × 64, the network's is 3 × 5" in message
    assert outcome.checkpoint.read_bytes() == before


def test_a_run_that_diverges_says_so_and_keeps_the_last_good_checkpoint(tmp_path):
    message = refusal(OneLayer(), DIGITS, rate=1e30, out=tmp_path / "a")
    assert "rate 1e+30" in message
    assert "lower the rate" in message
    assert not (tmp_path / "a").exists()
    good = train(OneLayer(), small(), epochs=2, out=tmp_path / "b", show=False)
    before = good.checkpoint.read_bytes()
    refusal(OneLayer(), small(), epochs=9, rate=1e30, out=tmp_path / "b", resume=True)
    assert good.checkpoint.read_bytes() == before


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (OneLayer(features=7), {}, "the input x is 7, but the samples of blobs have 4 features"),
        (OneLayer(), {"sizes": {"D_x": 5}}, "with D_x = 5, but the samples of blobs have 4 features"),
        (OneLayer(), {"sizes": {"D_q": 5}}, "no size D_q to set\n  try: its sizes are D_h, D_x, N_c"),
        (OneLayer(rows=True), {"sizes": {"N": 5}}, "no size N to set"),
        (OneLayer(), {"sizes": {"D_h": 0}}, "D_h = 0 must be at least 1"),
        (OneLayer(classes=2), {}, "label 2 in blobs is out of range: y has 2 classes (0 to 1)"),
        (OneLayer(weight_decay=True), {}, "the constant λ has no value"),
        (OneLayer(), {"constants": {"λ": 1}}, "no constant λ"),
        (OneLayer(), {"rate": -1}, "the rate must be a positive number, not -1"),
        (OneLayer(), {"rate": float("nan")}, "not nan"),
        (OneLayer(), {"epochs": 0}, "epochs must be at least 1, not 0"),
        (OneLayer(), {"batch": 0}, "batch must be at least 1"),
        (OneLayer(), {"seed": -1}, "seed must be at least 0"),
        (OneLayer(), {"out": __file__}, "is a file, not a directory"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, net, options, message):
    assert message in refusal(net, small(), **{"out": tmp_path / "run", **options})
    assert not (tmp_path / "run").exists()


def test_networks_that_are_not_classifiers_are_refused(tmp_path):
    two = OneLayer()
    two.declarations["x2"] = Declaration("input", ("D_x",), "column")
    assert "exactly one input; the network has 2 (x, x2)" in refusal(two, small(), out=tmp_path)
    none = OneLayer()
    del none.declarations["y"]
    assert "exactly one label; the network has 0 (none)" in refusal(none, small(), out=tmp_path)
    scalar = OneLayer()
    scalar.declarations["y"] = Declaration("label", (), "scalar")
    assert "cannot train a network with x : D_x and y : scalar" in refusal(scalar, small(), out=tmp_path)
    fixed = OneLayer(rows=True)
    fixed.declarations |= {"X": Declaration("input", (8, "D"), "matrix"), "Y": Declaration("label", (8, "C"), "matrix")}
    assert "X : N × D_x" in refusal(fixed, small(), out=tmp_path)
    hidden = OneLayer()
    hidden.equations = hidden.equations[-1:]
    assert "give the prediction its own equation" in refusal(hidden, small(), out=tmp_path)


def test_the_prediction_is_the_last_equation_with_the_labels_shape():
    assert roles(OneLayer()).prediction == "ŷ"
    assert roles(OneLayer(rows=True)).prediction == "Ŷ"


def test_the_batch_size_gets_a_name_that_is_free():
    assert roles(OneLayer()).batch == "N"
    assert roles(OneLayer(features="N")).batch == "B"


def test_constants_reach_the_step_and_the_checkpoint(tmp_path):
    net = OneLayer(weight_decay=True)
    outcome = train(net, small(), epochs=1, constants={"λ": 0.5}, out=tmp_path, show=False)
    plain = train(OneLayer(), small(), epochs=1, out=tmp_path / "b", show=False)
    assert np.linalg.norm(outcome.parameters["W"]) < np.linalg.norm(plain.parameters["W"])
    train(net, small(), epochs=2, out=tmp_path, resume=True, show=False)


def test_a_network_with_more_classes_than_the_data(tmp_path):
    outcome = train(OneLayer(classes=5), small(), epochs=2, out=tmp_path, show=False)
    assert outcome.parameters["U"].shape == (5, 64)
    assert outcome.confusion.shape == (5, 5)


def test_the_checkpoint_holds_what_prediction_needs(tmp_path):
    outcome = train(OneLayer(), DIGITS, epochs=2, out=tmp_path, show=False)
    checkpoint = read_checkpoint(outcome.checkpoint, network_hash(OneLayer()), DIGITS.fingerprint)
    assert (checkpoint.shift, checkpoint.scale) == (DIGITS.shift, DIGITS.scale)
    assert checkpoint.sizes == {"D_x": 64, "N_c": 10, "D_h": 64}
    assert checkpoint.epoch == 2


def test_a_pipe_gets_one_plain_line_for_each_epoch(tmp_path):
    text = io.StringIO()
    train(OneLayer(), small(), epochs=3, out=tmp_path, console=Console(file=text, width=40))
    lines = text.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3/3  loss 0.")
    assert "\x1b" not in text.getvalue()


def test_a_terminal_gets_a_bar(tmp_path):
    text = io.StringIO()
    console = Console(file=text, width=110, force_terminal=True, force_interactive=True)
    train(OneLayer(), small(), epochs=3, out=tmp_path, console=console)
    assert "3/3" in text.getvalue()
    assert "test" in text.getvalue()


def test_a_missing_package_is_said_before_training(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else real(name))
    net = OneLayer()
    message = refusal(net, small(), out=tmp_path / "run")
    assert "needs matplotlib" in message
    assert "pip install 'chainrule[demo]'" in message
    assert net.steps == 0
