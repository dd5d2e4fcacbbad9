"""A tensor's printed form."""

from __future__ import annotations

from typing import Any

from rushlight.functional.overriding import disabled_torch_function, tensor_class


def tensor_repr(tensor: Any) -> str:
    """`tensor(...)` with the suffixes that PyTorch shows."""
    from rushlight import printing

    meta = tensor._meta
    if meta.device.type == "meta":
        return (
            f"tensor(..., device='meta', size={tuple(meta.shape)}"
            + (f", dtype={meta.dtype}" if meta.dtype.name != "float32" else "")
            + ")"
        )
    fn = tensor.grad_fn
    cls = type(tensor)
    of_its_own = getattr(cls.__torch_function__, "__func__", cls.__torch_function__) is not disabled_torch_function
    kind = cls.__name__ if of_its_own and cls is not tensor_class() else "tensor"
    return printing.tensor_str(
        tensor._compute_array(), dtype=meta.dtype, requires_grad=meta.requires_grad and fn is None,
        grad_fn_name=fn.name() if fn is not None else None, kind=kind,
    )  # fmt: skip
