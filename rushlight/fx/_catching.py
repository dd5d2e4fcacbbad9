"""Catch calls of public functions that are given a `Proxy`, for as long as there are proxies.

A layer stands in front of all functions then (functional/intercept.py). Tracing takes it away again when it ends, so that
calls cost what they did before. Proxies outside of a trace have no such end: when the last of them is gone, the
layer waits for a number of calls without any and leaves.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any

import rushlight
from rushlight.functional.intercept import intercept, release
from rushlight.functional.overriding import IGNORED, members

_RANK = -1  # before autocast, and before classes that take part
_PATIENCE = 256
# Not asked in PyTorch either: they look at the class, or at numbers alone.
_NOT_CAUGHT = ("broadcast_shapes", "is_storage", "is_tensor")


class _State:
    wanted = 0  # traces that run, and tracers of loose proxies
    caught: tuple[Any, ...] = ()  # the functions behind the layer
    in_vain: int | None = None  # calls since the last loose proxy went; None while there is one
    lock = threading.RLock()


def borrow() -> None:
    """Have calls with proxies caught, until `give_back`."""
    with _State.lock:
        _State.wanted += 1
        _State.in_vain = None
        if not _State.caught:
            _State.caught = _functions()
            intercept(_State.caught, _layer, _RANK)


def give_back(at_once: bool) -> None:
    """The end of one `borrow`."""
    with _State.lock:
        _State.wanted -= 1
        if not _State.wanted:
            _State.in_vain = 0
            if at_once:
                _leave()


def _leave() -> None:
    with _State.lock:
        if _State.caught and not _State.wanted:
            release(_State.caught, _RANK)
            _State.caught, _State.in_vain = (), None


@functools.cache
def proxy_class() -> Any:
    from rushlight.fx.proxy import Proxy

    return Proxy


def _layer(function: Any, below: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    kind = proxy_class()
    for x in (*args, *kwargs.values()):
        if isinstance(x, kind) or isinstance(x, (tuple, list)) and any(isinstance(item, kind) for item in x):
            return kind.__torch_function__(function, (kind,), args, kwargs)
    if _State.in_vain is not None:
        _State.in_vain += 1
        if _State.in_vain > _PATIENCE:
            _leave()
    return below(*args, **kwargs)


def _functions() -> tuple[Any, ...]:
    spared = {vars(rushlight)[name] for name in _NOT_CAUGHT if name in vars(rushlight)}
    found: dict[Any, None] = {}
    for named in members().values():
        for name, value in named.items():
            if isinstance(value, FunctionType) and value not in spared and name not in IGNORED:
                found[value] = None
    return tuple(found)
