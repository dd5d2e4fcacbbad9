"""Calling a module with other tensors in place of its parameters and buffers."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import rushlight
from rushlight.nn.modules.module import Module

Tensor = rushlight.Tensor

__all__ = ["functional_call"]


def _groups(module: Module, tie_weights: bool) -> dict[str, list[tuple[Module, str, str]]]:
    """Each path of a tensor -> the places (module, table, name) that it names: with `tie_weights`, all that hold that tensor."""
    held: dict[int, list[tuple[Module, str, str]]] = {}
    found = {}
    for path, each in module.named_modules(remove_duplicate=False):
        for table in ("_parameters", "_buffers"):
            for name, tensor in each.__dict__[table].items():
                if tensor is None:
                    continue
                place = each, table, name
                places = held.setdefault(id(tensor), []) if tie_weights else []
                if place not in places:
                    places.append(place)
                found[f"{path}.{name}" if path else name] = places
    return found


def _check(module: Module, values: dict[str, Tensor], places: dict[str, Any], tie_weights: bool, strict: bool) -> None:
    given: dict[int, tuple[str, Tensor]] = {}
    for path, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"functional_call: got {type(value).__name__} for {path!r}; expected a Tensor")
        if path not in places:
            continue
        other, before = given.setdefault(id(places[path]), (path, value))
        if tie_weights and before is not value:
            raise ValueError(
                f"functional_call: got different values for {other!r} and {path!r}, which are one tied tensor. "
                f"Fix: pass one of them, or tie_weights=False."
            )
    if strict:
        covered = {id(places[path]) for path in values if path in places}
        unexpected = [path for path in values if path not in places]
        missing = [
            path for path, group in places.items() if path not in values and not (tie_weights and id(group) in covered)
        ]
        if unexpected or missing:
            raise RuntimeError(
                f"functional_call: the tensors do not fit {type(module).__name__}, strict=True: "
                f"unexpected {unexpected or 'none'}, missing {missing or 'none'}."
            )


@contextlib.contextmanager
def swapped(
    module: Module, values: dict[str, Tensor], tie_weights: bool = True, strict: bool = False
) -> Iterator[None]:
    """Inside, `module` holds the given tensors; paths that it does not have are left out, or refused with `strict`."""
    places = _groups(module, tie_weights)
    _check(module, values, places, tie_weights, strict)
    before = []
    try:
        for path, value in values.items():
            for owner, table, name in places.get(path, ()):
                before.append((owner.__dict__[table], name, owner.__dict__[table][name]))
                owner.__dict__[table][name] = value
        yield
    finally:
        for holder, name, tensor in reversed(before):
            holder[name] = tensor


def call(
    module: Module, values: dict[str, Tensor], args: Any = None, kwargs: Any = None, tie_weights: bool = True, strict: bool = False
) -> Any:  # fmt: skip
    """module(*args, **kwargs) with other tensors."""
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with swapped(module, values, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors, by their paths, in place of its own; what is not given stays.

    The older name of `torch.func.functional_call`. Tied parameters change together, or apart with `tie_weights=False`; `strict` wants
    exactly the names of the module. What it writes to a given buffer in place, the caller sees.

    Errors: TypeError for what is no tensor, ValueError for two values of one tied tensor, RuntimeError with `strict` for other names.

    >>> import rushlight as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> layer = torch.nn.Linear(2, 1)
    >>> from rushlight.nn.utils.stateless import functional_call
    >>> functional_call(layer, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, torch.tensor([1.0, 2.0]))
    tensor([3.])
    """
    warnings.warn(
        "nn.utils.stateless.functional_call is the older name. Fix: torch.func.functional_call.",
        FutureWarning,
        stacklevel=2,
    )
    return call(module, parameters_and_buffers, args, kwargs, tie_weights, strict)
