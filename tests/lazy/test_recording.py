"""Recording, recognising, flushing: what is a hit, what is alive, and what happens when something goes wrong half-way."""

from __future__ import annotations

import gc
import os
import threading

import pytest

import rushlight as rl
from rushlight import config
from rushlight.lazy.record import fresh_trace, local
from rushlight.lazy.step import _programs, flush
from rushlight.lazy.trie import clear


@pytest.fixture(autouse=True)
def nothing_pending():
    flush()
    yield
    try:
        flush()
    except Exception:  # a test left a failing program behind on purpose
        flush()


def misses() -> int:
    return rl.explain().misses


def make(*shape: int):
    return rl.linspace(-1, 1, int(rl.Size(shape).numel())).reshape(shape).clone()


# --- hits ---------------------------------------------------------------------------------------------------------


def sgd_loop(rates, batch=4, steps=None):
    w = make(3, 2).requires_grad_()
    seen, losses = [], []
    for lr in rates:
        x = make(batch, 3)
        loss = ((x @ w) ** 2).mean()
        loss.backward()
        with rl.no_grad():
            w -= lr * w.grad
            w.grad.zero_()
        losses.append(loss.item())
        seen.append(misses())
    return seen, losses


def test_the_second_step_of_a_loop_is_known() -> None:
    seen, losses = sgd_loop([0.1] * 4)
    assert seen[2:] == [0, 0] and losses == sorted(losses, reverse=True)


def test_a_changing_learning_rate_is_an_input() -> None:
    seen, losses = sgd_loop([0.1 / (i + 1) for i in range(6)])
    assert seen[2:] == [0] * 4
    expected = sgd_loop([0.1 / (i + 1) for i in range(6)])[1]
    assert losses == expected


def test_python_numbers_are_inputs() -> None:
    x = make(4)
    x.tolist()
    results = []
    for i in range(5):
        y = ((x * i + 0.5 * i) / (i + 1)).clamp(min=-float(i))
        results.append(y.sum().item())
        if i:
            assert misses() == 0
    assert results == [
        pytest.approx(sum(max((v * i + 0.5 * i) / (i + 1), -i) for v in x.tolist()), rel=1e-5) for i in range(5)
    ]


def test_another_kind_of_number_or_shape_is_new() -> None:
    flush()
    clear()  # other tests may have recorded the same
    fresh_trace()
    x = make(4)
    x.tolist()
    (x * 2).tolist()
    (x * 3).tolist()
    assert misses() == 0
    (x * 2.0).tolist()
    assert misses() > 0
    (make(5) * 2).tolist()
    assert misses() > 0
    (make(5) * 7).tolist()
    assert misses() == 0


def test_slicing_with_another_index_is_known() -> None:
    x = make(10)
    x.tolist()
    (x[0] + 1).item()
    (x[1] + 1).item()
    assert misses() == 0 and (x[7] + 1).item() == pytest.approx(x.tolist()[7] + 1)


# --- liveness -----------------------------------------------------------------------------------------------------


def test_what_nobody_holds_is_not_computed() -> None:
    x = make(4)
    dead = x.exp()
    del dead
    gc.collect()
    (x + 1).tolist()
    assert [node.op.name for node in rl.explain().program.graph.nodes if node.op.name == "exp"] == []


def test_what_is_held_is_computed_once() -> None:
    x = make(4)
    a, b = x.exp(), x.exp()
    (a + b).tolist()
    names = [node.op.name for node in rl.explain().program.graph.nodes]
    assert names.count("exp") == 1
    assert a.tolist() == b.tolist()
    a.add_(1)
    assert a.tolist() != b.tolist()


def test_equal_results_do_not_share_memory() -> None:
    x = make(3)
    a, b, c = x + 1, x + 1, x.clone()
    a.numpy()[0] = 100
    assert b.tolist()[0] == 0 and c.tolist()[0] == -1 and x.tolist()[0] == -1


# --- bounds -------------------------------------------------------------------------------------------------------


def test_long_traces_are_run_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "trace_limit", 50)
    x = rl.zeros(3)
    w = rl.ones(3, requires_grad=True)
    y = w
    for _ in range(400):
        x = x + 1
        y = y * 1.01
        assert local.trace.node.depth <= 60
    y.sum().backward()
    assert x.tolist() == [400] * 3
    assert w.grad.tolist() == pytest.approx([1.01**400] * 3, rel=1e-4)


