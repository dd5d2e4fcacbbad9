"""`torch.futures`: values that are set once, perhaps by another thread, and waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from rushlight.errors import explain_error

T = TypeVar("T")

__all__ = ["Future", "collect_all", "wait_all"]


class Future(Generic[T]):
    """A value to come. `devices` is accepted and unused.

    >>> import rushlight as torch
    >>> future = torch.futures.Future()
    >>> doubled = future.then(lambda done: 2 * done.value())
    >>> future.set_result(21)
    >>> doubled.wait()
    42
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._changed = threading.Condition()
        self._state: tuple[str, Any] | None = None
        self._callbacks: list[Callable[[Future], Any]] = []

    def _set(self, kind: str, value: Any) -> None:
        with self._changed:
            if self._state is not None:
                raise RuntimeError(
                    explain_error(
                        "Future", got=f"a second {kind}", expected="one: a future is set once", fix="make a new Future"
                    )
                )
            self._state = (kind, value)
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback(self)

    def set_result(self, result: Any) -> None:
        """Give the value. Errors: RuntimeError when there is one."""
        self._set("result", result)

    def set_exception(self, result: BaseException) -> None:
        """Give an exception, which `wait` and `value` raise."""
        if not isinstance(result, BaseException):
            raise AssertionError(
                explain_error("Future.set_exception", got=f"{type(result).__name__}", expected="an exception")
            )
        self._set("exception", result)

    def done(self) -> bool:
        """Whether the value is there."""
        return self._state is not None

    def wait(self) -> Any:
        """The value, as soon as it is there."""
        with self._changed:
            self._changed.wait_for(self.done)
        return self.value()

    def value(self) -> Any:
        """The value. Errors: RuntimeError when it is not there yet."""
        if self._state is None:
            raise RuntimeError(
                explain_error(
                    "Future.value", got="a future without value", expected="a finished one", fix="call wait()"
                )
            )
        kind, value = self._state
        if kind == "exception":
            raise value
        return value

    def add_done_callback(self, callback: Callable[[Future], Any]) -> None:
        """Call `callback(future)` when the value is there; now, if it is."""
        with self._changed:
            if self._state is None:
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """A future of `callback(future)`."""
        following = Future()

        def run(done: Future) -> None:
            try:
                result = callback(done)
            except Exception as error:
                following.set_exception(error)
            else:
                following.set_result(result)

        self.add_done_callback(run)
        return following


def collect_all(futures: Sequence[Future]) -> Future:
    """A future of the list of these futures, set when all of them are."""
    together, left, lock = Future(), len(futures), threading.Lock()

    def count(done: Future) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            together.set_result(list(futures))

    if not futures:
        together.set_result([])
    for future in futures:
        future.add_done_callback(count)
    return together


def wait_all(futures: Sequence[Future]) -> list[Any]:
    """The values of these futures, when all are there."""
    return [future.wait() for future in collect_all(futures).wait()]
