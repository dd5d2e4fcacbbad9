"""grid_sample: pictures read at given positions. Plain tensor code, so it differentiates for input and grid alike."""

from __future__ import annotations

import itertools
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, public

_MODES = ("bilinear", "nearest", "bicubic")
_PADDING = ("zeros", "border", "reflection")


def _where(condition: Any, a: Any, b: Any) -> Any:
    return FUNCTIONS["where"](condition, a, b)


def _clip(x: Any, size: int) -> Any:
    """Clamped to the picture; no gradient at and beyond its border."""
    x = _where(x <= 0, 0.0, x)
    return _where(x >= size - 1, float(size - 1), x)


def _reflect(x: Any, size: int, align_corners: bool) -> Any:
    """Folded back at the outer pixels' centres (align_corners) or edges."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return x * 0
    x = (x - low).abs()
    flips = (x / span).floor().detach()
    extra = x - flips * span
    return _where(flips % 2 == 0, extra + low, span - extra + low)


def _placed(x: Any, size: int, padding_mode: str, align_corners: bool) -> Any:
    """Positions in pixels, brought into the picture as the padding mode says."""
    if padding_mode == "reflection":
        x = _reflect(x, size, align_corners)
    return x if padding_mode == "zeros" else _clip(x, size)


class _Picture:
    """The input with its pixels in one dimension, to be read at whole-numbered positions."""

    def __init__(self, input: Any) -> None:
        self.space = tuple(input.shape[2:])
        self.flat = input.reshape(*input.shape[:2], -1)

    def read(self, at: tuple[Any, ...]) -> Any:
        """(N, C, *positions); zero outside."""
        inside, index = None, None
        for x, size in zip(at, self.space, strict=True):
            ok = (x >= 0) & (x <= size - 1)
            inside = ok if inside is None else inside & ok
            x = x.clamp(0, size - 1)
            index = x if index is None else index * size + x
        batch, *positions = index.shape
        spread = index.reshape(batch, 1, -1).expand(batch, self.flat.shape[1], -1)
        found = self.flat.gather(2, spread).reshape(batch, self.flat.shape[1], *positions)
        return found * inside.unsqueeze(1).to(found.dtype)


def _linear(picture: _Picture, at: list[Any]) -> Any:
    lows = [x.detach().floor() for x in at]
    total = None
    for corner in itertools.product((0, 1), repeat=len(at)):
        weight = None
        for x, low, c in zip(at, lows, corner, strict=True):
            share = x - low if c else low + 1 - x
            weight = share if weight is None else weight * share
        part = picture.read(tuple(low.long() + c for low, c in zip(lows, corner, strict=True))) * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total


def _cubic_weights(t: Any, a: float = -0.75) -> list[Any]:
    """Keys' kernel for the four neighbours of a position t beyond the second of them."""

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _cubic(picture: _Picture, at: list[Any], padding_mode: str, align_corners: bool) -> Any:
    lows = [x.detach().floor() for x in at]
    weights = [_cubic_weights(x - low) for x, low in zip(at, lows, strict=True)]
    rows = [
        [_placed(low + k, size, padding_mode, align_corners).long() for k in range(-1, 3)]
        for low, size in zip(lows, picture.space, strict=True)
    ]
    total = None
    for i, j in itertools.product(range(4), repeat=2):
        part = picture.read((rows[0][i], rows[1][j])) * (weights[0][i] * weights[1][j]).unsqueeze(1)
        total = part if total is None else total + part
    return total


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """The input read at the grid's positions: (N, C, H, W) at (N, h, w, 2) gives (N, C, h, w); 3-d likewise with 3.

    A position is (x, y[, z]) from -1 to 1, which are the outer pixels' centres with align_corners, else their edges.
    `mode` is 'bilinear', 'nearest' or (2-d) 'bicubic'; outside the input lies 'zeros', its 'border', or its 'reflection'.

    >>> import rushlight as torch
    >>> torch.nn.functional.grid_sample(torch.arange(4.0).view(1, 1, 2, 2), torch.zeros(1, 1, 1, 2), align_corners=True)
    tensor([[[[1.5000]]]])
    """
    n = input.ndim - 2
    if mode not in _MODES:
        raise ValueError(f"grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}")
    if padding_mode not in _PADDING:
        raise ValueError(
            f"grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: {padding_mode!r}"
        )
    if n not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != n or grid.shape[0] != input.shape[0]:
        raise RuntimeError(
            explain_error(
                "grid_sample",
                got=f"an input of shape {list(input.shape)} and a grid of shape {list(grid.shape)}",
                expected="4D input with grid (N, h, w, 2), or 5D input with grid (N, d, h, w, 3), of the same batch size",
            )  # fmt: skip
        )
    if mode == "bicubic" and n != 2:
        raise RuntimeError(
            "grid_sample: bicubic interpolation only supports 4D input; got 5D. Fix: use mode='bilinear'."
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(
            explain_error(
                "grid_sample", got=f"an input of shape {list(input.shape)}", expected="non-empty spatial dimensions"
            )
        )
    align = bool(align_corners)
    picture = _Picture(input)
    at = []
    for d, size in enumerate(picture.space):
        x = grid.select(-1, n - 1 - d)  # the grid counts from the last dimension
        at.append((x + 1) * ((size - 1) / 2) if align else ((x + 1) * size - 1) / 2)
    if mode == "bicubic":
        return _cubic(picture, at, padding_mode, align)
    at = [_placed(x, size, padding_mode, align) for x, size in zip(at, picture.space, strict=True)]
    if mode == "bilinear":
        return _linear(picture, at)
    steps = [x.round() for x in at]
    # The gradient of rounding is zero, not absent: the grid stays in the graph.
    zero = sum(x.clamp(0, 0) for x in steps)
    return picture.read(tuple(x.long() for x in steps)) + zero.unsqueeze(1)


@public("grid_sampler")
def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """`grid_sample` with its modes given by number."""
    return grid_sample(input, grid, _MODES[interpolation_mode], _PADDING[padding_mode], align_corners)
