"""The command line: `python -m rushlight quickstart | run | info | cache`.

Exit codes: 0 done, 1 could not be done, 2 wrong arguments, 130 interrupted. Mistakes get one line on stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from rushlight import startup

__all__ = ["CommandError", "main"]


class CommandError(Exception):
    """What was asked cannot be done; the text is the one line that the user reads."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    try:
        startup.loaded()
        from rushlight.cli.arguments import parse

        options = parse(arguments)
        return options.command(options)
    except CommandError as error:
        print(f"rushlight: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is tidying up
        # An interrupt that passed through exec or eval of a string (dataclasses, namedtuples) would still make Python
        # end by the signal instead of with our code; starting another such evaluation makes it forget.
        exec("")
        sys.unraisablehook = lambda unraisable: None  # objects that the interrupt left half made complain as they go
        print("\ninterrupted" if sys.stderr.isatty() else "interrupted", file=sys.stderr)
        return 130
