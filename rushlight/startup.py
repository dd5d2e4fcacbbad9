"""While `python -m rushlight` is still loading the package, Ctrl-C ends it with one line, as it does later."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def watch() -> None:
    """Called first of all. Python shows `-m` as argv[0] as long as it is looking for the module to run."""
    if sys.argv[:1] != ["-m"] or "rushlight" not in sys.orig_argv:
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


def loaded() -> None:
    """Called when the command line takes over: from here on Ctrl-C is an exception again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
