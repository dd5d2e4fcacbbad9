"""Samples to batches, compared with PyTorch's default_collate and default_convert."""

from __future__ import annotations

from collections import OrderedDict, deque, namedtuple

import numpy as np
import pytest

import rushlight
from rushlight.utils.data import DataLoader, Dataset, Subset, default_collate, default_convert

torch = pytest.importorskip("torch")
Point = namedtuple("Point", "x y")


def plain(value):
    """Nested structure with tensors as (dtype, values), whichever library they come from."""
    if isinstance(value, (rushlight.Tensor, torch.Tensor)):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, np.ndarray):
        return "array", value.tolist()
    if isinstance(value, dict):
        return type(value).__name__, {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, deque)):
        return type(value).__name__, [plain(item) for item in value]
    return type(value).__name__, value


BATCHES = [
    lambda t: [1, 2],
    lambda t: [1.0, 2.5],
    lambda t: [True, False],
    lambda t: [True, 2],
    lambda t: [1, 2.5],
    lambda t: [1.5, 2],
    lambda t: ["a", "b"],
    lambda t: [b"a"],
    lambda t: [(1, 2.0), (3, 4.0)],
    lambda t: [[1, 2], [3, 4]],
    lambda t: [Point(1, 2), Point(3, 4)],
    lambda t: [{"a": 1}, {"a": 2}],
    lambda t: [OrderedDict(a=1), OrderedDict(a=2)],
    lambda t: [np.float32(1), np.float32(2)],
    lambda t: [np.float64(1), np.float64(2)],
    lambda t: [np.int32(1), np.int32(2)],
    lambda t: [np.bool_(True), np.bool_(False)],
    lambda t: [np.zeros(2), np.ones(2)],
    lambda t: [np.array(1.0), np.array(2.0)],
    lambda t: [np.array([1], np.int32), np.array([1.5], np.float32)],
    lambda t: [range(2), range(2)],
    lambda t: [deque([1, 2]), deque([3, 4])],
    lambda t: [(), ()],
    lambda t: [{}, {}],
    lambda t: [t.tensor(1), t.tensor(2)],
    lambda t: [t.ones(2, 2), t.zeros(2, 2)],
    lambda t: [{"x": (t.ones(1), "n")}, {"x": (t.zeros(1), "m")}],
    lambda t: [None],
    lambda t: [object()],
    lambda t: [{1}],
    lambda t: [1j],
    lambda t: [np.array(["a"])],
    lambda t: [np.array([None])],
    lambda t: [np.datetime64(1, "D")],
    lambda t: [t.zeros(2), t.zeros(3)],
    lambda t: [np.zeros(2), np.zeros(3)],
    lambda t: [(1,), (1, 2)],
    lambda t: [{"a": 1}, {"b": 1}],
    lambda t: [],
]


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_default_collate_does_as_pytorchs(number):
    try:
        expected = torch.utils.data.default_collate(BATCHES[number](torch))
    except Exception as error:
        with pytest.raises(type(error)):
            default_collate(BATCHES[number](rushlight))
    else:
        assert plain(default_collate(BATCHES[number](rushlight))) == plain(expected)


@pytest.mark.parametrize(
    "value",
    [
        1,
        "a",
        (1, np.ones(1)),
        [1, np.zeros(2)],
        Point(1, np.zeros(1)),
        {"a": np.zeros(1)},
        OrderedDict(a=np.zeros(1)),
        np.float32(1),
        np.array(["a"]),
        None,
        range(2),
    ],
)
def test_default_convert_does_as_pytorchs(value):
    assert plain(default_convert(value)) == plain(torch.utils.data.default_convert(value))


class Pictures(Dataset):
    transform = "Compose(RandomCrop)"

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return rushlight.zeros(3, 4, 2 if index == 5 else 4), index


@pytest.mark.parametrize("workers", [0, 2])
def test_unequal_shapes_name_index_field_shapes_and_transform(workers):
    with pytest.raises(RuntimeError) as caught:
        list(DataLoader(Subset(Pictures(), [0, 1, 2, 3, 5]), 2, sampler=[3, 4], num_workers=workers))
    text = str(caught.value)
    assert "index 4: field 0 has shape (3, 4, 2) but index 3 has (3, 4, 4)" in text
    assert "Compose(RandomCrop)" in text and "collate_fn" in text


def test_unequal_shapes_without_a_loader():
    with pytest.raises(RuntimeError, match=r"index 1: field 'x'\[0\] has length 2 but index 0 has 1.*Resize"):
        default_collate([{"x": [[1]]}, {"x": [[1, 2]]}])


def test_messages_for_types_that_make_no_tensor():
    image = pytest.importorskip("PIL.Image")
    with pytest.raises(TypeError, match=r"PIL.Image.Image.*ToTensor\(\) is missing"):
        default_collate([image.new("RGB", (2, 2))])
    with pytest.raises(TypeError, match="returned None"):
        default_collate([None, None])
    with pytest.raises(TypeError, match="dtype <U1"):
        default_collate([np.array(["a"])])
