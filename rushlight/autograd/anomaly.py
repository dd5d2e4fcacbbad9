"""Anomaly detection: accepted when it is turned off; turning it on says that it is missing."""

from __future__ import annotations

from typing import Any


def _refuse(mode: bool) -> None:
    if mode:
        raise NotImplementedError(
            "autograd: anomaly detection is not built. Fix: leave it off; errors of backward() name the line that recorded the op, and "
            "tensor.register_hook(lambda g: print(g.isnan().any())) finds a NaN gradient."
        )


class set_detect_anomaly:
    """`set_detect_anomaly(False)`: nothing to do."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        _refuse(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        return None


class detect_anomaly(set_detect_anomaly):
    """`with detect_anomaly():` is refused with the reason."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on; never."""
    return False
