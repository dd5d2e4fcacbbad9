"""What goes wrong while native code runs: mistakes are named as the reference names them, and memory shortages, Ctrl-C and a missing
llvmlite leave everything usable."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from models import labels, perceptron, tensor

import rushlight as torch
from rushlight import config
from rushlight.backend.llvm import memory, program
from rushlight.compile.native import Native
from rushlight.lazy.step import flush
from rushlight.nn import functional as F


@pytest.fixture(autouse=True)
def native(monkeypatch, clean_modes):
    flush()
    monkeypatch.setattr(config, "reference_runs", 0)


# -- messages ----------------------------------------------------------------------------------------------------------

FAR = 10**12
MISTAKES = {
    "index": lambda i: tensor(4, 3)[torch.tensor([0, i])],
    "index_two": lambda i: tensor(4, 3)[torch.tensor([0, 1]), torch.tensor([2, i])],
    "index_select": lambda i: tensor(4, 3).index_select(0, torch.tensor([1, i])),
    "gather": lambda i: tensor(4, 3).gather(0, torch.tensor([[0, i, 1]])),
    "embedding": lambda i: F.embedding(torch.tensor([[0, i]]), tensor(4, 3)),
    "embedding_computed": lambda i: F.embedding(torch.tensor([0, i]) + 0, tensor(4, 3) * 2) + 1,
    "index_put": lambda i: _index_put(i),
    "index_add": lambda i: tensor(4, 3).index_add(0, torch.tensor([i]), tensor(1, 3)),
    "index_fill": lambda i: tensor(4, 3).index_fill(0, torch.tensor([i]), 1.0),
    "scatter": lambda i: tensor(4, 3).scatter(0, torch.tensor([[i, 0, 1]]), 2.0),
    "scatter_add": lambda i: tensor(4, 3).scatter_add(0, torch.tensor([[i, 0, 1]]), tensor(1, 3)),
    "cross_entropy": lambda i: F.cross_entropy(tensor(3, 4), torch.tensor([0, i, 1])),
    "nll_loss": lambda i: F.nll_loss(tensor(3, 4).log_softmax(1), torch.tensor([0, i, 1]), tensor(4), reduction="sum"),
    "one_hot": lambda i: F.one_hot(torch.tensor([0, i]), 4),
}
OTHERS = {
    "floor_divide": lambda: torch.tensor([5, 6, 7]) // torch.tensor([1, 0, 2]),
    "remainder": lambda: torch.tensor([5, 6, 7]) % torch.tensor([1, 2, 0]),
    "fmod": lambda: torch.fmod(torch.tensor([5, 6, 7]), torch.tensor([1, 2, 0])),
    "fmod_number": lambda: torch.fmod(torch.tensor([5, 6, 7]), 0),
    "divide_in_a_chain": lambda: ((torch.tensor([5, 6]) * 2) // (torch.tensor([1, 1]) - 1)) + 3,
    "binary_cross_entropy": lambda: F.binary_cross_entropy(torch.tensor([0.5, 1.5]), torch.tensor([0.0, 1.0])),
    "bernoulli": lambda: torch.bernoulli(torch.tensor([0.5, 1.5])),
    "multinomial": lambda: torch.multinomial(torch.tensor([0.5, -1.0]), 1),
    "cholesky": lambda: torch.linalg.cholesky(torch.tensor([[1.0, 2.0], [2.0, 1.0]])),
}
ALL = {f"{name} {i}": (lambda f=f, i=i: f(i)) for name, f in MISTAKES.items() for i in (4, -5, FAR, -FAR)} | OTHERS


def _index_put(i: int) -> torch.Tensor:
    x = tensor(4, 3).clone()
    x[torch.tensor([0, i])] = 1.0
    return x


def mistake(make) -> Exception:
    """What making the value raises."""
    with pytest.raises((IndexError, RuntimeError, ValueError)) as caught:
        make().tolist()
    return caught.value


@pytest.mark.parametrize("name", sorted(ALL))
def test_mistakes_are_named_as_the_reference_names_them(name, monkeypatch):
    make = ALL[name]
    flush()
    found = mistake(make)
    with monkeypatch.context() as patch:
        patch.setattr(Native, "__call__", lambda native, *given: native.reference(*given))
        expected = mistake(make)
    assert type(found) is type(expected) and str(found) == str(expected)
    assert (tensor(3) + 1).sum().item() == pytest.approx(float((tensor(3).numpy() + 1).sum()))


@pytest.mark.parametrize("write", ["zero_", "fill_", "copy_"])
def test_what_is_written_over_in_full_need_not_have_a_value(write, monkeypatch):
    def written() -> list:
        quotient = torch.tensor([5, 6]) // torch.tensor([0, 1])
        getattr(quotient, write)(*{"zero_": (), "fill_": (3,), "copy_": (torch.tensor([1, 2]),)}[write])
        return (quotient + 1).tolist()

    expected = {"zero_": [1, 1], "fill_": [4, 4], "copy_": [2, 3]}[write]
    flush()
    assert written() == expected
    monkeypatch.setattr(Native, "__call__", lambda native, *given: native.reference(*given))
    assert written() == expected


def test_a_mistake_is_found_in_any_run_and_costs_only_that_run():
    table = tensor(6, 4)
    for last in (1, 5, 6, 0, 2**40, 3):
        index = torch.tensor([0, last])
        flush()
        if last < 6:
            assert np.array_equal((table[index] * 2).numpy(), table.numpy()[[0, last]] * 2)
        else:
            with pytest.raises(IndexError, match=str(last)):
                (table[index] * 2).tolist()


def test_random_numbers_after_a_mistake_go_on_where_they_were():
    def draw(wrong: bool) -> list[float]:
        torch.manual_seed(5)
        x = torch.rand(3)
        if wrong:
            x = x[torch.tensor([0, 7])]
            with pytest.raises(IndexError):
                x.tolist()
            torch.manual_seed(5)
            torch.rand(3).tolist()
        else:
            x.tolist()
        return torch.rand(4).tolist()

    assert draw(True) == draw(False)


# -- memory shortage ---------------------------------------------------------------------------------------------------


def training(optimizer_of):
    """(one training step, the parameters) of a model with dropout, a convolution and samples."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(48, 5)
    )
    optimizer = optimizer_of(model.parameters())
    x, y = tensor(7, 1, 6, 6), labels(7, 5)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, model


