"""What kind of picture is it (PIL or tensor), and the bridge between tensors and the arrays the kernels work on.

The tensor kernels are NumPy code on purpose: a crop at a new place every sample would otherwise be a new program
every sample.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from types import ModuleType
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error, need
from rushlight.lessons import say


class InterpolationMode(Enum):
    """How values between pixels are found when a picture is resized, rotated or sheared.

    >>> InterpolationMode("bilinear") is InterpolationMode.BILINEAR
    True
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# PIL's own numbers, which older scripts pass as plain integers
_PIL_NUMBER = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}


def interpolation_mode(value: InterpolationMode | int) -> InterpolationMode:
    """The mode for a mode or for one of PIL's numbers."""
    if isinstance(value, InterpolationMode):
        return value
    if isinstance(value, int):
        for mode, number in _PIL_NUMBER.items():
            if number == value:
                return mode
    raise TypeError(
        explain_error(
            "interpolation",
            got=repr(value),
            expected="an InterpolationMode, or PIL's number for one",
            fix="write transforms.InterpolationMode.BILINEAR",
        )
    )


def pil_number(mode: InterpolationMode) -> int:
    """PIL's number for a mode."""
    return _PIL_NUMBER[mode]


def pil(name: str = "Image") -> ModuleType:
    """A module of pillow, imported on first use."""
    try:
        return __import__(f"PIL.{name}", fromlist=[name])
    except ImportError:
        raise need("vision", "pillow") from None


def is_pil(picture: Any) -> bool:
    """Whether this is a PIL picture; without pillow imported there cannot be one."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(picture, module.Image)


def is_tensor(picture: Any) -> bool:
    """Whether this is a tensor."""
    return isinstance(picture, rushlight.Tensor)


def describe(picture: Any) -> str:
    """A picture in words, for messages."""
    if is_pil(picture):
        return say("picture/pil", mode=picture.mode, width=picture.size[0], height=picture.size[1])
    if is_tensor(picture):
        return say("picture/tensor", shape=tuple(picture.shape), dtype=picture.dtype)
    if isinstance(picture, np.ndarray):
        return say("picture/array", shape=picture.shape, dtype=picture.dtype)
    return f"{type(picture).__module__}.{type(picture).__qualname__}"


def require_picture(op: str, picture: Any) -> None:
    """Refuse what is neither a PIL picture nor a tensor of shape (..., H, W)."""
    if is_tensor(picture):
        if picture.ndim < 2:
            raise TypeError(explain_error(op, got=describe(picture), expected="a tensor of shape (..., C, H, W)"))
    elif not is_pil(picture):
        fix = "put ToTensor() (or ToPILImage()) before it" if isinstance(picture, np.ndarray) else None
        raise TypeError(explain_error(op, got=describe(picture), expected="a PIL picture or a tensor", fix=fix))


def to_array(op: str, tensor: Any) -> np.ndarray:
    """The tensor's values as an array (shared memory on the CPU)."""
    if tensor.requires_grad:
        if rushlight.is_grad_enabled():
            raise NotImplementedError(
                explain_error(
                    op,
                    got="a tensor that requires a gradient",
                    expected="a picture without one: this transform has no gradient",
                    fix="call it under rushlight.no_grad(), or on picture.detach()",
                )
            )
        tensor = tensor.detach()
    return (tensor if tensor.device.type == "cpu" else tensor.cpu()).numpy()


def to_tensor_like(array: np.ndarray, like: Any) -> Any:
    """A tensor of these values on the device of `like`."""
    tensor = rushlight.from_numpy(np.ascontiguousarray(array))
    return tensor if like.device.type == "cpu" else tensor.to(like.device)


def as_float(array: np.ndarray) -> np.ndarray:
    """The array in float32, or unchanged where it is float already."""
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def back_to(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float results in the picture's own dtype: integers are rounded (half to even) and kept in range."""
    if dtype.kind == "f":
        return array.astype(dtype, copy=False)
    if dtype.kind == "b":
        return np.rint(array) > 0
    info = np.iinfo(dtype)
    return np.clip(np.rint(array), info.min, info.max).astype(dtype)


def max_value(dtype: np.dtype) -> float:
    """White: 1 for floats and bools, the largest value for integers."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width] of a picture.

    >>> get_dimensions(rushlight.zeros(3, 4, 5))
    [3, 4, 5]
    """
    require_picture("get_dimensions", img)
    if is_pil(img):
        return [len(img.getbands()), img.size[1], img.size[0]]
    shape = tuple(img.shape)
    return [shape[-3] if len(shape) > 2 else 1, shape[-2], shape[-1]]


def get_image_size(img: Any) -> list[int]:
    """[width, height] of a picture."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """The number of channels of a picture."""
    return get_dimensions(img)[0]


def pair(size: int | Sequence[int], message: str = "size must be an int or a sequence (h, w)") -> tuple[int, int]:
    """(h, w) of an int, a sequence of one or a sequence of two."""
    if isinstance(size, (int, np.integer)):
        return int(size), int(size)
    if not isinstance(size, Sequence) or len(size) not in (1, 2):
        raise ValueError(explain_error("size", got=repr(size), expected=message))
    return int(size[0]), int(size[-1])
