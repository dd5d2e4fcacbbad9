"""Transforms that change values and not places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight import nn
from rushlight.errors import explain_error
from rushlight.vision.transforms import _draw
from rushlight.vision.transforms import functional as F


class Grayscale(nn.Module):
    """The picture in grey, with 1 channel or 3 equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in a random order.

    A number b draws the factor from [max(0, 1 - b), 1 + b] (hue: from [-h, h], h <= 0.5); a pair gives the range.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = self._range(brightness, "brightness")
        self.contrast = self._range(contrast, "contrast")
        self.saturation = self._range(saturation, "saturation")
        self.hue = self._range(hue, "hue", center=0.0, low=-0.5, high=0.5)

    @staticmethod
    def _range(
        value: float | Sequence[float], name: str, center: float = 1.0, low: float = 0.0, high: float = float("inf")
    ) -> tuple[float, float] | None:
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(explain_error("ColorJitter", got=f"{name}={value}", expected="a number of 0 or more"))
            bounds = [center - float(value), center + float(value)]
            bounds[0] = max(bounds[0], 0.0) if name != "hue" else bounds[0]
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            bounds = [float(value[0]), float(value[1])]
        else:
            raise TypeError(explain_error("ColorJitter", got=f"{name}={value!r}", expected="a number or a pair"))
        if not low <= bounds[0] <= bounds[1] <= high:
            raise ValueError(
                explain_error("ColorJitter", got=f"{name}={value}", expected=f"values within [{low:g}, {high:g}]")
            )
        return None if bounds[0] == bounds[1] == center else (bounds[0], bounds[1])

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Any, float | None, float | None, float | None, float | None]:
        """(order, brightness, contrast, saturation, hue): a permutation of 0..3 and the factors."""
        order = rushlight.randperm(4)
        factors = [None if r is None else _draw.uniform(r[0], r[1]) for r in (brightness, contrast, saturation, hue)]
        return order, *factors  # type: ignore[return-value]

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        steps = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = steps[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class GaussianBlur(nn.Module):
    """The picture blurred; `sigma` is drawn from a range (low, high), or fixed."""

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) != 2 or any(k <= 0 or k % 2 == 0 for k in sizes):
            raise ValueError(
                explain_error("GaussianBlur", got=f"kernel_size={kernel_size}", expected="odd, positive integers")
            )
        if isinstance(sigma, (int, float)):
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise TypeError(explain_error("GaussianBlur", got=f"sigma={sigma!r}", expected="a number or a pair"))
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError(explain_error("GaussianBlur", got=f"sigma={sigma}", expected="0 < low <= high"))
        self.kernel_size, self.sigma = sizes, sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random sigma."""
        return _draw.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class _WithChance(nn.Module):
    """Something done with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def change(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        return self.change(img) if _draw.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomGrayscale(_WithChance):
    """The picture in grey with probability `p`, with as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, 3 if F.get_dimensions(img)[0] == 3 else 1)


class RandomInvert(_WithChance):
    """The colours inverted with probability `p`."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomAutocontrast(_WithChance):
    """Every channel stretched from black to white with probability `p`."""

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_WithChance):
    """Every channel's histogram made flat with probability `p`."""

    def change(self, img: Any) -> Any:
        return F.equalize(img)


class RandomPosterize(_WithChance):
    """Only `bits` bits a value kept, with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(_WithChance):
    """The values at or above `threshold` inverted, with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(_WithChance):
    """The sharpness changed by `sharpness_factor` with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"
