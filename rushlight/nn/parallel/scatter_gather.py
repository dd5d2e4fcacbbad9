"""Batches to devices and back, where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.errors import explain_error

__all__ = ["gather", "scatter", "scatter_kwargs"]


def _one(name: str, devices: Sequence[Any]) -> None:
    if len(devices) != 1:
        raise NotImplementedError(
            explain_error(
                name, got=f"{len(devices)} devices", expected="one: there is no other", fix="call the module itself"
            )
        )


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> list[Any]:
    """The inputs, for the one device. Errors: NotImplementedError for several."""
    _one("scatter", target_gpus)
    return [inputs]


def scatter_kwargs(inputs: Any, kwargs: Any, target_gpus: Sequence[Any], dim: int = 0) -> tuple[Any, Any]:
    """`scatter` of positional and of named arguments."""
    return tuple(scatter(inputs, target_gpus, dim)), tuple(scatter(kwargs or {}, target_gpus, dim))


def gather(outputs: Sequence[Any], target_device: Any, dim: int = 0) -> Any:
    """The output of the one device. Errors: NotImplementedError for several."""
    _one("gather", outputs)
    return outputs[0]
