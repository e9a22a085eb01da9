"""Every source ends in one checked `Dataset`, and bad data says what is wrong with which sizes."""

import gzip
import struct

import numpy as np
import pytest

from chainrule.errors import ChainruleError
from chainrule.training.data import load_data, split

RNG = np.random.default_rng(11)


def samples(n=30, features=5, classes=3):
    return {"X": RNG.normal(size=(n, features)), "y": np.arange(n) % classes}


def npz(path, **arrays):
    file = path / "set.npz"
    np.savez(file, **arrays)
    return file


def refusal(source):
    with pytest.raises(ChainruleError) as caught:
        load_data(source)
    return str(caught.value)


def test_digits_are_split_the_same_way_each_time_with_every_class_in_both_parts():
    data, again = load_data("digits"), load_data("digits")
    assert (len(data.y_train), len(data.y_test), data.features, data.classes) == (1437, 360, 64, 10)
    assert data.image == (8, 8)
    assert data.fingerprint == again.fingerprint
    assert np.bincount(data.y_test).min() >= 30
    assert data.x_train.dtype == np.float32
    assert abs(data.x_train.mean()) < 1e-3
    assert abs(data.x_train.std() - 1) < 1e-3
    raw = data.x_train * data.scale + data.shift
    assert raw.min() == pytest.approx(0, abs=1e-4)
    assert raw.max() == pytest.approx(16, abs=1e-4)


def test_no_sample_is_in_both_parts():
    labels = np.repeat(np.arange(4), [40, 10, 2, 1])
    test = split(labels)
    assert np.bincount(labels[test], minlength=4).tolist() == [8, 2, 0, 0]
    assert (split(labels) == test).all()
    assert (split(labels, seed=1) != test).any()


def test_npz_takes_whole_numbers_floats_and_one_hot_labels(tmp_path):
    arrays = samples()
    plain = load_data(npz(tmp_path, **arrays))
    for y in (
        arrays["y"].astype(float),
        arrays["y"][:, None],
        np.eye(3)[arrays["y"]],
        np.eye(3, dtype=bool)[arrays["y"]],
    ):
        assert load_data(npz(tmp_path, X=arrays["X"], y=y)).fingerprint == plain.fingerprint
    assert plain.image is None
    assert (len(plain.y_train), len(plain.y_test)) == (24, 6)


def test_npz_keeps_a_given_test_part_and_scales_it_with_the_training_part(tmp_path):
    x, x_test = RNG.normal(3, 2, (20, 5)), RNG.normal(3, 2, (7, 5))
    data = load_data(npz(tmp_path, X=x, y=np.arange(20) % 2, X_test=x_test, y_test=np.arange(7) % 2))
    np.testing.assert_allclose(data.x_test, (x_test - x.mean()) / x.std(), rtol=1e-5, atol=1e-6)
    assert (len(data.y_train), len(data.y_test)) == (20, 7)


def test_npz_of_images(tmp_path):
    data = load_data(npz(tmp_path, X=RNG.integers(0, 255, (20, 6, 9), dtype=np.uint8), y=np.arange(20) % 2))
    assert (data.features, data.image) == (54, (6, 9))


def test_constant_features_are_only_shifted(tmp_path):
    data = load_data(npz(tmp_path, X=np.full((20, 3), 7.0), y=np.arange(20) % 2))
    assert (data.shift, data.scale) == (7.0, 1.0)
    assert not data.x_train.any()


def idx(path, array, damage=0):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = header + array.tobytes()
    content = content[: len(content) - damage]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_idx_files_plain_and_compressed(tmp_path):
    images = RNG.integers(0, 255, (20, 4, 5), dtype=np.uint8)
    idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    idx(tmp_path / "t10k-labels-idx1-ubyte", (np.arange(20) % 2).astype(np.uint8))
    alone = load_data(tmp_path)
    assert (len(alone.y_train), len(alone.y_test), alone.image) == (16, 4, (4, 5))
    idx(tmp_path / "train-images-idx3-ubyte", images[:10])
    idx(tmp_path / "train-labels-idx1-ubyte", (np.arange(10) % 2).astype(np.uint8))
    both = load_data(tmp_path)
    assert (len(both.y_train), len(both.y_test)) == (10, 20)
    idx(tmp_path / "train-images-idx3-ubyte", images[:10], damage=3)
    assert "200 values announced, 197 found" in refusal(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"rubbish rubbish rubbish")
    assert "not an IDX file" in refusal(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"rubbish")
    (tmp_path / "train-images-idx3-ubyte").unlink()
    assert "cannot read" in refusal(tmp_path)


