"""Memory that came from NumPy is copied when it enters a trace, but only while NumPy code can still change it."""

import numpy as np

import rushlight


def enters_by_reference(tensor):
    """Whether a program that uses the tensor reads its memory itself."""
    result = tensor * 2
    trace = result._trace
    return trace is not None and any(array is tensor._array for array in trace.leaves)


def test_an_array_that_was_dropped_is_the_tensors_own():
    tensor = rushlight.from_numpy(np.ones(3))
    assert enters_by_reference(tensor)


def test_an_array_that_is_held_is_copied():
    array = np.ones(3)
    tensor = rushlight.from_numpy(array)
    doubled = tensor * 2
    array[0] = 5
    assert doubled.tolist() == [2, 2, 2]
    assert (tensor * 2).tolist() == [10, 2, 2]
    assert not enters_by_reference(tensor)
    del array
    assert enters_by_reference(tensor)


def test_a_view_or_a_buffer_of_the_array_counts():
    array = np.ones(3)
    tensor, view = rushlight.from_numpy(array), array[:2]
    del array
    doubled = tensor * 2
    view[0] = 5
    assert doubled.tolist() == [2, 2, 2]
    del view
    window = memoryview(tensor.numpy())
    doubled = tensor * 2
    window[1] = 7.0
    assert doubled.tolist() == [10, 2, 2]
    assert (tensor * 2).tolist() == [10, 14, 2]


def test_views_of_a_tensor_follow():
    array = np.arange(4.0)
    row = rushlight.from_numpy(array)[1:]
    doubled = row * 2
    array[1] = 9
    assert doubled.tolist() == [2, 4, 6]
    del array
    assert (row * 2).tolist() == [18, 4, 6]
    row += 1
    assert row._base.tolist() == [0, 10, 3, 4]


def test_large_batches_of_a_loader_are_recorded_with_the_step():
    data = rushlight.utils.data.TensorDataset(rushlight.ones(4, 3_000_000))
    for (batch,) in rushlight.utils.data.DataLoader(data, 2):
        assert enters_by_reference(batch)
