"""`SparseTensor`: what sparse tensors of all layouts share. It is a handle that never enters a trace; its values do."""

from __future__ import annotations

from typing import Any

from rushlight.device import resolve
from rushlight.dtype import dtype as DType
from rushlight.errors import explain_error
from rushlight.functional.conversion import _METHOD_DTYPES, _parse_to
from rushlight.functional.creation import check_differentiable
from rushlight.functional.overriding import disabled_torch_function
from rushlight.ir.inplace import _NAMES
from rushlight.ir.meta import meta
from rushlight.lazy.handle import HANDLES
from rushlight.sparse.dispatch import KINDS, install
from rushlight.tensor import Tensor


def refusal(name: str, tensor: Any, fix: str = "call .to_dense() first") -> NotImplementedError:
    """The error of an operation that a layout does not have."""
    return NotImplementedError(
        explain_error(
            name, got=f"a tensor of layout {tensor.layout} and shape {list(tensor.shape)}",
            expected="an operation that this layout has", fix=fix,
        )
    )  # fmt: skip


class Made:
    """The `grad_fn` of a sparse tensor: the name of what made it, and the graph of its values behind."""

    def __init__(self, name: str, values: Any) -> None:
        self._name, self._values = name, values

    def name(self) -> str:
        return self._name

    @property
    def next_functions(self) -> tuple:
        return ((self._values.grad_fn, 0),)

    def __repr__(self) -> str:
        return f"<{self._name} object at {id(self._values):#x}>"