@pytest.mark.parametrize("optimizer_of", [lambda p: torch.optim.SGD(p, lr=0.1), lambda p: torch.optim.Adam(p, lr=0.01)])
def test_memory_runs_out_at_any_allocation_of_a_step(optimizer_of, monkeypatch):
    """Every allocation of a native run fails once: the step raises MemoryError or its own class of it, and can be done again."""
    step, model = training(optimizer_of)
    for _ in range(2):
        step()
    state = torch.get_rng_state()
    losses, failures = [], 0
    for k in itertools.count():
        assert k < 200
        torch.set_rng_state(state)
        count = itertools.count()

        def allocating(made, count=count, k=k):
            if next(count) == k:
                raise MemoryError(f"allocation {k}")
            return made

        before = [p.detach().numpy().copy() for p in model.parameters()]
        with monkeypatch.context() as patch:
            original = program.Code.run
            arena = memory.arena

            def run(code, *given, original=original):
                makers = code.makers
                code.makers = [lambda make=make: allocating(make()) for make in makers]
                try:
                    return original(code, *given)
                finally:
                    code.makers = makers

            patch.setattr(program.Code, "run", run)
            patch.setattr(memory, "arena", lambda size, arena=arena: allocating(arena(size)))
            try:
                step()
                done = True
            except (MemoryError, RuntimeError) as error:
                assert "allocation" in str(error) or isinstance(error, MemoryError)
                done = False
        if done:
            break
        failures += 1
        changed = [not np.array_equal(p.detach().numpy(), b) for p, b in zip(model.parameters(), before, strict=True)]
        assert not any(changed), f"allocation {k}: parameters half updated"
    assert failures >= 2
    # the same steps without any failure
    after = [p.detach().numpy().copy() for p in model.parameters()]
    step, model = training(optimizer_of)
    for _ in range(2):
        step()
    torch.set_rng_state(state)
    losses.append(step())
    for p, expected in zip(model.parameters(), after, strict=True):
        assert np.array_equal(p.detach().numpy(), expected)


