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
        name: ("rushlight.autograd.anomaly", name)
        for name in ("is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_anomaly_enabled")
    },
    **{
        f"{kind}Tensor": ("rushlight.tensor_types", f"{kind}Tensor")
        for kind in ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")
    },
    "sparse_coo_tensor": ("rushlight.sparse.create", "sparse_coo_tensor"),
    "sparse_compressed_tensor": ("rushlight.sparse.compressed", "sparse_compressed_tensor"),
    **{
        f"sparse_{kind}_tensor": ("rushlight.sparse.compressed", f"sparse_{kind}_tensor")
        for kind in ("csr", "csc", "bsr", "bsc")
    },
    **{
        name: ("rushlight.sparse.methods", name)
        for name in ("spmm", "dsmm", "smm", "hspmm", "hsmm", "saddmm", "sspaddmm")
    },
    "AcceleratorError": ("rushlight.errors", "MissingDeviceError"),
    "OutOfMemoryError": ("rushlight.errors", "OutOfMemoryError"),
    "Event": ("rushlight.streams", "Event"),
    "Stream": ("rushlight.streams", "Stream"),
    "cond": ("rushlight._higher_order_ops", "cond"),
    "lobpcg": ("rushlight._lobpcg", "lobpcg"),
    "while_loop": ("rushlight._higher_order_ops", "while_loop"),
    **{
        name: ("rushlight.amp.per_device", name)
        for name in (
            "autocast_decrement_nesting",
            "autocast_increment_nesting",
            "get_autocast_cpu_dtype",
            "get_autocast_gpu_dtype",
            "is_autocast_cpu_enabled",
            "set_autocast_cpu_dtype",
            "set_autocast_cpu_enabled",
            "set_autocast_gpu_dtype",
        )
    },
    **{
        name: ("rushlight.capabilities", name)
        for name in (
            "has_cuda",
            "has_cudnn",
            "has_lapack",
            "has_mkl",
            "has_mkldnn",
            "has_mps",
            "has_openmp",
            "has_spectral",
            "init_num_threads",
            "is_distributed",
        )
    },
    **{
        f"{kind}Storage": ("rushlight.typed_storages", f"{kind}Storage")
        for kind in (
            *("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool"),
            *("ComplexFloat", "ComplexDouble"),
        )
    },
    "Future": ("rushlight.futures", "Future"),
    **{name: ("rushlight.symbols", name) for name in ("SymBool", "SymFloat", "SymInt")},
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
    if name.startswith("_foreach_"):
        from rushlight.foreach import find as function

        return function(name)
    if name == "torch":  # annotations that say torch.torch.Tensor, as editors complete it
        return package
    raise MissingNameError("module 'rushlight'", name, lambda: {*vars(package), *ELSEWHERE, *package._ROOMS})
