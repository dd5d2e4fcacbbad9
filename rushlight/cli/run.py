"""`rushlight run SCRIPT.py`: a PyTorch script as it is, with Rushlight behind its imports."""

from __future__ import annotations

import builtins
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from rushlight import compat
from rushlight.cli import CommandError


def run_script(script: str, arguments: Sequence[str] = ()) -> int:
    """Run a file as `python file` would, with `torch` meaning Rushlight; its exit code.

    Errors in the script are shown as Python shows them, from the script's own lines on.
    """
    try:
        with open(script, "rb") as file:
            source = file.read()
    except OSError as error:
        raise CommandError(f"run: cannot read {script!r}: {error.strerror or error}") from None
    compat.install()
    # A module of its own, left in place afterwards: threads, atexit functions and pickled classes go on finding it.
    module = ModuleType("__main__")
    module.__dict__.update(__file__=os.path.abspath(script), __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = module
    sys.argv = [script, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        exec(compile(source, script, "exec", dont_inherit=True), module.__dict__)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        here = error.__traceback__
        traceback.print_exception(type(error), error, here.tb_next if here is not None else None)
        return 1
    return 0
