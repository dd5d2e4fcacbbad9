"""The exception tree and the one helper that words a message: op, what it got, what it expected, how to fix it.

Exception *classes* are PyTorch's, so that `except RuntimeError` in existing scripts goes on working.
"""

from __future__ import annotations

import linecache
import os
import sys
import warnings
from types import FrameType

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class OutOfMemoryError(RuntimeError):
    """A buffer of a Program could not be allocated."""


class MissingDeviceError(RuntimeError, AssertionError):
    """An accelerator was asked for that this build or machine does not have. (PyTorch raises either class, by build.)"""


class MissingExtraError(ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class FileFormatError(RuntimeError):
    """A checkpoint or data file is malformed; the message names the file and the offset."""


def explain_error(op: str, *, got: str, expected: str | None = None, fix: str | None = None) -> str:
    """Word a message: `op: got …; expected …. Fix: …`.

    >>> explain_error("matmul", got="(2, 3) @ (4, 5)", expected="3 == 4", fix="transpose the second operand")
    'matmul: got (2, 3) @ (4, 5); expected 3 == 4. Fix: transpose the second operand.'
    """
    text = f"{op}: got {got}"
    if expected:
        text += f"; expected {expected}"
    text = text.rstrip(".") + "."
    if fix:
        text += f" Fix: {fix.rstrip('.')}."
    return text


def need(extra: str, package: str) -> MissingExtraError:
    """The error for a missing optional package.

    >>> print(need("vision", "pillow"))
    this needs the package 'pillow', which is not installed. Fix: pip install 'rushlight[vision]'.
    """
    return MissingExtraError(
        f"this needs the package {package!r}, which is not installed. Fix: pip install 'rushlight[{extra}]'."
    )


def user_frame() -> FrameType | None:
    """The innermost frame of the caller's code that does not belong to Rushlight."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def user_line() -> tuple[str, int]:
    """(file, line) of the user's code that is being executed; kept cheap to store, worded by `show_line`."""
    frame = user_frame()
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("<unknown>", 0)


def raised_inside(error: BaseException) -> bool:
    """Whether everything between the handler and the place that raised `error` is Rushlight's own code."""
    trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            return False
        trace = trace.tb_next
    return True


def show_line(where: tuple[str, int]) -> str:
    """`file:line: source text` for a place returned by `user_line`."""
    source = linecache.getline(*where).strip()
    return f"{where[0]}:{where[1]}" + (f": `{source}`" if source else "")


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the user's line, however deep inside Rushlight the mistake was noticed."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        depth += 1
    warnings.warn(text, category, stacklevel=depth)
