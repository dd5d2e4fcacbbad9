"""`python -m rushlight`."""

from __future__ import annotations

import signal
import sys

from rushlight.cli import main

if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: Ctrl-C while Python shuts down changes nothing
    sys.exit(code)
