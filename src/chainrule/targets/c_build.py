"""From C text to a loaded library: which compiler, and a cache of what was built that many processes may share.

A build is kept under a name that is a hash of everything that went into it: text, flags, compiler, processor. It is
made in a folder of its own and moved into place at the end, so that a half-written one is never seen; who comes second
replaces it by the same. Folders that a killed process left are removed when they are a day old.
The cache is in $CHAINRULE_CACHE, or where the system keeps caches ($XDG_CACHE_HOME, ~/Library/Caches).

A library that a full disk or a power cut has shortened would end the process when it is loaded. So each ends in a
digest of itself, behind what the loader reads, and one that is not whole is made anew. What the system refuses (a
folder that cannot be written to, a compiler that is no program) is a ChainruleError.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
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
_DIGEST = hashlib.sha256().digest_size
_SIGNED = sys.platform != "darwin"  # there the system has a signature of its own, and nothing may stand behind it


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
        path = path.expanduser().absolute()  # a relative one might look like an option to the compiler
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, RuntimeError) as error:  # RuntimeError: no such home
        why = error.strerror if isinstance(error, OSError) else error
        raise ChainruleError(
            f"the cache folder {path} cannot be made: {why}", "set CHAINRULE_CACHE to one that can"
        ) from None
    return path


@cache
def compiler() -> tuple[str, ...]:
    """The command of a C compiler: $CC (a program, flags may follow), cc, gcc, clang, or the one in ziglang.

    Raises UnsupportedError where there is none, and where $CC is set to something that is no program.
    """
    chosen = os.environ.get("CC", "").strip()
    if chosen:
        for command in ([chosen], _words(chosen)):
            if command and shutil.which(command[0]):
                return tuple(command)
        raise UnsupportedError(
            f"CC is set to {chosen}, and there is no such program", "set CC to a C compiler, or unset it"
        )
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


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote that does not end
        return command.split()


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
    if _whole(path):
        try:
            return ctypes.PyDLL(str(path))
        except OSError:
            pass  # it needs what is no longer there: make it anew
    _sweep(folder)
    try:
        _make(text, [*command, *flags], [*links, "-lm"], path)
    except OSError as error:
        raise ChainruleError(
            f"the cache folder {folder} cannot be used: {error.strerror or error}",
            "set CHAINRULE_CACHE to a folder with room that you may write to",
        ) from None
    try:
        return ctypes.PyDLL(str(path))
    except OSError as error:
        raise ChainruleError(
            f"what was compiled cannot be loaded: {error}",
            "set CHAINRULE_CACHE to a folder on a disk from which programs may run; step.source has the text",
        ) from None


def _make(text: str, command: Sequence[str], links: Sequence[str], path: Path) -> None:
    """Compile a text to the file `path`. Raises ChainruleError where the compiler fails, OSError for the disk."""
    work = Path(tempfile.mkdtemp(prefix="build-", dir=path.parent))
    try:
        source, made = work / "step.c", work / "step.so"
        source.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, str(source), "-o", str(made), *links],
                capture_output=True, text=True, check=False, errors="replace",
            )  # fmt: skip
        except OSError as error:
            raise ChainruleError(
                f"the compiler {command[0]} cannot be run: {error.strerror}", "set CC to a C compiler"
            ) from None
        if done.returncode or not made.exists():
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            ended = f"it ended with status {done.returncode} and " + (
                "made nothing" if not done.returncode else "said nothing"
            )
            raise ChainruleError(
                f"{command[0]} refused the generated code: {lines[0] if lines else ended}",
                "is it a C compiler, and whole? Else this is a mistake in chainrule; step.source has the text",
            )
        if _SIGNED:
            made.write_bytes(_signed(made.read_bytes()))
        if path.is_dir():
            shutil.rmtree(path)
        made.replace(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _signed(library: bytes) -> bytes:
    return library + hashlib.sha256(library).digest()


def _whole(path: Path) -> bool:
    """True where the file is as it was made."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return not _SIGNED or (len(content) > _DIGEST and _signed(content[:-_DIGEST]) == content)


def _sweep(folder: Path) -> None:
    """Remove what processes left that were killed while they built."""
    for left in folder.glob("build-*"):
        try:
            old = time.time() - left.stat().st_mtime > _DAY
        except OSError:
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)
