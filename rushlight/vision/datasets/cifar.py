"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from rushlight.errors import FileFormatError, explain_error
from rushlight.vision.datasets._cifar_pickle import read_batch
from rushlight.vision.datasets.utils import check_integrity, download_from, extract_archive
from rushlight.vision.datasets.vision import ArrayDataset


class CIFAR10(ArrayDataset):
    """Small colour photographs of 10 classes: 50,000 to train, 10,000 to test, 32x32. `dataset[i]` is (picture, class).

    The batch files lie in `root/cifar-10-batches-py/`; their MD5s are checked. `data` is a uint8 array (N, 32, 32, 3),
    `targets` a list. Errors: RuntimeError when files are missing or damaged.
    """

    base_folder = "cifar-10-batches-py"
    filename = "cifar-10-python.tar.gz"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    mirrors: ClassVar[list[str]] = ["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"]
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        bad = self._not_whole()
        if bad:
            raise RuntimeError(
                explain_error(
                    f"{type(self).__name__}: Dataset not found or corrupted",
                    got=f"{', '.join(bad)} missing or with another MD5 in {os.path.abspath(self._folder())}",
                    expected=f"the unpacked files of {self.filename} there",
                    fix=f"unpack {self.filename} in {os.path.abspath(self.root)}, or pass download=True",
                )
            )
        batches = [self._read(name) for name, _ in (self.train_list if train else self.test_list)]
        self.data: Any = np.concatenate([pictures for pictures, _ in batches])
        self.targets: Any = [label for _, labels in batches for label in labels]
        self.classes = list(read_batch(os.path.join(self._folder(), self.meta["filename"]))[self.meta["key"]])
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _folder(self) -> str:
        return os.path.join(self.root, self.base_folder)

    def _not_whole(self) -> list[str]:
        files = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        return [name for name, md5 in files if not check_integrity(os.path.join(self._folder(), name), md5)]

    def _read(self, name: str) -> tuple[np.ndarray, list[int]]:
        path = os.path.join(self._folder(), name)
        batch = read_batch(path)
        data, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels"))
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3072:
            got = f"data of shape {getattr(data, 'shape', None)}"
            raise FileFormatError(explain_error(f"CIFAR file {path!r}", got=got, expected="uint8 (N, 3072)"))
        if not isinstance(labels, list) or len(labels) != len(data) or not all(type(n) is int for n in labels):
            raise FileFormatError(
                explain_error(f"CIFAR file {path!r}", got="other labels", expected=f"{len(data)} integers")
            )
        return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels

    def download(self) -> None:
        """Fetches the archive from the mirrors in turn, checks its MD5 and unpacks it."""
        if not self._not_whole():
            return
        archive = download_from(
            [mirror + self.filename for mirror in self.mirrors], self.root, self.filename, self.tgz_md5
        )
        extract_archive(archive, self.root)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """CIFAR-10's form with 100 classes (the fine labels); the files lie in `root/cifar-100-python/`."""

    base_folder = "cifar-100-python"
    filename = "cifar-100-python.tar.gz"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[list[str]]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[list[str]]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
