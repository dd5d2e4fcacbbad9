"""`load`: PyTorch's zip files as plain data and tensors, nothing from the file ever run."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.serialization import allowed, archive, rebuild, tensors
from rushlight.serialization.modules import FIELDS_RECORD, ModulePolicy
from rushlight.serialization.refusal import CallbackError, Refusal, shown
from rushlight.serialization.source import MappedSource, Source
from rushlight.serialization.unpickle import Policy, unpickle

_SMALL = 1 << 20
_DEVICES = ("cpu", "cuda", "meta", "mps", "xpu", "hpu", "mtia", "xla", "privateuseone")
# How files begin that people try to load, and what to do with them.
_OTHER_FILES = (
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a file of PyTorch before 1.6 (the legacy format)",
     "open it once in PyTorch and save it again: torch.save(torch.load(path), path)"),
    (b"\x80", "a bare pickle", "it was not written by torch.save; save its content again with torch.save"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the real file: git lfs pull"),
    (b"<", "a web page or XML", "the download failed: fetch the file itself"),
    (b"\x89HDF", "an HDF5 file", "read it with h5py"),
    (b"\x1f\x8b", "a gzip file", "unpack it first: gunzip"),
)  # fmt: skip


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save`, or PyTorch's own `torch.save`, wrote to a path or to a seekable binary file object.

    Nothing from the file is run: it is plain data and tensors. `weights_only=False` allows whole modules too, of
    classes that the program has already imported. `map_location` is None, 'cpu', a device, a dict of such, or a
    function (storage, location) -> storage or None; files saved on a GPU need `map_location='cpu'`. `mmap=True`
    (paths only) maps the file instead of reading it, and then skips the check sums of tensor data.

    FileFormatError: the file is damaged or no such file. UnsafeFileError (also a pickle.UnpicklingError): the file
    asks for something that plain data never needs.

    >>> import io
    >>> import rushlight as torch
    >>> buffer = io.BytesIO()
    >>> torch.save({"epoch": 3, "w": torch.ones(2)}, buffer)
    >>> torch.load(io.BytesIO(buffer.getvalue()))
    {'epoch': 3, 'w': tensor([1., 1.])}
    """
    if pickle_module is not None or pickle_load_args.keys() - {"encoding"}:
        odd = "pickle_module" if pickle_module is not None else ", ".join(pickle_load_args)
        raise ValueError(
            explain_error("torch.load", got=odd, expected="none: files are read without pickle", fix="leave it out")
        )
    if map_location is not None and not callable(map_location) and not isinstance(
        map_location, (str, dict, rushlight.device)
    ):  # fmt: skip
        raise TypeError(
            explain_error(
                "torch.load", got=f"map_location of type {type(map_location).__name__}",
                expected="None, a device, a name, a dict or a function",
            )
        )  # fmt: skip
    weights_only = True if weights_only is None else weights_only
    if isinstance(f, (str, os.PathLike)):
        if mmap:
            return _load(MappedSource(os.fspath(f)), map_location, weights_only, check_data=False)
        with open(f, "rb") as file:
            return _load(Source(file, os.fspath(f)), map_location, weights_only)
    if mmap:
        raise ValueError(
            explain_error("torch.load", got="mmap=True with a file object", expected="a path", fix="pass the path")
        )
    if not all(hasattr(f, method) for method in ("read", "seek", "tell")):
        raise AttributeError(
            explain_error(
                "torch.load", got=f"a {type(f).__name__}", expected="a path or a seekable binary file",
                fix="read it into memory first: io.BytesIO(f.read())",
            )
        )  # fmt: skip
    return _load(Source(f, getattr(f, "name", None) or f"<{type(f).__name__}>"), map_location, weights_only)


def _load(source: Source, map_location: Any, weights_only: bool, check_data: bool = True) -> Any:
    _refuse_other_files(source)
    records = _Records(source, check_data)
    if "constants.pkl" in records:
        raise source.error(0, "a TorchScript archive", "a file of torch.save", "read it with torch.jit.load")
    for name, good in (("byteorder", (b"little",)), (".format_version", (b"1",)), ("version", _VERSIONS)):
        if name in records and records.read(name).strip() not in good:
            raise source.error(
                records.offset(name), f"{records.read(name)[:20]!r} in the record {name!r}",
                f"{good[0].decode()!r}", "save the file again with a current PyTorch on a little-endian machine",
            )  # fmt: skip
    storages = _Storages(records, map_location)
    policy: Policy = (
        allowed.WeightsPolicy(storages.load) if weights_only else ModulePolicy(storages.load, _fields(records))
    )
    start = records.offset("data.pkl")
    return unpickle(
        records.read("data.pkl", limit=source.size),
        policy,
        lambda position, got, expected=None, fix=None: source.error(start + position, got, expected, fix),
    )


_VERSIONS = tuple(str(n).encode() for n in (3, 1, 2, 4, 5, 6, 7, 8, 9, 10))


def _refuse_other_files(source: Source) -> None:
    head = source.read(0, min(source.size, 512))
    if not head:
        raise source.error(0, "an empty file", "a file written by torch.save", "save again: the earlier save failed")
    if head[:2] == b"PK":
        return
    for magic, what, fix in _OTHER_FILES:
        if head.startswith(magic):
            raise source.error(0, what, "a zip file written by torch.save", fix)
    if head[8:10] == b'{"':
        raise source.error(
            0, "a safetensors file", "a zip file of torch.save", "rushlight.serialization.safetensors.load_file(path)"
        )
    if head[257:262] == b"ustar":
        raise source.error(0, "a file of the first PyTorch versions (tar)", "a zip file", _OTHER_FILES[0][2])
    raise source.error(0, f"{head[:8]!r}", "a zip file written by torch.save (it begins with PK)")


