"""Functions that change values and not places: brightness, contrast, saturation, hue, grey, blur, histogram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.vision.transforms._convert import pil_to_tensor, to_pil_image
from rushlight.vision.transforms._kind import (
    as_float,
    back_to,
    describe,
    get_dimensions,
    is_pil,
    max_value,
    pil,
    require_picture,
    to_array,
    to_tensor_like,
)


def _cut(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float results clamped to black and white, then cut (not rounded) to the picture's dtype."""
    return np.clip(array, 0, max_value(dtype)).astype(dtype)


def _blend(first: np.ndarray, second: np.ndarray | float, ratio: float, dtype: np.dtype) -> np.ndarray:
    """ratio * first + (1 - ratio) * second; a ratio above 1 moves away from the second."""
    ratio = float(ratio)
    return _cut(ratio * as_float(first) + (1.0 - ratio) * second, dtype)


def _grey(array: np.ndarray) -> np.ndarray:
    """Luma of (..., 3, H, W) as (..., 1, H, W), in the picture's dtype."""
    red, green, blue = (as_float(array[..., c : c + 1, :, :]) for c in range(3))
    return (0.2989 * red + 0.587 * green + 0.114 * blue).astype(array.dtype)


def _channels(op: str, img: Any, allowed: Sequence[int]) -> int:
    require_picture(op, img)
    channels = get_dimensions(img)[0]
    if channels not in allowed:
        words = " or ".join(map(str, allowed))
        raise TypeError(explain_error(op, got=f"{describe(img)}, {channels} channel(s)", expected=f"{words} channels"))
    return channels


def _not_negative(op: str, name: str, value: float) -> None:
    if value < 0:
        raise ValueError(explain_error(op, got=f"{name}={value}", expected="0 or more"))


