"""The second interface of the transforms: the same work, on any structure of inputs (`transform(picture, label)`).

Pictures are plain tensors here: there are no tensor subclasses for boxes, masks or videos.

>>> Compose([ToImage(), ToDtype(rushlight.float32, scale=True)])(np.full((1, 1), 255, dtype=np.uint8))
tensor([[[1.]]])
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight import nn
from rushlight.errors import explain_error
from rushlight.vision.transforms import _draw, basic, colour, geometric
from rushlight.vision.transforms._kind import InterpolationMode, is_pil, is_tensor
from rushlight.vision.transforms.v2 import functional
from rushlight.vision.transforms.v2._structured import Structured


def _is_picture_or_array(item: Any) -> bool:
    return is_pil(item) or is_tensor(item) or isinstance(item, np.ndarray)


class ToImage(Structured, nn.Module):
    """A PIL picture or an array (H, W, C) as a tensor (C, H, W), values unchanged; tensors stay."""

    takes = staticmethod(_is_picture_or_array)

    def forward(self, inpt: Any) -> Any:
        return functional.to_image(inpt)


class ToDtype(Structured, nn.Module):
    """The tensor in another dtype; `scale=True` maps uint8 0..255 to float 0..1 and back."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def forward(self, inpt: Any) -> Any:
        return functional.to_dtype(inpt, self.dtype, self.scale)


class ConvertImageDtype(ToDtype):
    """`ToDtype(dtype, scale=True)`."""

    def __init__(self, dtype: Any = None) -> None:
        super().__init__(rushlight.float32 if dtype is None else dtype, scale=True)


class ToPureTensor(Structured, nn.Module):
    """Nothing to do: pictures are plain tensors already."""

    def forward(self, inpt: Any) -> Any:
        return inpt


class Identity(ToPureTensor):
    """The input, unchanged."""


class ToTensor(Structured, basic.ToTensor):
    """The older conversion; `Compose([ToImage(), ToDtype(rushlight.float32, scale=True)])` is the new spelling."""

    takes = staticmethod(_is_picture_or_array)

    def __init__(self) -> None:
        warnings.warn(
            "v2.ToTensor: use v2.Compose([v2.ToImage(), v2.ToDtype(rushlight.float32, scale=True)])",
            UserWarning,
            stacklevel=2,
        )


class Lambda(nn.Module):
    """A function applied to the inputs of the given types (default: to all), through any structure."""

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        if not callable(lambd):
            raise TypeError(explain_error("Lambda", got=repr(lambd), expected="a function"))
        self.lambd, self.types = lambd, types or (object,)

    def forward(self, *inputs: Any) -> Any:
        return self._apply_to(inputs if len(inputs) > 1 else inputs[0])

    def _apply_to(self, item: Any) -> Any:
        if isinstance(item, (tuple, list)):
            return type(item)(self._apply_to(part) for part in item)
        if isinstance(item, dict):
            return {key: self._apply_to(part) for key, part in item.items()}
        return self.lambd(item) if isinstance(item, self.types) else item

    def extra_repr(self) -> str:
        return f"{getattr(self.lambd, '__name__', self.lambd)}, types={[kind.__name__ for kind in self.types]}"


class _Container(nn.Module):
    """Passes one or several inputs through a list of transforms."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence) and not isinstance(transforms, nn.ModuleList):
            name = type(self).__name__
            raise TypeError(explain_error(name, got=type(transforms).__name__, expected="a sequence of transforms"))
        if not len(transforms):
            raise ValueError(explain_error(type(self).__name__, got="no transforms", expected="at least one"))
        self.transforms = transforms

    @staticmethod
    def _through(transforms: Any, inputs: tuple[Any, ...]) -> Any:
        several = len(inputs) > 1
        outputs: Any = inputs if several else inputs[0]
        for transform in transforms:
            outputs = transform(*outputs) if several else transform(outputs)
        return outputs

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class Compose(_Container):
    """The transforms one after another, on one or several inputs."""

    def forward(self, *inputs: Any) -> Any:
        return self._through(self.transforms, inputs)

    def explain_shapes(self) -> str | None:
        """Why pictures may leave in different sizes, and the fix; None if they cannot."""
        from rushlight.vision.transforms._shapes import explain_shapes

        return explain_shapes(self)


class RandomApply(_Container):
    """All of the transforms with probability `p`, otherwise none."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError(explain_error("RandomApply", got=f"p={p}", expected="a probability in [0, 1]"))
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        return self._through(self.transforms if _draw.chance(self.p) else [], inputs)