class _Records:
    """The records of an archive by their names inside its folder."""

    def __init__(self, source: Source, check_data: bool):
        self.source = source
        entries = archive.read_directory(source)
        folders = {name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")}
        if len(folders) != 1:
            raise source.error(
                source.size, f"a zip file with {len(folders)} records named data.pkl", "exactly one",
                "this zip file was not written by torch.save",
            )  # fmt: skip
        prefix = folders.pop() + "/"
        self._entries = {name[len(prefix) :]: entry for name, entry in entries.items() if name.startswith(prefix)}
        # torch.serialization.set_crc32_options(False) leaves every check sum 0.
        self._checked = any(entry.crc for entry in entries.values())
        self._check_data = check_data

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def offset(self, name: str) -> int:
        return archive.data_offset(self.source, self._entries[name])

    def size(self, name: str) -> int:
        return self._entries[name].size

    def read(self, name: str, limit: int = _SMALL) -> bytes:
        """The bytes of a record of at most `limit` bytes."""
        if self.size(name) > limit:
            raise self.source.error(self.offset(name), f"{self.size(name)} bytes in {name!r}", f"at most {limit}")
        data = self.source.read(self.offset(name), self.size(name))
        self._check(name, data)
        return data

    def array(self, name: str) -> Any:
        """The bytes of a record as a uint8 array."""
        data = self.source.array(self.offset(name), self.size(name))
        if self._check_data:
            self._check(name, data)
        return data

    def _check(self, name: str, data: Any) -> None:
        if self._checked and zlib.crc32(data) != self._entries[name].crc:
            raise self.source.error(
                self.offset(name),
                f"damaged bytes in the record {name!r} (its CRC differs)",
                "the bytes that were saved",
                "the file changed after it was saved: fetch or save it again",
            )  # fmt: skip


def _fields(records: _Records) -> dict[str, list[str]]:
    """What `save` noted about the classes of a whole module; empty for files of PyTorch."""
    if FIELDS_RECORD not in records:
        return {}
    try:
        found = json.loads(records.read(FIELDS_RECORD))
    except (ValueError, RecursionError) as error:
        raise records.source.error(records.offset(FIELDS_RECORD), f"no JSON ({error})", "a table of classes") from None
    if type(found) is not dict or not all(
        type(names) is list and all(type(name) is str for name in names) for names in found.values()
    ):
        raise records.source.error(records.offset(FIELDS_RECORD), "no table of classes", "names by class")
    return found


class _Storages:
    """Loads each storage once, where `map_location` wants it."""

    def __init__(self, records: _Records, map_location: Any):
        self._records = records
        self._map = map_location
        self._blobs: dict[str, tensors.Blob | None] = {}

    def load(self, key: tuple) -> rebuild.Stored:
        """The storage of a persistent id ('storage', class, key, location, number of elements)."""
        _, kind, name, location, numel = key
        if type(name) is not str or type(location) is not str or type(numel) is not int or numel < 0:
            raise Refusal("a damaged storage id", "a key, a location and a number of elements")
        if isinstance(kind, rebuild.Token) and kind in rebuild.STORAGE_TOKENS:
            typed = rebuild.STORAGE_TOKENS[kind]
            dtype_name: str | None = typed
            item = tensors.find_dtype(typed).itemsize
        elif kind in rebuild.UNTYPED_TOKENS:
            dtype_name, item = None, 1
        else:
            raise Refusal(f"a storage of the class {shown(kind)}", "a storage class of torch")
        record = f"data/{name}"
        if record not in self._records:
            raise Refusal(f"the storage {name[:40]!r}, for which the file has no record", "every storage it names")
        if numel * item > self._records.size(record):
            raise Refusal(
                f"a storage of {numel} elements ({numel * item} bytes)", f"at most {self._records.size(record)} bytes"
            )
        if name not in self._blobs:
            self._blobs[name] = self._place(record, location)
        return rebuild.Stored(self._blobs[name], dtype_name, numel)

    def _place(self, record: str, location: str) -> tensors.Blob | None:
        blob = None
        target: Any = self._map
        if target is None:
            target = location
        elif isinstance(target, dict):
            target = target.get(location, location)
        elif callable(target):
            blob = tensors.Blob(self._records.array(record))
            target = _call(target, tensors.storage_of(blob), location)
        kind = str(target).split(":")[0]
        if kind == "meta":
            return None
        if self._map is None and kind not in _DEVICES:
            raise Refusal(f"tensors saved on {location[:40]!r}", "a device", "torch.load(path, map_location='cpu')")
        if kind != "cpu":
            asked = f"tensors saved on {location!r}"
            if self._map is not None:
                asked = f"map_location asks for {str(target)!r}"
            raise CallbackError(
                RuntimeError(
                    explain_error(
                        f"torch.load: {self._records.source.name}", got=asked,
                        expected="'cpu', the device that this build computes on",
                        fix="torch.load(path, map_location='cpu')",
                    )
                )
            )  # fmt: skip
        return blob or tensors.Blob(self._records.array(record))


def _call(function: Callable[..., Any], storage: Any, location: str) -> Any:
    """The device that the caller's `map_location` function chose."""
    try:
        result = function(storage, location)
        return location if result is None else getattr(result, "device", "cpu")
    except Exception as error:
        raise CallbackError(error) from None
