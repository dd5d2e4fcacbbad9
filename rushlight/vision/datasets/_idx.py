"""The IDX format of the MNIST family, read strictly: plain or gzipped, every field checked against the file.

offset 0  2 zero bytes
offset 2  the type: 8 = uint8, 9 = int8, 11 = int16, 12 = int32, 13 = float32, 14 = float64
offset 3  the number of dimensions
offset 4  the dimensions, 4 bytes each, big-endian; then the values, big-endian, the last dimension fastest
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import Any

import numpy as np

from rushlight.errors import FileFormatError, explain_error

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LARGEST = 1 << 31  # bytes of values; the largest member of the family has under 600 MB


def _bad(path: str, offset: int, got: str, expected: str) -> FileFormatError:
    fix = "delete the file and fetch it again"
    return FileFormatError(explain_error(f"IDX file {path!r}, offset {offset}", got=got, expected=expected, fix=fix))


def _take(file: Any, count: int, path: str, offset: int, what: str) -> bytes:
    try:
        data = file.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _bad(path, offset, f"a damaged gzip stream ({error})", what) from error
    if len(data) != count:
        raise _bad(path, offset + len(data), f"the end of the file, {count - len(data)} bytes early", what)
    return data


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an IDX file; a name that ends in .gz is decompressed on the way.

    Errors: FileFormatError (a RuntimeError) that names the file and the offset.
    """
    path = os.fspath(path)
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        magic = _take(file, 4, path, 0, "the 4 bytes 0, 0, type, dimensions")
        if magic[0] or magic[1]:
            raise _bad(path, 0, f"the bytes {magic[0]}, {magic[1]}", "0, 0")
        if magic[2] not in _TYPES:
            raise _bad(path, 2, f"type {magic[2]}", "8, 9, 11, 12, 13 or 14")
        if not 1 <= magic[3] <= 8:
            raise _bad(path, 3, f"{magic[3]} dimensions", "1 to 8")
        sizes = _take(file, 4 * magic[3], path, 4, "the sizes of the dimensions")
        shape = [int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4)]
        dtype = np.dtype(_TYPES[magic[2]])
        count = math.prod(shape)  # in Python's integers: it cannot overflow
        start = 4 + 4 * magic[3]
        if count * dtype.itemsize > _LARGEST:
            raise _bad(path, 4, f"shape {tuple(shape)}", f"at most {_LARGEST} bytes of values")
        if opener is open and (left := os.fstat(file.fileno()).st_size - start) != count * dtype.itemsize:
            raise _bad(path, start, f"{left} bytes of values", f"{count * dtype.itemsize} for shape {tuple(shape)}")
        values = _take(file, count * dtype.itemsize, path, start, f"{count} values for shape {tuple(shape)}")
        if opener is not open and _more(file, path, start + len(values)):
            raise _bad(path, start + len(values), "more bytes", "the end of the file")
    return np.frombuffer(bytearray(values), dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _more(file: Any, path: str, offset: int) -> bool:
    try:
        return bool(file.read(1))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _bad(path, offset, f"a damaged gzip stream ({error})", "its checksum") from error
