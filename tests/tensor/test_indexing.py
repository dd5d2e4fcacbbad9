"""Indexing: basic, boolean, integer and mixed, read and written, against PyTorch; and its errors."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

# Each is written once and evaluated under both libraries.
INDICES = [
    "0", "-1", "1, 2", "...", "..., 0", "0, ...", "1:3", ":, 1", "::2", "1:, :-1", "None", ":, None", "None, 0, None", "..., None", "()",
    "torch.tensor(1)", "torch.tensor([0, 2])", "torch.tensor([[0, 1], [2, 0]])", "[0, 2]", "[-1, 0]", ":, [0, 2]", ":, :, [1, 0]",
    "[0, 1], [1, 2]", "[0, 1], :, [1, 0]", "torch.tensor([0, 1]), :, torch.tensor([[1], [0]])", "0, [1, 2]", "[1, 2], 0", "1:, [0, 1]",
    "x > 0", "x[:, 0, 0] > 0", "x[:, :, 0] > 0", ":, x[0] > 0", "x > 100", "True", "False", "[True, False, True, False]",
    "np.array([0, 1])", "np.array([True, False, True, True])", "slice(1, None)", "torch.tensor([0, 1], dtype=torch.int32)",
    "..., [0]", "None, [0, 1], None", "2:1", "10:", "-3:-1", "np.int64(2)", "[], ",
    "torch.tensor([], dtype=torch.int64)", "[[0, 1]], ", "x.argmax(0)[0, 0]",
]  # fmt: skip
BAD = [
    "4", "-5", "0, 0, 0, 0", "'a'", "1.5", "[4]", "torch.tensor([9])", "torch.tensor([True])", "torch.tensor([0.5])", "::-1", "{}",
    "[0, 1, 2], [0, 1]", "x[0] > 0", "1:2:0",
]  # fmt: skip


def source() -> np.ndarray:
    return np.random.RandomState(0).randn(4, 3, 2)


def pair() -> tuple:
    return rushlight.tensor(source()), torch.tensor(source())


def run(text: str, library, x) -> None:
    exec(text, {"torch": library, "x": x, "np": np})


@pytest.mark.parametrize("index", INDICES)
def test_read(index: str) -> None:
    a, b = (
        eval(f"x[{index}]", {"torch": t, "x": x, "np": np}) for t, x in zip((rushlight, torch), pair(), strict=True)
    )
    assert tuple(a.shape) == tuple(b.shape)
    assert a.tolist() == b.tolist()


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize(
    "statement", ["x[{}] = 0.5", "x[{}] += 1", "x[{}] = x[{}] * 2", "x[{}] = torch.tensor(2.5, dtype=torch.float64)"]
)
def test_write(index: str, statement: str) -> None:
    mine, theirs = pair()
    alias = mine.view(-1)
    text = statement.replace("{}", index)
    run(text, torch, theirs)
    run(text, rushlight, mine)
    assert mine.tolist() == theirs.tolist()
    assert alias.tolist() == theirs.flatten().tolist()


@pytest.mark.parametrize("index", INDICES)
def test_gradient(index: str) -> None:
    mine, theirs = pair()
    for library, x in ((rushlight, mine), (torch, theirs)):
        x.requires_grad_()
        space = {"torch": library, "x": x, "np": np}
        picked = eval(f"x[{index}]", space)
        (picked * picked).sum().backward()
    assert (mine.grad is None) == (theirs.grad is None)
    assert np.allclose(mine.grad.tolist(), theirs.grad.tolist())


@pytest.mark.parametrize("index", BAD)
def test_bad_index(index: str) -> None:
    mine, theirs = pair()
    for statement in (f"y = x[{index}]; y.tolist()", f"x[{index}] = 1.0"):
        with pytest.raises(Exception) as expected:
            run(statement, torch, theirs)
        with pytest.raises(expected.type):
            run(statement + "; x.tolist()", rushlight, mine)
        mine = rushlight.tensor(source())


def test_values_that_do_not_fit() -> None:
    mine, theirs = pair()
    for text in (
        "x[0] = torch.zeros(5)",
        "x[[0]] = torch.tensor(2.5)",
        "x[[0, 1]] = torch.zeros(5)",
        "x[x > 0] = torch.zeros(3)",
    ):
        with pytest.raises(Exception) as expected:
            run(text, torch, theirs)
        with pytest.raises(expected.type):
            run(text, rushlight, mine)
    assert mine.tolist() == theirs.tolist()


def test_duplicates_and_accumulation() -> None:
    for library in (rushlight, torch):
        x = library.zeros(4)
        x.index_put_((library.tensor([0, 0, 2]),), library.tensor([1.0, 2.0, 3.0]), accumulate=True)
        assert x.tolist() == [3, 0, 3, 0]
        x.index_add_(0, library.tensor([1, 1]), library.tensor([1.0, 1.0]))
        x.scatter_add_(0, library.tensor([3, 3]), library.tensor([2.0, 2.0]))
        assert x.tolist() == [3, 2, 3, 4]
        assert x.gather(0, library.tensor([3, 0])).tolist() == [4, 3]


def test_out_of_range_names_the_recording_line() -> None:
    x = rushlight.arange(3)
    bad = x.take(rushlight.tensor([7]))  # the line that is named
    with pytest.raises(IndexError) as caught:
        bad.tolist()
    notes = "\n".join(caught.value.__notes__)
    assert "test_indexing.py" in notes and "x.take" in notes


def test_iteration_membership_and_length() -> None:
    x = rushlight.arange(6).view(3, 2)
    assert [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    assert len(x) == 3 and 5 in x and 9 not in x
    a, b, c = x
    b.zero_()
    assert x.tolist() == [[0, 1], [0, 0], [4, 5]]
    with pytest.raises(TypeError):
        iter(rushlight.tensor(1))
    with pytest.raises(TypeError):
        len(rushlight.tensor(1))


SEQUENCES = [
    range(2), (range(2), range(1, 3)), (range(3), 1), (slice(None), range(2)), range(0), deque([0, 1]), ((0, 1), (1, 2)),
    ([0, 1], (1, 2)), (0, (1, 2)), ((0, 1),), (..., range(2)), ((True, False, True),), ((),),
]  # fmt: skip
LISTS = [
    [range(2), [0, 1]],
    [[0, 1], [1, 0]],
    [[0, 1]],
    [[[0, 1]]],
    [slice(0, 1)],
    [None, 0],
    [..., 0],
    [np.array([0, 1])],
]


@pytest.mark.parametrize("index", SEQUENCES, ids=str)
def test_any_sequence_is_an_index(index):
    ours, theirs = (m.arange(24.0).reshape(3, 4, 2) for m in (rushlight, torch))
    assert ours[index].tolist() == theirs[index].tolist()
    ours[index], theirs[index] = -1.0, -1.0
    assert ours.tolist() == theirs.tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("index", LISTS, ids=str)
def test_a_list_that_stands_for_a_tuple(index):
    ours, theirs = (m.arange(24.0).reshape(3, 4, 2) for m in (rushlight, torch))
    assert ours[index].tolist() == theirs[index].tolist()
    ours[index], theirs[index] = -1.0, -1.0
    assert ours.tolist() == theirs.tolist()


def test_such_a_list_warns():
    x = rushlight.arange(6).reshape(2, 3)
    with pytest.warns(UserWarning, match=r"x\[tuple\(indices\)\]"):
        assert x[[rushlight.tensor([0, 1]), rushlight.tensor([2, 0])]].tolist() == [2, 3]
