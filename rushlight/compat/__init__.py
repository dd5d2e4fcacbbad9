"""`import torch` answered by Rushlight: a finder in front of Python's own. Names only; no behaviour is changed.

What asks for `torch.__version__` is told the version of PyTorch whose names these are, with Rushlight's own behind a plus sign.

>>> import rushlight.compat
>>> with rushlight.compat.redirected():
...     import torch.nn.functional as F
>>> F is rushlight.nn.functional
True
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import rushlight
from rushlight.compat.names import FOLLOWED, MOVED, PACKAGES
from rushlight.torch_version import TorchVersion

__all__ = ["install", "redirected", "uninstall"]

OWN_VERSION = rushlight.__version__


def target_of(name: str) -> str | None:
    """The Rushlight module that answers for a PyTorch module's name; None for names of other packages.

    >>> target_of("torch.optim.lr_scheduler"), target_of("torchvision.datasets"), target_of("numpy")
    ('rushlight.optim.lr_scheduler', 'rushlight.vision.datasets', None)
    """
    if name in MOVED:
        return MOVED[name]
    package, dot, rest = name.partition(".")
    return PACKAGES[package] + dot + rest if package in PACKAGES else None


class _Alias(Loader):
    """Gives an import the module that exists already, under its own name and with its own spec."""

    def __init__(self, target: str):
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own_spec  # the import system has just put the alias's spec there


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = target_of(name)
        if found is None:
            return None
        if not _exists(found):
            raise ModuleNotFoundError(_missing(name, found), name=name)
        return ModuleSpec(name, _Alias(found))


_finder = _Finder()


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # one of its parents is missing
        return False


def _missing(name: str, target: str) -> str:
    import difflib
    import pkgutil

    parent, _, _ = name.rpartition(".")
    there: list[str] = []
    if parent:
        home = sys.modules[parent]
        there = [m.name for m in pkgutil.iter_modules(getattr(home, "__path__", [])) if not m.name.startswith("_")]
    near = difflib.get_close_matches(name.rpartition(".")[2], there, 3, 0.6)
    hint = f"; near names: {', '.join(f'{parent}.{n}' for n in near)}" if near else ""
    return f"No module named {name!r}: Rushlight answers for {name.partition('.')[0]} and has no {target} yet{hint}"


def install() -> None:
    """From now on `torch`, `torchvision` and `torchaudio` mean Rushlight, whether or not PyTorch is installed.

    Errors: RuntimeError when the real one has been imported already.
    """
    for package, home in PACKAGES.items():
        loaded = sys.modules.get(package)
        if loaded is not None and loaded is not sys.modules.get(home):
            raise RuntimeError(
                f"rushlight.compat.install: got {package} imported already, from {getattr(loaded, '__file__', '?')}; "
                "expected to come first. Fix: install before the first import of torch."
            )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _set_version(TorchVersion(f"{FOLLOWED}+rushlight.{OWN_VERSION}"))


def _set_version(version: str) -> None:
    rushlight.__version__ = rushlight.version.__version__ = version


def uninstall() -> None:
    """Undo `install`; modules that were imported stay what they are to those who hold them."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        _set_version(OWN_VERSION)
        for name in [n for n in sys.modules if target_of(n) is not None]:
            del sys.modules[name]


@contextlib.contextmanager
def redirected() -> Iterator[None]:
    """`install` for the length of a block; modules of the real PyTorch are put aside and come back."""
    aside = {name: sys.modules.pop(name) for name in list(sys.modules) if target_of(name) is not None}
    install()
    try:
        yield
    finally:
        uninstall()
        sys.modules.update(aside)
