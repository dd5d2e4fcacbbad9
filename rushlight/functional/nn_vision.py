"""Resizing, patches, and rearrangements of pictures, PyTorch's signatures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.nn_conv import spread
from rushlight.functional.registry import as_ints, public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record

# mode: (the op's name for it, dimensions of the input)
_MODES = {
    "nearest": ("nearest", (3, 4, 5)), "nearest-exact": ("nearest-exact", (3, 4, 5)), "area": ("area", (3, 4, 5)),
    "linear": ("linear", (3,)), "bilinear": ("linear", (4,)), "trilinear": ("linear", (5,)), "bicubic": ("cubic", (4,)),
}  # fmt: skip


def _target_size(input: Any, size: Any, scale_factor: Any, recompute: bool | None) -> tuple[tuple[int, ...], tuple]:
    """The output size, and the scales that the positions are computed with (None: from the sizes)."""
    n = input.ndim - 2
    space = tuple(input.shape[2:])
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: only one of size or scale_factor should be defined; got {'both' if size is not None else 'neither'}."
        )
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size.")
        sizes = as_ints(tuple(size)) if isinstance(size, (tuple, list)) else (as_ints(size),) * n
        if len(sizes) != n:
            raise ValueError(
                explain_error(
                    "interpolate",
                    got=f"size={list(sizes)} for an input of shape {list(input.shape)}",
                    expected=f"{n} sizes, one for each spatial dimension",
                )
            )
        return sizes, (None,) * n
    scales = tuple(map(float, scale_factor)) if isinstance(scale_factor, (tuple, list)) else (float(scale_factor),) * n
    if len(scales) != n:
        raise ValueError(
            explain_error(
                "interpolate",
                got=f"scale_factor={list(scales)} for an input of shape {list(input.shape)}",
                expected=f"{n} factors, one for each spatial dimension",
            )
        )
    if not all(map(math.isfinite, scales)):
        raise ValueError(explain_error("interpolate", got=f"scale_factor={list(scales)}", expected="finite factors"))
    sizes = tuple(math.floor(s * f) for s, f in zip(space, scales, strict=True))
    return sizes, (None,) * n if recompute else scales


def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """The input (batch, channels, *space) at another size.

    Modes: 'nearest', 'nearest-exact', 'area' (1 to 3 spatial dimensions), 'linear' (1), 'bilinear', 'bicubic' (2),
    'trilinear' (3). With align_corners the corner pixels' centres stay; antialias (bilinear, bicubic) smooths when shrinking.

    >>> import rushlight as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate: got mode={mode!r}; expected one of {', '.join(_MODES)}.")
    kind, dims = _MODES[mode]
    if kind in ("linear", "cubic"):
        align = bool(align_corners)
    elif align_corners is not None:
        raise ValueError(
            f"interpolate: align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear; got mode={mode!r}."
        )
    else:
        align = False
    if input.ndim not in dims:
        raise NotImplementedError(
            f"interpolate: Got {input.ndim}D input, but {mode} mode needs {' or '.join(f'{d}D' for d in dims)} input (batch, channels, "
            f"*space); got shape {list(input.shape)}."
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            f"interpolate: Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input; got mode={mode!r}."
        )
    sizes, scales = _target_size(input, size, scale_factor, recompute_scale_factor)
    return record(
        TABLE["resample_op"],
        (input,),
        (sizes, kind + "-aa" * antialias, align, scales if kind != "area" else (None,) * len(sizes)),
    )


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """`interpolate`, under its old name."""
    warnings.warn("nn.functional.upsample is an old name: call nn.functional.interpolate.", UserWarning, stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` in mode 'nearest', under its old name."""
    warnings.warn(
        "nn.functional.upsample_nearest is an old name: call nn.functional.interpolate.", UserWarning, stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` in mode 'bilinear' with align_corners, under its old name."""
    warnings.warn(
        "nn.functional.upsample_bilinear is an old name: call nn.functional.interpolate.", UserWarning, stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# --- patches ------------------------------------------------------------------------------------------------------


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Each patch of (batch, channels, height, width) as a column: (batch, channels · kernel, patches).

    >>> import rushlight as torch
    >>> torch.nn.functional.unfold(torch.ones(1, 3, 4, 4), kernel_size=2).shape
    torch.Size([1, 12, 9])
    """
    static = tuple(
        spread("unfold", w, v, 2)
        for w, v in (("kernel_size", kernel_size), ("dilation", dilation), ("padding", padding), ("stride", stride))
    )
    if input.ndim not in (3, 4):
        raise RuntimeError(
            explain_error(
                "unfold",
                got=f"an input of shape {list(input.shape)}",
                expected="3D (channels, height, width) or 4D (batch, channels, height, width)",
            )
        )
    if input.ndim == 4:
        return record(TABLE["im2col_op"], (input,), static)
    return record(TABLE["im2col_op"], (input.unsqueeze(0),), static).squeeze(0)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Columns (batch, channels · kernel, patches) added up into pictures of `output_size`.

    >>> import rushlight as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 4), output_size=4, kernel_size=2, stride=2).shape
    torch.Size([1, 1, 4, 4])
    """
    sizes = (
        ("output_size", output_size),
        ("kernel_size", kernel_size),
        ("dilation", dilation),
        ("padding", padding),
        ("stride", stride),
    )
    static = tuple(spread("fold", w, v, 2) for w, v in sizes)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            explain_error(
                "fold",
                got=f"an input of shape {list(input.shape)}",
                expected="2D (channels · kernel, patches) or 3D with a batch",
            )
        )
    if input.ndim == 3:
        return record(TABLE["col2im_op"], (input,), static)
    return record(TABLE["col2im_op"], (input.unsqueeze(0),), static).squeeze(0)


# --- rearrangements -----------------------------------------------------------------------------------------------


@public()
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(*, C·r², H, W) to (*, C, H·r, W·r): channels become pixels.

    >>> import rushlight as torch
    >>> torch.pixel_shuffle(torch.ones(1, 8, 2, 2), 2).shape
    torch.Size([1, 2, 4, 4])
    """
    r = as_ints(upscale_factor)
    if input.ndim < 3 or r <= 0 or input.shape[-3] % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor; got an input of shape "
            f"{list(input.shape)} and upscale_factor={r}."
        )
    *lead, c, h, w = input.shape
    n = len(lead)
    split = input.reshape(*lead, c // (r * r), r, r, h, w)
    return split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(*lead, c // (r * r), h * r, w * r)


@public()
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(*, C, H·r, W·r) to (*, C·r², H, W): the inverse of pixel_shuffle."""
    r = as_ints(downscale_factor)
    if input.ndim < 3 or r <= 0 or input.shape[-2] % r or input.shape[-1] % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor; got an input of shape {list(input.shape)} and "
            f"downscale_factor={r}."
        )
    *lead, c, h, w = input.shape
    n = len(lead)
    split = input.reshape(*lead, c, h // r, r, w // r, r)
    return split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(*lead, c * r * r, h // r, w // r)


@public("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels of the groups interleaved: (groups, C / groups) read column by column."""
    if input.ndim < 3 or groups <= 0 or input.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle: Number of channels must be divisible by groups; got an input of shape {list(input.shape)} and groups={groups}."
        )
    batch, channels, *space = input.shape
    return input.reshape(batch, groups, channels // groups, *space).transpose(1, 2).reshape(batch, channels, *space)


@public()
def affine_grid_generator(theta: Any, size: Sequence[int], align_corners: bool) -> Any:
    """`affine_grid` with every argument given."""
    import rushlight

    space = as_ints(tuple(size))[2:]
    lines = []
    for n in space:
        line = rushlight.linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else rushlight.zeros(1, dtype=theta.dtype)
        lines.append(line if align_corners else line * ((n - 1) / n))
    axes = rushlight.meshgrid(*lines, indexing="ij")
    base = rushlight.stack([*reversed(axes), rushlight.ones_like(axes[0])], -1)
    grid = base.reshape(-1, len(space) + 1) @ theta.transpose(1, 2)
    return grid.reshape(theta.shape[0], *space, len(space))


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """Sampling positions of an affine map, for grid_sample: theta (N, 2, 3) with size (N, C, H, W), or (N, 3, 4) in 3-d.

    Positions run from -1 to 1, from the outer pixels' centres with align_corners, else from their edges.
    """
    n = len(size) - 2
    if not theta.is_floating_point():
        raise ValueError(explain_error("affine_grid", got=f"theta of {theta.dtype}", expected="a floating-point dtype"))
    if n not in (2, 3):
        raise NotImplementedError(
            explain_error("affine_grid", got=f"size={list(size)}", expected="4 sizes (N, C, H, W) or 5 (N, C, D, H, W)")
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (n, n + 1) or theta.shape[0] != size[0]:
        raise ValueError(
            explain_error(
                "affine_grid",
                got=f"theta of shape {list(theta.shape)} for size {list(size)}",
                expected=f"theta of shape [{size[0]}, {n}, {n + 1}]",
            )
        )
    if min(size) <= 0:
        raise ValueError(explain_error("affine_grid", got=f"size={list(size)}", expected="positive sizes"))
    return affine_grid_generator(theta, size, bool(align_corners))
