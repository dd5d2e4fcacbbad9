"""`torch.return_types`: the named tuples that functions such as `max` and `sort` return.

>>> import rushlight as torch
>>> isinstance(torch.tensor([2, 1]).sort(), torch.return_types.sort)
True
"""

from __future__ import annotations

from typing import Any

from rushlight.errors import MissingNameError
from rushlight.functional.results import FIELDS, RESULTS

__all__ = sorted(FIELDS)


def __getattr__(name: str) -> Any:
    if name in FIELDS:
        return RESULTS[name]
    raise MissingNameError("module 'rushlight.return_types'", name, lambda: __all__)


def __dir__() -> list[str]:
    return __all__
