"""Building a layer without spending time on its starting values."""

from __future__ import annotations

from typing import Any


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """`module_cls(*args, **kwargs)` with undefined parameters and an untouched random stream."""

    class Uninitialised(module_cls):
        def reset_parameters(self) -> None:
            """Leave the values as they are."""

    module = Uninitialised(*args, **kwargs)
    module.__class__ = module_cls
    return module