class RandomChoice(_Container):
    """One of the transforms, drawn with the weights `p`."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and len(p) != len(transforms):
            raise ValueError(explain_error("RandomChoice", got=f"{len(p)} weights", expected=f"{len(transforms)}"))
        weights = [1.0] * len(transforms) if p is None else p
        self.p = [w / sum(weights) for w in weights]

    def forward(self, *inputs: Any) -> Any:
        index = int(rushlight.multinomial(rushlight.tensor(self.p), 1).item())
        return self._through([self.transforms[index]], inputs)


class RandomOrder(_Container):
    """All of the transforms in a random order."""

    def forward(self, *inputs: Any) -> Any:
        order = rushlight.randperm(len(self.transforms)).tolist()
        return self._through([self.transforms[i] for i in order], inputs)


class Resize(Structured, geometric.Resize):
    """Resize of `transforms`, on any structure of inputs."""

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__([size] if isinstance(size, int) else size, interpolation, max_size, antialias)


class RGB(Structured, nn.Module):
    """A picture with three channels: grey is repeated."""

    def forward(self, inpt: Any) -> Any:
        if is_pil(inpt):
            return inpt.convert("RGB")
        return inpt if inpt.shape[-3] == 3 else functional.rgb_to_grayscale(inpt, 3)


class ToPILImage(Structured, basic.ToPILImage):
    """ToPILImage of `transforms`, on any structure of inputs."""


class PILToTensor(Structured, basic.PILToTensor):
    """PILToTensor of `transforms`, on any structure of inputs."""


class Normalize(Structured, basic.Normalize):
    """Normalize of `transforms`, on any structure of inputs."""


class LinearTransformation(Structured, basic.LinearTransformation):
    """LinearTransformation of `transforms`, on any structure of inputs."""


class RandomErasing(Structured, basic.RandomErasing):
    """RandomErasing of `transforms`, on any structure of inputs."""


class CenterCrop(Structured, geometric.CenterCrop):
    """CenterCrop of `transforms`, on any structure of inputs."""


class Pad(Structured, geometric.Pad):
    """Pad of `transforms`, on any structure of inputs."""


class RandomCrop(Structured, geometric.RandomCrop):
    """RandomCrop of `transforms`, on any structure of inputs."""


class RandomResizedCrop(Structured, geometric.RandomResizedCrop):
    """RandomResizedCrop of `transforms`, on any structure of inputs."""


class RandomHorizontalFlip(Structured, geometric.RandomHorizontalFlip):
    """RandomHorizontalFlip of `transforms`, on any structure of inputs."""


class RandomVerticalFlip(Structured, geometric.RandomVerticalFlip):
    """RandomVerticalFlip of `transforms`, on any structure of inputs."""


class RandomRotation(Structured, geometric.RandomRotation):
    """RandomRotation of `transforms`, on any structure of inputs."""


class RandomAffine(Structured, geometric.RandomAffine):
    """RandomAffine of `transforms`, on any structure of inputs."""


class RandomPerspective(Structured, geometric.RandomPerspective):
    """RandomPerspective of `transforms`, on any structure of inputs."""


class FiveCrop(Structured, geometric.FiveCrop):
    """FiveCrop of `transforms`, on any structure of inputs."""


class TenCrop(Structured, geometric.TenCrop):
    """TenCrop of `transforms`, on any structure of inputs."""


class Grayscale(Structured, colour.Grayscale):
    """Grayscale of `transforms`, on any structure of inputs."""


class ColorJitter(Structured, colour.ColorJitter):
    """ColorJitter of `transforms`, on any structure of inputs."""


class GaussianBlur(Structured, colour.GaussianBlur):
    """GaussianBlur of `transforms`, on any structure of inputs."""


class RandomGrayscale(Structured, colour.RandomGrayscale):
    """RandomGrayscale of `transforms`, on any structure of inputs."""


class RandomInvert(Structured, colour.RandomInvert):
    """RandomInvert of `transforms`, on any structure of inputs."""


class RandomAutocontrast(Structured, colour.RandomAutocontrast):
    """RandomAutocontrast of `transforms`, on any structure of inputs."""


class RandomEqualize(Structured, colour.RandomEqualize):
    """RandomEqualize of `transforms`, on any structure of inputs."""


class RandomPosterize(Structured, colour.RandomPosterize):
    """RandomPosterize of `transforms`, on any structure of inputs."""


class RandomSolarize(Structured, colour.RandomSolarize):
    """RandomSolarize of `transforms`, on any structure of inputs."""


class RandomAdjustSharpness(Structured, colour.RandomAdjustSharpness):
    """RandomAdjustSharpness of `transforms`, on any structure of inputs."""


__all__ = [
    "RGB",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "Identity",
    "InterpolationMode",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
    "functional",
]
