"""Moving a module to another dtype or device: every parameter, gradient and buffer, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import say


class ConvertMixin:
    """The part of Module behind `to`, `float`, `cpu`, `cuda`, `type` and the like."""

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Replace the values of every parameter, gradient and buffer by `fn(tensor)`; the Parameter objects stay."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with rushlight.no_grad():
                applied = fn(parameter)
            gradient, parameter.grad = parameter.grad, None  # a gradient must never differ in dtype from its parameter
            parameter.data = applied
            if gradient is not None:
                with rushlight.no_grad():
                    applied = fn(gradient)
                parameter.grad = applied.requires_grad_(gradient.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, a floating dtype, or both, or to those of another tensor; changes and returns this module.

        Integer buffers keep their dtype. Forms: `to(device, dtype)`, `to(dtype)`, `to(tensor)`, with `non_blocking` and
        `memory_format` as options.
        """
        device, dtype, non_blocking, memory_format = _parse_to(args, kwargs)

        def convert(tensor: Any) -> Any:
            floating = tensor.is_floating_point() or tensor.is_complex()
            options = {"memory_format": memory_format} if memory_format is not None and tensor.dim() in (4, 5) else {}
            return tensor.to(device, dtype if floating else None, non_blocking, **options)

        return self._apply(convert)

    def _to_floating(self, dtype: Any) -> Self:
        return self._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def float(self) -> Self:
        """Floating parameters and buffers to float32."""
        return self._to_floating(rushlight.float32)

    def double(self) -> Self:
        """Floating parameters and buffers to float64."""
        return self._to_floating(rushlight.float64)

    def half(self) -> Self:
        """Floating parameters and buffers to float16."""
        return self._to_floating(rushlight.float16)

    def bfloat16(self) -> Self:
        """Floating parameters and buffers to bfloat16."""
        return self._to_floating(rushlight.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """Everything, integer buffers too, to `dst_type`."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def cpu(self) -> Self:
        """Everything to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Everything to a CUDA device; raises what `Tensor.cuda` raises where there is none."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to `device` without copying values: they are undefined afterwards."""
        return self._apply(lambda tensor: rushlight.empty_like(tensor, device=device), recurse=recurse)

    def share_memory(self) -> Self:
        """Put every tensor into memory that other processes can share."""
        return self._apply(lambda tensor: tensor.share_memory_())


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) of a call of `to`."""
    given = dict(kwargs)
    if len(args) > 3:
        raise TypeError(explain_error("Module.to", got=f"{len(args)} positional arguments", expected="at most 3"))
    for place, value in enumerate(args):
        if isinstance(value, rushlight.Tensor):
            name = "tensor"
        elif isinstance(value, rushlight.dtype):
            name = "dtype"
        elif isinstance(value, bool):
            name = "non_blocking"
        elif isinstance(value, (str, int, rushlight.device)):
            name = "device"
        elif value is None:
            name = "dtype" if place == 1 else "device"
        else:
            fix = (
                "pass its device: model.to(next(other.parameters()).device)"
                if isinstance(value, ConvertMixin)
                else None
            )
            raise TypeError(
                explain_error(
                    "Module.to",
                    got=f"{value.__name__ if isinstance(value, type) else type(value).__name__}",
                    expected="a device ('cpu'), a dtype (torch.float64) or a Tensor",
                    fix=fix,
                )
            )
        if name in given:
            raise TypeError(explain_error("Module.to", got=f"two values for {name}", expected="one"))
        given[name] = value
    tensor = given.pop("tensor", None)
    if tensor is None:
        tensor = given.pop("other", None)
    device, dtype = given.pop("device", None), given.pop("dtype", None)
    non_blocking, memory_format = given.pop("non_blocking", False), given.pop("memory_format", None)
    given.pop("copy", None)  # a module is always changed in place
    if given:
        raise TypeError(
            explain_error("Module.to", got=f"the keyword {next(iter(given))!r}", expected="device or dtype")
        )
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise TypeError(say("module-to-integers", dtype=dtype))
    return (rushlight.device(device) if device is not None else None), dtype, non_blocking, memory_format
