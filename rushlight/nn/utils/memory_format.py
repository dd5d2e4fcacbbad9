"""The memory format of convolution weights."""

from __future__ import annotations

from typing import Any, TypeVar

from rushlight.errors import explain_error
from rushlight.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.modules.module import Module

M = TypeVar("M", bound=Module)


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay out the weights of 2-D convolutions as `memory_format` says: channels outermost, the one that there is.

    Errors: NotImplementedError for other formats.
    """
    return _convert("convert_conv2d_weight_memory_format", module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """The same for 3-D convolutions."""
    return _convert("convert_conv3d_weight_memory_format", module, memory_format, (Conv3d, ConvTranspose3d))


def _convert(op: str, module: M, memory_format: Any, kinds: tuple[type, ...]) -> M:
    if str(memory_format) != "torch.contiguous_format":
        raise NotImplementedError(
            explain_error(
                op,
                got=f"memory_format={memory_format}",
                expected="torch.contiguous_format: kernels read channels outermost, and need no other layout to be fast",
                fix="leave the conversion out",
            )
        )
    for each in module.modules():
        if isinstance(each, kinds) and not each.weight.is_contiguous():
            each.weight.data = each.weight.detach().contiguous()
    return module
