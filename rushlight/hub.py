"""`torch.hub`: models that a folder's `hubconf.py` offers. A folder of this machine is read; the network is not asked for code.

A `hubconf.py` is a Python file: each public function in it is an entry point, and `dependencies` lists packages that it needs.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from rushlight.errors import explain_error

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # the hash in a name such as resnet18-f37072fd.pth

_chosen: builtins.list[str] = []


def _get_torch_home() -> str:
    """`$TORCH_HOME`, or `~/.cache/torch`."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.expanduser(os.environ.get("TORCH_HOME", cache))


def get_dir() -> str:
    """Where downloads go: `set_dir`'s folder, or `$TORCH_HOME/hub`, or `~/.cache/torch/hub`."""
    return _chosen[0] if _chosen else os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Set what `get_dir` says."""
    _chosen[:] = [os.path.expanduser(d)]


def load(
    repo_or_dir: str, model: str, *args: Any, source: str = "github", trust_repo: Any = "check", force_reload: bool = False,
    verbose: bool = True, skip_validation: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """`entry(*args, **kwargs)` for the entry point `model` of the folder `repo_or_dir`, with source="local".

    Errors: NotImplementedError for source="github"; RuntimeError for an unknown entry point or a missing dependency;
    FileNotFoundError for a folder without `hubconf.py`.
    """
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    verbose: bool = True,
) -> builtins.list[str]:
    """The entry points of a folder."""
    module = _hubconf(github, "local" if os.path.isdir(github) else "github")
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check"
) -> str | None:
    """The docstring of an entry point."""
    return _entry(_hubconf(github, "local" if os.path.isdir(github) else "github"), model).__doc__


def _hubconf(place: str, source: str) -> ModuleType:
    if source not in ("github", "local"):
        raise ValueError(explain_error("torch.hub", got=f"source={source!r}", expected="'github' or 'local'"))
    if source == "github":
        raise NotImplementedError(
            explain_error(
                "torch.hub", got=f"{place!r} with source='github'", expected="a folder of this machine: code from the network is not fetched",
                fix=f"git clone https://github.com/{place.partition(':')[0]}, then torch.hub.load('./{place.partition(':')[0].rpartition('/')[2]}', ..., source='local')",
            )
        )  # fmt: skip
    folder = os.path.abspath(os.path.expanduser(place))
    path = os.path.join(folder, "hubconf.py")
    if not os.path.isfile(path):
        raise FileNotFoundError(explain_error("torch.hub", got=f"the folder {folder!r}", expected="a hubconf.py in it"))
    spec = importlib.util.spec_from_file_location("hubconf", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.path.insert(0, folder)  # its own imports
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    finally:
        sys.path.remove(folder)
    missing = [
        name
        for name in getattr(module, "dependencies", ())
        if name not in ("torch", "torchvision", "torchaudio") and importlib.util.find_spec(name) is None
    ]
    if missing:
        raise RuntimeError(
            explain_error(
                "torch.hub",
                got=f"{path}, which needs {', '.join(missing)}",
                expected="them installed",
                fix=f"pip install {' '.join(missing)}",
            )
        )
    return module


def _entry(module: ModuleType, name: str) -> Callable[..., Any]:
    if not isinstance(name, str):
        raise ValueError(
            explain_error("torch.hub", got=f"a {type(name).__name__} as the model", expected="an entry point's name")
        )
    found = getattr(module, name, None)
    if not callable(found):
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise RuntimeError(
            explain_error(
                "torch.hub",
                got=f"{name!r}",
                expected=f"an entry point of {module.__file__}: {', '.join(known) or 'there is none'}",
            )
        )
    return found


def _digest(path: str) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download to a file, which appears under its name when it is complete.

    Errors: RuntimeError if its SHA-256 does not begin with `hash_prefix`; OSError of the network's.
    """
    import shutil
    import tempfile
    from urllib.request import Request, urlopen

    dst = os.path.expanduser(dst)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(dst) or ".", delete=False) as part:
        try:
            with urlopen(Request(url, headers={"User-Agent": "rushlight"})) as source:
                shutil.copyfileobj(source, part)
            part.close()
            if hash_prefix is not None and not _digest(part.name).startswith(hash_prefix):
                raise RuntimeError(
                    explain_error(
                        "download_url_to_file",
                        got=f"{url}, whose SHA-256 is {_digest(part.name)}",
                        expected=f"one that begins with {hash_prefix}",
                    )
                )
            os.replace(part.name, dst)
        finally:
            if os.path.exists(part.name):
                os.remove(part.name)


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True, check_hash: bool = False,
    file_name: str | None = None, weights_only: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """`torch.load` of a file that is downloaded once to `model_dir`, by default `get_dir()/checkpoints`.

    check_hash  the name ends in `-` and the first digits of the file's SHA-256, which are compared
    """
    import rushlight

    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        digits = re.search(r"-([a-f0-9]{6,})\.", name) if check_hash else None
        download_url_to_file(url, path, digits[1] if digits else None, progress)
    return rushlight.load(path, map_location=map_location, weights_only=weights_only)
