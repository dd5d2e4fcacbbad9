"""Conversions, Normalize, Lambda, and the transforms that hold other transforms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight import nn
from rushlight.errors import explain_error
from rushlight.vision.transforms import _draw
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._kind import describe, is_tensor


class ToTensor:
    """A PIL picture or an array (H, W, C) of 0..255 as a float tensor (C, H, W) of [0., 1.].

    >>> import numpy as np
    >>> ToTensor()(np.full((1, 1), 255, dtype=np.uint8))
    tensor([[[1.]]])
    """

    def __call__(self, pic: Any) -> Any:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL picture as a tensor (C, H, W) of the same dtype, values unchanged."""

    def __call__(self, pic: Any) -> Any:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL picture of `mode` (by default fitted to channels and dtype)."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(nn.Module):
    """A tensor picture in another dtype, rescaled: uint8 0..255 becomes float 0..1, and back."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Any) -> Any:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(nn.Module):
    """(picture - mean) / std, channel by channel; needs a float tensor, so it comes after ToTensor().

    >>> Normalize((0.5,), (0.5,))(rushlight.ones(1, 1, 1))
    tensor([[[1.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Any) -> Any:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class Lambda:
    """Any function as a transform.

    >>> one_hot = Lambda(lambda y: rushlight.zeros(3).scatter_(0, rushlight.tensor(y), value=1))
    >>> one_hot(2)
    tensor([0., 0., 1.])
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(explain_error("Lambda", got=f"{type(lambd).__name__} {lambd!r}", expected="a function"))
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class LinearTransformation(nn.Module):
    """(picture.flatten() - mean_vector) @ transformation_matrix, in the picture's shape (whitening)."""

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns or mean_vector.shape[0] != rows:
            raise ValueError(
                explain_error(
                    "LinearTransformation",
                    got=f"a matrix {rows}x{columns} and a mean of {mean_vector.shape[0]} values",
                    expected="a square matrix and as many mean values",
                )
            )
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def forward(self, tensor: Any) -> Any:
        n = tensor.shape[-3] * tensor.shape[-2] * tensor.shape[-1]
        if n != self.transformation_matrix.shape[0]:
            size = self.transformation_matrix.shape[0]
            raise ValueError(
                explain_error("LinearTransformation", got=describe(tensor), expected=f"{size} values a picture")
            )
        return ((tensor.reshape(-1, n) - self.mean_vector) @ self.transformation_matrix).reshape(tensor.shape)

    def __repr__(self) -> str:
        matrix, mean = self.transformation_matrix.tolist(), self.mean_vector.tolist()
        return f"{type(self).__name__}(transformation_matrix={matrix}, mean_vector={mean})"


def _listed(name: str, transforms: Sequence[Any], first: str = "") -> str:
    lines = "".join(f"\n    {t}" for t in transforms)
    return f"{name}({first}{lines}\n)"


class Compose:
    """The transforms one after another.

    A usual order is: PIL augmentations, ToTensor(), Normalize(mean, std), tensor augmentations.

    >>> Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    Compose(
        ToTensor()
        Normalize(mean=(0.5,), std=(0.5,))
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def explain_shapes(self) -> str | None:
        """Why pictures may leave in different sizes, and the fix; None if they cannot."""
        from rushlight.vision.transforms._shapes import explain_shapes

        return explain_shapes(self)

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class RandomTransforms:
    """A list of transforms of which some, or an order, is chosen at random."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError(
                explain_error(type(self).__name__, got=type(transforms).__name__, expected="a sequence of transforms")
            )
        self.transforms = transforms

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class RandomApply(nn.Module):
    """All of the transforms with probability `p`, otherwise none."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < rushlight.rand(1):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms, f"\n    p={self.p}")


class RandomOrder(RandomTransforms):
    """All of the transforms, in an order drawn by Python's `random`."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, drawn by Python's `random` with the weights `p`."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(explain_error("RandomChoice", got=f"p={p!r}", expected="a sequence of weights"))
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class RandomErasing(nn.Module):
    """With probability `p` a random box of a tensor picture is set to `value` (a number, one a channel, or "random").

    `scale` bounds the box's share of the area, `ratio` its height over width.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        op = "RandomErasing"
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError(
                explain_error(op, got=f"value={value!r}", expected='a number, one number a channel, or "random"')
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(explain_error(op, got=f"value={value!r}", expected='"random" if it is a string'))
        for name, bounds in (("scale", scale), ("ratio", ratio)):
            if not isinstance(bounds, (tuple, list)):
                raise TypeError(explain_error(op, got=f"{name}={bounds!r}", expected="a sequence (low, high)"))
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(explain_error(op, got=f"scale={scale}", expected="0 <= low <= high <= 1"))
        if not 0 <= p <= 1:
            raise ValueError(explain_error(op, got=f"p={p}", expected="a probability in [0, 1]"))
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: list[float] | None = None
    ) -> tuple[int, int, int, int, Any]:
        """(top, left, height, width, value) of a box; the whole picture and itself when ten draws do not fit."""
        channels, height, width = img.shape[-3], img.shape[-2], img.shape[-1]
        for _ in range(10):
            area = height * width * _draw.uniform(scale[0], scale[1])
            aspect = _draw.log_uniform(ratio[0], ratio[1])
            h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if not (h < height and w < width):
                continue
            if value is None:
                v = rushlight.empty([channels, h, w], dtype=rushlight.float32).normal_()
            else:
                v = rushlight.tensor(value)[:, None, None]
            top = _draw.integer(0, height - h + 1)
            left = _draw.integer(0, width - w + 1)
            return top, left, h, w, v
        return 0, 0, height, width, img

    def forward(self, img: Any) -> Any:
        if not is_tensor(img):
            return F.erase(img, 0, 0, 0, 0, 0)
        if not _draw.chance(self.p):
            return img
        if isinstance(self.value, (int, float)):
            value: list[float] | None = [float(self.value)]
        elif isinstance(self.value, str):
            value = None
        else:
            value = [float(v) for v in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                explain_error(
                    "RandomErasing", got=f"{len(value)} values", expected=f"1 or {img.shape[-3]}, one a channel"
                )
            )
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
