"""Many pictures in one: `make_grid` and `save_image`."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.vision.transforms._kind import pil, to_array, to_tensor_like

__all__ = ["make_grid", "save_image"]


def _stretch(array: np.ndarray, low: float, high: float) -> np.ndarray:
    low, high = array.dtype.type(low), array.dtype.type(high)
    return (np.clip(array, low, high) - low) / max(high - low, array.dtype.type(1e-5))


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Any:
    """A batch (N, C, H, W), or a list of equal pictures, side by side in one picture (3, H', W'), `nrow` a row.

    `normalize` shifts the values to [0, 1] by their minimum and maximum, or by `value_range`; `scale_each` does so for
    every picture on its own.

    >>> make_grid(rushlight.zeros(10, 3, 4, 4)).shape
    torch.Size([3, 14, 50])
    """
    if isinstance(tensor, (list, tuple)) and tensor and all(isinstance(t, rushlight.Tensor) for t in tensor):
        shapes = {tuple(t.shape) for t in tensor}
        if len(shapes) > 1:
            raise RuntimeError(
                explain_error(
                    "make_grid",
                    got=f"pictures of shapes {sorted(shapes)}",
                    expected="one shape",
                    fix="Resize them first",
                )
            )
        tensor = rushlight.stack(list(tensor))
    if not isinstance(tensor, rushlight.Tensor):
        raise TypeError(explain_error("make_grid", got=type(tensor).__name__, expected="a tensor or a list of tensors"))
    if value_range is not None and not (isinstance(value_range, tuple) and len(value_range) == 2):
        raise TypeError(explain_error("make_grid", got=f"value_range={value_range!r}", expected="a tuple (low, high)"))
    if not 2 <= tensor.ndim <= 4:
        raise ValueError(
            explain_error("make_grid", got=f"shape {tuple(tensor.shape)}", expected="(N, C, H, W), (C, H, W) or (H, W)")
        )

    array = to_array("make_grid", tensor.detach())
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if array.shape[1] == 1:
        array = np.repeat(array, 3, axis=1)
    if normalize:
        groups = array if scale_each else [array]
        done = [_stretch(g, *(value_range or (g.min(), g.max()))) for g in groups]
        array = np.stack(done) if scale_each else done[0]
    if len(array) == 1:
        return to_tensor_like(array[0].copy(), tensor)

    count, channels, height, width = array.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    step_y, step_x = height + padding, width + padding
    grid = np.full((channels, step_y * rows + padding, step_x * columns + padding), pad_value, array.dtype)
    for k, picture in enumerate(array):
        y, x = k // columns * step_y + padding, k % columns * step_x + padding
        grid[:, y : y + height, x : x + width] = picture
    return to_tensor_like(grid, tensor)


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """A picture, or `make_grid` of a batch with `kwargs`, as a file; 0. is black and 1. is white."""
    image = pil()
    grid = to_array("save_image", make_grid(tensor, **kwargs))
    if grid.dtype.kind != "f":
        fix = "divide by 255, or use io.write_png"
        raise TypeError(
            explain_error("save_image", got=f"values of {grid.dtype}", expected="floats in [0, 1]", fix=fix)
        )
    pixels = np.clip(grid * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
    image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(fp, format=format)
