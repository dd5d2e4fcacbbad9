"""Picture files to tensors and back: PNG, JPEG and what else pillow reads."""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.vision.transforms._convert import pil_to_tensor, to_pil_image
from rushlight.vision.transforms._kind import is_tensor, pil


class ImageReadMode(Enum):
    """Which channels a decoded picture has; UNCHANGED keeps the file's own.

    >>> ImageReadMode["RGB"].value
    3
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PIL_MODE = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}
_KEPT = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I")


def read_file(path: str | os.PathLike[str]) -> Any:
    """The file's bytes as a one-dimensional uint8 tensor."""
    with open(path, "rb") as file:
        return rushlight.from_numpy(np.frombuffer(file.read(), dtype=np.uint8).copy())


def write_file(filename: str | os.PathLike[str], data: Any) -> None:
    """A one-dimensional uint8 tensor as a file."""
    with open(filename, "wb") as file:
        file.write(data.numpy().tobytes())


def _picture(source: Any, mode: ImageReadMode | str, apply_exif_orientation: bool, name: str) -> Any:
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    image = pil()
    try:
        picture = image.open(source)
        picture.load()
    except (image.UnidentifiedImageError, image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise RuntimeError(
            explain_error(
                "read_image",
                got=f"{name}, which does not decode ({error})",
                expected="a whole PNG, JPEG, GIF or WebP picture",
            )
        ) from error
    if apply_exif_orientation:
        picture = pil("ImageOps").exif_transpose(picture)
    if mode is not ImageReadMode.UNCHANGED:
        picture = picture.convert(_PIL_MODE[mode])
    elif picture.mode not in _KEPT:
        transparent = picture.mode in ("PA", "La", "RGBa") or "transparency" in picture.info
        picture = picture.convert("L" if picture.mode == "1" else "RGBA" if transparent else "RGB")
    return pil_to_tensor(picture)


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Any:
    """The picture file as a uint8 tensor (C, H, W). Errors: FileNotFoundError; RuntimeError if it does not decode."""
    with open(path, "rb") as file:
        return _picture(file, mode, apply_exif_orientation, f"the file {os.fspath(path)!r}")


def decode_image(
    input: Any, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Any:
    """The picture in a one-dimensional uint8 tensor of a file's bytes (or in a file, given its path)."""
    if isinstance(input, (str, os.PathLike)):
        return read_image(input, mode, apply_exif_orientation)
    if not is_tensor(input) or input.ndim != 1 or input.dtype != rushlight.uint8:
        raise RuntimeError(
            explain_error("decode_image", got=repr(type(input)), expected="a uint8 tensor of one dimension")
        )
    return _picture(io.BytesIO(input.numpy().tobytes()), mode, apply_exif_orientation, f"{input.numel()} bytes")


decode_png = decode_jpeg = decode_image


def _encode(op: str, input: Any, channels: tuple[int, ...], **settings: Any) -> bytes:
    if not is_tensor(input) or input.dtype != rushlight.uint8:
        got = f"dtype {input.dtype}" if is_tensor(input) else type(input).__name__
        fix = "convert with transforms.ConvertImageDtype(rushlight.uint8), or use utils.save_image for floats"
        raise RuntimeError(explain_error(op, got=got, expected="a uint8 tensor (C, H, W)", fix=fix))
    if input.ndim != 3 or input.shape[0] not in channels:
        words = " or ".join(map(str, channels))
        raise RuntimeError(explain_error(op, got=f"shape {tuple(input.shape)}", expected=f"(C, H, W) with C = {words}"))
    target = io.BytesIO()
    to_pil_image(input).save(target, **settings)
    return target.getvalue()


def _bytes_tensor(data: bytes) -> Any:
    return rushlight.from_numpy(np.frombuffer(data, dtype=np.uint8).copy())


def encode_png(input: Any, compression_level: int = 6) -> Any:
    """A uint8 tensor (C, H, W) with 1 or 3 channels as the bytes of a PNG file."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError(explain_error("encode_png", got=f"compression_level={compression_level}", expected="0 to 9"))
    return _bytes_tensor(_encode("encode_png", input, (1, 3), format="PNG", compress_level=compression_level))


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """A uint8 tensor (C, H, W) with 1 or 3 channels as the bytes of a JPEG file."""
    if not 1 <= quality <= 100:
        raise ValueError(explain_error("encode_jpeg", got=f"quality={quality}", expected="1 to 100"))
    return _bytes_tensor(_encode("encode_jpeg", input, (1, 3), format="JPEG", quality=quality))


def write_png(input: Any, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """A uint8 tensor (C, H, W) as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Any, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """A uint8 tensor (C, H, W) as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
