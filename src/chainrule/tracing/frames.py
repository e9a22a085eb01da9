"""Where the user's code stands: the line that an error names, and the variables that results are called by.

A frame belongs to the user if its module is neither this package's nor NumPy's. The *main* frame is that of the traced
function itself; its local variables name the results.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from chainrule.errors import Span

__all__ = ["BOUNDARY", "at_return", "local_arrays", "main_frame", "name_of", "place", "user_frames"]

BOUNDARY: set[CodeType] = set()  # the code that calls the traced function
_INSIDE = ("chainrule", "numpy", "scipy")


def user_frames() -> Iterator[FrameType]:
    """The frames of the user's code, the innermost first, up to the traced function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in BOUNDARY:
            return
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _INSIDE:
            yield frame
        frame = frame.f_back


def main_frame() -> FrameType | None:
    """The frame of the traced function, while it runs."""
    found = None
    for frame in user_frames():
        found = frame
    return found


def place() -> tuple[str, Span | None]:
    """The line that runs now, as words (`net.py, line 7`) and as a span of its file, where that can be read."""
    frame = next(user_frames(), None)
    if frame is None:
        return "", None
    path, line = frame.f_code.co_filename, frame.f_lineno
    words = f"{Path(path).name}, line {line}"
    lines = linecache.getlines(path, frame.f_globals)
    if not 0 < line <= len(lines):
        return words, None
    source = "".join(lines)
    begin = sum(map(len, lines[: line - 1]))
    text = lines[line - 1]
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    positions = next((p for k, p in enumerate(frame.f_code.co_positions()) if k == frame.f_lasti // 2), None)
    if positions is not None and positions[0] == positions[1] == line and positions[2] is not None:
        raw = text.encode()
        first = len(raw[: positions[2]].decode(errors="ignore"))
        last = len(raw[: positions[3]].decode(errors="ignore"))
    return words, Span(source, begin + first, begin + max(last, first + 1))


def local_arrays(frame: FrameType, kind: type) -> list[tuple[str, Any]]:
    """The local variables of a frame that hold an object of a class, by name."""
    return [(name, value) for name, value in frame.f_locals.items() if isinstance(value, kind)]


def name_of(value: object) -> str | None:
    """What the user's code calls an object: a local variable, a closed-over or a global one."""
    for frame in user_frames():
        for names in (frame.f_locals, frame.f_globals):
            for name, held in list(names.items()):
                if held is value and not name.startswith("_"):
                    return name
    return None


def at_return(look: Callable[[FrameType], None]) -> Callable[[], None]:
    """Call `look` with each frame that returns, until the function that this gives back is called."""
    before = sys.getprofile()

    def profile(frame: FrameType, event: Any, argument: Any) -> None:
        if event == "return":
            look(frame)
        if before is not None:
            before(frame, event, argument)

    sys.setprofile(profile)
    return lambda: sys.setprofile(before)
