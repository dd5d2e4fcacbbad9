"""Compiled kernels and the plans of Programs on disk, so that a step is compiled once per machine.

One file an entry, named by a hash of its key and of everything else that decides what is in it. An entry is a
checksum, the fingerprint of what it is for (processor, compiler), and its bytes; one that does not
check out is deleted and counts as absent. Writers make a temporary file and rename it, so any number of processes may
share a folder, and one that is killed leaves at most a temporary file, which `prune` removes. A folder that cannot be
used is never an error: kernels are then kept in memory only, and `problem` says why.

    load(key, fingerprint) -> bytes | None
    store(key, fingerprint, data)
    prune(limit)        delete the entries not used for longest until at most 4/5 of `limit` bytes are left
    clear() -> int      delete every entry; how many there were
    usage() -> (entries, bytes)
    folder() -> Path    where entries are: `config.cache_dir`, else the user's cache folder
    problem() -> str    "" if entries can be written, else the reason why not
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rushlight import config

_MAGIC = b"rushlight-1\n"
_DIGEST = 32
_HOUR = 3600.0


def folder() -> Path:
    """Where the entries are."""
    if config.cache_dir:
        return Path(config.cache_dir).expanduser() / "kernels"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "rushlight" / "kernels"


def _path(key: str, fingerprint: str) -> Path:
    name = hashlib.sha256(fingerprint.encode() + b"\0" + key.encode()).hexdigest()
    return folder() / f"{name}.o"


def _packed(fingerprint: str, data: bytes) -> bytes:
    mark = fingerprint.encode()
    body = len(mark).to_bytes(4, "little") + mark + data
    return _MAGIC + hashlib.sha256(body).digest() + body


def _unpacked(entry: bytes, fingerprint: str) -> bytes | None:
    """What is in an entry; None if the entry is damaged or for something else."""
    start = len(_MAGIC) + _DIGEST
    mark = fingerprint.encode()
    head = len(mark).to_bytes(4, "little") + mark
    if not entry.startswith(_MAGIC) or not entry.startswith(head, start):
        return None
    if hashlib.sha256(memoryview(entry)[start:]).digest() != entry[len(_MAGIC) : start]:
        return None
    return entry[start + len(head) :]


def load(key: str, fingerprint: str) -> bytes | None:
    """What was stored under a key for this fingerprint, if it is there and sound."""
    if config.cache_limit <= 0 or _untrusted(folder()):
        return None
    path = _path(key, fingerprint)
    try:
        with open(path, "rb") as file:
            used = os.fstat(file.fileno()).st_mtime
            data = _unpacked(file.read(), fingerprint)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if data is None:
            path.unlink()
        elif time.time() - used > _HOUR:
            os.utime(path)  # the time of the last use is what `prune` goes by
    return data


def store(key: str, fingerprint: str, data: bytes) -> None:
    """Keep some bytes. Whatever goes wrong, the entry is then absent or complete."""
    if config.cache_limit <= 0:
        return
    path = _path(key, fingerprint)
    temporary = path.with_name(f"{path.stem}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _untrusted(path.parent):
            return
        try:
            with open(temporary, "xb") as file:
                file.write(_packed(fingerprint, data))
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError:
        return
    if path.name.startswith("00"):  # about one store in 256, whichever process makes it
        prune(config.cache_limit)


def _untrusted(place: Path) -> str:
    """Why code from a folder must not be run: someone else could have put it there. "" if there is no reason."""
    if not hasattr(os, "getuid"):
        return ""
    try:
        status = os.stat(place)
    except OSError:
        return ""
    if status.st_uid not in (os.getuid(), 0):
        return f"{place} belongs to another user"
    return f"{place} can be written by every user" if status.st_mode & 0o002 else ""


def _entries() -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder()) as found:
            yield from (entry for entry in found if entry.name.endswith((".o", ".tmp")))
    except OSError:
        return


def prune(limit: int) -> None:
    """Delete what writers that died left behind and, above `limit` bytes, the entries not used for longest."""
    now, total = time.time(), 0
    kept: list[tuple[float, int, str]] = []
    for entry in _entries():
        with contextlib.suppress(OSError):
            status = entry.stat()
            if entry.name.endswith(".o"):
                kept.append((status.st_mtime, status.st_size, entry.path))
                total += status.st_size
            elif now - status.st_mtime > _HOUR:
                os.unlink(entry.path)
    if total <= limit:
        return
    for _, size, path in sorted(kept):
        if total <= limit * 4 // 5:
            return
        total -= size
        with contextlib.suppress(OSError):
            os.unlink(path)


def clear() -> int:
    """Delete every entry; how many were deleted."""
    count = 0
    for entry in _entries():
        with contextlib.suppress(OSError):
            os.unlink(entry.path)
            count += entry.name.endswith(".o")
    return count


def usage() -> tuple[int, int]:
    """How many entries there are, and their bytes."""
    sizes = []
    for entry in _entries():
        with contextlib.suppress(OSError):
            if entry.name.endswith(".o"):
                sizes.append(entry.stat().st_size)
    return len(sizes), sum(sizes)


def problem() -> str:
    """Why nothing can be kept on disk; "" if it can."""
    if config.cache_limit <= 0:
        return "switched off by RUSHLIGHT_CACHE_LIMIT"
    place = folder()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = place / f"probe.{secrets.token_hex(6)}.tmp"
        try:
            probe.write_bytes(_MAGIC)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return f"{place}: {error.strerror or error}"
    return _untrusted(place)