def test_programs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "program_limit", 8)
    for n in range(1, 40):
        assert (rl.ones(n) * 2).sum().item() == 2 * n
    assert len(_programs) <= 8
    assert (rl.ones(1) * 2).sum().item() == 2


# --- mistakes -----------------------------------------------------------------------------------------------------


def test_a_refused_op_records_nothing() -> None:
    x = make(2, 3)
    y, four, two = x + 1, make(4), make(2)
    depth = local.trace.node.depth
    for wrong in (lambda: x @ x, lambda: x.view(5), lambda: x + four, lambda: rl.cat([x, two]), lambda: x.sum(7)):
        with pytest.raises((RuntimeError, IndexError)):
            wrong()
    assert local.trace.node.depth - depth <= 1  # the transposition before a product may be
    assert y.tolist() == (x + 1).tolist()


def test_an_exception_in_the_users_loop_leaves_things_sound() -> None:
    w = make(3).requires_grad_()
    for attempt in range(3):
        try:
            loss = (w * 2).sum()
            if attempt == 1:
                raise KeyError("the user's own")
            loss.backward()
        except KeyError:
            continue
    assert w.grad.tolist() == [4, 4, 4] and rl.is_grad_enabled()


def test_a_failing_program_keeps_what_came_before() -> None:
    w = make(3)
    w.tolist()
    early = w * 2
    bad = w.take(rl.tensor([99]))
    late = bad + 1
    with rl.no_grad():
        w += late.sum()
    with pytest.raises(IndexError) as caught:
        late.tolist()
    assert "w.take" in "\n".join(caught.value.__notes__)
    assert early.tolist() == [-2, 0, 2]
    with pytest.raises(RuntimeError, match="has no value"):
        bad.tolist()
    assert (make(3) + 1).tolist() == [0, 1, 2]


def test_parameters_survive_a_failing_step() -> None:
    w = make(3).requires_grad_()
    w.tolist()
    loss = w.take(rl.tensor([5])).sum()
    with pytest.raises(IndexError):
        loss.backward()
        with rl.no_grad():
            w -= w.grad
        flush()
    w.grad = None
    assert w.detach().clone().tolist() == [-1, 0, 1]


# --- threads and processes ----------------------------------------------------------------------------------------


def in_threads(count: int, work) -> list:
    results: list = [None] * count

    def run(index: int) -> None:
        try:
            results[index] = work(index)
        except BaseException as error:  # reported by the assertion below
            results[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert not [r for r in results if isinstance(r, BaseException)], results
    return results


def test_each_thread_has_its_own_trace() -> None:
    x = make(4)
    pending = x + 1
    found = in_threads(4, lambda i: (make(4) * i).tolist())
    assert found == [(make(4) * i).tolist() for i in range(4)]
    assert pending.tolist() == (make(4) + 1).tolist()


def test_pending_tensors_cross_threads() -> None:
    pending = make(4) * 3
    assert in_threads(4, lambda i: (pending + i).tolist()) == [(make(4) * 3 + i).tolist() for i in range(4)]
    made = in_threads(2, lambda i: make(3) + i)
    assert (made[0] + made[1]).tolist() == (make(3) * 2 + 1).tolist()


def test_shared_model_in_eight_threads() -> None:
    w1, w2 = make(5, 8), make(8, 3)
    x = make(6, 5)
    expected = ((x @ w1).tanh() @ w2).tolist()

    def infer(index: int) -> bool:
        with rl.no_grad():
            return all(((x @ w1).tanh() @ w2).tolist() == expected for _ in range(10))

    assert in_threads(8, infer) == [True] * 8


def test_grad_mode_is_per_thread() -> None:
    with rl.no_grad():
        assert in_threads(2, lambda i: rl.is_grad_enabled()) == [True, True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore")
def test_fork_while_pending() -> None:
    pending = make(4) * 2
    expected = [v * 2 for v in make(4).tolist()]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(write, repr(pending.tolist()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert eval(text) == expected == pending.tolist()


def test_explain_says_where_recording_left_the_path() -> None:
    x = make(3)
    for branch in (0, 0, 1):
        y = x + 1
        y = y.exp() if branch == 0 else y.sin()
        y.tolist()
    text = repr(rl.explain())
    assert "left the known path" in text and "exp" in text and "sin" in text and "test_recording.py" in text
