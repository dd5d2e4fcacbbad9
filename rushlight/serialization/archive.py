"""The zip container of `.pth` files: entries stored (never compressed), 64-byte aligned, each with its CRC.

The directory of a file is believed only after every number in it has been checked against the size of the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from rushlight.serialization.source import Source

ALIGNMENT = 64
_MAX_ENTRIES = 250_000
_BIG = 0xFFFFFFFF
_UTF8, _DESCRIPTOR = 0x800, 0x8

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
# Field tag, payload size, file size, stored size, offset of the header.
_EXTRA64 = struct.Struct("<2H3Q")


class Entry(NamedTuple):
    """One file inside the archive, as its directory describes it."""

    name: str
    crc: int
    size: int
    header: int


def read_directory(source: Source) -> dict[str, Entry]:
    """The entries by name; FileFormatError unless they are stored, unique, inside the file and do not overlap."""
    start, size, count = _find_directory(source)
    if count > _MAX_ENTRIES:
        raise source.error(start, f"a directory of {count} entries", f"at most {_MAX_ENTRIES}")
    if count * _CENTRAL.size > size:
        raise source.error(start, f"a directory of {size} bytes for {count} entries", "at least 46 bytes an entry")
    block = source.read(start, size)
    entries: dict[str, Entry] = {}
    at = 0
    for _ in range(count):
        entry, at = _read_central(source, block, start, at)
        if entry.name in entries:
            raise source.error(start + at, f"the entry {entry.name!r} twice", "unique names")
        entries[entry.name] = entry
    end = 0
    for entry in sorted(entries.values(), key=lambda e: e.header):
        if entry.header < end:
            raise source.error(entry.header, f"the entry {entry.name!r} overlapping the one before", "separate entries")
        end = entry.header + _LOCAL.size + len(entry.name.encode()) + entry.size
        if end > start:
            raise source.error(
                entry.header, f"the entry {entry.name!r} of {entry.size} bytes", f"entries that end before byte {start}"
            )
    return entries


def _find_directory(source: Source) -> tuple[int, int, int]:
    """(offset, size, number of entries) of the directory, from the record that ends the file."""
    at = source.size - _END.size
    tail = source.read(at, _END.size) if at >= 0 else b""
    if tail[:4] != b"PK\5\6":
        raise source.error(
            max(at, 0),
            "no zip directory at the end of the file",
            "a complete PyTorch zip file",
            "the file was cut off (interrupted download or save): fetch or save it again",
        )
    _, disk, first_disk, here, count, size, start, comment = _END.unpack(tail)
    if disk or first_disk or comment:
        raise source.error(at, "a zip file split over disks or with a comment", "one plain zip file")
    if here != count:
        raise source.error(at, f"entry counts {here} and {count}", "equal counts")
    limit = at
    if count == 0xFFFF or size == _BIG or start == _BIG:
        limit, size, start, count = _find_directory64(source, at)
    if start + size > limit:
        raise source.error(at, f"a directory at bytes {start} to {start + size}", f"it to end before byte {limit}")
    return start, size, count


def _find_directory64(source: Source, end: int) -> tuple[int, int, int, int]:
    at = end - _LOCATOR64.size
    magic, _, where, _ = _LOCATOR64.unpack(source.read(at, _LOCATOR64.size))
    if magic != b"PK\6\7" or where > at - _END64.size:
        raise source.error(max(at, 0), "no zip64 locator", "one, because the directory is marked as zip64")
    magic, _, _, _, _, _, _, count, size, start = _END64.unpack(source.read(where, _END64.size))
    if magic != b"PK\6\6":
        raise source.error(where, "no zip64 record", "one where the locator points")
    return where, size, start, count


def _read_central(source: Source, block: bytes, start: int, at: int) -> tuple[Entry, int]:
    """The entry described at `at`, and where the next one begins."""
    if at + _CENTRAL.size > len(block):
        raise source.error(start + at, "the end of the directory", "another entry")
    (magic, _, _, flags, method, _, _, crc, stored, size, n_name, n_extra, n_comment, disk, _, _, header) = (
        _CENTRAL.unpack_from(block, at)
    )
    body = at + _CENTRAL.size
    after = body + n_name + n_extra + n_comment
    if magic != b"PK\1\2" or after > len(block) or disk not in (0, 0xFFFF):
        raise source.error(start + at, "a damaged directory entry", "the signature PK\\1\\2 and lengths that fit")
    try:
        name = block[body : body + n_name].decode("utf-8")
    except UnicodeDecodeError:
        raise source.error(start + body, "an entry name that is not UTF-8", "UTF-8 names") from None
    if method or flags & 1:
        raise source.error(
            start + at,
            f"the entry {name!r} compressed or encrypted",
            "stored entries",
            "zip the folder again without compression (zip -0), or save it again with torch.save",
        )
    extra = block[body + n_name : body + n_name + n_extra]
    wide = _zip64_values(extra, size == _BIG, stored == _BIG, header == _BIG)
    if wide is None:
        raise source.error(start + at, f"the entry {name!r} without its zip64 sizes", "them in its extra field")
    size = wide.pop(0) if size == _BIG else size
    stored = wide.pop(0) if stored == _BIG else stored
    header = wide.pop(0) if header == _BIG else header
    if size != stored:
        raise source.error(start + at, f"the entry {name!r} with sizes {size} and {stored}", "equal sizes")
    return Entry(name, crc, size, header), after


def _zip64_values(extra: bytes, *wanted: bool) -> list[int] | None:
    """The 64-bit values of an extra field, or None when fewer are there than wanted."""
    need = sum(wanted)
    at = 0
    while need and at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if tag == 1:
            have = min(length, len(extra) - at) // 8
            return list(struct.unpack_from(f"<{need}Q", extra, at)) if have >= need else None
        at += length
    return [] if not need else None


def data_offset(source: Source, entry: Entry) -> int:
    """Where the bytes of an entry begin, after checking that its own header agrees with the directory."""
    block = source.read(entry.header, _LOCAL.size)
    magic, _, flags, method, _, _, crc, stored, size, n_name, n_extra = _LOCAL.unpack(block)
    name = source.read(entry.header + _LOCAL.size, n_name) if magic == b"PK\3\4" else b""
    late = flags & _DESCRIPTOR
    differs = not late and (crc != entry.crc or (size not in (entry.size, _BIG)) or (stored not in (entry.size, _BIG)))
    if magic != b"PK\3\4" or method or flags & 1 or name != entry.name.encode() or differs:
        raise source.error(entry.header, f"a header that disagrees with the directory about {entry.name!r}", "the same")
    begin = entry.header + _LOCAL.size + n_name + n_extra
    if begin + entry.size > source.size:
        raise source.error(begin, f"{source.size - begin} bytes for {entry.name!r}", f"{entry.size}")
    return begin


class ArchiveWriter:
    """Writes entries through `write(bytes-like)`, and the directory at `close`.

    Works on anything that takes bytes in order: sizes and CRCs are known before an entry is written, so nothing
    is patched afterwards.
    """

    def __init__(self, write: Callable[[Any], Any], folder: str = "archive"):
        self._write = write
        self._folder = folder
        self._entries: list[Entry] = []
        self._at = 0

    def add(self, name: str, data: Any) -> int:
        """Store `data` under `folder/name`, aligned to 64 bytes; returns its CRC."""
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        full = f"{self._folder}/{name}"
        entry = Entry(full, zlib.crc32(view), len(view), self._at)
        raw = full.encode()
        size = min(entry.size, _BIG)
        extra = _EXTRA64.pack(1, 24, entry.size, entry.size, entry.header) if size == _BIG else b""
        # PyTorch's padding: an extra field tagged "FB" that pushes the data to the next multiple of 64.
        padding = -(self._at + _LOCAL.size + len(raw) + len(extra) + 4) % ALIGNMENT
        extra += b"FB" + struct.pack("<H", padding) + b"Z" * padding
        header = _LOCAL.pack(b"PK\3\4", 45, _UTF8, 0, 0, 0, entry.crc, size, size, len(raw), len(extra))
        self._put(header + raw + extra)
        if entry.size:
            self._put(view)
        self._entries.append(entry)
        return entry.crc

    def close(self) -> None:
        """Write the directory that ends the file, with the zip64 records that PyTorch's own files carry."""
        start = self._at
        for entry in self._entries:
            raw = entry.name.encode()
            wide = entry.size >= _BIG or entry.header >= _BIG
            size, header = (_BIG, _BIG) if wide else (entry.size, entry.header)
            extra = _EXTRA64.pack(1, 24, entry.size, entry.size, entry.header) if wide else b""
            self._put(
                _CENTRAL.pack(
                    b"PK\1\2", 45, 45, _UTF8, 0, 0, 0, entry.crc, size, size, len(raw), len(extra), 0, 0, 0, 0, header
                )
                + raw
                + extra
            )
        end, count = self._at, len(self._entries)
        self._put(_END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, end - start, start))
        self._put(_LOCATOR64.pack(b"PK\6\7", 0, end, 1))
        few = min(count, 0xFFFF)
        self._put(_END.pack(b"PK\5\6", 0, 0, few, few, min(end - start, _BIG), min(start, _BIG), 0))

    def _put(self, data: Any) -> None:
        self._write(data)
        self._at += len(data)
