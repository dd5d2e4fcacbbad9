"""Which transforms can run on a whole batch of arrays at once, and how.

A pipeline qualifies if it starts by making tensors and goes on with transforms that treat every picture alike and
draw no random numbers. They work on (..., C, H, W) element by element, so a batch gives the bits of single pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight
from rushlight.vision import transforms as v1
from rushlight.vision.transforms import v2

_PLAIN = (v1.PILToTensor, v2.PILToTensor, v2.ToImage)
_SCALING = (v1.ToTensor, v2.ToTensor)
_ALIKE = (
    v1.Normalize,
    v1.ConvertImageDtype,
    v1.CenterCrop,
    v2.Normalize,
    v2.ConvertImageDtype,
    v2.ToDtype,
    v2.CenterCrop,
)


def _steps(transform: Any) -> list[Any]:
    if type(transform) in (v1.Compose, v2.Compose):
        return [step for part in transform.transforms for step in _steps(part)]
    return [transform]


def as_batch_transform(transform: Any) -> Callable[..., Any] | None:
    """A function of a uint8 array (N, H, W) or (N, H, W, C), or None where pictures must go one by one.

    It returns a list of N tensors, or with `collate=True` one tensor (N, C, H, W).
    """
    if transform is None:
        return None
    first, *rest = _steps(transform)
    # exact types: a subclass may do anything, and so may hooks or a transform that works in place on its input
    if type(first) not in _PLAIN + _SCALING or any(type(step) not in _ALIKE for step in rest):
        return None
    if any(getattr(step, "_forward_hooks", None) or getattr(step, "_forward_pre_hooks", None) for step in rest):
        return None
    scale = type(first) in _SCALING and rushlight.get_default_dtype() == rushlight.float32
    if type(first) in _SCALING and not scale:
        return None

    def run(pictures: np.ndarray, collate: bool = False) -> Any:
        array = pictures[:, :, :, None] if pictures.ndim == 3 else pictures
        array = array.transpose(0, 3, 1, 2)
        if scale and array.dtype == np.uint8:
            array = array.astype(np.float32, order="C")
            array /= 255
        else:
            array = np.array(array, order="C")
        batch = rushlight.from_numpy(array)
        for step in rest:
            batch = step(batch)
        if collate:
            return batch
        # each in its own memory: a sample that is kept must not keep the whole batch alive
        return [rushlight.from_numpy(picture.copy()) for picture in batch.numpy()]

    return run
