"""Functions that move pixels: resize, crop, pad, flip, rotate, shear, change the perspective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.vision.transforms import _resample
from rushlight.vision.transforms._kind import (
    InterpolationMode,
    get_dimensions,
    interpolation_mode,
    is_pil,
    pair,
    pil,
    pil_number,
    require_picture,
    to_array,
    to_tensor_like,
)

_TENSOR_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


def _tensor_mode(op: str, interpolation: InterpolationMode, allowed: Sequence[str]) -> str:
    if interpolation.value not in allowed:
        raise ValueError(
            explain_error(
                op, got=f"{interpolation} with a tensor", expected=" or ".join(allowed), fix="use a PIL picture"
            )
        )
    return interpolation.value


def output_size(
    height: int, width: int, size: int | Sequence[int] | None, max_size: int | None = None
) -> tuple[int, int]:
    """(h, w) that Resize gives: an int sets the shorter edge and keeps the aspect ratio.

    >>> output_size(2796, 1280, 256)
    (559, 256)
    """
    short, long = sorted((height, width))
    if size is None:
        if max_size is None:
            raise ValueError(explain_error("Resize", got="size=None and max_size=None", expected="one of them"))
        new_short, new_long = int(max_size * short / long), max_size
        return (new_long, new_short) if width <= height else (new_short, new_long)
    if not isinstance(size, (int, np.integer)):
        if len(size) not in (1, 2):
            raise ValueError(explain_error("Resize", got=f"size={size}", expected="an int, (shorter edge,) or (h, w)"))
        if len(size) == 2:
            if max_size is not None:
                got = f"size={size}, max_size={max_size}"
                raise ValueError(explain_error("Resize", got=got, expected="max_size with an int size only"))
            return int(size[0]), int(size[1])
        size = size[0]
    new_short, new_long = int(size), int(size * long / short)
    if max_size is not None:
        if max_size <= size:
            got = f"size={size}, max_size={max_size}"
            raise ValueError(explain_error("Resize", got=got, expected="max_size larger than size"))
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(
    img: Any,
    size: int | Sequence[int] | None,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The picture at another size: (h, w), or an int for the shorter edge (the aspect ratio is kept).

    `antialias` matters for tensors (bilinear, bicubic); PIL always antialiases.
    """
    require_picture("Resize", img)
    mode = interpolation_mode(interpolation)
    _, height, width = get_dimensions(img)
    new = output_size(height, width, size, max_size)
    if new == (height, width):
        return img
    if min(new) < 1:
        raise ValueError(explain_error("Resize", got=f"an output of {new[0]}x{new[1]} pixels", expected="at least 1x1"))
    if is_pil(img):
        return img.resize(new[::-1], pil_number(mode))
    name = _tensor_mode("Resize", mode, _TENSOR_MODES)
    return to_tensor_like(_resample.resize(to_array("Resize", img), *new, name, bool(antialias)), img)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The box of the picture that starts at (top, left); what lies outside the picture is 0."""
    require_picture("crop", img)
    if is_pil(img):
        return img.crop((left, top, left + width, top + height))
    box = (..., slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0)))
    inside = img[box] if img.requires_grad else to_tensor_like(to_array("crop", img)[box], img)
    missing = [
        max(-left, 0) if left + width > 0 else width - inside.shape[-1],
        max(-top, 0) if top + height > 0 else height - inside.shape[-2],
    ]
    missing += [width - inside.shape[-1] - missing[0], height - inside.shape[-2] - missing[1]]
    return pad(inside, missing) if any(missing) else inside


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle (h, w) of the picture, padded with 0 where the picture is smaller."""
    require_picture("CenterCrop", img)
    height, width = pair(output_size)
    _, old_height, old_width = get_dimensions(img)
    if width > old_width or height > old_height:
        extra_x, extra_y = max(width - old_width, 0), max(height - old_height, 0)
        img = pad(img, [extra_x // 2, extra_y // 2, (extra_x + 1) // 2, (extra_y + 1) // 2])
        _, old_height, old_width = get_dimensions(img)
        if (height, width) == (old_height, old_width):
            return img
    return crop(img, round((old_height - height) / 2.0), round((old_width - width) / 2.0), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


_PAD_MODES = ("constant", "edge", "reflect", "symmetric")


def _borders(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of one, two (left/right, top/bottom) or four numbers."""
    if isinstance(padding, (int, np.integer)):
        return (int(padding),) * 4
    if not isinstance(padding, (tuple, list)):
        raise TypeError(
            explain_error("Pad", got=f"padding={padding!r}", expected="an int or a sequence of 1, 2 or 4 ints")
        )
    if len(padding) not in (1, 2, 4):
        raise ValueError(explain_error("Pad", got=f"{len(padding)} paddings", expected="1, 2 or 4"))
    values = [int(p) for p in padding]
    return tuple(values * 4)[:4] if len(values) < 4 else tuple(values)  # type: ignore[return-value]


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The picture with a border: an int, (left/right, top/bottom) or (left, top, right, bottom).

    `padding_mode` is constant (`fill`), edge, reflect (the edge once) or symmetric (the edge twice).
    """
    require_picture("Pad", img)
    left, top, right, bottom = _borders(padding)
    if padding_mode not in _PAD_MODES:
        raise ValueError(
            explain_error("Pad", got=f"padding_mode={padding_mode!r}", expected="constant, edge, reflect or symmetric")
        )
    if is_pil(img):
        return _pad_pil(img, (left, top, right, bottom), fill, padding_mode)
    array = to_array("Pad", img)
    color = np.asarray(fill, dtype=np.float64).reshape(-1, 1, 1) if not np.isscalar(fill) else fill
    return to_tensor_like(_pad_array(array, (left, top, right, bottom), color, padding_mode), img)


def _pad_array(array: np.ndarray, borders: Sequence[int], fill: Any, mode: str) -> np.ndarray:
    """Pads the last two axes; a negative border cuts."""
    left, top, right, bottom = borders
    height, width = array.shape[-2:]
    array = array[..., max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
    widths = [(0, 0)] * (array.ndim - 2) + [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
    if mode != "constant":
        if mode == "reflect" and (max(widths[-2]) >= array.shape[-2] or max(widths[-1]) >= array.shape[-1]):
            raise RuntimeError(
                explain_error(
                    "Pad", got=f"borders {tuple(borders)}, reflect", expected=f"less than the picture {height}x{width}"
                )
            )
        return np.pad(array, widths, mode=mode)  # type: ignore[call-overload]
    inner = array.shape[-2:]
    result = np.empty(array.shape[:-2] + tuple(n + sum(w) for n, w in zip(inner, widths[-2:])), array.dtype)
    result[...] = fill
    y, x = widths[-2][0], widths[-1][0]
    result[..., y : y + inner[0], x : x + inner[1]] = array
    return result


def pil_color(img: Any, fill: Any) -> Any:
    """`fill` as PIL wants it for this picture: a number for one band, a tuple with a number a band for several."""
    if fill is None:
        return None
    bands = len(img.getbands())
    whole = img.mode != "F"
    values: list[Any] = [fill] if np.isscalar(fill) else list(fill)
    if len(values) == 1:
        values *= bands
    if len(values) != bands:
        raise ValueError(
            explain_error("fill", got=f"{len(values)} values", expected=f"1 or {bands} for mode {img.mode}")
        )
    values = [int(v) if whole else float(v) for v in values]
    return values[0] if bands == 1 else tuple(values)


def _pad_pil(img: Any, borders: Sequence[int], fill: Any, mode: str) -> Any:
    image = pil()
    left, top, right, bottom = borders
    if mode == "constant":
        size = (img.size[0] + left + right, img.size[1] + top + bottom)
        result = image.new(img.mode, size, pil_color(img, fill))
        if img.mode == "P":
            result.putpalette(img.getpalette())
        result.paste(img, (left, top))
        return result
    palette = img.getpalette() if img.mode == "P" else None
    array = np.asarray(img)
    bands = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    padded = _pad_array(bands, borders, 0, mode)
    result = image.fromarray(np.ascontiguousarray(padded[0] if array.ndim == 2 else padded.transpose(1, 2, 0)))
    if palette is not None:
        result = image.frombytes("P", result.size, result.tobytes())
        result.putpalette(palette)
    return result


def hflip(img: Any) -> Any:
    """The picture mirrored left to right."""
    require_picture("hflip", img)
    if is_pil(img):
        return img.transpose(pil().Transpose.FLIP_LEFT_RIGHT)
    return img.flip(-1) if img.requires_grad else to_tensor_like(to_array("hflip", img)[..., ::-1], img)


def vflip(img: Any) -> Any:
    """The picture mirrored top to bottom."""
    require_picture("vflip", img)
    if is_pil(img):
        return img.transpose(pil().Transpose.FLIP_TOP_BOTTOM)
    return img.flip(-2) if img.requires_grad else to_tensor_like(to_array("vflip", img)[..., ::-1, :], img)


def _corners(op: str, img: Any, size: int | Sequence[int]) -> tuple[int, int, int, int]:
    height, width = pair(size)
    _, old_height, old_width = get_dimensions(img)
    if height > old_height or width > old_width:
        raise ValueError(
            explain_error(
                op, got=f"size ({height}, {width})", expected=f"at most the picture's ({old_height}, {old_width})"
            )
        )
    return height, width, old_height, old_width


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """(top left, top right, bottom left, bottom right, centre) crops."""
    height, width, old_height, old_width = _corners("FiveCrop", img, size)
    right, below = old_width - width, old_height - height
    boxes = ((0, 0), (0, right), (below, 0), (below, right))
    corners = tuple(crop(img, top, left, height, width) for top, left in boxes)
    return (*corners, center_crop(img, (height, width)))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the picture and of its mirror image (left-right, or top-bottom)."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _tensor_fill(op: str, img: Any, fill: Any) -> Any:
    """One number or one a channel, checked; None (black) stays."""
    if fill is None or np.isscalar(fill):
        return fill
    channels = get_dimensions(img)[0]
    if len(fill) not in (1, channels):
        raise ValueError(
            explain_error(op, got=f"{len(fill)} values of fill", expected=f"1 or {channels}, one a channel")
        )
    return [float(v) for v in fill]


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The picture turned by `angle` degrees against the clock, around `center` (x, y); `expand` makes room."""
    require_picture("rotate", img)
    mode = interpolation_mode(interpolation)
    if center is not None and len(center) != 2:
        raise ValueError(explain_error("rotate", got=f"center={center}", expected="two numbers (x, y)"))
    if is_pil(img):
        return img.rotate(angle, pil_number(mode), expand, center, fillcolor=pil_color(img, fill))
    name = _tensor_mode("rotate", mode, ("nearest", "bilinear"))
    _, height, width = get_dimensions(img)
    offset = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
    matrix = _resample.affine_matrix(offset, -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    if expand and angle % 90 == 0:  # no pixel is between two others
        array = to_array("rotate", img)
        return to_tensor_like(np.rot90(array, int(angle // 90) % 4, axes=(-2, -1)), img)
    size = _expanded(matrix, height, width) if expand else (height, width)
    if expand:  # the whole picture is shown, so only the turn counts, whatever the center
        matrix = _resample.affine_matrix((0.0, 0.0), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    return _moved("rotate", img, matrix, size, name, fill)


def _expanded(matrix: list[float], height: int, width: int) -> tuple[int, int]:
    """(h, w) of the smallest box around the turned picture."""
    a, b, _, d, e, _ = matrix
    w = abs(a) * width + abs(d) * height
    h = abs(b) * width + abs(e) * height
    # an edge that passes a pixel border by less than 1e-4 is rounding noise; the box grows by whole pixels
    return tuple(  # type: ignore[return-value]
        math.ceil(math.trunc((old / 2 + new / 2) / 1e-4) * 1e-4)
        - math.floor(math.trunc((old / 2 - new / 2) / 1e-4) * 1e-4)
        for old, new in ((height, h), (width, w))
    )


def _moved(op: str, img: Any, matrix: list[float], size: tuple[int, int], mode: str, fill: Any) -> Any:
    array = to_array(op, img)
    x, y = _resample.affine_places(matrix, size, array.shape[-2:])
    return to_tensor_like(_resample.sample(array, x, y, mode, _tensor_fill(op, img, fill)), img)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The picture sheared, turned clockwise by `angle` degrees, scaled and moved by (x, y) pixels; its size stays."""
    require_picture("affine", img)
    mode = interpolation_mode(interpolation)
    if len(translate) != 2:
        raise ValueError(explain_error("affine", got=f"translate={translate}", expected="two numbers (x, y)"))
    if scale <= 0.0:
        raise ValueError(explain_error("affine", got=f"scale={scale}", expected="a positive number"))
    given = [shear] if isinstance(shear, (int, float)) else list(shear)
    shears = tuple(float(s) for s in given) + (0.0,) * (len(given) == 1)
    if len(shears) != 2:
        raise ValueError(explain_error("affine", got=f"shear={shear}", expected="a number or two (x, y)"))
    _, height, width = get_dimensions(img)
    move = (float(translate[0]), float(translate[1]))
    if is_pil(img):
        middle = (width * 0.5, height * 0.5) if center is None else (center[0], center[1])
        matrix = _resample.affine_matrix(middle, angle, move, scale, shears)
        kind = pil().Transform.AFFINE
        return img.transform((width, height), kind, matrix, pil_number(mode), fillcolor=pil_color(img, fill))
    name = _tensor_mode("affine", mode, ("nearest", "bilinear"))
    offset = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
    matrix = _resample.affine_matrix(offset, angle, move, scale, shears)
    return _moved("affine", img, matrix, (height, width), name, fill)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The picture bent so that its four `startpoints` (x, y) come to lie at the `endpoints`."""
    require_picture("perspective", img)
    mode = interpolation_mode(interpolation)
    rows, right = [], []
    for (x, y), (u, v) in zip(endpoints, startpoints):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    coefficients = np.linalg.lstsq(np.array(rows, float), np.array(right, float), rcond=None)[0].tolist()
    if is_pil(img):
        kind = pil().Transform.PERSPECTIVE
        return img.transform(img.size, kind, coefficients, pil_number(mode), fillcolor=pil_color(img, fill))
    name = _tensor_mode("perspective", mode, ("nearest", "bilinear"))
    array = to_array("perspective", img)
    places = _resample.perspective_places(coefficients, array.shape[-2:])
    return to_tensor_like(_resample.sample(array, *places, name, _tensor_fill("perspective", img, fill)), img)
