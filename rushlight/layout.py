"""How a tensor lies in memory: `torch.strided`, and the names of PyTorch's other layouts."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error


class layout:
    """One of `strided` (rows and strides), `sparse_coo`, `sparse_csr`, `sparse_csc`, `sparse_bsr`, `sparse_bsc` and `jagged`.

    >>> import rushlight as torch
    >>> torch.zeros(2).layout, torch.sparse_coo
    (torch.strided, torch.sparse_coo)
    """

    __slots__ = ("name",)
    name: str

    def __new__(cls) -> layout:
        raise TypeError(
            f"cannot create 'torch.layout' instances. Fix: use one of {', '.join(map(repr, LAYOUTS.values()))}"
        )

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return named, (repr(self),)


def _constant(name: str) -> layout:
    made = object.__new__(layout)
    made.name = name
    return made


_NAMES = ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "_mkldnn", "jagged")
LAYOUTS = {name: _constant(name) for name in _NAMES}
strided, sparse_coo = LAYOUTS["strided"], LAYOUTS["sparse_coo"]


def named(name: str) -> layout:
    """The layout that prints as `name`: "torch.strided"."""
    return LAYOUTS[name.removeprefix("torch.")]


def check_strided(op: str, given: Any, error: type[Exception] = NotImplementedError) -> None:
    """Refuse a `layout` argument that `op` makes no tensors of."""
    if given is None or given is strided:
        return
    if not isinstance(given, layout):
        raise TypeError(
            explain_error(op, got=f"layout={given!r}", expected="a torch.layout", fix="layout=torch.strided")
        )
    raise error(explain_error(op, got=f"layout={given}", expected="torch.strided", fix="leave `layout` out"))