def test_the_arena_grows_anew_after_a_shortage(monkeypatch):
    x = tensor(300, 300)
    flush()
    expected = ((x @ x).softmax(0) @ x).sum(1)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "_arena", memory._Arena())
        real = np.empty
        patch.setattr(
            memory.np,
            "empty",
            lambda size, *rest: (_ for _ in ()).throw(MemoryError()) if np.prod(size) > 10**5 else real(size, *rest),
        )
        with pytest.raises((MemoryError, RuntimeError)):
            expected.tolist()
    again = ((x @ x).softmax(0) @ x).sum(1)
    reference = x.numpy().astype(np.float64)
    product = reference @ reference
    weights = np.exp(product - product.max(0))
    assert np.allclose(again.numpy(), (weights / weights.sum(0) @ reference).sum(1), rtol=1e-3, atol=1e-3)


# -- processes of their own --------------------------------------------------------------------------------------------


def start(code: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_comes_through_a_long_program():
    """Minutes of products in one Program; KeyboardInterrupt is raised between two kernels, and the next Program runs."""
    child = start(
        """
        import numpy as np, rushlight as torch
        from rushlight import config
        config.reference_runs = 0
        x = torch.tensor(np.eye(1200, dtype=np.float32))
        y = x
        for _ in range(3000):
            y = y @ x
        print("ready", flush=True)
        try:
            y.sum().item()
            print("done")
        except KeyboardInterrupt:
            print("interrupted", (torch.ones(5) * 2).sum().item(), flush=True)
        """
    )
    try:
        assert child.stdout.readline() == "ready\n"
        time.sleep(1.5)
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        out, err = child.communicate(timeout=60)
        took = time.monotonic() - sent
    finally:
        child.kill()
        child.wait()
    assert out == "interrupted 10.0\n", err
    assert took < 6, f"{took:.1f} s"  # 2 s, and room for a machine that is busy with something else


TRAINING = """
    import sys
    {hide}
    import numpy as np, rushlight as torch
    from rushlight.backend import chosen
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x = torch.tensor(np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32))
    y = torch.tensor(np.arange(30) % 3)
    for step in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(chosen(), loss.item(), "llvmlite" in sys.modules and sys.modules["llvmlite"] is not None)
"""


def test_everything_works_without_llvmlite():
    hidden = start(TRAINING.format(hide='sys.modules["llvmlite"] = None'))
    present = start(TRAINING.format(hide=""))
    (mine, errors), (theirs, more) = hidden.communicate(timeout=100), present.communicate(timeout=100)
    assert hidden.returncode == 0 and present.returncode == 0, errors + more
    backend, loss, loaded = mine.split()
    assert backend == "numpy" and loaded == "False" and float(loss) < 0.9
    assert theirs.split()[0] == "llvm" and float(theirs.split()[1]) == pytest.approx(float(loss), rel=1e-3)


def test_nothing_is_lost_when_llvmlite_is_there_and_numpy_is_asked_for():
    child = start(TRAINING.format(hide=""), RUSHLIGHT_BACKEND="numpy")
    out, errors = child.communicate(timeout=100)
    assert out.split()[0] == "numpy" and out.split()[2] == "False", errors


def test_a_perceptron_of_the_models_learns():
    """The models that the other tests of this folder look at are trained, not only compiled."""
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x, y = tensor(9, 12), labels(9, 5)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