def test_a_source_that_does_not_exist_names_the_choices(tmp_path):
    assert "digits" in refusal("mnist")
    assert "no IDX files" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x13rubbish" * 50, b"PK\x03\x04 half an archive", b"x,y\n1,2\n"])
def test_a_file_that_is_not_an_npz(tmp_path, content):
    file = tmp_path / "set.npz"
    file.write_bytes(content)
    assert "is not a .npz file" in refusal(file)


def test_a_damaged_npz(tmp_path):
    file = npz(tmp_path, **samples())
    content = bytearray(file.read_bytes())
    content[200:400] = bytes(200)
    file.write_bytes(content)
    assert "the file is damaged" in refusal(file)


def test_a_bare_array_and_an_array_of_objects(tmp_path):
    np.save(tmp_path / "bare.npy", np.zeros(3))
    assert "one bare array" in refusal(tmp_path / "bare.npy")
    file = npz(tmp_path, X=np.array([{}, {}]), y=np.arange(2))
    assert "cannot read the array X" in refusal(file)
    assert "Python objects" in refusal(file)


def test_missing_arrays_are_named(tmp_path):
    good = samples()
    assert "no array named y; it has X, labels" in refusal(npz(tmp_path, X=good["X"], labels=good["y"]))
    assert "no array named X and none named y" in refusal(npz(tmp_path, a=np.zeros(3)))
    assert "has X_test but no y_test" in refusal(npz(tmp_path, **good, X_test=good["X"]))


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf")])
def test_nan_is_found_and_its_place_said(tmp_path, value, shown):
    bad = samples()
    bad["X"][3, 2] = bad["X"][7, 1] = value
    assert f"X[3, 2] is {shown}; 2 of 150 values are not finite" in refusal(npz(tmp_path, **bad))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros(30)}, "X is 30; one row of features"),
        ({"X": np.float64(3)}, "X is a single number"),
        ({"X": np.zeros((0, 5))}, "X is 0 × 5"),
        ({"X": np.zeros((30, 2, 2, 2))}, "X is 30 × 2 × 2 × 2"),
        ({"X": np.full((30, 2), "a")}, "X holds <U1, numbers are needed"),
        ({"X": np.zeros((30, 2), complex)}, "X holds complex128"),
        ({"X": np.zeros((29, 5))}, "X has 29 samples, y has 30 labels"),
        ({"y": np.arange(30) - 1}, "y[0] is -1"),
        ({"y": np.arange(30) / 2}, "y[1] is 0.5"),
        ({"y": np.full(30, np.nan)}, "y[0] is nan"),
        ({"y": np.arange(30) * 10**9}, "label 29000000000 is out of range"),
        ({"y": np.zeros(30)}, "every label is 0"),
        ({"y": np.full(30, "cat")}, "whole numbers are needed"),
        ({"y": np.full((30, 3), 1)}, "row 0 of y is not one-hot"),
        ({"y": np.zeros((30, 2, 2))}, "y is 30 × 2 × 2"),
        ({"X": np.eye(2), "y": np.arange(2)}, "2 samples are too few"),
        ({"X_test": np.zeros((4, 6)), "y_test": np.arange(4)}, "X is 30 × 5, X_test is 4 × 6"),
        ({"X_test": np.zeros((4, 5)), "y_test": np.arange(3)}, "X_test has 4 samples, y_test has 3 labels"),
        ({"X_test": np.full((4, 5), 1e300), "y_test": np.arange(4)}, "more than float32 can hold"),
    ],
)
def test_bad_arrays_are_refused_with_their_sizes(tmp_path, change, message):
    assert message in refusal(npz(tmp_path, **{**samples(), **change}))
