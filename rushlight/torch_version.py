"""`torch.torch_version`: a version string that compares by its numbers."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["TorchVersion"]

_FORM = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.-]?(a|b|rc|dev)(\d*))?[^+]*(?:\+(.*))?$")


class TorchVersion(str):
    """A string that is ordered as a version when it is compared with a string or with a tuple of numbers.

    >>> version = TorchVersion("2.13.0+cpu")
    >>> version > "2.5", version >= (2, 13), version < "2.13.1", version == "2.13.0+cpu"
    (True, True, True, True)
    """

    def __eq__(self, other: object) -> bool:
        return _key(self) == _key(other)

    def __ne__(self, other: object) -> bool:
        return _key(self) != _key(other)

    def __lt__(self, other: Any) -> bool:
        return _key(self) < _key(other)

    def __le__(self, other: Any) -> bool:
        return _key(self) <= _key(other)

    def __gt__(self, other: Any) -> bool:
        return _key(self) > _key(other)

    def __ge__(self, other: Any) -> bool:
        return _key(self) >= _key(other)

    __hash__ = str.__hash__


def _key(version: Any) -> tuple[Any, ...]:
    """What versions are ordered by: the numbers without zeros at the end, then pre-releases first and local builds last."""
    if isinstance(version, (tuple, list)):
        version = ".".join(map(str, version))
    found = _FORM.match(str(version))
    if found is None:
        return ((), "", 0, str(version))
    numbers, stage, count, local = found.groups()
    release = [int(n) for n in numbers.split(".")]
    while release and not release[-1]:
        release.pop()
    return (tuple(release), stage or "release", int(count or 0), local or "")