def _enhance(img: Any, name: str, factor: float) -> Any:
    return getattr(pil("ImageEnhance"), name)(img).enhance(factor)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The picture in grey, with 1 channel or 3 equal ones: 0.2989 R + 0.587 G + 0.114 B."""
    if num_output_channels not in (1, 3):
        raise ValueError(
            explain_error("Grayscale", got=f"num_output_channels={num_output_channels}", expected="1 or 3")
        )
    require_picture("Grayscale", img)
    if is_pil(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pil().merge("RGB", (grey, grey, grey))
    _channels("Grayscale", img, (1, 3))
    array = to_array("Grayscale", img)
    array = _grey(array) if array.shape[-3] == 3 else array
    return to_tensor_like(np.repeat(array, num_output_channels, axis=-3), img)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL picture in grey; see `rgb_to_grayscale`."""
    if not is_pil(img):
        raise TypeError(
            explain_error("to_grayscale", got=describe(img), expected="a PIL picture", fix="use rgb_to_grayscale")
        )
    return rgb_to_grayscale(img, num_output_channels)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the picture, 2 twice the brightness."""
    _not_negative("adjust_brightness", "brightness_factor", brightness_factor)
    require_picture("adjust_brightness", img)
    if is_pil(img):
        return _enhance(img, "Brightness", brightness_factor)
    array = to_array("adjust_brightness", img)
    return to_tensor_like(_blend(array, 0.0, brightness_factor, array.dtype), img)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 gives the mean grey, 1 the picture, 2 twice the contrast."""
    _not_negative("adjust_contrast", "contrast_factor", contrast_factor)
    require_picture("adjust_contrast", img)
    if is_pil(img):
        return _enhance(img, "Contrast", contrast_factor)
    channels = _channels("adjust_contrast", img, (1, 3))
    array = to_array("adjust_contrast", img)
    grey = as_float(_grey(array) if channels == 3 else array)
    mean = grey.mean(axis=(-3, -2, -1), keepdims=True)
    return to_tensor_like(_blend(array, mean, contrast_factor, array.dtype), img)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 gives grey, 1 the picture, 2 twice the saturation."""
    _not_negative("adjust_saturation", "saturation_factor", saturation_factor)
    require_picture("adjust_saturation", img)
    if is_pil(img):
        return _enhance(img, "Color", saturation_factor)
    if _channels("adjust_saturation", img, (1, 3)) == 1:
        return img
    array = to_array("adjust_saturation", img)
    return to_tensor_like(_blend(array, as_float(_grey(array)), saturation_factor, array.dtype), img)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The colours moved along the colour circle by `hue_factor` turns, in [-0.5, 0.5]."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(
            explain_error("adjust_hue", got=f"hue_factor={hue_factor}", expected="a number in [-0.5, 0.5]")
        )
    require_picture("adjust_hue", img)
    if is_pil(img):
        if img.mode in ("L", "1", "I", "F"):
            return img
        hue, saturation, value = img.convert("HSV").split()
        moved = np.asarray(hue) + np.int32(hue_factor * 255).astype(np.uint8)  # uint8 wraps round the circle
        return pil().merge("HSV", (pil().fromarray(moved), saturation, value)).convert(img.mode)
    if _channels("adjust_hue", img, (1, 3)) == 1:
        return img
    array = to_array("adjust_hue", img)
    top = max_value(array.dtype)
    hsv = _rgb_to_hsv(as_float(array) / np.float32(top) if array.dtype.kind != "f" else array)
    hsv[..., 0, :, :] = (hsv[..., 0, :, :] + hue_factor) % 1.0
    rgb = _hsv_to_rgb(hsv)
    if array.dtype.kind == "f":
        return to_tensor_like(rgb.astype(array.dtype, copy=False), img)
    return to_tensor_like((rgb * (top + 1.0 - 1e-3)).astype(array.dtype), img)


def _rgb_to_hsv(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = (rgb[..., c, :, :] for c in range(3))
    high, low = rgb.max(axis=-3), rgb.min(axis=-3)
    spread = high - low
    grey = spread == 0
    divisor = np.where(grey, 1, spread)
    from_red, from_green, from_blue = ((high - c) / divisor for c in (red, green, blue))
    sector = np.where(
        high == red,
        from_blue - from_green,
        np.where(high == green, 2 + from_red - from_blue, 4 + from_green - from_red),
    )
    hue = np.where(grey, 0, (sector / 6 + 1) % 1.0)
    saturation = spread / np.where(high == 0, 1, high)
    return np.stack([hue, saturation, high], axis=-3).astype(rgb.dtype, copy=False)


def _hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    hue, saturation, value = (hsv[..., c, :, :] for c in range(3))
    channels = []
    for shift in (5, 3, 1):  # red, green and blue are one trapezoid of the hue, a third of a turn apart
        place = (shift + hue * 6) % 6
        channels.append(value - value * saturation * np.clip(np.minimum(place, 4 - place), 0, 1))
    return np.clip(np.stack(channels, axis=-3), 0, 1)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * picture ** gamma, on values in [0, 1]: gamma above 1 darkens the shadows."""
    _not_negative("adjust_gamma", "gamma", gamma)
    require_picture("adjust_gamma", img)
    if is_pil(img):
        mode = img.mode
        table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
        rgb = img.convert("RGB")
        return rgb.point([min(level, 255) for level in table] * 3).convert(mode)
    array = to_array("adjust_gamma", img)
    top = max_value(array.dtype)
    values = as_float(array) / np.float32(top) if array.dtype.kind != "f" else array
    result = np.clip(gain * values**gamma, 0, 1)
    return to_tensor_like(result if array.dtype.kind == "f" else (result * (top + 1.0 - 1e-3)).astype(array.dtype), img)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 gives a smoothed picture, 1 the picture, 2 twice the sharpness; the outermost pixels stay."""
    _not_negative("adjust_sharpness", "sharpness_factor", sharpness_factor)
    require_picture("adjust_sharpness", img)
    if is_pil(img):
        return _enhance(img, "Sharpness", sharpness_factor)
    _channels("adjust_sharpness", img, (1, 3))
    if min(img.shape[-2:]) <= 2:
        return img
    array = to_array("adjust_sharpness", img)
    picture = as_float(array)
    smooth = picture.copy()
    height, width = picture.shape[-2:]
    around = sum(picture[..., i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3))
    inner = (around + 4 * picture[..., 1:-1, 1:-1]) / 13  # the centre counts 5, its neighbours 1
    smooth[..., 1:-1, 1:-1] = back_to(inner, array.dtype)
    return to_tensor_like(_blend(array, smooth, sharpness_factor, array.dtype), img)


def invert(img: Any) -> Any:
    """White minus the picture."""
    require_picture("invert", img)
    if is_pil(img):
        return pil("ImageOps").invert(img)
    array = to_array("invert", img)
    return to_tensor_like(np.asarray(max_value(array.dtype)).astype(array.dtype) - array, img)


def posterize(img: Any, bits: int) -> Any:
    """Only the upper `bits` bits of every uint8 value."""
    if not 0 <= bits <= 8:
        raise ValueError(explain_error("posterize", got=f"bits={bits}", expected="0 to 8"))
    require_picture("posterize", img)
    if is_pil(img):
        return pil("ImageOps").posterize(img, bits)
    array = to_array("posterize", img)
    if array.dtype != np.uint8:
        raise TypeError(
            explain_error("posterize", got=describe(img), expected="uint8", fix="posterize before ToTensor()")
        )
    return to_tensor_like(array & np.uint8(256 - 2 ** (8 - bits)), img)


def solarize(img: Any, threshold: float) -> Any:
    """The values at or above `threshold` inverted."""
    require_picture("solarize", img)
    if is_pil(img):
        return pil("ImageOps").solarize(img, int(threshold))
    array = to_array("solarize", img)
    top = max_value(array.dtype)
    if threshold > top:
        raise TypeError(
            explain_error("solarize", got=f"threshold={threshold}", expected=f"at most white, {top:g} for {img.dtype}")
        )
    return to_tensor_like(np.where(array >= threshold, np.asarray(top).astype(array.dtype) - array, array), img)


def autocontrast(img: Any) -> Any:
    """Every channel stretched so that its darkest value is black and its brightest white."""
    require_picture("autocontrast", img)
    if is_pil(img):
        return pil("ImageOps").autocontrast(img)
    _channels("autocontrast", img, (1, 3))
    array = to_array("autocontrast", img)
    picture = as_float(array)
    low, high = (extreme(axis=(-2, -1), keepdims=True) for extreme in (picture.min, picture.max))
    flat = low == high
    scale = max_value(array.dtype) / np.where(flat, 1, high - low)
    return to_tensor_like(np.where(flat, array, _cut((picture - low) * scale, array.dtype)), img)


def equalize(img: Any) -> Any:
    """Every channel's histogram made flat (uint8)."""
    require_picture("equalize", img)
    if is_pil(img):
        return pil("ImageOps").equalize(img)
    array = to_array("equalize", img)
    if array.dtype != np.uint8:
        raise TypeError(
            explain_error("equalize", got=describe(img), expected="uint8", fix="equalize before ToTensor()")
        )
    planes = array.reshape(-1, *array.shape[-2:])
    return to_tensor_like(np.stack([_equalized(plane) for plane in planes]).reshape(array.shape), img)


