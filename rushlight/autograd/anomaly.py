"""Anomaly mode: a backward pass that makes a nan says which op made it, where it was recorded, and where it came from.

While it is on, each op notes the caller's lines (`lazy/places.py`), and every gradient of a backward pass is looked at
(`watch.py`). It costs time then, and nothing otherwise.
"""

from __future__ import annotations

from typing import Any

from rushlight.lazy import record
from rushlight.lazy.step import flush
from rushlight.lessons import say


class _Mode:
    """Whether backward passes are looked at for nan; only errors are explained where it is False."""

    check_nan = True


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return record.noting


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, where it is on, looks for nan."""
    return _Mode.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Turn anomaly mode on or off, for all threads.

    What was recorded before it is turned on is computed then, since nobody noted where it was recorded.
    """
    mode, _Mode.check_nan = bool(mode), bool(check_nan)
    if mode == record.noting:
        return
    record.set_noting(mode)
    if mode and record.local.trace.expandable:
        flush()
        record.fresh_trace()


class set_detect_anomaly:
    """Turn anomaly mode on or off: at once, and back at the end of a `with`.

    >>> import rushlight as torch
    >>> with torch.autograd.set_detect_anomaly(True, check_nan=False):
    ...     torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    (True, False)
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev, self.prev_check_nan = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        set_anomaly_enabled(self.prev, self.prev_check_nan)


class detect_anomaly:
    """Anomaly mode for the length of a `with`: a gradient that is nan is an error that names the op which made it.

    RuntimeError `Function 'SqrtBackward0' returned nan values in its 0th output`, with the op, the line and the module
    that recorded it, the number of the backward pass, whether the forward or the backward pass began it, and what to do.
    The whole way to that line comes as a warning. Gradients and losses that are only inf are warned about.

    With `check_nan=False` values are not looked at; an exception in a backward pass still says where its op was recorded.
    Inside `vmap`, where there are no values, nothing is looked at.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> with torch.autograd.detect_anomaly():
    ...     (x.sqrt() * x).sum().backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output...
    """

    def __init__(self, check_nan: bool = True) -> None:
        from rushlight.errors import warn_user

        self.prev, self.prev_check_nan = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        self.check_nan = check_nan
        warn_user(say("anomaly-on"))

    def __enter__(self) -> None:
        set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *error: Any) -> None:
        set_anomaly_enabled(self.prev, self.prev_check_nan)


__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_anomaly_enabled", "set_detect_anomaly"]  # fmt: skip