class SparseTensor(Tensor):
    """A tensor that holds the values of some places, and where they are; zero elsewhere.

    `_values_part` is an ordinary tensor, through which gradients flow; a leaf's own gradient is that of its values.
    """

    __torch_function__ = classmethod(disabled_torch_function)
    _array = property(lambda self: self._no_memory())  # type: ignore[assignment]
    _made_by: str | None = None  # the name of the gradient's node; None for leaves
    _values_part: Any
    layout: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        KINDS.add(cls)
        HANDLES.discard(cls)  # no operand: operators of dense tensors leave it to the reflected ones here

    def _refused_by(self, name: str) -> Exception:
        return refusal(name, self)

    def _fill(self, shape: Any, values: Any) -> None:
        install()
        self._trace, self._slot = None, -1
        self._meta = meta(
            shape, values.dtype, values.device, requires_grad=True
        )  # as a `.grad`: not to be added to as one
        self._values_part = values

    def _with_values(self, values: Any, made_by: str | None = None) -> Any:
        """Other values at the same places."""
        raise NotImplementedError

    def _become(self, other: SparseTensor) -> SparseTensor:
        """Take over what another tensor holds: an in-place operation."""
        if self.requires_grad and self._made_by is None:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation. Fix: use torch.no_grad(), or the "
                "operation that is not in place."
            )
        version = self._version
        self.__dict__.clear()
        self.__dict__.update(other.__dict__)
        self._version = version + 1
        return self

    # --- facts ----------------------------------------------------------------------------------------------------

    @property
    def is_sparse(self) -> bool:
        """Whether the layout is `torch.sparse_coo`."""
        return self.layout.name == "sparse_coo"

    is_sparse_csr = property(lambda self: self.layout.name == "sparse_csr")
    _version_counter = property(lambda self: self._version)

    def _nnz(self) -> int:
        """How many places have values."""
        raise NotImplementedError

    def stride(self, dim: int | None = None) -> Any:
        """Zeros: places have no distance in memory."""
        return (0,) * self.ndim if dim is None else 0

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Never."""
        return False

    @property
    def nbytes(self) -> int:
        """RuntimeError: add up those of indices and values."""
        raise RuntimeError(explain_error("nbytes", got=f"a tensor of layout {self.layout}", expected="a strided one", fix="add the nbytes of its indices and values"))  # fmt: skip

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's name, or the tensor in another dtype."""
        if dtype is not None:
            return self.to(getattr(dtype, "dtype", dtype))
        room = "sparse" if self.is_sparse else self.layout.name
        return f"torch.{room}.{_NAMES[self.dtype.name]}Tensor"

    def _no_memory(self, *args: Any, **kwargs: Any) -> Any:
        raise refusal("this operation, which looks at memory,", self)

    storage = untyped_storage = data_ptr = storage_offset = share_memory_ = _no_memory

    def numpy(self, *, force: bool = False) -> Any:
        """TypeError: NumPy has no such arrays."""
        raise TypeError(
            explain_error(
                "numpy", got=f"a tensor of layout {self.layout}", expected="a strided one", fix=".to_dense().numpy()"
            )
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def _compute_array(self) -> Any:
        raise RuntimeError(explain_error("reading values", got=f"a tensor of layout {self.layout}", expected="a strided one", fix=".to_dense() first"))  # fmt: skip

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from rushlight.sparse.show import text

        return text(self)

    __str__ = __repr__

    def __dir__(self) -> list[str]:
        return list(object.__dir__(self))

    def item(self) -> Any:
        """The value of a tensor with one element."""
        if self.numel() != 1:
            raise RuntimeError(explain_error("item", got=f"{self.numel()} elements", expected="one element"))
        return self.to_dense().item()

    def _one(self, kind: str) -> Any:
        return self.to_dense()._one(kind)

    # --- autograd -------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to its values are recorded."""
        return self._values_part.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Turn recording of gradients on or off, in place; for leaves."""
        if requires_grad == self.requires_grad:
            return self
        if requires_grad:
            check_differentiable(self.dtype)
        elif self._made_by is not None:
            raise RuntimeError("you can only change requires_grad flags of leaf variables. Fix: use .detach().")
        self._values_part, self._made_by = self._values_part.detach().requires_grad_(requires_grad), None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether gradients accumulate in its `.grad` (or it requires none)."""
        return self._made_by is None or not self.requires_grad

    @property
    def grad_fn(self) -> Any:
        """What made it; None for leaves."""
        return None if self.is_leaf else Made(str(self._made_by), self._values_part)

    @property
    def grad(self) -> Any:
        """The gradient of a leaf, at the places that it has itself; None before the first `backward()`."""
        if not self.is_leaf and not self._retains:
            return None
        found = self._values_part._grad
        return None if found is None else self._as_gradient(found)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            raise NotImplementedError(explain_error("grad", got="an assignment to a sparse tensor's gradient", expected="None", fix="leave it to backward()"))  # fmt: skip
        self._values_part._grad = None

    @grad.deleter
    def grad(self) -> None:
        self._values_part._grad = None

    def _as_gradient(self, values: Any) -> Any:
        return self._with_values(values)

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """As `Tensor.backward`, from a sparse gradient with the same places."""
        if not isinstance(gradient, type(self)) or gradient._nnz() != self._nnz():
            raise RuntimeError(explain_error("backward", got="no gradient with the places of this tensor", expected="one", fix="reduce it first: torch.sparse.sum(x).backward()"))  # fmt: skip
        self._values_part.backward(gradient._values_part, retain_graph, create_graph, inputs)

    def detach(self) -> Any:
        """The same places and values without a gradient history."""
        return self._with_values(self._values_part.detach())

    data = property(detach)

    def detach_(self) -> Any:
        """Forget the gradient history, in place."""
        self._values_part, self._made_by = self._values_part.detach(), None
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf."""
        if not self.is_leaf:
            self._values_part.retain_grad()
            self._retains = True

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(grad)` with the sparse gradient; it may return another one with the same places."""

        def on_values(values: Any) -> Any:
            changed = hook(self._with_values(values))
            return None if changed is None else changed._values_part

        return self._values_part.register_hook(on_values)

    # --- copies ---------------------------------------------------------------------------------------------------

    def clone(self, *, memory_format: Any = None) -> Any:
        """A copy with memory of its own."""
        return self._with_values(self._values_part.clone(), "CloneBackward0")

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """The tensor in another dtype; itself when nothing changes."""
        kind, place, copied = _parse_to(args, kwargs)
        if kind in (None, self.dtype) and (place is None or resolve(place) == self.device) and not copied:
            self._values_part.to(*args, **kwargs)  # refuses devices that are not here
            return self
        return self._with_values(self._values_part.to(*args, **kwargs), "ToCopyBackward0")

    def cpu(self, memory_format: Any = None) -> Any:
        """The tensor itself."""
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> Any:
        """As `Tensor.cuda`: refused where there is no such device."""
        return self._with_values(self._values_part.cuda(*args, **kwargs))

    def type_as(self, other: Any) -> Any:
        """The tensor in the dtype of another one."""
        return self.to(other.dtype)

    def __deepcopy__(self, memo: dict) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
                "Fix: deepcopy(tensor.detach())."
            )
        if id(self) not in memo:
            made = self.detach().clone()
            made._made_by = None
            memo[id(self)] = made.requires_grad_(self.requires_grad)
        return memo[id(self)]

    def __copy__(self) -> Any:
        return self.detach().requires_grad_(self.requires_grad)

    def as_subclass(self, cls: Any) -> Any:
        """NotImplementedError: a sparse tensor has a class of its own."""
        raise refusal("as_subclass", self)

    def to_dense(self, dtype: DType | None = None, *, masked_grad: bool | None = None) -> Any:
        """The values at their places, zeros elsewhere."""
        raise NotImplementedError

    __hash__ = object.__hash__


def _converter(kind: DType) -> Any:
    def convert(self: Any, memory_format: Any = None) -> Any:
        return self.to(kind)

    convert.__doc__ = f"The tensor in {kind}."
    return convert


for _name, _kind in _METHOD_DTYPES.items():
    setattr(SparseTensor, _name, _converter(_kind))

__all__ = ["SparseTensor", "refusal"]
