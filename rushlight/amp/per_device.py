"""The switches of autocast that name their device, older than those that take it as an argument."""

from __future__ import annotations

from typing import Any

from rushlight.amp.autocast_mode import (
    get_autocast_dtype,
    is_autocast_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)
from rushlight.lazy.record import local


def get_autocast_cpu_dtype() -> Any:
    """`get_autocast_dtype("cpu")`."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> Any:
    """`get_autocast_dtype("cuda")`."""
    return get_autocast_dtype("cuda")


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """`set_autocast_dtype("cpu", dtype)`."""
    set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """`set_autocast_dtype("cuda", dtype)`."""
    set_autocast_dtype("cuda", dtype)


def is_autocast_cpu_enabled() -> bool:
    """`is_autocast_enabled("cpu")`."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled("cpu", enabled)`."""
    set_autocast_enabled("cpu", enabled)


def autocast_increment_nesting() -> int:
    """One region more that was entered by hand; how many there are."""
    local.nesting = getattr(local, "nesting", 0) + 1
    return local.nesting


def autocast_decrement_nesting() -> int:
    """One less; casts are not kept from step to step, so that nothing has to be dropped at 0."""
    local.nesting = getattr(local, "nesting", 0) - 1
    return local.nesting
