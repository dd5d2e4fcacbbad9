"""`torch.device`: where a tensor lives. This build computes on the CPU; `meta` tensors have a shape and no data."""

from __future__ import annotations

import os

from rushlight.errors import MissingDeviceError, explain_error
from rushlight.lessons import say

_TYPES = ("cpu", "cuda", "meta", "mps", "xpu", "hip", "vulkan", "ipu", "mkldnn", "opengl", "ideep", "xla")


class device:
    """A device type and an optional index.

    >>> import rushlight as torch
    >>> torch.device("cuda:1")
    device(type='cuda', index=1)
    """

    __slots__ = ("type", "index")

    def __init__(self, type: str | device = "cpu", index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        elif not isinstance(type, str):
            if getattr(type, "device", None) is not None:
                raise TypeError(say("tensor-as-device", kind=type.__class__.__name__))
            raise TypeError(explain_error("torch.device", got=f"{type!r}", expected="a name such as 'cpu' or 'cuda:0'"))
        if ":" in type:
            type, _, number = type.partition(":")
            if not number.isdigit():
                raise RuntimeError(
                    explain_error("torch.device", got=f"'{type}:{number}'", expected="a number after the colon")
                )
            index = int(number)
        if type not in _TYPES:
            raise RuntimeError(
                explain_error(
                    "torch.device", got=f"{type!r}", expected=f"one of {', '.join(_TYPES[:3])}", fix="write 'cpu'"
                )
            )
        self.type = type
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (")" if self.index is None else f", index={self.index})")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple:
        return (device, (self.type, self.index))


cpu = device("cpu")
meta = device("meta")


def resolve(value: device | str | int | None) -> device:
    """The device a computation really uses; MissingDeviceError for one that this machine or build does not have."""
    if value is None:
        return cpu
    found = value if isinstance(value, device) else device(value)
    if found.type == "cpu":
        return cpu
    if found.type == "meta":
        return meta
    raise missing(f"device {str(found)!r}")


def missing(asked: str) -> MissingDeviceError:
    """M4: what was asked for, looked for and found, and that nothing else is broken."""
    driver = say("no-accelerator/found" if nvidia_driver() else "no-accelerator/none")
    return MissingDeviceError(say("no-accelerator", asked=asked, driver=driver))


def nvidia_driver() -> bool:
    """Whether this machine has an NVIDIA driver (asked only to word the error)."""
    return os.path.exists("/proc/driver/nvidia/version")
