"""Names, argument names, kinds and defaults of torch.nn, torch.nn.functional, torch.nn.utils and torch.optim."""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

import pytest

import rushlight  # noqa: F401

torch = pytest.importorskip("torch")

# module -> names of it that are left out
ROOMS: dict[str, set[str]] = {
    "nn.modules": {"Container"},  # gone from PyTorch's own documentation; a Module
    "nn.functional": {
        "ScalingType", "SwizzleType", "assert_int_or_pair", "grouped_mm", "scaled_grouped_mm", "scaled_mm",  # float8 on GPUs
    },
    "nn.init": set(),
    "nn.parameter": set(),
    "nn.grad": set(),
    "nn.parallel": {"gather", "parallel_apply", "replicate", "scatter", "DistributedDataParallel"},  # several devices
    "nn.utils.clip_grad": set(),
    "nn.utils.convert_parameters": set(),
    "nn.utils.fusion": set(),
    "nn.utils.init": set(),
    "nn.utils.parametrizations": set(),
    "nn.utils.parametrize": set(),
    "nn.utils.prune": set(),
    "nn.utils.rnn": set(),
    "nn.utils.stateless": set(),
    "optim": {"swap_in_optimizer_params_and_state"},
    "optim.lr_scheduler": set(),
    "optim.swa_utils": set(),
}  # fmt: skip


def shown(default: Any) -> str:
    """A default as text; functions by their name, since a library has its own."""
    return getattr(default, "__name__", None) or repr(default)


def signature(thing: Any) -> list[tuple[str, str, str]] | None:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(p.name, p.kind.name, shown(p.default)) for p in parameters]


def public(module: Any) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if hasattr(module, name)]
    return [n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__]


@pytest.mark.parametrize("room", ROOMS)
def test_like_pytorch(room: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = (importlib.import_module(f"{library}.{room}") for library in ("torch", "rushlight"))
        names = set(public(theirs)) - ROOMS[room]
        assert sorted(name for name in names if not hasattr(ours, name)) == []
        different = {}
        for name in sorted(names):
            wanted, found = signature(getattr(theirs, name)), signature(getattr(ours, name))
            passes_on = wanted is None or [kind for _, kind, _ in wanted] == ["VAR_POSITIONAL", "VAR_KEYWORD"]
            if not passes_on and wanted != found:
                different[name] = wanted, found
        assert different == {}
