"""Public names that live in outer rooms, and the AttributeError that suggests near ones."""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.errors import MissingNameError

# name: (module, attribute)
ELSEWHERE: dict[str, tuple[str, str]] = {
    "save": ("rushlight.serialization", "save"),
    "load": ("rushlight.serialization", "load"),
    "Generator": ("rushlight.random", "Generator"),
    "default_generator": ("rushlight.random", "default_generator"),
    "set_printoptions": ("rushlight.printing", "set_printoptions"),
    "autocast": ("rushlight.amp", "autocast"),
    **{
        name: ("rushlight.amp.autocast_mode", name)
        for name in (
            "clear_autocast_cache",
            "get_autocast_dtype",
            "is_autocast_cache_enabled",
            "is_autocast_enabled",
            "set_autocast_cache_enabled",
            "set_autocast_dtype",
            "set_autocast_enabled",
        )
    },
    "GradScaler": ("rushlight.amp", "GradScaler"),
    "DisableTorchFunctionSubclass": ("rushlight.overrides", "DisableTorchFunctionSubclass"),
    "vmap": ("rushlight.func", "vmap"),
    **{
        f"{kind}Tensor": ("rushlight.tensor_types", f"{kind}Tensor")
        for kind in ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")
    },
    "UntypedStorage": ("rushlight.storage", "UntypedStorage"),
    "TypedStorage": ("rushlight.storage", "TypedStorage"),
    **{
        name: ("rushlight.settings", name)
        for name in (
            "are_deterministic_algorithms_enabled",
            "get_default_device",
            "get_deterministic_debug_mode",
            "get_device_module",
            "is_warn_always_enabled",
            "set_deterministic_debug_mode",
            "set_warn_always",
            "get_float32_matmul_precision",
            "get_num_interop_threads",
            "get_num_threads",
            "is_deterministic_algorithms_warn_only_enabled",
            "set_default_device",
            "set_float32_matmul_precision",
            "set_num_interop_threads",
            "set_num_threads",
            "use_deterministic_algorithms",
        )
    },
}


def find(name: str) -> Any:
    """The attribute of `rushlight` with this name, or an AttributeError naming near ones."""
    if name in ELSEWHERE:
        module, attribute = ELSEWHERE[name]
        return getattr(importlib.import_module(module), attribute)
    import sys

    package = sys.modules["rushlight"]
    raise MissingNameError("module 'rushlight'", name, lambda: {*vars(package), *ELSEWHERE, *package._ROOMS})
