"""Pictures in folders, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.vision.datasets.vision import VisionDataset
from rushlight.vision.transforms._kind import pil

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends in one of the extensions, in whatever case."""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether the name has a picture's extension.

    >>> is_image_file("cat.JPG"), is_image_file("labels.csv")
    (True, False)
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """(sorted folder names, name -> index). Errors: FileNotFoundError where there is no folder."""
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(
            explain_error(
                "ImageFolder",
                got=f"no class folder in {os.fspath(directory)!r}",
                expected="root/CLASS/picture.png, one folder a class",
            )
        )
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """[(path, class index)], sorted by class, folder and name; give `extensions` or `is_valid_file`.

    Errors: ValueError for both or neither, FileNotFoundError for a class without a file (unless `allow_empty`).
    """
    directory = os.path.expanduser(os.fspath(directory))
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ValueError(explain_error("make_dataset", got="an empty class_to_idx", expected="at least one class"))
    if (extensions is None) == (is_valid_file is None):
        got = "neither" if extensions is None else "both"
        raise ValueError(explain_error("make_dataset", got=got, expected="either extensions or is_valid_file"))
    valid = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions))  # type: ignore[arg-type]
    samples: list[tuple[str, int]] = []
    empty: list[str] = []
    for name in sorted(class_to_idx):
        before = len(samples)
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
            paths = (os.path.join(folder, file) for file in sorted(files))
            samples += [(path, class_to_idx[name]) for path in paths if valid(path)]
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        names = extensions if isinstance(extensions, str) else ", ".join(extensions or ())
        raise FileNotFoundError(
            explain_error(
                "ImageFolder",
                got=f"no valid file for the class(es) {', '.join(empty)} in {directory!r}",
                expected=f"files ending in {names}" if names else "files that is_valid_file accepts",
                fix="remove the empty folders, or pass allow_empty=True",
            )
        )
    return samples


def pil_loader(path: str) -> Any:
    """The file as an RGB PIL picture."""
    image = pil()
    with open(path, "rb") as file:
        try:
            return image.open(file).convert("RGB")
        except image.UnidentifiedImageError as error:
            raise type(error)(
                explain_error("ImageFolder", got=f"{path!r}", expected="a picture that pillow reads")
            ) from error


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Files in `root/CLASS/...`, read by `loader`; the classes are the folder names, sorted."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.loader, self.extensions = loader, extensions
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | os.PathLike[str],
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """[(path, class index)]; override it to choose other files."""
        if class_to_idx is None:
            raise ValueError(explain_error("DatasetFolder", got="class_to_idx=None", expected="a dict"))
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """(classes, name -> index); override it to choose other classes."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures in `root/CLASS/name.png`, as RGB PIL pictures: `dataset[i]` is (picture, class index)."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
