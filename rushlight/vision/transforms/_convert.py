"""Between PIL pictures, arrays and tensors; between dtypes; and Normalize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import say
from rushlight.vision.transforms._kind import describe, is_pil, is_tensor, pil, to_array, to_tensor_like

# 16-bit pictures are unsigned, and there is no uint16 tensor: int32 keeps their values
_WIDE_MODES = {"I": np.int32, "I;16": np.int32, "I;16L": np.int32, "I;16B": np.int32, "F": np.float32}
_ORDER = "Compose([..., ToTensor(), Normalize(mean, std), ...])"


def pixels(pic: Any) -> np.ndarray:
    """A PIL picture's values as an array (H, W, C) of its own."""
    array = np.array(pic)
    return array if array.ndim == 3 else array[:, :, None]


def _scaled(array: np.ndarray) -> Any:
    """uint8 (C, H, W) in [0, 255] as a float tensor in [0., 1.]; other dtypes unchanged."""
    if array.dtype != np.uint8:
        return rushlight.from_numpy(np.ascontiguousarray(array))
    values = np.ascontiguousarray(array).astype(np.float32)
    values /= 255
    tensor = rushlight.from_numpy(values)
    default = rushlight.get_default_dtype()
    if default == rushlight.float32:
        return tensor
    return rushlight.from_numpy(np.ascontiguousarray(array)).to(default) / 255


def to_tensor(pic: Any) -> Any:
    """A PIL picture or an array (H, W, C) as a tensor (C, H, W); uint8 values are divided by 255.

    A PIL picture of mode "1" gives 0. and 1.; modes I, I;16 and F, and arrays that are not uint8, keep their values.

    >>> to_tensor(np.array([[0, 51, 255]], dtype=np.uint8))
    tensor([[[0.0000, 0.2000, 1.0000]]])
    """
    if is_pil(pic):
        array = pixels(pic)
        if pic.mode == "1":
            array = array.astype(np.uint8) * 255
        elif pic.mode in _WIDE_MODES:
            array = array.astype(_WIDE_MODES[pic.mode])
        return _scaled(array.transpose(2, 0, 1))
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(
                explain_error("ToTensor", got=describe(pic), expected="2 or 3 dimensions: (H, W) or (H, W, C)")
            )
        array = (pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1)
        return _scaled(array if array.dtype == np.uint8 else array.copy())
    if is_tensor(pic):
        raise TypeError(say("to-tensor-twice", picture=describe(pic)))
    raise TypeError(explain_error("ToTensor", got=describe(pic), expected="a PIL picture or a numpy array"))


def pil_to_tensor(pic: Any) -> Any:
    """A PIL picture as a tensor (C, H, W) of the picture's own dtype, values unchanged."""
    if not is_pil(pic):
        raise TypeError(explain_error("PILToTensor", got=describe(pic), expected="a PIL picture"))
    array = pixels(pic)
    if pic.mode.startswith("I;16"):
        array = array.astype(np.int32)
    return rushlight.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


