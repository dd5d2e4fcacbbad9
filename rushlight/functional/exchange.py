"""Memory that other libraries and files hold: DLPack, and files mapped into memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.device import resolve
from rushlight.errors import explain_error
from rushlight.functional.creation import from_numpy
from rushlight.functional.registry import METHODS, public
from rushlight.layout import check_strided
from rushlight.lazy.handle import Handle


class _Capsule:
    """A bare capsule with the protocol's two methods, which is what NumPy takes."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # the CPU


@public()
def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """A tensor over another library's memory, given by an object with `__dlpack__`, or by a capsule.

    copy  True: memory of its own. None or False: the memory is shared, and what one side writes the other sees

    Errors: RuntimeError for what DLPack does not describe, or what is not on the CPU.

    >>> import numpy as np, rushlight as torch
    >>> a = np.zeros(2); t = torch.from_dlpack(a); a[0] = 1; t
    tensor([1., 0.], dtype=torch.float64)
    """
    resolve(device)
    if isinstance(ext_tensor, Handle):
        if ext_tensor._meta.requires_grad:
            raise BufferError(
                "Can't export tensors that require gradient, use tensor.detach(). Fix: pass tensor.detach()."
            )
        return ext_tensor.clone() if copy else ext_tensor.detach()  # type: ignore[attr-defined]
    source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
    try:
        array = np.from_dlpack(source)
    except (TypeError, ValueError, AttributeError) as error:
        raise RuntimeError(
            explain_error(
                "from_dlpack",
                got=f"a {type(ext_tensor).__name__} ({error})",
                expected="memory of the CPU that DLPack describes",
            )
        ) from None
    return from_numpy(array.copy() if copy else array)


@public()
def to_dlpack(tensor: Any) -> Any:
    """A DLPack capsule over the tensor's memory, which one consumer may take."""
    return _dlpack(tensor)


def _dlpack(
    self: Any, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach(). Fix: pass tensor.detach().")
    if stream is not None:
        raise AssertionError(
            explain_error("__dlpack__", got=f"stream={stream!r}", expected="None: the CPU has no streams")
        )
    if dl_device is not None and tuple(dl_device) != (1, 0):
        raise BufferError(explain_error("__dlpack__", got=f"dl_device={tuple(dl_device)}", expected="(1, 0), the CPU"))
    options = {} if max_version is None else {"max_version": max_version}
    array = (self.clone() if copy else self).numpy()
    if not array.flags.writeable and max_version is None:
        raise BufferError(
            explain_error("__dlpack__", got="elements that share a place", expected="memory of its own", fix="clone()")
        )
    return array.__dlpack__(**options)


METHODS["__dlpack__"] = _dlpack
METHODS["__dlpack_device__"] = lambda self: (1, 0)


@public()
def from_file(
    filename: str, shared: bool | None = None, size: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False,
) -> Any:  # fmt: skip
    """A vector of `size` elements over a file mapped into memory.

    shared: changes are written to the file, which is made or lengthened if need be. Otherwise they are seen in memory
    only, and RuntimeError tells of a file that is too short.
    """
    check_strided("from_file", layout)
    kind = dtype or dtypes.get_default_dtype()
    if kind in dtypes.BITS:
        raise NotImplementedError(explain_error("from_file", got=str(kind), expected="a dtype that NumPy has"))
    wanted = size * kind.itemsize
    if shared:
        with open(filename, "ab") as file:
            if file.tell() < wanted:
                file.truncate(wanted)
    elif os.path.getsize(filename) < wanted:
        raise RuntimeError(
            explain_error(
                "from_file",
                got=f"a file of {os.path.getsize(filename)} bytes",
                expected=f"at least {wanted}: {size} of {kind}",
            )
        )
    if not size:
        return from_numpy(np.zeros(0, kind.storage))
    return from_numpy(np.asarray(np.memmap(filename, kind.storage, "r+" if shared else "c", shape=(size,))))
