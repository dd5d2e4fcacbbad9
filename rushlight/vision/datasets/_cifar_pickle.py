"""CIFAR's batches are Python pickles; this reads the data in them and can run nothing.

The unpickler knows four names, and what it builds for them are the small classes here, which only keep and check what
they are given. Anything else in the file is an error.
"""

from __future__ import annotations

import math
import os
import pickle
from typing import Any

import numpy as np

from rushlight.errors import FileFormatError, explain_error


class _Dtype:
    """Takes numpy.dtype's place: only bytes are stored in CIFAR files."""

    def __init__(self, code: Any = "", *_rest: Any) -> None:
        if code not in ("u1", "|u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of type {code!r}, expected uint8")

    def __setstate__(self, state: Any) -> None:
        del state  # byte order and alignment, which mean nothing for bytes


class _Array:
    """Takes numpy.ndarray's place until its shape and its bytes are known to agree."""

    array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array state without its five parts")
        _version, shape, dtype, fortran, raw = state
        data = raw.encode("latin-1") if isinstance(raw, str) else raw
        fits = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
        if not fits or not isinstance(dtype, _Dtype) or not isinstance(data, bytes) or len(data) != math.prod(shape):
            raise pickle.UnpicklingError(f"an array of shape {shape} that does not fit its bytes")
        self.array = np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_arguments: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes in old pickle protocols."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin-1")


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _NAMES[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the name {module_name}.{global_name}, which has no place in a CIFAR file"
            ) from None


def read_batch(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The dict in a batch file, arrays as uint8 arrays. Errors: FileFormatError for anything else in it."""
    with open(path, "rb") as file:
        try:
            batch = _Reader(file, encoding="latin1").load()
        except Exception as error:  # a hostile pickle can fail in any way at all
            raise FileFormatError(_message(path, file.tell(), str(error) or type(error).__name__)) from error
        if not isinstance(batch, dict):
            raise FileFormatError(_message(path, file.tell(), f"a {type(batch).__name__}"))
    return {str(k): v.array if isinstance(v, _Array) else v for k, v in batch.items()}


def _message(path: Any, offset: int, got: str) -> str:
    expected = "a dict of names, numbers and uint8 arrays"
    return explain_error(
        f"CIFAR file {os.fspath(path)!r}, by offset {offset}", got=got, expected=expected, fix="fetch it again"
    )