_MODES = {  # channels -> (mode when none is given, modes that may be asked for)
    2: ("LA", ("LA",)),
    3: ("RGB", ("RGB", "YCbCr", "HSV", "LAB")),
    4: ("RGBA", ("RGBA", "CMYK", "RGBX")),
}
_SINGLE = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL picture.

    Float tensors are multiplied by 255 and cut to uint8 (unless mode is "F"); arrays keep their values.
    Errors: TypeError for another type or dtype, ValueError for a bad shape or a mode that does not fit.
    """
    op = "ToPILImage"
    if is_tensor(pic):
        if pic.ndim not in (2, 3):
            raise ValueError(explain_error(op, got=describe(pic), expected="2 or 3 dimensions: (H, W) or (C, H, W)"))
        array = to_array(op, pic)
        array = array[None] if array.ndim == 2 else array
        if array.shape[0] > 4:
            raise ValueError(
                explain_error(op, got=describe(pic), expected="at most 4 channels, in the first dimension")
            )
        if array.dtype.kind == "f" and mode != "F":
            array = (array * 255).astype(np.int64).astype(np.uint8)  # by way of int64: overflow wraps on every CPU
        array = array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(explain_error(op, got=describe(pic), expected="2 or 3 dimensions: (H, W) or (H, W, C)"))
        array = pic[:, :, None] if pic.ndim == 2 else pic
        if array.shape[2] > 4:
            raise ValueError(explain_error(op, got=describe(pic), expected="at most 4 channels, in the last dimension"))
    else:
        raise TypeError(say("to-picture-of-picture", op=op, picture=describe(pic)))

    channels = array.shape[2]
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if channels == 1:
        default = _SINGLE.get(array.dtype.name)
        allowed: tuple[str, ...] = (default,) if default else ()
    else:
        default, allowed = _MODES[channels] if array.dtype == np.uint8 else (None, ())
    if default is None:
        raise TypeError(
            explain_error(
                op, got=f"dtype {array.dtype} with {channels} channel(s)", expected="uint8 (or float in a tensor)"
            )
        )
    if mode is not None and mode not in allowed:
        raise ValueError(
            explain_error(op, got=f"mode={mode!r} for {channels} channel(s)", expected="mode " + " or ".join(allowed))
        )
    height, width = array.shape[:2]
    return pil().frombytes(mode or default, (width, height), np.ascontiguousarray(array).tobytes())


def convert_image_dtype(image: Any, dtype: Any = None) -> Any:
    """The same picture in another dtype, rescaled: floats lie in [0., 1.], integers fill their range.

    Errors: RuntimeError for float32 -> int32/int64 and float64 -> int64, whose values would not fit.

    >>> convert_image_dtype(rushlight.tensor([[[0, 255]]], dtype=rushlight.uint8))
    tensor([[[0., 1.]]])
    """
    dtype = rushlight.float32 if dtype is None else dtype
    if not is_tensor(image):
        raise TypeError(
            explain_error("ConvertImageDtype", got=describe(image), expected="a tensor", fix="use PILToTensor() first")
        )
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        return image.to(dtype) if dtype.is_floating_point else float_to_int(image, dtype)
    top = rushlight.iinfo(image.dtype).max
    if dtype.is_floating_point:
        return image.to(dtype) / top
    new_top = rushlight.iinfo(dtype).max
    if top > new_top:
        return rushlight.div(image, (top + 1) // (new_top + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new_top + 1) // (top + 1))


def float_to_int(image: Any, dtype: Any) -> Any:
    """[0., 1.] spread evenly over the integers: multiplied by a little less than max + 1, then cut."""
    unsafe = (image.dtype == rushlight.float32 and dtype in (rushlight.int32, rushlight.int64)) or (
        image.dtype == rushlight.float64 and dtype == rushlight.int64
    )
    if unsafe:
        raise RuntimeError(
            explain_error(
                "ConvertImageDtype",
                got=f"{image.dtype} to {dtype}",
                expected="an integer type whose range the float type can tell apart",
                fix="convert to uint8 or int16",
            )
        )
    return (image * (rushlight.iinfo(dtype).max + 1.0 - 1e-3)).to(dtype)


def _check_normalize(tensor: Any, mean: Any, std: Any) -> tuple[Any, Any]:
    op = "Normalize"
    if not is_tensor(tensor):
        raise TypeError(say("normalize-before-to-tensor", picture=describe(tensor), order=_ORDER))
    if not tensor.is_floating_point():
        raise TypeError(
            explain_error(
                op,
                got=describe(tensor),
                expected="a float tensor",
                fix=f"use ToTensor() (or ConvertImageDtype(rushlight.float32)) before it: {_ORDER}",
            )
        )
    if tensor.ndim < 3:
        raise ValueError(explain_error(op, got=describe(tensor), expected="a tensor of shape (..., C, H, W)"))
    arrays = []
    for name, values in (("mean", mean), ("std", std)):
        array = np.asarray(values.tolist() if is_tensor(values) else values, dtype=np.float64)
        if array.ndim == 1 and array.size not in (1, tensor.shape[-3]):
            channels, shape = tensor.shape[-3], tuple(tensor.shape)
            facts = {"size": array.size, "name": name, "channels": channels, "shape": shape}
            raise RuntimeError(say("normalize-channels", example=_example(channels, "0.5"), **facts))
        arrays.append(array.reshape(-1, 1, 1) if array.ndim == 1 else array)
    return arrays[0], arrays[1]


def _example(channels: int, value: str) -> str:
    return "(" + ", ".join([value] * channels) + ("," if channels == 1 else "") + ")"


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """(tensor - mean) / std, channel by channel, for a float tensor of shape (..., C, H, W).

    Errors: TypeError for a PIL picture or an integer tensor, RuntimeError for the wrong number of channels,
    ValueError for a std of zero.

    >>> normalize(rushlight.ones(1, 1, 2), [0.5], [0.5])
    tensor([[[1., 1.]]])
    """
    means, stds = _check_normalize(tensor, mean, std)
    if inplace or tensor.requires_grad:
        means, stds = (rushlight.tensor(a.tolist(), dtype=tensor.dtype, device=tensor.device) for a in (means, stds))
        if bool((stds == 0).any()):
            raise ValueError(_zero_std(std, tensor))
        return tensor.sub_(means).div_(stds) if inplace else (tensor - means) / stds
    array = to_array("Normalize", tensor)
    means, stds = means.astype(array.dtype), stds.astype(array.dtype)
    if (stds == 0).any():
        raise ValueError(_zero_std(std, tensor))
    return to_tensor_like((array - means) / stds, tensor)


def _zero_std(std: Any, tensor: Any) -> str:
    return explain_error(
        "Normalize", got=f"std={std}, which has a zero in {tensor.dtype}", expected="no zero (it divides)"
    )


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """The tensor with the box of rows i..i+h and columns j..j+w set to v."""
    if not is_tensor(img):
        raise TypeError(
            explain_error(
                "RandomErasing",
                got=describe(img),
                expected="a tensor",
                fix="put ToTensor() before it: Compose([..., ToTensor(), Normalize(mean, std), RandomErasing()])",
            )
        )
    if inplace or img.requires_grad:
        img = img if inplace else img.clone()
        img[..., i : i + h, j : j + w] = v
        return img
    array = to_array("RandomErasing", img).copy()
    array[..., i : i + h, j : j + w] = to_array("RandomErasing", v) if is_tensor(v) else v
    return to_tensor_like(array, img)
