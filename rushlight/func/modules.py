"""Modules as functions: called with other parameters than their own, and stacked for ensembles."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional import FUNCTIONS

_TABLES = ("_parameters", "_buffers")


def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """`module(*args, **kwargs)` with these tensors in place of its parameters and buffers, by dotted name.

    A dict, or several whose keys differ. With tie_weights, a tensor given for one name of a shared parameter is used under its
    other names too. Names that the module does not have are left out; with strict, RuntimeError unless exactly its names are given. What the call puts in place of a
    tensor (a buffer that is assigned anew) is found in the dict afterwards.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, torch.ones(3, 2)).shape
    torch.Size([3, 1])
    """
    if isinstance(parameter_and_buffer_dicts, Mapping):
        given: Any = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        for one in parameter_and_buffer_dicts:
            if not isinstance(one, Mapping):
                raise ValueError(
                    explain_error("functional_call", got=f"a {type(one).__name__} in the sequence", expected="dicts")
                )
        names = [name for one in parameter_and_buffer_dicts for name in one]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                explain_error("functional_call", got=f"{twice} in several dicts", expected="each name once")
            )
        given = {name: value for one in parameter_and_buffer_dicts for name, value in one.items()}
    else:
        raise ValueError(
            explain_error(
                "functional_call",
                got=f"a {type(parameter_and_buffer_dicts).__name__}",
                expected="a dict, or a sequence of dicts",
            )
        )
    with _replaced(module, given, tie_weights, strict):
        if args is None:
            args = ()
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


def _places(module: Any) -> dict[str, tuple[dict, str]]:
    """name: (the table that holds it, its key there)."""
    return {
        f"{prefix}.{name}" if prefix else name: (getattr(child, table), name)
        for prefix, child in module.named_modules(remove_duplicate=False)
        for table in _TABLES
        for name, value in getattr(child, table).items()
        if value is not None
    }


@contextmanager
def _replaced(module: Any, given: Any, tie_weights: bool, strict: bool) -> Iterator[None]:
    """The module with these tensors for the length of a `with`."""
    places = _places(module)
    unknown = [name for name in given if name not in places]
    missing = [name for name in places if name not in given]
    if strict and (unknown or missing):
        raise RuntimeError(
            explain_error(
                "functional_call",
                got=f"unexpected keys {unknown} and missing keys {missing}",
                expected="the module's own names",
            )
        )
    chosen = {name: value for name, value in given.items() if name in places}
    if tie_weights:
        chosen |= _tied(places, chosen)
    before = {name: places[name][0][places[name][1]] for name in chosen}
    try:
        for name, value in chosen.items():
            table, key = places[name]
            table[key] = value
        yield
    finally:
        for name, value in before.items():
            table, key = places[name]
            if name in given and table.get(key) is not chosen[name]:
                given[name] = table[key]
            table[key] = value


def _tied(places: dict[str, tuple[dict, str]], given: Any) -> dict[str, Any]:
    """The tensors for the other names of what was given."""
    groups: dict[int, list[str]] = {}
    for name, (table, key) in places.items():
        groups.setdefault(id(table[key]), []).append(name)
    found = {}
    for names in groups.values():
        values = {id(given[name]): given[name] for name in names if name in given}
        if len(values) > 1:
            raise ValueError(
                explain_error(
                    "functional_call", got=f"different tensors for {names}, which are one parameter of the module",
                    expected="one tensor for all of them", fix="give one, or pass tie_weights=False",
                )
            )  # fmt: skip
        for value in values.values():
            found |= dict.fromkeys(names, value)
    return found


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of modules of one class, by name, stacked along a new first dimension: for `vmap`.

    >>> import rushlight as torch
    >>> parameters, buffers = torch.func.stack_module_state([torch.nn.Linear(2, 1) for _ in range(3)])
    >>> parameters["weight"].shape
    torch.Size([3, 1, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError(explain_error("stack_module_state", got="no models", expected="at least one"))
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            explain_error(
                "stack_module_state",
                got="models in training and in eval mode",
                expected="the same mode",
                fix="call .eval() on all",
            )
        )
    if len({type(m) for m in models}) > 1:
        kinds = sorted({type(m).__name__ for m in models})
        raise RuntimeError(explain_error("stack_module_state", got=f"models of classes {kinds}", expected="one class"))
    parameters = {
        name: _stacked(name, [dict(m.named_parameters())[name] for m in models])
        for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: _stacked(name, [dict(m.named_buffers())[name] for m in models]) for name, _ in models[0].named_buffers()
    }
    return parameters, buffers


def _stacked(name: str, values: list[Any]) -> Any:
    if len({v.requires_grad for v in values}) > 1:
        raise RuntimeError(
            explain_error(
                "stack_module_state", got=f"{name!r} with and without requires_grad", expected="the same for all models"
            )
        )
    return FUNCTIONS["stack"]([v.detach() for v in values]).requires_grad_(values[0].requires_grad)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """The function itself: what is recorded holds no mutations, since a write makes a new value of the tensor it is to.

    >>> import rushlight as torch
    >>> torch.func.functionalize(lambda x: x.clone().add_(1))(torch.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            explain_error("functionalize", got=f"remove={remove!r}", expected="'mutations' or 'mutations_and_views'")
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapped
