"""Checksums, downloads that leave either a whole checked file or none, and archives."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rushlight.errors import explain_error

if TYPE_CHECKING:
    from typing import Self

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without an answer, after which the next mirror is tried


def calculate_md5(fpath: str | os.PathLike[str], chunk_size: int = 1 << 20) -> str:
    """The file's MD5 in hexadecimal (a checksum against damage, not against attackers)."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: str | os.PathLike[str], md5: str, **kwargs: Any) -> bool:
    """Whether the file's MD5 is this one."""
    return calculate_md5(fpath, **kwargs) == md5


def check_integrity(fpath: str | os.PathLike[str], md5: str | None = None) -> bool:
    """Whether the file is there and, if given, has this MD5."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


class _Quiet:
    """Stands in for a progress bar where tqdm is not installed."""

    def __init__(self, **settings: Any) -> None:
        del settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def update(self, count: int) -> None:
        del count


def _progress(total: int | None, name: str) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _Quiet()
    return tqdm(total=total, unit="B", unit_scale=True, desc=name)


def _fetch(url: str, path: str, md5: str | None) -> None:
    """One try: into a temporary file beside the target, checked, then renamed."""
    request = urllib.request.Request(url, headers={"User-Agent": "rushlight"})
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path) + ".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            received = 0
            with _progress(total, os.path.basename(path)) as bar:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    received += len(chunk)
                    bar.update(len(chunk))
        if total is not None and received != total:
            raise OSError(f"the connection ended after {received} of {total} bytes")
        if md5 is not None and (seen := calculate_md5(temporary)) != md5:
            raise OSError(f"MD5 is {seen}, expected {md5}")
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def download_from(urls: Sequence[str], root: str | os.PathLike[str], filename: str, md5: str | None = None) -> str:
    """The file `filename` under `root`, from the first of `urls` that gives it whole; returns its path.

    Errors: RuntimeError that lists what every address answered, and says where to put the file by hand.
    """
    root = os.path.expanduser(os.fspath(root))
    os.makedirs(root, exist_ok=True)
    path = os.path.join(root, filename)
    if check_integrity(path, md5):
        return path
    answers = []
    for url in urls:
        try:
            _fetch(url, path, md5)
            return path
        except (OSError, ValueError) as error:  # URLError, timeouts and broken connections are OSErrors
            answers.append(f"  {url}: {getattr(error, 'reason', None) or error}")
    raise RuntimeError(
        explain_error(
            f"download of {filename}",
            got="no whole file from any address:\n" + "\n".join(answers),
            expected="one that answers",
            fix=f"check the connection, or fetch the file on another machine and put it at {os.path.abspath(path)}",
        )
    )


def download_url(
    url: str,
    root: str | os.PathLike[str],
    filename: str | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """One file from one address into `root`; see `download_from`."""
    del max_redirect_hops  # urllib follows redirects itself, with its own bound
    download_from([url], root, filename or os.path.basename(url), md5)


def extract_archive(from_path: str | os.PathLike[str], to_path: str | os.PathLike[str] | None = None) -> str:
    """Unpacks a .zip, .tar, .tar.gz or .tgz file into `to_path` (default: beside it); nothing is written elsewhere."""
    source = os.fspath(from_path)
    target = os.fspath(to_path) if to_path is not None else os.path.dirname(source)
    os.makedirs(target, exist_ok=True)
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                archive.extractall(target)  # zipfile drops ".." and leading slashes from the names
        else:
            with tarfile.open(source) as tar:
                tar.extractall(target, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise RuntimeError(
            explain_error("extract_archive", got=f"{source!r}: {error}", expected="a whole zip or tar file")
        ) from error
    return target


def download_and_extract_archive(
    url: str,
    download_root: str | os.PathLike[str],
    extract_root: str | os.PathLike[str] | None = None,
    filename: str | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """`download_url`, then `extract_archive`."""
    path = download_from([url], download_root, filename or os.path.basename(url), md5)
    extract_archive(path, extract_root if extract_root is not None else download_root)
    if remove_finished:
        os.unlink(path)


def copy_atomically(source: Any, path: str) -> None:
    """What an open file still holds, as a new file: whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(source, file)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
