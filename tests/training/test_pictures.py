"""The picture is written for every kind of run, without a warning, and is not blank."""

import io

import numpy as np
import pytest

from chainrule.training.checkpoint import Record
from chainrule.training.data import Dataset
from chainrule.training.pictures import confusion_matrix, save_picture


def data(classes=10, n=200, image=(8, 8)):
    generator = np.random.default_rng(2)
    x = generator.normal(size=(n, 64)).astype(np.float32)
    y = np.arange(n) % classes
    return Dataset("made-up", x, y, x, y, classes, image, 0.0, 1.0)


def records(n=20):
    return [Record(i, 2 * 0.8**i, 1 - 0.5**i, 1 - 0.6**i, 0.1) for i in range(1, n + 1)]


def test_confusion_matrix_counts_true_by_predicted():
    counts = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 3)
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("classes", "epochs", "wrong", "image"),
    [(10, 20, 14, (8, 8)), (10, 1, 1, (8, 8)), (2, 2, 0, (8, 8)), (3, 5, 9, None), (40, 3, 60, (4, 16))],
)
def test_a_picture_for_every_kind_of_run(tmp_path, classes, epochs, wrong, image):
    from matplotlib.image import imread

    samples = data(classes, image=image)
    predicted = samples.y_test.copy()
    predicted[:wrong] = (predicted[:wrong] + 1) % classes
    save_picture(tmp_path / "p.png", records(epochs), samples, predicted, classes, "one_layer.net")
    pixels = imread(io.BytesIO((tmp_path / "p.png").read_bytes()))[:, :, :3]
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 1000
    assert 0.02 < np.mean(pixels.min(axis=2) < 0.95) < 0.7  # neither blank nor black
    assert len(np.unique(np.round(pixels * 255) @ (1, 256, 65536))) > 50
    assert [item.name for item in tmp_path.iterdir()] == ["p.png"]
