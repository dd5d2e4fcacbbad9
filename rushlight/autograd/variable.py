"""`torch.autograd.Variable`: PyTorch's old name of a tensor that may require a gradient."""

from __future__ import annotations

from typing import Any

from rushlight.errors import warn_user
from rushlight.functional import FUNCTIONS
from rushlight.lazy.handle import Handle


class VariableMeta(type):
    """`isinstance(x, Variable)` asks for a tensor."""

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Handle)


class Variable(metaclass=VariableMeta):
    """A tensor over the same memory, which requires a gradient if asked to.

    >>> import rushlight as torch
    >>> x = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    >>> x
    tensor([1., 1.], requires_grad=True)
    >>> isinstance(x, torch.autograd.Variable), type(x) is torch.Tensor
    (True, True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
        if volatile is not None:
            warn_user("Variable: volatile has no effect any more. Fix: use `with torch.no_grad():`.")
        made = FUNCTIONS["empty"](0) if data is None else data.detach()
        return made.requires_grad_() if requires_grad else made


__all__ = ["Variable", "VariableMeta"]
