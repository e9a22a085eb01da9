"""A checkpoint on the disk is the old one or the new one; what is not a checkpoint is refused."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import ChainruleError
from chainrule.training.checkpoint import Checkpoint, Record, check_shapes, read_checkpoint, save_checkpoint
from chainrule.training.files import write_atomically


def checkpoint(epochs=1, value=0.5):
    return Checkpoint(
        parameters={
            "W": np.full((3, 2), value, np.float32).T,  # not in C order
            "θ₁": np.arange(4, dtype=np.float32),
            "s": np.array(value, np.float32),
        },
        records=tuple(Record(i + 1, 0.1 + i / 3, 0.9, 0.8, 0.01) for i in range(epochs)),
        network="net",
        data="data",
        seed=3,
        rate=0.1,
        batch=32,
        sizes={"D_h": 3},
        constants={"λ": 0.01},
        shift=4.9,
        scale=6.0,
    )


def test_what_is_saved_is_read_again(tmp_path):
    path = tmp_path / "new" / "p.safetensors"
    saved = checkpoint(epochs=3)
    save_checkpoint(path, saved)
    read = read_checkpoint(path, "net", "data")
    for name, value in saved.parameters.items():
        np.testing.assert_array_equal(read.parameters[name], value, strict=True)
        read.parameters[name] += 1  # writable: training goes on in place
    assert read.records == saved.records
    assert (read.seed, read.rate, read.sizes, read.constants) == (3, 0.1, {"D_h": 3}, {"λ": 0.01})


@pytest.mark.parametrize("moment", ["open", "fsync", "replace"])
def test_a_failure_at_any_moment_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch, moment):
    path = tmp_path / "p.safetensors"
    save_checkpoint(path, checkpoint(value=1.0))
    old = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    owner = os if moment == "fsync" else Path
    with monkeypatch.context() as patch:
        patch.setattr(owner, moment, fail)
        with pytest.raises(ChainruleError, match=r"cannot write .*No space left"):
            save_checkpoint(path, checkpoint(value=2.0))
    assert path.read_bytes() == old
    assert [item.name for item in tmp_path.iterdir()] == ["p.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="kills a process by signal")
def test_a_process_killed_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "p.safetensors"
    write_atomically(path, b"old" * 1000)
    code = f"""
        import os, signal
        from pathlib import Path
        from chainrule.training.files import write_atomically
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # bytes written, not yet renamed
        write_atomically(Path({str(path)!r}), b"new" * 1000)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old" * 1000
    write_atomically(path, b"new" * 1000)
    assert path.read_bytes() == b"new" * 1000


def test_the_order_is_write_sync_rename(tmp_path, monkeypatch):
    calls = []
    for owner, name in ((os, "fsync"), (Path, "replace")):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))[1])
    write_atomically(tmp_path / "file", b"content")
    assert calls[:2] == ["fsync", "replace"]
    assert (tmp_path / "file").read_bytes() == b"content"


def test_what_is_not_a_checkpoint_is_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "p.safetensors"
    with pytest.raises(ChainruleError, match="nothing to resume"):
        read_checkpoint(path, "net", "data")
    for content in (b"", b"rubbish" * 100):
        path.write_bytes(content)
        with pytest.raises(ChainruleError, match=r"not a \.safetensors file"):
            read_checkpoint(path, "net", "data")
    for metadata in (None, {"chainrule": "[1"}, {"chainrule": "{}"}, {"chainrule": '{"version": 1}'}):
        save_file({"W": np.zeros(2, np.float32)}, path, metadata)
        with pytest.raises(ChainruleError, match="not a"):
            read_checkpoint(path, "net", "data")
    save_checkpoint(path, checkpoint())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ChainruleError, match="damaged"):
        read_checkpoint(path, "net", "data")


def test_another_network_other_data_and_other_shapes_are_refused(tmp_path):
    path = tmp_path / "p.safetensors"
    save_checkpoint(path, checkpoint())
    with pytest.raises(ChainruleError, match="another network"):
        read_checkpoint(path, "other", "data")
    with pytest.raises(ChainruleError, match="other data"):
        read_checkpoint(path, "net", "other")
    shapes = {"W": (2, 3), "θ₁": (4,), "s": ()}
    check_shapes(path, checkpoint(), shapes)
    with pytest.raises(ChainruleError, match="its W is 2 × 3, the network's is 2 × 4"):
        check_shapes(path, checkpoint(), shapes | {"W": (2, 4)})
    with pytest.raises(ChainruleError, match="its V is missing, the network's is 7"):
        check_shapes(path, checkpoint(), shapes | {"V": (7,)})
