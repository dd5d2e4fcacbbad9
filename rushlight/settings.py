"""PyTorch's process-wide settings. Those that ask for what Rushlight always does are accepted and remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import backend, config
from rushlight.device import device, resolve
from rushlight.device import device as Device
from rushlight.errors import explain_error


class _Remembered:
    warn_always = False
    deterministic = False
    warn_only = False
    precision = "highest"
    interop_threads = 1


def get_num_threads() -> int:
    """How many threads a program may use."""
    return config.threads


def set_num_threads(count: int) -> None:
    """Set how many threads a program may use: those of native programs, and of NumPy's matrix products where NumPy runs an op.

    >>> import rushlight as torch
    >>> before = torch.get_num_threads()
    >>> torch.set_num_threads(3); torch.get_num_threads()
    3
    >>> torch.set_num_threads(before)
    """
    config.threads = _positive("set_num_threads", count)
    for name in {backend.chosen(), "numpy"}:
        backend.load(name).set_threads(count)


def get_num_interop_threads() -> int:
    """1, or what was set: a recorded step is one program, so there is nothing to run beside it."""
    return _Remembered.interop_threads


def set_num_interop_threads(count: int) -> None:
    """Remembered; without effect."""
    _Remembered.interop_threads = _positive("set_num_interop_threads", count)


def _positive(op: str, count: Any) -> int:
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(explain_error(op, got=f"{count!r}", expected="an int"))
    if count < 1:
        raise RuntimeError(explain_error(op, got=f"{count}", expected="a positive number of threads"))
    return count


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remembered; results are the same bits from run to run either way."""
    _Remembered.deterministic, _Remembered.warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was given."""
    return _Remembered.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was given as `warn_only`."""
    return _Remembered.deterministic and _Remembered.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """'default' (0), 'warn' (1) or 'error' (2): `use_deterministic_algorithms` by another name."""
    modes = ("default", "warn", "error")
    if debug_mode not in (*modes, 0, 1, 2):
        raise RuntimeError(
            explain_error(
                "set_deterministic_debug_mode",
                got=f"{debug_mode!r}",
                expected="0, 1 or 2, or 'default', 'warn' or 'error'",
            )
        )
    level = modes.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """What `set_deterministic_debug_mode` was given, as a number."""
    return 0 if not _Remembered.deterministic else 1 if _Remembered.warn_only else 2


def set_warn_always(b: bool) -> None:
    """Remembered. How often a warning is shown is for Python's filters to say: `warnings.simplefilter("always")`."""
    _Remembered.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was given."""
    return _Remembered.warn_always


def get_device_module(device: Any = None) -> Any:
    """The module of a device: `torch.cpu`. RuntimeError for a device without one."""
    import importlib

    kind = "cpu" if device is None else (device.type if isinstance(device, Device) else str(device).partition(":")[0])
    if kind not in ("cpu", "cuda", "mps", "xpu"):
        raise RuntimeError(explain_error("get_device_module", got=f"{device!r}", expected="'cpu' or 'cuda'"))
    return importlib.import_module(f"rushlight.{kind}")


def forget_programs() -> None:
    """Forget all recorded paths and compiled programs; what is pending is run first. Machine code on disk stays."""
    from rushlight.lazy import step, trie

    step.flush()
    trie.clear()
    step.forget()


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was given."""
    return _Remembered.precision


def set_float32_matmul_precision(precision: str) -> None:
    """'highest', 'high' or 'medium': remembered. Products of float32 are always computed in float32 or better."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            explain_error(
                "set_float32_matmul_precision", got=f"{precision!r}", expected="'highest', 'high' or 'medium'"
            )
        )
    _Remembered.precision = precision


def get_default_device() -> device:
    """The CPU."""
    return resolve(None)


def set_default_device(device: Any) -> None:
    """Accepts the CPU; RuntimeError for a device that this build cannot compute on."""
    if resolve(device).type != "cpu":
        raise NotImplementedError(
            explain_error(
                "set_default_device", got=f"{device!r}", expected="'cpu'", fix=f"pass device={device!r} to each call"
            )
        )


def compile(model: Callable | None = None, **options: Any) -> Callable:
    """The callable itself: every loop is recorded and compiled without being asked.

    `fullgraph`, `dynamic`, `backend`, `mode`, `options` and `disable` are accepted. Usable as a decorator.

    >>> import rushlight as torch
    >>> torch.compile(abs) is abs
    True
    """
    unknown = set(options) - {
        "fullgraph", "dynamic", "backend", "mode", "options", "name", "disable", "recompile_limit", "isolate_recompiles",
        "shapes_spec",
    }  # fmt: skip
    if unknown:
        raise TypeError(explain_error("compile", got=f"unknown option {min(unknown)!r}", expected="PyTorch's options"))
    if model is None:
        return lambda function: compile(function, **options)
    if not callable(model):
        raise TypeError(explain_error("compile", got=f"a {type(model).__name__}", expected="a module or a function"))
    return model
