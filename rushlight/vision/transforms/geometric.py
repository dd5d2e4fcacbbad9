"""Transforms that move pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight import nn
from rushlight.errors import explain_error
from rushlight.vision.transforms import _draw
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._kind import InterpolationMode, interpolation_mode, pair


class Resize(nn.Module):
    """The picture at size (h, w); an int is the shorter edge, and the aspect ratio stays.

    With `max_size` the longer edge is at most that. `antialias` matters for tensors.

    >>> Resize(8)(rushlight.zeros(3, 16, 32)).shape
    torch.Size([3, 8, 16])
    """

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if size is not None and not isinstance(size, (int, Sequence)):
            raise TypeError(explain_error("Resize", got=f"size={size!r}", expected="an int or a sequence (h, w)"))
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(explain_error("Resize", got=f"size={size}", expected="1 or 2 values"))
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self.interpolation = interpolation_mode(interpolation)

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(nn.Module):
    """The middle (h, w) of the picture; a smaller picture is padded with 0."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(nn.Module):
    """A border round the picture: an int, (left/right, top/bottom) or (left, top, right, bottom)."""

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, (int, tuple, list)):
            raise TypeError(explain_error("Pad", got=f"padding={padding!r}", expected="an int or a sequence of ints"))
        if not isinstance(fill, (int, float, str, tuple, list)):
            raise TypeError(explain_error("Pad", got=f"fill={fill!r}", expected="a number or one a channel"))
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(
                explain_error(
                    "Pad", got=f"padding_mode={padding_mode!r}", expected="constant, edge, reflect or symmetric"
                )
            )
        if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
            raise ValueError(explain_error("Pad", got=f"{len(padding)} paddings", expected="1, 2 or 4"))
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop(nn.Module):
    """A random (h, w) of the picture, after `padding`; `pad_if_needed` grows pictures that are too small."""

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size)
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random crop."""
        _, height, width = F.get_dimensions(img)
        h, w = output_size
        if height < h or width < w:
            raise ValueError(
                explain_error(
                    "RandomCrop",
                    got=f"a picture of (h, w) = ({height}, {width})",
                    expected=f"at least ({h}, {w})",
                    fix="pass pad_if_needed=True, or Resize first",
                )
            )
        if (height, width) == (h, w):
            return 0, 0, h, w
        top = _draw.integer(0, height - h + 1)
        return top, _draw.integer(0, width - w + 1), h, w

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(nn.Module):
    """A random part of the picture (share of the area in `scale`, width over height in `ratio`), resized to `size`."""

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size)
        for name, bounds in (("scale", scale), ("ratio", ratio)):
            if not isinstance(bounds, Sequence):
                raise TypeError(
                    explain_error("RandomResizedCrop", got=f"{name}={bounds!r}", expected="a sequence (low, high)")
                )
        self.scale, self.ratio = scale, ratio
        self.interpolation, self.antialias = interpolation_mode(interpolation), antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of the part; the middle when ten draws do not fit."""
        _, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * _draw.uniform(scale[0], scale[1])
            aspect = _draw.log_uniform(ratio[0], ratio[1])
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = _draw.integer(0, height - h + 1)
                return top, _draw.integer(0, width - w + 1), h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(w / min(ratio))
        elif width / height > max(ratio):
            w = round(h * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        box = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *box, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in bounds) for bounds in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class _Flip(nn.Module):
    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_Flip):
    """The picture mirrored left to right with probability `p`."""

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if _draw.chance(self.p) else img


class RandomVerticalFlip(_Flip):
    """The picture mirrored top to bottom with probability `p`."""

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if _draw.chance(self.p) else img


def _range(value: float | Sequence[float], name: str, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """(-value, value) of a number that is not negative; a sequence as floats."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(
                explain_error(name, got=str(value), expected="a number of 0 or more d, which means (-d, d)")
            )
        return [float(-value), float(value)]
    if not isinstance(value, Sequence):
        raise TypeError(explain_error(name, got=repr(value), expected="a number or a sequence"))
    if len(value) not in lengths:
        raise ValueError(explain_error(name, got=f"{value}", expected=f"{' or '.join(map(str, lengths))} values"))
    return [float(v) for v in value]


def _fill_for(img: Any, fill: Any) -> Any:
    """A tensor's single fill value repeated for every channel; PIL takes it as it is."""
    if isinstance(fill, (int, float)) and isinstance(img, rushlight.Tensor):
        return [float(fill)] * F.get_dimensions(img)[0]
    return fill


class RandomRotation(nn.Module):
    """The picture turned by a random angle of `degrees`: a number d means (-d, d)."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _range(degrees, "degrees")
        self.interpolation, self.expand, self.center = interpolation_mode(interpolation), expand, center
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle."""
        return _draw.uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, _fill_for(img, self.fill))

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(nn.Module):
    """A random turn, move (`translate`: largest share of width and height), `scale` and `shear` (degrees)."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _range(degrees, "degrees")
        if translate is not None and not (len(translate) == 2 and all(0 <= t <= 1 for t in translate)):
            raise ValueError(
                explain_error("RandomAffine", got=f"translate={translate}", expected="two shares in [0, 1]")
            )
        if scale is not None and not (len(scale) == 2 and all(s > 0 for s in scale)):
            raise ValueError(explain_error("RandomAffine", got=f"scale={scale}", expected="two positive numbers"))
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else _range(shear, "shear", (2, 4))
        self.interpolation, self.fill, self.center = (
            interpolation_mode(interpolation),
            0 if fill is None else fill,
            center,
        )

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """(angle, (x, y) translation, scale, (x, y) shear) for a picture of `img_size` (w, h)."""
        angle = _draw.uniform(float(degrees[0]), float(degrees[1]))
        move = (0, 0)
        if translate is not None:
            far_x, far_y = float(translate[0] * img_size[0]), float(translate[1] * img_size[1])
            x = round(_draw.uniform(-far_x, far_x))
            move = (x, round(_draw.uniform(-far_y, far_y)))
        scale = 1.0 if scale_ranges is None else _draw.uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = _draw.uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = _draw.uniform(shears[2], shears[3])
        return angle, move, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, (width, height))
        return F.affine(img, *drawn, self.interpolation, _fill_for(img, self.fill), self.center)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        parts += [f"{n}={getattr(self, n)}" for n in ("translate", "scale", "shear") if getattr(self, n) is not None]
        if self.interpolation != InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(nn.Module):
    """With probability `p` the picture as seen from a random side; `distortion_scale` in [0, 1] bounds how far."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p, self.distortion_scale = p, distortion_scale
        self.interpolation, self.fill = interpolation_mode(interpolation), 0 if fill is None else fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """(startpoints, endpoints): the corners (x, y), and where they go."""
        far_x, far_y = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        near, far = (0, far_x + 1), (width - far_x - 1, width)
        upper, lower = (0, far_y + 1), (height - far_y - 1, height)
        corners = ((near, upper), (far, upper), (far, lower), (near, lower))
        ends = [[_draw.integer(*x), _draw.integer(*y)] for x, y in corners]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def forward(self, img: Any) -> Any:
        if not _draw.chance(self.p):
            return img
        _, height, width = F.get_dimensions(img)
        points = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, *points, self.interpolation, _fill_for(img, self.fill))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class FiveCrop(nn.Module):
    """A tuple of five crops: top left, top right, bottom left, bottom right, centre."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(FiveCrop):
    """FiveCrop of the picture and of its mirror image (`vertical_flip`: top to bottom)."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> Any:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"
