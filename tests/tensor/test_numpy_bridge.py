"""NumPy shares memory with tensors, both ways, also while work is pending."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight
from rushlight import config


def test_from_numpy_sees_later_writes_and_is_written() -> None:
    array = np.arange(4.0)
    t = rushlight.from_numpy(array)
    array[0] = 9
    assert t.tolist() == [9, 1, 2, 3]
    t.mul_(2)
    assert array.tolist() == [18, 2, 4, 6]
    t[1:3] = 0
    assert array.tolist() == [18, 0, 0, 6]


def test_pending_reads_see_the_memory_as_it_was_when_recorded() -> None:
    array = np.ones(3)
    t = rushlight.from_numpy(array)
    before = t * 2
    array[:] = 5
    after = t * 2
    assert before.tolist() == [2, 2, 2] and after.tolist() == [10, 10, 10]


def test_numpy_of_a_tensor_that_pending_work_reads() -> None:
    x = rushlight.tensor([1.0, 2.0])
    x.tolist()
    double = x * 2
    array = x.numpy()
    array[0] = 7
    again = x * 2
    array[1] = 8
    assert double.tolist() == [2, 4]
    assert again.tolist() == [14, 4]
    assert (x * 2).tolist() == [14, 16]


def test_numpy_then_pending_writes_land_in_the_same_memory() -> None:
    t = rushlight.zeros(3)
    array = t.numpy()
    t.add_(3)
    assert array.tolist() == [3, 3, 3]
    array[1] = 0
    assert t.tolist() == [3, 0, 3]
    t.view(3, 1)[0] = -1
    assert array.tolist() == [-1, 0, 3]


def test_views_share_too() -> None:
    t = rushlight.arange(6.0).view(2, 3)
    column = t[:, 1].numpy()
    column += 10
    assert t.tolist() == [[0, 11, 2], [3, 14, 5]]
    t.t().mul_(0)
    assert column.tolist() == [0, 0]
    base = np.zeros((3, 4))
    part = rushlight.from_numpy(base[1:, ::2])
    part.fill_(1)
    assert base.sum() == 4 and base[1, 0] == 1 and base[0].sum() == 0


def test_memory_freed_by_numpy_is_no_longer_shared() -> None:
    t = rushlight.ones(2)
    array = t.numpy()
    del array
    t.add_(1)
    assert rushlight.explain() is not None and t.tolist() == [2, 2]


@pytest.mark.parametrize("limit", [0, 1 << 22])
def test_large_arrays_are_read_at_once(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "shared_copy_limit", limit)
    array = np.ones(8)
    t = rushlight.from_numpy(array)
    y = (t + 1) * 3
    array[:] = 100
    assert y.tolist() == [6.0] * 8
    assert (t + t).sum().item() == 1600
    t.add_(1)
    assert array[0] == 101


def test_array_over_four_megabytes() -> None:
    array = np.ones(700_000)
    t = rushlight.from_numpy(array)
    y = t * 2
    array[:] = 3
    assert y.sum().item() == 1_400_000 and t.sum().item() == 2_100_000


@pytest.mark.parametrize(
    "values",
    [np.array(2.5), np.array([True, False]), np.array([1 + 2j]), np.arange(3, dtype=np.uint8), np.ones((0, 3))],
)
def test_kinds(values: np.ndarray) -> None:
    t = rushlight.from_numpy(values.copy())
    assert tuple(t.shape) == values.shape and t.numpy().dtype == values.dtype
    assert np.array_equal(t.numpy(), values) and np.array_equal(t.clone().numpy(), values)
    assert np.shares_memory(t.numpy(), t.numpy()) or values.size == 0


def test_refusals() -> None:
    with pytest.raises(ValueError, match="negative"):
        rushlight.from_numpy(np.arange(3)[::-1])
    with pytest.raises(TypeError):
        rushlight.from_numpy([1, 2])
    with pytest.raises(TypeError):
        rushlight.from_numpy(np.array(["a"]))
    with pytest.raises(ValueError, match="byte order"):
        rushlight.from_numpy(np.arange(3, dtype=">i4"))
    with pytest.raises(RuntimeError, match="detach"):
        rushlight.ones(2, requires_grad=True).numpy()
    with pytest.raises(TypeError, match="BFloat16"):
        rushlight.ones(2, dtype=rushlight.bfloat16).numpy()


def test_read_only_arrays_can_be_read() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    t = rushlight.from_numpy(array)
    assert (t * 2).tolist() == [0, 2, 4]


def test_gradients_of_shared_memory() -> None:
    array = np.array([1.0, 2.0])
    w = rushlight.from_numpy(array).requires_grad_()
    (w * w).sum().backward()
    assert w.grad.tolist() == [2, 4]
    with rushlight.no_grad():
        w.sub_(w.grad, alpha=0.5)
    assert array.tolist() == [0, 0]


def test_numpy_functions_take_tensors() -> None:
    t = rushlight.arange(3.0)
    assert np.sum(np.asarray(t)) == 3
    assert np.allclose(t, [0, 1, 2])
    assert (t + np.ones(3, np.float32)).tolist() == [1, 2, 3]
    assert rushlight.ones(2).detach().numpy().flags.writeable


def test_bits_of_bfloat16() -> None:
    t = rushlight.tensor([1.0, -2.0], dtype=rushlight.bfloat16)
    assert t.view(rushlight.int16).numpy().view(np.uint16).tolist() == [0x3F80, 0xC000]


def test_pending_reads_come_before_numpy_writes_after_a_change_of_layout():
    x = rushlight.tensor(0.5).relu()
    x.tolist()
    y = x.relu()
    x.unsqueeze_(0)
    x.numpy().flat[:1] = 3.0
    assert y.item() == 0.5 and x.tolist() == [3.0]
