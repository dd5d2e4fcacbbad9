"""Random pictures, for trying out a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.vision.datasets.vision import VisionDataset
from rushlight.vision.transforms.functional import to_pil_image


class FakeData(VisionDataset):
    """`size` random PIL pictures of `image_size` (C, H, W), random targets; the same index gives the same picture."""

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size, self.num_classes = size, num_classes
        self.image_size, self.random_offset = image_size, random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: got index {index}; expected one in [0, {self.size})")
        state = rushlight.get_rng_state()
        rushlight.manual_seed(index + self.random_offset)
        values = rushlight.randn(*self.image_size)
        target: Any = int(rushlight.randint(0, self.num_classes, size=(1,), dtype=rushlight.long).item())
        rushlight.set_rng_state(state)
        picture = to_pil_image(values)
        if self.transform is not None:
            picture = self.transform(picture)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return self.size
