"""Lists and dicts that cannot be changed: what a node's arguments are kept in, so that its users stay known."""

from __future__ import annotations

from typing import Any, NoReturn

from rushlight.errors import explain_error

__all__ = ["immutable_dict", "immutable_list"]


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(
        explain_error(
            "fx", got=f"a change of a node's {type(self).__mro__[1].__name__} of arguments in place",
            expected="a new one", fix="copy it, change the copy, and assign node.args or node.kwargs",
        )
    )  # fmt: skip


class immutable_list(list):
    """A list without methods that change it."""

    __delitem__ = __iadd__ = __imul__ = __setitem__ = append = clear = extend = insert = pop = remove = reverse = (
        _refuse
    )
    sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple:
        return immutable_list, (tuple(self),)


class immutable_dict(dict):
    """A dict without methods that change it."""

    __delitem__ = __ior__ = __setitem__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple:
        return immutable_dict, (tuple(self.items()),)
