"""`save`: PyTorch's zip files, byte layout and names included, so that `torch.load(weights_only=True)` reads them."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.serialization.archive import ArchiveWriter
from rushlight.serialization.atomic import atomic_write
from rushlight.serialization.modules import FIELDS_RECORD
from rushlight.serialization.pickler import Pickler


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj` to a path or a binary file object in the format of `torch.save`.

    Tensors (alone or in dicts, lists, tuples, sets), plain values, NumPy numbers and arrays, and whole modules can
    be saved; tensors that share memory are stored once and share it again after `load`. A path is written
    atomically: it holds the earlier file until the new one is complete on the disk. The pickle inside always has
    protocol 2, which every version of PyTorch reads.

    PicklingError names the place of a value that no file can hold, such as a function. OSError names the path.

    >>> import io
    >>> import rushlight as torch
    >>> buffer = io.BytesIO()
    >>> torch.save(torch.arange(3), buffer)
    >>> torch.load(io.BytesIO(buffer.getvalue()))
    tensor([0, 1, 2])
    """
    if pickle_module is not pickle:
        got = f"pickle_module={pickle_module!r}"
        raise ValueError(explain_error("torch.save", got=got, expected="Python's pickle"))
    if pickle_protocol not in range(2, 6):
        raise ValueError(explain_error("torch.save", got=f"pickle_protocol={pickle_protocol!r}", expected="2 to 5"))
    if not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "torch.save: _use_new_zipfile_serialization=False is missing; files are always zip files, which PyTorch "
            "has read since 1.4."
        )
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(
            explain_error("torch.save", got=f"a {type(f).__name__}", expected="a path or a file object with a `write`")
        )
    # Pickled before anything is opened: a value that cannot be saved leaves no trace on the disk.
    pickler = Pickler()
    data = pickler.dump(obj)
    if not hasattr(f, "write"):
        with atomic_write(f) as write:
            _write_archive(write, data, pickler)
    else:
        _write_archive(_write_all(f), data, pickler)


def _write_archive(write: Callable[[Any], Any], data: bytes, pickler: Pickler) -> None:
    archive = ArchiveWriter(write)
    records: list[tuple[str, Any]] = [
        ("data.pkl", data), (".format_version", b"1"), (".storage_alignment", b"64"), ("byteorder", b"little"),
    ]  # fmt: skip
    if pickler.fields:
        records.append((FIELDS_RECORD, json.dumps(pickler.fields, sort_keys=True).encode()))
    records += [(f"data/{number}", storage) for number, storage in enumerate(pickler.storages)]
    records.append(("version", b"3\n"))
    digest = hashlib.blake2b(digest_size=16)
    for name, content in records:
        crc = archive.add(name, content)
        digest.update(f"{name}:{len(content)}:{crc};".encode())
    # 40 digits that tell files apart; equal contents give equal files.
    archive.add(".data/serialization_id", str(int.from_bytes(digest.digest(), "big")).zfill(40).encode())
    archive.close()


def _write_all(file: Any) -> Callable[[Any], None]:
    """`file.write`, going on where a raw file takes only a part."""

    def write(data: Any) -> None:
        view = memoryview(data)
        while len(view):
            count = file.write(view)
            # Buffered files take everything, and writers of other libraries may not say how much.
            if count is None or count >= len(view):
                return
            view = view[count:]

    return write
