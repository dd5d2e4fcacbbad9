"""`Tensor`: the handle that users hold. Methods come from the op table and `rushlight.functional`; what is here is state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import numpy as np

from rushlight import device as devices
from rushlight import dtype as dtypes
from rushlight.autograd.backward import backward
from rushlight.autograd.graph import grad_fn, origin_of
from rushlight.autograd.hooks import RemovableHandle, add_hook
from rushlight.dtype import dtype as DType
from rushlight.errors import MissingNameError, explain_error
from rushlight.functional import FUNCTIONS, METHODS, pickling
from rushlight.functional.creation import check_differentiable, wrap
from rushlight.functional.fast import DUNDERS
from rushlight.functional.indexing import get_item, set_item
from rushlight.functional.overriding import activate, default_torch_function, disabled_torch_function
from rushlight.ir.layout import format_name, lies_in
from rushlight.ir.meta import Size
from rushlight.ir.op import TABLE
from rushlight.layout import strided
from rushlight.lazy.handle import Handle, base_of
from rushlight.lazy.memory import alias, stand_for, take_over, window
from rushlight.lazy.record import enter, local, set_result_class
from rushlight.lazy.step import realise
from rushlight.lazy.views import mark_leaf, record_view
from rushlight.lessons import warn


class Tensor(Handle):
    """A multi-dimensional array of one dtype, with gradients.

    >>> import rushlight as torch
    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> (x ** 2).backward(); x.grad
    tensor([4.])
    """

    _grad: Any = None
    _hooked = False
    _backward_hooks: OrderedDict | None = None
    _accumulate_hooks: OrderedDict | None = None
    _retains = False
    _trained = False  # an optimiser has updated it
    __array_priority__ = 1000

    def __new__(cls, *data: Any, device: Any = None) -> Any:
        if len(data) == 1 and isinstance(data[0], Tensor):
            return cls._make_subclass(cls, data[0].detach()) if cls is not Tensor else data[0].detach()
        if len(data) == 1 and not isinstance(data[0], (int, Size)) and hasattr(data[0], "__len__"):
            made = FUNCTIONS["tensor"](data[0], dtype=dtypes.get_default_dtype())
        elif not data:
            made = FUNCTIONS["empty"](0)
        else:
            made = FUNCTIONS["empty"](*data)
        return made if cls is Tensor else cls._make_subclass(cls, made)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if getattr(cls.__torch_function__, "__func__", cls.__torch_function__) is not disabled_torch_function:
            activate()

    __torch_function__ = classmethod(default_torch_function)

    @staticmethod
    def _make_subclass(cls: type, data: Any, require_grad: bool = False, **_: Any) -> Any:
        """A tensor of another class over the same memory."""
        if data._trace is not None or data._base is not None:
            realise(data)
        made = object.__new__(cls)
        made._trace, made._slot = None, -1
        if data._base is None:
            take_over(made, data)
        else:
            alias(made, data)
        if require_grad:
            check_differentiable(made._meta.dtype)
            made._meta = made._meta.variant(requires_grad=True, leaf=True)
        return made

    @staticmethod
    def _of_array(array: np.ndarray, dtype: DType | None = None) -> Tensor:
        """A tensor that takes over an array of its dtype's storage type, whose memory nobody else will use."""
        return wrap(array, dtype)

    def as_subclass(self, cls: type) -> Any:
        """The same tensor as an instance of `cls`; gradients flow through."""
        if not (isinstance(cls, type) and issubclass(cls, Tensor)):
            raise TypeError(explain_error("as_subclass", got=f"{cls!r}", expected="a subclass of torch.Tensor"))
        made = record_view(TABLE["alias"], self, ())
        made.__class__ = cls
        return made

    # --- facts ----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return self._meta.shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._meta.dtype

    @property
    def device(self) -> devices.device:
        """Where it lives."""
        return self._meta.device

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._meta.shape)

    layout = property(lambda self: strided, doc="How it lies in memory: `torch.strided`.")
    is_cuda = is_sparse = is_sparse_csr = is_quantized = is_mkldnn = is_mps = is_xpu = is_nested = property(
        lambda self: False, doc="Whether it is of this kind; never here."
    )
    is_cpu = property(lambda self: self._meta.device.type == "cpu", doc="Whether it is in the CPU's memory.")
    is_meta = property(lambda self: self._meta.device.type == "meta", doc="Whether it has a shape and no values.")
    itemsize = property(lambda self: self._meta.dtype.itemsize, doc="Bytes of one element.")
    nbytes = property(lambda self: self._meta.numel * self._meta.dtype.itemsize, doc="Bytes of all elements.")
    names = property(lambda self: (None,) * self.ndim, doc="The dimensions' names: None for each.")
    output_nr = property(lambda self: 0, doc="Which result of its op it is, to old code; always 0.")

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one dimension of it."""
        if dim is None:
            return self._meta.shape
        from rushlight.ops.rules import wrap_dim

        return self._meta.shape[wrap_dim(dim, self.ndim, "size")]

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._meta.shape)

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._meta.numel

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._meta.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours of each dimension, in elements."""
        return self._meta.stride if dim is None else self._meta.stride[dim]

    def storage_offset(self) -> int:
        """Where in its storage it starts, in elements."""
        return self._meta.offset

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in rows, one after the other."""
        if memory_format is not None:
            return lies_in(format_name("is_contiguous", memory_format), self._meta)
        return self._meta.contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._meta.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self._meta.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative values."""
        return self._meta.dtype.is_signed

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is page-locked; never here."""
        return False

    def is_inference(self) -> bool:
        """Whether made in inference mode; such tensors are ordinary ones here."""
        return False

    def is_conj(self) -> bool:
        """Whether conjugation is pending; it is always carried out."""
        return False

    is_neg = is_conj

    def resolve_conj(self) -> Tensor:
        """The tensor itself: conjugation is always carried out."""
        return self

    resolve_neg = resolve_conj

    def get_device(self) -> int:
        """-1: the CPU."""
        return -1

    def __len__(self) -> int:
        if not self._meta.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._meta.shape[0]

    __hash__ = object.__hash__  # by identity, whatever == says

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name not in _INSTEAD]

    # --- values ---------------------------------------------------------------------------------------------------

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        if self._meta.numel != 1:
            raise RuntimeError(
                f"a Tensor with {self._meta.numel} elements cannot be converted to Scalar; item() got shape {list(self.shape)}. "
                "Fix: reduce it first (.mean(), .sum()), index one element, or use .tolist()."
            )
        if not self._meta.requires_grad:
            return self._compute_array().item()
        trace = self._trace
        leaves = trace.leaves if trace is not None else []
        value = self._compute_array().item()
        if value - value != 0:  # nan or inf
            from rushlight.lazy.nonfinite import explain_not_finite

            explain_not_finite(self, value, trace, leaves)
        return value

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._compute_array().tolist()

    def _compute_array(self) -> np.ndarray:
        """The values as NumPy computes with them (bfloat16 as float32); for reading only."""
        if self._meta.dtype not in dtypes.BITS:
            return realise(self)
        from rushlight.backend.numpy.half import to_compute

        return to_compute(realise(self), self._meta.dtype)

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as an array that shares this tensor's memory.

        >>> import rushlight as torch
        >>> t = torch.zeros(2); a = t.numpy(); t.add_(3); a
        tensor([3., 3.])
        array([3., 3.], dtype=float32)
        """
        if self._meta.requires_grad and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Fix: use tensor.detach().numpy() instead."
            )
        if self._meta.dtype in dtypes.BITS:
            name, wide, bits = (
                ("BFloat16", "float", "int16")
                if self._meta.dtype is dtypes.bfloat16
                else ("ComplexHalf", "cfloat", "int32")
            )
            raise TypeError(
                f"Got unsupported ScalarType {name}: NumPy has no such type. Fix: .{wide}().numpy(), or .view(torch.{bits}).numpy() "
                "for the bits."
            )
        return window(self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        array = self.numpy()
        if copy is False and dtype is not None and array.dtype != dtype:
            raise ValueError(
                explain_error(
                    "__array__", got=f"copy=False and dtype={dtype} for {self.dtype}", expected="the same dtype"
                )
            )
        return array.astype(array.dtype if dtype is None else dtype, copy=bool(copy))

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        """The array API standard's functions for tensors: `rushlight.array_api`."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(
                explain_error(
                    "__array_namespace__", got=f"api_version={api_version!r}", expected="'2024.12' or an earlier one"
                )
            )
        from importlib import import_module

        return import_module("rushlight.array_api")

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        return FUNCTIONS["tensor"](array) if array.dtype == bool else wrap(np.ascontiguousarray(array))

    def _one(self, kind: str) -> Any:
        if self._meta.numel != 1:
            if kind == "bool":
                raise RuntimeError(
                    f"Boolean value of Tensor with {'no values' if not self._meta.numel else 'more than one value'} is ambiguous: "
                    f"got shape {list(self.shape)}. Fix: write .any() or .all(), or compare shapes with .numel()."
                )
            raise (RuntimeError if kind != "index" else TypeError)(
                f"a Tensor with {self._meta.numel} elements cannot be converted to Scalar; {kind}() got shape {list(self.shape)}."
                if kind != "index"
                else "only integer tensors of a single element can be converted to an index"
            )
        return self._compute_array().reshape(()).item()

    def __bool__(self) -> bool:
        return bool(self._one("bool"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def __float__(self) -> float:
        return float(self._one("float"))

    def __complex__(self) -> complex:
        return complex(self._one("complex"))

    def __index__(self) -> int:
        if self._meta.dtype.category > dtypes.INTEGER:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._one("index"))

    def __contains__(self, item: Any) -> bool:
        if not isinstance(item, (Tensor, int, float, complex, np.generic)):
            raise RuntimeError(
                explain_error("in", got=f"a {type(item).__name__}", expected="a number or a tensor on the left of `in`")
            )
        return bool((self == item).any().item())

    def __iter__(self) -> Iterator[Any]:
        if not self._meta.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # type: ignore[attr-defined]

    def __getitem__(self, index: Any) -> Any:
        return get_item(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        set_item(self, index, value)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from rushlight.functional.show import tensor_repr

        return tensor_repr(self)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        if not self._meta.shape and self._meta.device.type != "meta":
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    # --- autograd -------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to it are recorded."""
        return self._meta.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Turn recording of gradients on or off, in place; for leaves."""
        meta = self._meta
        if requires_grad == meta.requires_grad:
            return self
        if requires_grad:
            check_differentiable(meta.dtype)
        elif not meta.leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. Fix: use .detach() to get a tensor without history."
            )
        self._set_meta(meta.variant(requires_grad=requires_grad, leaf=requires_grad))
        return self

    def _set_meta(self, meta: Any) -> None:
        """Change the autograd facts: a pending value is marked, a realised one enters anew."""
        if self._trace is not None and self._trace is local.trace:
            mark_leaf(self, meta)
        elif self._base is None:
            self._trace, self._history = None, None
        self._meta = meta

    @property
    def is_leaf(self) -> bool:
        """Whether gradients accumulate in its `.grad` (or it requires none)."""
        return self._meta.leaf or not self._meta.requires_grad

    @property
    def grad_fn(self) -> Any:
        """The node of the backward graph that made it; None for leaves."""
        return grad_fn(self)

    @property
    def grad(self) -> Any:
        """The accumulated gradient; None before the first `backward()`."""
        if self._grad is None and self._meta.requires_grad and not self._meta.leaf and not self._retains:
            warn("grad-of-non-leaf", **origin_of(self))
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value.shape != self.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: got {list(value.shape)}; expected {list(self.shape)}."
                )
            if value.dtype is not self.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: got {value.dtype}; expected {self.dtype}."
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Accumulate the gradient of this tensor into the leaves' `.grad`."""
        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same memory without a gradient history."""
        return record_view(TABLE["detach"], self, ())

    def detach_(self) -> Tensor:
        """Forget the gradient history, in place."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Fix: use detach() instead.")
        if self._meta.requires_grad:
            self._set_meta(self._meta.variant(requires_grad=False, leaf=False))
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without a gradient history; writes to it are not counted as versions."""
        return record_view(TABLE["data"], self, ())

    @data.setter
    def data(self, value: Tensor) -> None:
        self.set_data(value)

    def set_data(self, value: Tensor) -> None:
        """Stand for another tensor's memory from now on."""
        if not isinstance(value, Tensor):
            raise TypeError(f"data: got {type(value).__name__}; expected a tensor.")
        stand_for(self, value)

    @property
    def _version_counter(self) -> int:
        return (base_of(self))._version

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf."""
        if not self._meta.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._meta.leaf or self._retains:
            return
        self._retains = True
        me = ref(self)

        def keep(grad: Any) -> None:
            alive = me()
            if alive is not None:
                alive._grad = grad if alive._grad is None else alive._grad + grad

        self.register_hook(keep)

    retains_grad = property(lambda self: self._retains, doc="Whether `retain_grad` was called on it.")

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook(grad)` when this tensor's gradient is computed; it may return another gradient."""
        if not self._meta.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._meta.leaf:
            self._hooked = True
            if self._backward_hooks is None:
                self._backward_hooks = OrderedDict()
            hooks = self._backward_hooks
        else:
            if self._trace is not local.trace and self._history is not None:
                trace, slot = self._history
            else:
                trace = local.trace
                slot = self._slot if self._trace is trace else enter(trace, self)
            local.trace.general = trace.general = True
            hooks = trace.hooks.setdefault(slot, OrderedDict())
        return add_hook(hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call `hook(tensor)` after a gradient was accumulated into a leaf."""
        if not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        self._hooked = True
        if self._accumulate_hooks is None:
            self._accumulate_hooks = OrderedDict()
        return add_hook(self._accumulate_hooks, hook)

    # --- copies ---------------------------------------------------------------------------------------------------

    def __copy__(self) -> Any:
        return pickling.shallow(self)

    def __deepcopy__(self, memo: dict) -> Any:
        return pickling.deep(self, memo)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return pickling.reduce(self)

    def share_memory_(self) -> Tensor:
        """Accepted; the memory stays with this process, and forked workers see a copy of it."""
        return self

    def is_shared(self) -> bool:
        """Whether the memory is shared between processes; never here."""
        return False

    def is_set_to(self, tensor: Tensor) -> bool:
        """Whether both are the same window of the same memory."""
        mine, other = self._meta, tensor._meta
        return (
            base_of(self) is base_of(tensor)
            and mine.offset == other.offset
            and mine.variant(offset=0) is other.variant(offset=0)
        )

    def data_ptr(self) -> int:
        """The address of the first element."""
        return realise(self).ctypes.data if self._meta.numel else 0

    def untyped_storage(self) -> Any:
        """The memory behind it and its other views."""
        from rushlight.storage import UntypedStorage

        return UntypedStorage(self)

    def storage(self) -> Any:
        """As `untyped_storage`, counted in elements."""
        from rushlight.storage import TypedStorage

        return TypedStorage(self)


# Names that are right in NumPy, or nearly right here, and what to write in their place.
_INSTEAD = ("copy", "backwards", "astype", "grads")


class _Elsewhere:
    """Stands where PyTorch's tensors have no attribute, to say what to write; to `hasattr` it is not there.

    A descriptor and not a `Tensor.__getattr__`: a class that has one pays for it at every attribute it reads.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, cls: type) -> Any:
        raise MissingNameError(f"'{cls.__name__}' object", self.name, list, f"no-such-name/{self.name}")


def _attach() -> None:
    """Methods from the registry, operators, and what to write in place of names that are not here."""
    for name, function in METHODS.items():
        if name not in Tensor.__dict__:
            setattr(Tensor, name, function)
    for name, function in DUNDERS.items():
        setattr(Tensor, name, function)
    for name in _INSTEAD:
        setattr(Tensor, name, _Elsewhere(name))


set_result_class(Tensor)
_attach()
