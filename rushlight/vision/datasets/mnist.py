"""MNIST and the datasets that share its format."""

from __future__ import annotations

import gzip
import os
import string
import zipfile
from collections.abc import Callable
from typing import Any, ClassVar

import rushlight
from rushlight.errors import FileFormatError, explain_error
from rushlight.vision.datasets._idx import read_idx
from rushlight.vision.datasets.utils import copy_atomically, download_from
from rushlight.vision.datasets.vision import ArrayDataset


class MNIST(ArrayDataset):
    """Handwritten digits: 60,000 to train, 10,000 to test, 28x28 grey. `dataset[i]` is (picture, digit).

    The files lie in `root/MNIST/raw/`, as they are or still gzipped. `data` is uint8 (N, 28, 28), `targets` int64 (N,).
    Errors: RuntimeError when files are missing (it says which, and where to put them) or damaged.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

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
        missing = self._missing()
        if missing:
            raise RuntimeError(
                explain_error(
                    f"{type(self).__name__}: Dataset not found",
                    got=f"no {', '.join(missing)} (nor with .gz) in {os.path.abspath(self.raw_folder)}",
                    expected=f"the files {', '.join(self._names())} there",
                    fix="put them there, or pass download=True",
                )
            )
        self.data, self.targets = self._load_data()

    @property
    def raw_folder(self) -> str:
        """Where the files lie."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Where old versions of torchvision kept a converted copy; not read."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The target of every class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def _pair(self) -> tuple[str, str]:
        """The names of the picture file and the label file of this part."""
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _names(self) -> list[str]:
        return [name.removesuffix(".gz") for name, _ in self.resources]

    def _find(self, name: str) -> str | None:
        """The file itself, or its gzipped form when only that is there."""
        path = os.path.join(self.raw_folder, name)
        return next((p for p in (path, path + ".gz") if os.path.isfile(p)), None)

    def _missing(self) -> list[str]:
        # the other part is not needed to read this one
        return [name for name in self._pair() if self._find(name) is None]

    def _load_data(self) -> tuple[Any, Any]:
        images_name, labels_name = self._pair()
        images, labels = (read_idx(self._find(name) or name) for name in (images_name, labels_name))
        for array, name, dimensions in ((images, images_name, 3), (labels, labels_name, 1)):
            if array.ndim != dimensions or array.dtype != "uint8":
                got = f"{array.dtype} of shape {array.shape}"
                raise FileFormatError(
                    explain_error(f"IDX file {name}", got=got, expected=f"uint8, {dimensions} dimension(s)")
                )
        if len(images) != len(labels):
            raise FileFormatError(
                explain_error(
                    type(self).__name__,
                    got=f"{len(images)} pictures and {len(labels)} labels in {self.raw_folder}",
                    expected="as many labels as pictures",
                    fix="the files are of different origin: fetch both again",
                )
            )
        return rushlight.from_numpy(images), rushlight.from_numpy(labels.astype("int64"))

    def download(self) -> None:
        """Fetches what is missing, from the mirrors in turn, checks the MD5 and unpacks it."""
        for filename, md5 in self.resources:
            if self._find(filename.removesuffix(".gz")) is not None:
                continue
            archive = download_from([mirror + filename for mirror in self.mirrors], self.raw_folder, filename, md5)
            with gzip.open(archive) as packed:
                copy_atomically(packed, archive.removesuffix(".gz"))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's form and size (Zalando, MIT licence); files in `root/FashionMNIST/raw/`."""

    mirrors: ClassVar[list[str]] = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Old Japanese characters in MNIST's form and size; the files lie in `root/KMNIST/raw/`."""

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


_ALL = sorted(string.digits + string.ascii_letters)
_DISTINCT = [
    c for c in _ALL if c not in "cijklmopsuvwxyz"
]  # lower case letters that look like their capitals are left out


class EMNIST(MNIST):
    """Handwritten letters and digits; `split` is byclass, bymerge, balanced, letters, digits or mnist.

    The files `emnist-SPLIT-train-images-idx3-ubyte` and so on lie in `root/EMNIST/raw/`. The pictures are stored
    with rows and columns exchanged, and are given as stored.
    """

    mirrors: ClassVar[list[str]] = [
        "https://biometrics.nist.gov/cs_links/EMNIST/",
        "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
    ]
    url = mirrors[0] + "gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": _ALL,
        "bymerge": _DISTINCT,
        "balanced": _DISTINCT,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        if split not in self.splits:
            raise ValueError(
                explain_error("EMNIST", got=f"split={split!r}", expected="one of " + ", ".join(self.splits))
            )
        self.split = split
        self.classes = self.classes_split_dict[split]  # type: ignore[misc]
        super().__init__(root, **kwargs)

    def _pair(self) -> tuple[str, str]:
        start = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{start}-images-idx3-ubyte", f"{start}-labels-idx1-ubyte"

    def _names(self) -> list[str]:
        return list(self._pair())

    def download(self) -> None:
        """Fetches the archive of all splits and unpacks the files of this one's part."""
        if not self._missing():
            return
        urls = [mirror + "gzip.zip" for mirror in self.mirrors]
        archive = download_from(urls, self.raw_folder, "gzip.zip", self.md5)
        with zipfile.ZipFile(archive) as packed:
            for name in self._pair():
                with packed.open(f"gzip/{name}.gz") as member, gzip.open(member) as plain:
                    copy_atomically(plain, os.path.join(self.raw_folder, name))
