"""DLPack and NumPy's protocols: memory shared both ways."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch


def test_numpy_sees_a_tensors_memory_and_a_tensor_numpys():
    x = torch.arange(4.0)
    a = np.from_dlpack(x)
    x[0] = 7
    assert a.tolist() == [7.0, 1.0, 2.0, 3.0]
    b = np.zeros(3)
    y = torch.from_dlpack(b)
    b[1] = 2
    y[2] = 3
    assert y.tolist() == b.tolist() == [0.0, 2.0, 3.0]
    assert torch.from_dlpack(b, copy=True).add_(1).tolist() == [1.0, 3.0, 4.0] and b.tolist() == [0.0, 2.0, 3.0]
    assert torch.from_dlpack(b, device="cpu").dtype is torch.float64


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"],
)
def test_dtypes_and_strides_go_through(dtype):
    x = torch.ones(2, 3, dtype=getattr(torch, dtype)).T
    a = np.from_dlpack(x)
    assert (a.dtype.name, a.shape, a.strides) == (dtype, (3, 2), tuple(s * x.element_size() for s in x.stride()))
    assert torch.from_dlpack(a).stride() == x.stride()


def test_with_pytorch(oracle):
    theirs = oracle.arange(3.0)
    ours = torch.from_dlpack(theirs)
    theirs[0] = 9
    assert ours.tolist() == [9.0, 1.0, 2.0]
    back = oracle.from_dlpack(torch.arange(3))
    assert back.tolist() == [0, 1, 2] and back.dtype is oracle.int64
    assert oracle.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2))).tolist() == [1.0, 1.0]


def test_our_own_tensors_share_too():
    x = torch.ones(2, dtype=torch.bfloat16)
    y = torch.from_dlpack(x)
    y[0] = 3
    assert y is not x and x.tolist() == [3.0, 1.0]


def test_bad_input():
    x = torch.ones(2)
    assert tuple(map(int, x.__dlpack_device__())) == (1, 0) == (torch.utils.dlpack.DLDeviceType.kDLCPU, 0)
    with pytest.raises(BufferError, match="detach"):
        torch.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="dl_device"):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(AssertionError, match="stream"):
        x.__dlpack__(stream=1)
    with pytest.raises(RuntimeError, match="from_dlpack"):
        torch.from_dlpack([1, 2])
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(torch.ones(1, requires_grad=True))
    with pytest.raises(ValueError, match="copy=False"):
        np.array(x, dtype=np.float64, copy=False)


def test_numpy_functions():
    x = torch.arange(3.0)
    assert isinstance(np.sin(x), torch.Tensor) and isinstance(np.add(x, x), torch.Tensor)
    assert isinstance(np.float32(2) * x, torch.Tensor) and (np.float64(2) * x).dtype is torch.float32
    a = np.array(x, copy=True)
    a[0] = 5
    assert x[0] == 0 and np.asarray(x, dtype="int32").tolist() == [0, 1, 2]
    b = np.ones(3)
    b += x
    assert b.tolist() == [1.0, 2.0, 3.0] and np.concatenate([x, x]).shape == (6,)
