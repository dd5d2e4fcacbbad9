"""The handle by which a registered hook is taken out again. PyTorch's place for it is `rushlight.utils.hooks`."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from typing import Any

_next_id = itertools.count()


class RemovableHandle:
    """Returned when a hook is registered: `remove()` takes it out again; also a context manager.

    >>> import rushlight as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> with x.register_hook(lambda grad: grad * 2): (x * 3).backward()
    >>> x.grad
    tensor([6.])
    """

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = next(_next_id)
        extra = extra_dict if isinstance(extra_dict, list) else [extra_dict] if extra_dict is not None else []
        self._tables = [weakref.ref(table) for table in (hooks_dict, *extra)]

    def remove(self) -> None:
        """Forget the hook; a second call does nothing."""
        for reference in self._tables:
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> Any:
        return self.id, [reference() for reference in self._tables]

    def __setstate__(self, state: Any) -> None:
        self.id, tables = state
        self._tables = [weakref.ref(OrderedDict() if table is None else table) for table in tables]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.remove()


def add_hook(table: Any, hook: Any, prepend: bool = False, marks: Any = ()) -> RemovableHandle:
    """Put `hook` into an ordered table, and its id into each table of `marks`."""
    handle = RemovableHandle(table, extra_dict=list(marks))
    table[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle
