"""From C text to a loaded library: which compiler, and a cache of what was built that many processes may share.

A build is kept under a name that is a hash of everything that went into it: text, flags, compiler, processor. It is
made in a folder of its own and moved into place at the end, so that a half-written one is never seen; who comes second
replaces it by the same. Folders that a killed process left are removed when they are a day old.
The cache is in $CHAINRULE_CACHE, or where the system keeps caches ($XDG_CACHE_HOME, ~/Library/Caches).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from chainrule.errors import ChainruleError, UnsupportedError

__all__ = ["build", "cache_directory", "compiler"]

FLAGS = (
    "-std=c99", "-O3", "-march=native", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=fast",
    "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-DSIMD", "-Werror=implicit-function-declaration",
)  # fmt: skip
_DAY = 86400.0


def cache_directory() -> Path:
    """Where builds are kept; made if need be, for this user alone."""
    chosen = os.environ.get("CHAINRULE_CACHE")
    if chosen:
        path = Path(chosen)
    elif os.environ.get("XDG_CACHE_HOME"):
        path = Path(os.environ["XDG_CACHE_HOME"]) / "chainrule"
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "chainrule"
    else:
        path = Path.home() / ".cache" / "chainrule"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ChainruleError(
            f"the cache folder {path} cannot be made: {error.strerror}", "set CHAINRULE_CACHE to one that can"
        ) from None
    return path


@cache
def compiler() -> tuple[str, ...]:
    """The command of a C compiler: $CC, cc, gcc, clang, or the one in the package ziglang.

    Raises UnsupportedError where there is none.
    """
    chosen = os.environ.get("CC", "").split()
    if chosen and shutil.which(chosen[0]):
        return tuple(chosen)
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return (found,)
    if find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    raise UnsupportedError(
        "the C target needs a C compiler, and there is none",
        "install gcc or clang, or the package ziglang (pip install ziglang)",
    )


def _identity(command: Sequence[str]) -> str:
    """Which compiler it is, without running it: a new version is another file."""
    path = Path(shutil.which(command[0]) or command[0]).resolve()
    try:
        state = path.stat()
    except OSError:
        return " ".join(command)
    return f"{' '.join(command)} {path} {state.st_size} {state.st_mtime_ns}"


@cache
def _processor() -> str:
    """What -march=native depends on."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    kept = sorted(
        {line for line in text.splitlines() if line.startswith(("model name", "flags", "Features", "CPU part"))}
    )
    return platform.machine() + "\n" + "\n".join(kept)


def build(text: str, more: Sequence[str] = (), links: Sequence[str] = ()) -> ctypes.PyDLL:
    """The library of a C text, from the cache or built now. `more`: further flags; `links`: what stands at the end.

    Raises UnsupportedError without a compiler, ChainruleError where it refuses the text.
    """
    if sys.platform == "win32":
        raise UnsupportedError("the C target does not run on Windows", 'compile with target "numpy"')
    command = compiler()
    flags = [*FLAGS, *more]
    if sys.platform == "darwin":
        links = [*links, "-undefined", "dynamic_lookup"]
    ingredients = "\0".join([text, *flags, *links, _identity(command), _processor(), sys.platform])
    key = hashlib.sha256(ingredients.encode()).hexdigest()[:32]
    folder = cache_directory()
    path = folder / f"{key}.so"
    if path.exists():
        try:
            return ctypes.PyDLL(str(path))
        except OSError:
            path.unlink(missing_ok=True)  # damaged: make it anew
    _sweep(folder)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=folder))
    try:
        source, made = work / "step.c", work / "step.so"
        source.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*command, *flags, str(source), "-o", str(made), *links, "-lm"],
            capture_output=True, text=True, check=False, errors="replace",
        )  # fmt: skip
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            raise ChainruleError(
                f"{command[0]} refused the generated code: {lines[0] if lines else 'no message'}",
                "this is a mistake in chainrule, or the compiler is too old; step.source has the text",
            )
        made.replace(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return ctypes.PyDLL(str(path))


def _sweep(folder: Path) -> None:
    """Remove what processes left that were killed while they built."""
    for left in folder.glob("build-*"):
        try:
            old = time.time() - left.stat().st_mtime > _DAY
        except OSError:
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)
