"""Array kernels that make new pixels out of old ones: resizing by separable weights, and sampling at moved places.

Both follow the half-pixel rule: pixel i covers [i, i + 1) and its value sits at i + 0.5.
"""

from __future__ import annotations

import math

import numpy as np

from rushlight.vision.transforms._kind import as_float, back_to


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic: 1 at 0, 0 at the other integers, a sets how far it dips below zero."""
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _weights(old: int, new: int, mode: str, antialias: bool) -> tuple[np.ndarray, np.ndarray]:
    """(places, weights), both (new, taps): output i is the sum over taps of weight * input[place]."""
    scale = old / new
    index = np.arange(new)
    if mode in ("nearest", "nearest-exact"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        # float32 like the scale the places were defined with, so that ties fall on the same side
        places = np.floor((index.astype(np.float32) + np.float32(shift)) * np.float32(scale)).astype(np.int64)
        return np.minimum(places, old - 1)[:, None], np.ones((new, 1))
    radius = 1.0 if mode == "bilinear" else 2.0
    center = scale * (index + 0.5)
    if not antialias:
        first = center - 0.5
        if mode == "bilinear":
            first = np.maximum(first, 0.0)
        base = np.floor(first)
        taps = np.arange(2) if mode == "bilinear" else np.arange(-1, 3)
        places = base[:, None] + taps
        distance = first[:, None] - places
        weights = _triangle(distance) if mode == "bilinear" else _cubic(distance, -0.75)
        return np.clip(places, 0, old - 1).astype(np.int64), weights
    stretch = max(scale, 1.0)  # shrinking widens the filter, so that every input pixel counts
    support = radius * stretch
    low = np.maximum((center - support + 0.5).astype(np.int64), 0)
    high = np.minimum((center + support + 0.5).astype(np.int64), old)
    places = low[:, None] + np.arange(int((high - low).max()))
    distance = (places - center[:, None] + 0.5) / stretch
    weights = _triangle(distance) if mode == "bilinear" else _cubic(distance, -0.5)
    weights = np.where(places < high[:, None], weights, 0.0)
    return np.minimum(places, old - 1), weights / weights.sum(axis=1, keepdims=True)


def _resize_axis(array: np.ndarray, new: int, axis: int, mode: str, antialias: bool) -> np.ndarray:
    places, weights = _weights(array.shape[axis], new, mode, antialias)
    if weights.shape[1] == 1:
        return np.take(array, places[:, 0], axis=axis)
    weights = weights.astype(array.dtype)
    shape = [1] * array.ndim
    shape[axis] = new
    result = np.take(array, places[:, 0], axis=axis) * weights[:, 0].reshape(shape)
    for tap in range(1, weights.shape[1]):
        result += np.take(array, places[:, tap], axis=axis) * weights[:, tap].reshape(shape)
    return result


def resize(array: np.ndarray, height: int, width: int, mode: str, antialias: bool) -> np.ndarray:
    """(..., H, W) -> (..., height, width); integers are computed in float32, rounded and kept in range."""
    if mode.startswith("nearest"):
        return _resize_axis(_resize_axis(array, width, -1, mode, False), height, -2, mode, False)
    result = as_float(array)
    if width != array.shape[-1]:
        result = _resize_axis(result, width, result.ndim - 1, mode, antialias)
    if height != array.shape[-2]:
        result = _resize_axis(result, height, result.ndim - 2, mode, antialias)
    return back_to(result, array.dtype)


def affine_matrix(
    center: tuple[float, float], angle: float, translate: tuple[float, float], scale: float, shear: tuple[float, float]
) -> list[float]:
    """Six numbers (a, b, c, d, e, f): the output pixel (x, y) shows the input at (ax + by + c, dx + ey + f).

    The forward map is: move the center to the origin, shear in x, shear in y, rotate, scale, move back, translate.
    Its 2x2 part has determinant scale**2, so the inverse is written out and keeps the exactness of 0 and 90 degrees.
    """
    turn, shear_x, shear_y = (math.radians(value) for value in (angle, *shear))
    p = math.cos(turn - shear_y) / math.cos(shear_y)
    r = math.sin(turn - shear_y) / math.cos(shear_y)
    q = -p * math.tan(shear_x) - math.sin(turn)
    s = -r * math.tan(shear_x) + math.cos(turn)
    a, b, d, e = s / scale, -q / scale, -r / scale, p / scale
    x, y = center[0] + translate[0], center[1] + translate[1]
    return [a, b, center[0] - a * x - b * y, d, e, center[1] - d * x - e * y]


def affine_places(matrix: list[float], size: tuple[int, int], old: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of an output of `size` (h, w) lie in an input of size `old`, measured from both centers."""
    a, b, c, d, e, f = matrix
    x = np.arange(size[1]) - (size[1] - 1) / 2
    y = (np.arange(size[0]) - (size[0] - 1) / 2)[:, None]
    return a * x + b * y + (c + (old[1] - 1) / 2), d * x + e * y + (f + (old[0] - 1) / 2)


def perspective_places(coefficients: list[float], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels lie under x' = (ax + by + c) / (gx + hy + 1), y' = (dx + ey + f) / (gx + hy + 1)."""
    a, b, c, d, e, f, g, h = coefficients
    x = np.arange(size[1]) + 0.5
    y = (np.arange(size[0]) + 0.5)[:, None]
    below = g * x + h * y + 1.0
    return (a * x + b * y + c) / below - 0.5, (d * x + e * y + f) / below - 0.5


def sample(array: np.ndarray, x: np.ndarray, y: np.ndarray, mode: str, fill: list[float] | float | None) -> np.ndarray:
    """(..., C, H, W) read at the places (x, y): nearest or bilinear, `fill` (one number, or one a channel) outside."""
    picture = as_float(array)
    # the places are only as good as float32 grids; snapping makes exact half turns exact
    x, y = np.round(x, 5), np.round(y, 5)
    if mode == "nearest":
        result, inside = _read(picture, np.rint(x).astype(np.int64), np.rint(y).astype(np.int64))
        weight = inside.astype(picture.dtype)
        result = result * weight
    else:
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        result, weight = np.zeros((), picture.dtype), np.zeros((), picture.dtype)
        for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
            share = ((1 - np.abs(x - column)) * (1 - np.abs(y - row))).astype(picture.dtype)
            values, inside = _read(picture, column, row)
            share = share * inside
            result, weight = result + values * share, weight + share
    if fill is not None:
        color = np.asarray(fill, picture.dtype).reshape(-1, 1, 1)
        result = result + (1 - weight) * color
    return back_to(result, array.dtype)


def _read(picture: np.ndarray, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = picture.shape[-2:]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return picture[..., np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], inside
