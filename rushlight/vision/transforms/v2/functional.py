"""The functions of `transforms.functional`, with the names that v2 adds."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.vision.transforms._convert import float_to_int, pixels
from rushlight.vision.transforms._kind import describe, get_dimensions, is_pil, is_tensor
from rushlight.vision.transforms.functional import (
    InterpolationMode,
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    affine,
    autocontrast,
    center_crop,
    convert_image_dtype,
    crop,
    equalize,
    erase,
    five_crop,
    gaussian_blur,
    get_image_num_channels,
    get_image_size,
    hflip,
    invert,
    normalize,
    pad,
    perspective,
    pil_to_tensor,
    posterize,
    resize,
    resized_crop,
    rgb_to_grayscale,
    rotate,
    solarize,
    ten_crop,
    to_pil_image,
    to_tensor,
    vflip,
)

horizontal_flip = hflip
vertical_flip = vflip
get_size = get_image_size


def to_image(inpt: Any) -> Any:
    """A PIL picture, an array (H, W, C) or a tensor as a tensor (C, H, W), values and dtype unchanged.

    (A plain tensor: it carries no picture type of its own.)
    """
    if is_tensor(inpt):
        return inpt[None] if inpt.ndim == 2 else inpt
    if is_pil(inpt):
        array = pixels(inpt)
        array = array.astype(np.int32) if array.dtype == np.uint16 else array
    elif isinstance(inpt, np.ndarray) and inpt.ndim in (2, 3):
        array = inpt[:, :, None] if inpt.ndim == 2 else inpt
    else:
        raise TypeError(
            explain_error("ToImage", got=describe(inpt), expected="a PIL picture, an array (H, W, C) or a tensor")
        )
    return rushlight.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))


def to_dtype(inpt: Any, dtype: Any = None, scale: bool = False) -> Any:
    """The tensor in another dtype; with `scale`, black stays black and white stays white (uint8 255 is float 1.)."""
    dtype = rushlight.float32 if dtype is None else dtype
    if not is_tensor(inpt):
        fix = "put ToImage() before it: Compose([ToImage(), ToDtype(rushlight.float32, scale=True)])"
        raise TypeError(explain_error("ToDtype", got=describe(inpt), expected="a tensor", fix=fix))
    if inpt.dtype == dtype:
        return inpt
    if not scale or (inpt.is_floating_point() and dtype.is_floating_point):
        return inpt.to(dtype)
    if inpt.is_floating_point():
        return float_to_int(inpt, dtype)
    top = rushlight.iinfo(inpt.dtype).max
    if dtype.is_floating_point:
        return inpt.to(dtype) * (1.0 / top)  # a product, not ToTensor's quotient: the last bit may differ
    shift = top.bit_length() - rushlight.iinfo(dtype).max.bit_length()
    if shift > 0:
        return (inpt >> shift).to(dtype)
    return inpt.to(dtype) << -shift


to_dtype_image = to_dtype


def to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """The picture in grey, PIL or tensor."""
    return rgb_to_grayscale(inpt, num_output_channels)


__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "get_size",
    "hflip",
    "horizontal_flip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_dtype",
    "to_dtype_image",
    "to_grayscale",
    "to_image",
    "to_pil_image",
    "to_tensor",
    "vertical_flip",
    "vflip",
]
