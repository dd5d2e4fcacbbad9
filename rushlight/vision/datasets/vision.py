"""What picture datasets share: their transforms, their printed form, and the batch path of those in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.utils.data import Dataset
from rushlight.vision.datasets._batch import as_batch_transform
from rushlight.vision.transforms._kind import pil
from rushlight.vision.transforms._shapes import explain_shapes


class StandardTransform:
    """A transform for the picture and one for the target, as one function of both."""

    def __init__(self, transform: Callable | None = None, target_transform: Callable | None = None) -> None:
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, part in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if part is not None:
                first, *rest = repr(part).splitlines()
                lines += [head + first, *(" " * len(head) + line for line in rest)]
        return "\n".join(lines)


class VisionDataset(Dataset):
    """Pictures under `root`, with `transforms` (of picture and target) or `transform`/`target_transform`."""

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                f"{type(self).__name__}: got transforms and transform/target_transform; expected one of the two. "
                "Fix: put all of it into transforms(picture, target)."
            )
        self.transform, self.target_transform = transform, target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not define __len__")

    def explain_shapes(self) -> str | None:
        """Which transform can give pictures of different sizes (for the message when they do not stack), or None."""
        return explain_shapes(self.transform)

    def extra_repr(self) -> str:
        """More lines for the printed form."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *("    " + line for line in body)])


class ArrayDataset(VisionDataset):
    """Pictures in memory: `data` is uint8 (N, H, W) or (N, H, W, C), `targets` N integers.

    A transform that treats pictures alike (ToTensor, Normalize, ...) runs once on a whole batch: `__getitems__` and
    `collated_batch` use that, with the very bits the one-by-one path gives. Such a transform also needs no pillow.
    """

    data: Any
    targets: Any

    def __len__(self) -> int:
        return len(self.data)

    def _pictures(self, index: Any) -> np.ndarray:
        data = self.data.numpy() if isinstance(self.data, rushlight.Tensor) else np.asarray(self.data)
        return data[index]

    def _target(self, index: int) -> int:
        targets = self.targets.numpy() if isinstance(self.targets, rushlight.Tensor) else self.targets
        return int(targets[index])

    def _checked(self, indices: Sequence[int]) -> np.ndarray:
        index = np.asarray(indices, dtype=np.int64)
        outside = index[(index < -len(self)) | (index >= len(self))]
        if outside.size:
            raise IndexError(f"{type(self).__name__}: got index {outside[0]}; expected one in [0, {len(self)})")
        return index

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """(picture, target) after the transforms; the picture is a PIL picture when there is no transform."""
        index = int(self._checked([index])[0])
        target: Any = self._target(index)
        batch_transform = as_batch_transform(self.transform)
        if batch_transform is not None:
            picture = batch_transform(self._pictures(slice(index, index + 1) if index != -1 else slice(-1, None)))[0]
        else:
            picture = pil().fromarray(self._pictures(index))
            picture = picture if self.transform is None else self.transform(picture)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """The samples at these indices, transformed together where the transform allows it."""
        batch_transform = self._batch_transform()
        if batch_transform is None:
            return [self[i] for i in indices]
        index = self._checked(indices)
        pictures = batch_transform(self._pictures(index))
        targets: list[Any] = [self._target(i) for i in index]
        if self.target_transform is not None:
            targets = [self.target_transform(target) for target in targets]
        return list(zip(pictures, targets))

    def _batch_transform(self) -> Callable[..., Any] | None:
        """The transform of whole batches; None where a subclass reads its samples in its own way."""
        own = type(self).__getitem__ is ArrayDataset.__getitem__
        return as_batch_transform(self.transform) if own else None

    def collated_batch(self, indices: Sequence[int]) -> list[Any] | None:
        """[pictures, int64 targets] as default_collate of these samples gives them; None if they must go one by one."""
        batch_transform = self._batch_transform()
        if batch_transform is None or self.target_transform is not None:
            return None
        index = self._checked(indices)
        values = self.targets.numpy() if isinstance(self.targets, rushlight.Tensor) else np.asarray(self.targets)
        targets = values[index].astype(np.int64)
        return [batch_transform(self._pictures(index), collate=True), rushlight.from_numpy(targets)]
