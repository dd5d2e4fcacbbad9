"""Real handwritten digits that come with the package, for demos and tests without a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

import numpy as np

import rushlight
from rushlight.vision.datasets.vision import ArrayDataset

_FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "digits.npz")


class Digits(ArrayDataset):
    """1,797 handwritten digits, 8x8 grey, from the UCI repository (E. Alpaydin and C. Kaynak, CC BY 4.0).

    `data` is uint8 (N, 8, 8), the original 0..16 spread over 0..255; `targets` is int64 (N,). The split is fixed: of
    every digit's pictures, in their original order, each fifth is a test picture (355), the others train (1,442).
    Writers occur in both parts, so the test part measures how well these writers are read, not new ones.
    `root` and `download` are accepted so that other datasets can take its place, and not used.

    >>> from rushlight.vision.transforms import ToTensor
    >>> picture, digit = Digits(train=False, transform=ToTensor())[0]
    >>> picture.shape, digit
    (torch.Size([1, 8, 8]), 5)
    """

    classes: ClassVar[list[str]] = [str(i) for i in range(10)]

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        with np.load(_FILE, allow_pickle=False) as stored:
            images, targets = stored["images"], stored["targets"].astype(np.int64)
        test = np.zeros(len(targets), dtype=bool)
        for digit in range(10):
            test[np.flatnonzero(targets == digit)[4::5]] = True
        part = ~test if train else test
        grey = (images[part].astype(np.uint16) * 255 + 8) // 16
        self.data = rushlight.from_numpy(grey.astype(np.uint8))
        self.targets = rushlight.from_numpy(targets[part])

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The target of every class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"
