"""Results written over inputs: parameters that are updated in place keep their memory, and never where that could be seen."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from checks import check_program, programs_of
from models import labels, perceptron, tensor

import rushlight as torch
from rushlight import config
from rushlight.backend.llvm import set_threads
from rushlight.backend.llvm.program import Code
from rushlight.lazy.step import flush
from rushlight.nn import functional as F


@pytest.fixture(autouse=True)
def native(monkeypatch, clean_modes):
    flush()
    monkeypatch.setattr(config, "reference_runs", 0)


@pytest.fixture
def replaced(monkeypatch) -> list[np.ndarray]:
    """The arrays that Programs have written over, in order."""
    found: list[np.ndarray] = []
    original = Code._donate

    def noting(code, leaves, targets, outputs):
        without = original(code, leaves, targets, outputs)
        found.extend(array for array in outputs if array is not None)
        return without

    monkeypatch.setattr(Code, "_donate", noting)
    return found


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# -- where it happens --------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_parameters_and_state_keep_their_memory(name, replaced):
    model = perceptron()
    optimizer = OPTIMIZERS[name](model.parameters())
    x, y = tensor(9, 12), labels(9, 5)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        flush()

    step()
    step()
    before = [p.data_ptr() for p in model.parameters()]
    replaced.clear()
    step()
    assert [p.data_ptr() for p in model.parameters()] == before
    written = {array.ctypes.data for array in replaced}
    assert written >= set(before)
    states = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 3}[name]
    assert len(replaced) >= (1 + states) * len(before)


def test_a_tensor_changed_in_place_keeps_its_memory(replaced):
    x = tensor(50)
    x.tolist()
    old, expected = x._array, x.numpy().copy() * 2 + 1
    del x
    x = torch.tensor(old)
    flush()
    memory = x._array
    x.mul_(2).add_(1)
    flush()
    assert x._array is memory and replaced[-1] is memory and np.array_equal(memory, expected)


# -- where it must not -------------------------------------------------------------------------------------------------


def test_a_view_used_before_the_change_keeps_the_old_values():
    data = numbers(8, 5)
    x = torch.tensor(data)
    window = x[2:6]
    flush()
    y = window * 3
    x.mul_(2)
    z = window + 1
    assert np.array_equal(y.numpy(), data[2:6] * 3)
    assert np.array_equal(z.numpy(), data[2:6] * 2 + 1)
    assert np.array_equal(x.numpy(), data * 2)


def test_memory_that_another_input_is_a_window_of_is_not_replaced(replaced):
    whole = numbers(6, 5)
    lone, part = torch.tensor(whole), None
    flush()
    part = lone.detach()[1:3]
    y = part.exp()
    lone.add_(1)
    flush()
    assert np.allclose(y.numpy(), np.exp(whole[1:3])) and np.array_equal(lone.numpy(), whole + 1)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.flip(0),
        lambda x: x.roll(1, 0),
        lambda x: x.t(),
        lambda x: x[torch.tensor([3, 2, 1, 0])],
        lambda x: x.index_select(0, torch.tensor([3, 2, 1, 0])),
        lambda x: x.gather(0, torch.tensor([[3] * 4, [2] * 4, [1] * 4, [0] * 4])),
        lambda x: F.embedding(torch.tensor([3, 2, 1, 0]), x),
        lambda x: x @ x,
        lambda x: x.cumsum(0),
        lambda x: x.sum(0),
        lambda x: x - x.mean(1, keepdim=True),
        lambda x: torch.cat([x[2:], x[:2]]),
        lambda x: F.pad(x[None], (1, 1), mode="circular")[0, :, 2:],
        lambda x: x.sort(0)[0],
        lambda x: x.clone(),
        lambda x: x.detach().reshape(2, 8) * 2,
    ],
)
@pytest.mark.parametrize("change", [lambda x: x.fill_(7), lambda x: x.mul_(2).add_(1)])
def test_what_reads_elsewhere_sees_the_values_before(read, change):
    """The new values go over the old ones, which another op of the step reads at other places."""
    data = numbers(4, 4)
    expected = read(torch.tensor(data)).numpy().copy()
    x = torch.tensor(data)
    flush()
    y = read(x)
    if y._base is not None:
        y = y + 0
    change(x)
    flush()
    assert np.allclose(y.numpy(), expected, rtol=1e-6)
    assert np.array_equal(x.numpy(), change(torch.tensor(data)).numpy())


def test_what_numpy_holds_is_written_where_it_is():
    data = numbers(6)
    x = torch.from_numpy(data)
    seen = x.numpy()
    old = data.copy()
    x.mul_(2)
    y = x + 1
    flush()
    assert np.array_equal(data, old * 2) and np.array_equal(seen, data) and np.array_equal(y.numpy(), data + 1)
    data += 1
    assert np.array_equal((x * 1).numpy(), data)


def test_a_backward_that_is_still_to_come_finds_the_old_values():
    data = numbers(16, 2)
    w = torch.tensor(data).requires_grad_()
    flush()
    y = w.sin() + w.cos()
    with torch.no_grad():
        w.mul_(0.9).add_(w, alpha=0.1)
    flush()
    try:
        y.sum().backward()
    except RuntimeError as error:  # what PyTorch does
        assert "modified by an inplace operation" in str(error)
    else:
        assert np.allclose(w.grad.numpy(), np.cos(data) - np.sin(data), rtol=1e-5, atol=1e-6)


def test_inputs_that_a_backward_needs_are_not_copied_out():
    """A forward run of its own keeps what backward needs; its inputs stay where they are."""
    model, x, y = perceptron(), tensor(9, 12), labels(9, 5)
    flush()
    program = programs_of(lambda: F.cross_entropy(model(x), y))[-1]
    leaves = set(program.graph.leaves)
    assert not leaves & set(program.graph.outputs.values())


def test_values_kept_for_backward_lie_as_they_did():
    """Of a transposed input that is overwritten after the forward, the copy is transposed too."""
    data = numbers(5, 7)
    w = torch.tensor(data.T).requires_grad_()
    scale = torch.tensor(numbers(7, 5, seed=1).T.copy().T)
    flush()
    y = w * scale
    flush()
    with torch.no_grad():
        scale.mul_(3)
        w.mul_(2)
    flush()
    try:
        y.sum().backward()
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
    else:
        assert np.allclose(w.grad.numpy(), numbers(7, 5, seed=1))


def test_memory_of_numpy_in_any_order_is_read_as_it_lies():
    data = numbers(3, 4)
    for given in (
        data.T,
        data[:, ::2],
        data[1:, 1:],
        np.asfortranarray(data),
        data.reshape(1, 3, 4).transpose(2, 0, 1),
    ):
        x = torch.from_numpy(given)
        assert np.array_equal((x * 2).numpy(), given * 2)
        assert np.array_equal((torch.tensor(given) * 2).numpy(), given * 2)


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_in_a_step_leaves_parameters_and_state_as_they_were():
    """An index is out of range in the very Program that updates the parameters; afterwards training goes on as if nothing had been."""

    def train(mistakes: bool) -> list[np.ndarray]:
        model = perceptron()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        x, y, table, index = tensor(9, 12), labels(9, 5), tensor(4), torch.tensor([0, 9])
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            if mistakes:
                before = (
                    [p.data_ptr() for p in model.parameters()],
                    [p.detach().numpy().copy() for p in model.parameters()],
                )
                wrong = table[index]
                with pytest.raises(IndexError):
                    optimizer.step()
                del wrong
                assert [p.data_ptr() for p in model.parameters()] == before[0]
                assert all(
                    np.array_equal(p.detach().numpy(), b) for p, b in zip(model.parameters(), before[1], strict=True)
                )
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
            optimizer.step()
        return [p.detach().numpy().copy() for p in model.parameters()]

    for mine, expected in zip(train(True), train(False), strict=True):
        assert np.array_equal(mine, expected)


def test_a_wrong_target_leaves_parameters_as_they_were():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = tensor(9, 12)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    for _ in range(2):
        with pytest.raises((IndexError, RuntimeError)):
            F.cross_entropy(model(x), torch.tensor([7] * 9)).backward()
            optimizer.step()
            flush()
        optimizer.zero_grad()
    assert all(np.array_equal(p.detach().numpy(), b) for p, b in zip(model.parameters(), before, strict=True))


# -- a race ------------------------------------------------------------------------------------------------------------


def test_a_weight_is_not_updated_while_a_product_reads_it():
    """dX = dY Wᵀ reads the weight that dW's epilogue updates: they may not share a step. With many threads the sums are the same bits."""

    def run(threads: int) -> list[bytes]:
        torch.manual_seed(1)
        set_threads(threads)
        model = torch.nn.Sequential(
            torch.nn.Linear(256, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, 256),
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        x = tensor(256, 256)
        for _ in range(6):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            flush()
        return [p.detach().numpy().tobytes() for p in model.parameters()]

    try:
        alone = run(1)
        assert all(run(threads) == alone for threads in (2, 3, 4))
    finally:
        set_threads(config.threads)


def test_steps_of_a_wide_model_do_not_conflict():
    model = torch.nn.Sequential(*[torch.nn.Linear(12, 12) for _ in range(5)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        model(tensor(9, 12)).square().mean().backward()
        optimizer.step()
        flush()

    step()
    program = programs_of(step)[-1]
    check_program(program)
    assert len(program.run.code.lowering.donated) >= 10


def test_tied_weights_are_updated_once():
    data = numbers(5, 5)
    w = torch.tensor(data).requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.1)
    x = tensor(3, 5)
    for _ in range(2):
        optimizer.zero_grad()
        ((x @ w).relu() @ w).sum().backward()
        optimizer.step()
        flush()
    expected = data.astype(np.float64)
    inputs = x.numpy().astype(np.float64)
    for _ in range(2):
        hidden = inputs @ expected
        active = np.maximum(hidden, 0)
        ones = np.ones((3, 5))
        grad = active.T @ ones + inputs.T @ ((ones @ expected.T) * (hidden > 0))
        expected = expected - 0.1 * grad
    assert np.allclose(w.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