def _equalized(plane: np.ndarray) -> np.ndarray:
    histogram = np.bincount(plane.ravel(), minlength=256)
    step = (histogram.sum() - histogram[histogram > 0][-1]) // 255
    if step == 0:
        return plane
    below = np.concatenate([[0], np.cumsum(histogram)[:-1]])
    return np.clip((below + step // 2) // step, 0, 255).astype(np.uint8)[plane]


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """The picture blurred by a Gaussian of odd `kernel_size` (x, y) and `sigma` (x, y); edges are reflected.

    Without `sigma` it is 0.15 * kernel_size + 0.35.
    """
    op = "GaussianBlur"
    sizes = [kernel_size] * 2 if isinstance(kernel_size, (int, np.integer)) else list(kernel_size)
    if len(sizes) != 2 or any(k <= 0 or k % 2 == 0 for k in sizes):
        raise ValueError(
            explain_error(op, got=f"kernel_size={kernel_size}", expected="one or two odd, positive integers")
        )
    if sigma is None:
        sigmas = [0.15 * k + 0.35 for k in sizes]
    elif isinstance(sigma, (int, float)):
        sigmas = [float(sigma)] * 2
    elif isinstance(sigma, (list, tuple)):
        sigmas = [float(s) for s in sigma] * (2 if len(sigma) == 1 else 1)
    else:
        raise TypeError(explain_error(op, got=f"sigma={sigma!r}", expected="a float or a sequence of floats"))
    if len(sigmas) != 2 or min(sigmas) <= 0:
        raise ValueError(explain_error(op, got=f"sigma={sigma}", expected="one or two positive numbers"))
    require_picture(op, img)
    if is_pil(img):
        return to_pil_image(gaussian_blur(pil_to_tensor(img), sizes, sigmas), mode=img.mode)
    array = to_array(op, img)
    reach_x, reach_y = sizes[0] // 2, sizes[1] // 2
    if reach_y >= array.shape[-2] or reach_x >= array.shape[-1]:
        raise RuntimeError(
            explain_error(op, got=f"kernel {sizes} on {describe(img)}", expected="a picture larger than half of it")
        )
    borders = [(0, 0)] * (array.ndim - 2) + [(reach_y, reach_y), (reach_x, reach_x)]
    padded = np.pad(as_float(array), borders, mode="reflect")
    height, width = array.shape[-2:]
    across = sum(w * padded[..., i : i + width] for i, w in enumerate(_bell(sizes[0], sigmas[0], padded.dtype)))
    both = sum(w * across[..., i : i + height, :] for i, w in enumerate(_bell(sizes[1], sigmas[1], padded.dtype)))
    return to_tensor_like(back_to(both, array.dtype), img)


def _bell(size: int, sigma: float, dtype: np.dtype) -> np.ndarray:
    x = np.arange(size) - (size - 1) / 2
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    return (weights / weights.sum()).astype(dtype)
