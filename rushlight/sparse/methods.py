"""Methods and operators of sparse tensors, and the functions of `torch.sparse`, from the table of handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.functional.fast import DUNDERS
from rushlight.functional.registry import METHODS
from rushlight.sparse import create, products, reductions, shapes  # noqa: F401  fill the table
from rushlight.sparse.compressed import CompressedTensor, through_coo
from rushlight.sparse.coo import CooTensor
from rushlight.sparse.dispatch import HANDLERS
from rushlight.sparse.tensor import SparseTensor, refusal

_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "pow": "pow", "matmul": "matmul",
    "neg": "neg", "abs": "abs",
}  # fmt: skip


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: function(other, self)


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(self: Any, *other: Any) -> Any:
        raise refusal(name.strip("_"), self)

    return refuse


def _only_coo(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `torch.sparse` whose first argument may be of any sparse layout."""
    return through_coo(handler.__name__, handler)


for _name in list(HANDLERS):
    HANDLERS[_name] = through_coo(_name, HANDLERS[_name])

FUNCTIONS = {
    "mm": HANDLERS["mm"], "addmm": HANDLERS["addmm"], "sampled_addmm": products.sampled_addmm, "sum": _only_coo(reductions.total),
    "softmax": _only_coo(reductions.softmax), "log_softmax": _only_coo(reductions.log_softmax), "spmm": HANDLERS["mm"],
    "dsmm": HANDLERS["mm"], "smm": HANDLERS["smm"], "hspmm": _only_coo(products.sparse_rows), "hsmm": _only_coo(products.sparse_rows),
    "saddmm": HANDLERS["addmm"], "sspaddmm": HANDLERS["sspaddmm"],
}  # fmt: skip
spmm, dsmm, smm, hspmm, hsmm, saddmm, sspaddmm = (
    FUNCTIONS[name] for name in ("spmm", "dsmm", "smm", "hspmm", "hsmm", "saddmm", "sspaddmm")
)


def attach() -> None:
    """Give the classes their methods and operators."""
    for cls in (CooTensor, CompressedTensor):
        for name, handler in HANDLERS.items():
            if name in METHODS and name not in cls.__dict__:
                setattr(cls, name, handler)
    for name, handler in _OPERATORS.items():
        function = HANDLERS[handler]
        setattr(SparseTensor, f"__{name}__", function)
        if name not in ("neg", "abs"):
            setattr(SparseTensor, f"__r{name}__", _reflected(function))
            if name != "matmul":
                setattr(SparseTensor, f"__i{name}__", HANDLERS[handler + "_"])
    CooTensor.__getitem__ = shapes.get_item  # type: ignore[method-assign]
    CooTensor.T = property(lambda self: shapes.permute(self, *reversed(range(self.ndim))))  # type: ignore[attr-defined]
    CooTensor.mT = property(lambda self: shapes.transpose(self, -2, -1))  # type: ignore[attr-defined]
    for name in DUNDERS:
        if name not in SparseTensor.__dict__:
            setattr(SparseTensor, name, _refusing(name))
    SparseTensor.__hash__ = object.__hash__  # type: ignore[method-assign]
