"""`torch.nn.functional`: every family file of this package, under one name. Usually imported as `F`."""

from __future__ import annotations

import importlib
import pkgutil

__all__: list[str] = []

for _family in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_family.name}")
    for _name in _module.__all__:
        globals()[_name] = getattr(_module, _name)
    __all__ += _module.__all__
