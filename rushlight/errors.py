"""The exception tree and the one helper that words a message: op, what it got, what it expected, how to fix it.

Exception *classes* are PyTorch's, so that `except RuntimeError` in existing scripts goes on working.
"""

from __future__ import annotations

import linecache
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class OutOfMemoryError(RuntimeError):
    """A buffer of a Program could not be allocated."""


class Fault(Exception):
    """Native code met a value that it must not: the reference will say which. Never reaches the user."""


class AdviceWarning(UserWarning):
    """A mistake that runs, told by the catalogue `rushlight.lessons`; every text says how to silence it by its name.

    All of them: `warnings.filterwarnings("ignore", category=torch.errors.AdviceWarning)`.
    """


class BoundsError(IndexError, RuntimeError):
    """An index beyond the end of a dimension. (PyTorch raises either class, by op and by number of dimensions.)"""


class NumberRangeError(RuntimeError, OverflowError):
    """A number that no dtype holds. (PyTorch raises either class, by op.)"""


class MissingDeviceError(RuntimeError, AssertionError):
    """An accelerator was asked for that this build or machine does not have. (PyTorch raises either class, by build.)"""


class MissingExtraError(ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class FileFormatError(RuntimeError):
    """A checkpoint or data file is malformed; the message names the file and the offset."""


class MissingNameError(AttributeError):
    """An AttributeError that looks for near names only when it is read: `hasattr` stays cheap.

    `instead` is the name of a lesson that says what to write. `obj=None` keeps the interpreter from adding its own suggestion after ours.
    """

    def __init__(self, owner: str, name: str, known: Callable[[], Iterable[str]], instead: str | None = None):
        super().__init__(name, name=name, obj=None)
        self._owner, self._name, self._known, self._instead = owner, name, known, instead

    def __str__(self) -> str:
        from rushlight.lessons import say

        if self._instead is not None:
            hint = say(self._instead)
        else:
            from difflib import get_close_matches

            near = get_close_matches(self._name, [n for n in self._known() if not n.startswith("_")], 3, 0.7)
            hint = ", ".join(map(repr, near))
        hint = say("no-such-name/did-you-mean", near=hint) if hint else ""
        return say("no-such-name", owner=self._owner, name=self._name, hint=hint)

    def __reduce__(self) -> tuple:
        return AttributeError, (str(self),)


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


def not_a_tensor(op: str, value: Any, expected: str = "a tensor") -> TypeError:
    """The error for something else given for a tensor, with what makes one of it.

    >>> print(not_a_tensor("linear", [1.0, 2.0]))
    linear: got a list; expected a tensor. Fix: torch.tensor(list).
    """
    kind = type(value).__name__
    fix = {"ndarray": "torch.from_numpy(array)", "list": "torch.tensor(list)", "tuple": "torch.tensor(tuple)"}.get(kind)
    if value is None:
        fix = "pass the tensor; a function without a return statement gives None"
    elif isinstance(value, (bool, int, float, complex)):
        fix = "torch.tensor(number)"
    article = "an" if kind[0].lower() in "aeiou" or kind == "ndarray" else "a"
    got = "None" if value is None else f"{article} {kind}"
    return TypeError(explain_error(op.removesuffix("_op"), got=got, expected=expected, fix=fix))


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


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is Rushlight's own code."""
    return frame.f_code.co_filename.startswith(_PACKAGE)


def user_line() -> tuple[str, int]:
    """(file, line) of the user's code that is being executed; kept cheap to store, worded by `show_line`."""
    frame = user_frame()
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("<unknown>", 0)


def user_frames() -> tuple[tuple[str, int, str], ...]:
    """(file, line, function) of every frame of the caller's code, innermost last."""
    frame: FrameType | None = sys._getframe(1)
    found = []
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return tuple(reversed(found)) or (("<unknown>", 0, "?"),)


def raised_inside(error: BaseException) -> bool:
    """Whether everything between the handler and the place that raised `error` is Rushlight's own code."""
    trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            return False
        trace = trace.tb_next
    return True


MODULE_CALLS: set[CodeType] = set()  # the code of what calls a module's forward; filled by the room that has modules


def calling_module() -> str:
    """The module whose forward is running, as a path from the outermost one: `Net.stages.1 (Linear)`; "" outside any."""
    frame: FrameType | None = sys._getframe(1)
    inner_first: list[Any] = []
    while frame is not None:
        if frame.f_code in MODULE_CALLS:
            inner_first.append(frame.f_locals["self"])
        frame = frame.f_back
    if not inner_first:
        return ""
    outer, *rest = reversed(inner_first)
    path = type(outer).__name__
    for module in rest:
        path += "." + next((name for name, child in outer._modules.items() if child is module), type(module).__name__)
        outer = module
    return path + (f" ({type(outer).__name__})" if rest else "")


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
