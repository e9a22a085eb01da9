"""Files that are either the old one or the new one, never half of one.

A checkpoint that is overwritten in place is lost when the machine stops in the middle of the write.
`write_atomically` writes beside the target, forces the bytes to the disk, and only then renames.
"""

from __future__ import annotations

import os
from pathlib import Path

from chainrule.errors import ChainruleError

__all__ = ["check_directory", "write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at `path` (its directory is made if need be) by `content`, all of it or nothing.

    The temporary file lies in the same directory, because a rename is atomic only within one file system.
    Raises `ChainruleError` if the file system refuses (no permission, no space); the old file stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise ChainruleError(f"cannot write {path}: {error.strerror or error}") from error


def _sync_directory(directory: Path) -> None:
    """Force the rename itself to the disk, where directories can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_directory(directory: Path) -> None:
    """Raise `ChainruleError` if `directory` cannot be written to. Nothing is created.

    Called before a run starts, so that a mistyped path does not cost the first epoch.
    """
    existing = directory
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise ChainruleError(f"cannot write to {directory}: {existing} is a file, not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ChainruleError(f"cannot write to {directory}: no permission in {existing}")
