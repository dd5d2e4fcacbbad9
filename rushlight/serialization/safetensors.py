"""safetensors files: an 8-byte length, a JSON table of names, dtypes, shapes and byte ranges, and then the bytes.

The format is small enough to read and write here, so no package is needed.
"""

from __future__ import annotations

import json
import math
import os
import struct
from typing import Any

from rushlight.errors import explain_error
from rushlight.serialization import tensors
from rushlight.serialization.atomic import atomic_write
from rushlight.serialization.source import Source

# dtype names as the format spells them.
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_NAMES = {name: spelt for spelt, name in _DTYPES.items()}
_MAX_HEADER = 100_000_000
_MAX_TENSORS = 250_000


def save_file(
    tensors_by_name: dict[str, Any], path: str | os.PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Write named tensors, and text `metadata`, to a safetensors file, atomically.

    The format has no views: each tensor is written contiguously. ValueError when two of them share memory, as they
    would come back separate; TypeError for values that are not tensors or have a dtype that the format lacks.

    >>> import os, tempfile
    >>> import rushlight as torch
    >>> path = os.path.join(tempfile.mkdtemp(), "w.safetensors")
    >>> save_file({"w": torch.ones(2)}, path)
    >>> load_file(path)
    {'w': tensor([1., 1.])}
    """
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in (metadata or {}).items()):
        raise TypeError(explain_error("safetensors.save_file", got=f"metadata {metadata!r}", expected="text: text"))
    parts = {name: _describe(name, tensor) for name, tensor in tensors_by_name.items()}
    _refuse_shared(tensors_by_name)
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    order = sorted(parts, key=lambda name: (-tensors.find_dtype(parts[name].dtype_name).itemsize, name))
    at, pieces = 0, []
    for name in order:
        part = parts[name]
        item = tensors.find_dtype(part.dtype_name).itemsize
        length = math.prod(part.size) * item
        pieces.append(part.storage_bytes[part.offset * item : part.offset * item + length])
        header[name] = {"dtype": _NAMES[part.dtype_name], "shape": list(part.size), "data_offsets": [at, at + length]}
        at += length
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # Wide dtypes come first and the header is padded, so that every tensor starts aligned.
    text += b" " * (-len(text) % 8)
    with atomic_write(path, "safetensors.save_file") as write:
        write(struct.pack("<Q", len(text)) + text)
        for piece in pieces:
            write(piece)


def _describe(name: Any, tensor: Any) -> tensors.Described:
    if not isinstance(name, str) or name == "__metadata__" or not hasattr(tensor, "untyped_storage"):
        got = f"{name!r}: a {type(tensor).__name__}"
        raise TypeError(explain_error("safetensors.save_file", got=got, expected="a dict of text: tensor"))
    if tensors.dtype_name(tensor.dtype) not in _NAMES:
        got = f"{name!r} of {tensor.dtype}"
        raise TypeError(explain_error("safetensors.save_file", got=got, expected=", ".join(_NAMES)))
    return tensors.describe(tensor.detach().contiguous())


def _refuse_shared(tensors_by_name: dict[str, Any]) -> None:
    owners: dict[tuple[int, int], str] = {}
    for name, tensor in tensors_by_name.items():
        key = tensors.describe(tensor).storage_key
        if key is not None and owners.setdefault(key, name) != name:
            got = f"{owners[key]!r} and {name!r}, which share memory"
            fix = "leave one of them out, or save tensor.clone()"
            raise ValueError(explain_error("safetensors.save_file", got=got, expected="separate tensors", fix=fix))


def load_file(path: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Any]:
    """The tensors of a safetensors file by name. FileFormatError when the file is damaged."""
    if str(device) != "cpu":
        got = f"device={str(device)!r}"
        raise RuntimeError(explain_error("safetensors.load_file", got=got, expected="'cpu'", fix="leave it out"))
    with open(path, "rb") as file:
        source = Source(file, os.fspath(path))
        header, start = _header(source)
        return {name: _read(source, start, name, entry) for name, entry in _ordered(source, header, start)}


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text metadata of a safetensors file; empty when it has none."""
    with open(path, "rb") as file:
        source = Source(file, os.fspath(path))
        found = _header(source)[0].get("__metadata__", {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise source.error(8, "metadata that is not text by name", "text: text")
        return found


def _header(source: Source) -> tuple[dict[str, Any], int]:
    """The table, and where the bytes begin."""
    length = struct.unpack("<Q", source.read(0, 8))[0]
    if length > _MAX_HEADER:
        raise source.error(0, f"a header of {length} bytes", f"at most {_MAX_HEADER}")
    try:
        header = json.loads(source.read(8, length).decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise source.error(8, f"a header that is not JSON ({error})", "a safetensors file") from error
    if not isinstance(header, dict) or len(header) > _MAX_TENSORS:
        raise source.error(8, "a header that is no table of tensors", f"at most {_MAX_TENSORS} tensors by name")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same name twice")
    return found


def _ordered(source: Source, header: dict[str, Any], start: int) -> list[tuple[str, tuple]]:
    """(name, (dtype, shape, begin, end)) in the order of the table, once the byte ranges fill the file exactly."""
    checked = [(name, _entry(source, name, entry)) for name, entry in header.items() if name != "__metadata__"]
    at = 0
    for name, (_, _, begin, end) in sorted(checked, key=lambda item: item[1][2:]):
        if begin != at:
            raise source.error(start + begin, f"{name!r} at {begin}", f"{at}: no gaps, no overlaps")
        at = end
    if start + at != source.size:
        raise source.error(start + at, f"a file of {source.size} bytes", f"{start + at}, as its header says")
    return checked


def _entry(source: Source, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    try:
        dtype = _DTYPES.get(entry["dtype"], "")
        shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
        numbers = all(type(n) is int and 0 <= n < 1 << 62 for n in (*shape, begin, end)) and len(shape) <= 64
    except (KeyError, TypeError, ValueError) as error:
        raise source.error(8, f"a damaged entry {name!r} ({error})", "dtype, shape and data_offsets") from error
    if not numbers or tensors.find_dtype(dtype) is None:
        raise source.error(8, f"{name!r} of dtype {entry['dtype']!r} and shape {shape}", "a dtype and shape we have")
    if end - begin != math.prod(shape) * tensors.find_dtype(dtype).itemsize:
        raise source.error(8, f"{name!r} of shape {shape} in {end - begin} bytes", "as many as its shape needs")
    return dtype, shape, begin, end


def _read(source: Source, start: int, name: str, entry: tuple) -> Any:
    dtype, shape, begin, end = entry
    return tensors.from_bytes(source.array(start + begin, end - begin), dtype, shape)
