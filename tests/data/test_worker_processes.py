"""Worker processes: how they start, fail, are killed and end."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from multiprocessing import forkserver, resource_tracker

import numpy as np
import pytest

import rushlight
from rushlight.utils import data

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*num_workers=.*cores"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc and /dev/shm"),
]


@pytest.fixture(autouse=True)
def nothing_left():
    resource_tracker.ensure_running()  # the two helpers of other start methods stay for good
    forkserver.ensure_running()
    shared, files = set(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd"))
    yield
    gc.collect()
    assert not multiprocessing.active_children()
    assert not set(os.listdir("/dev/shm")) - shared
    assert len(os.listdir("/proc/self/fd")) <= files


class Numbers(data.Dataset):
    """Index, what `act(index)` gives, and the process that read it."""

    def __init__(self, act=None, size=12):
        self.act, self.size = act, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        value = self.act(index) if self.act else index
        return index, value, os.getpid()


class OddError(Exception):
    """An exception whose constructor wants two arguments."""

    def __init__(self, code, text):
        super().__init__(code, text)


def at(number, action):
    def act(index):
        return action() if index == number else index

    return act


def fail(error):
    raise error


def indices(loader):
    return [index for batch in loader for index in batch[0].tolist()]


def gone(pid):
    """No such process, not even a zombie."""
    return not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_any_number_of_workers_gives_the_same_batches(workers):
    rushlight.manual_seed(5)
    loader = data.DataLoader(Numbers(size=31), 4, shuffle=True, num_workers=workers)
    first, second = indices(loader), indices(loader)
    rushlight.manual_seed(5)
    serial = data.DataLoader(Numbers(size=31), 4, shuffle=True)
    assert [first, second] == [indices(serial), indices(serial)]


@pytest.mark.parametrize(
    "end, told",
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL.*memory"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
        (lambda: os._exit(7), "exit code 7"),
        (lambda: sys.exit(3), "exit code 3"),
    ],
)
def test_a_dead_worker_is_reported(end, told):
    iterator = iter(data.DataLoader(Numbers(at(7, end)), 3, num_workers=2))
    pids = [worker.pid for worker in iterator._workers]
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=rf"worker 0 \(pid {pids[0]}\) .*{told}") as caught:
        list(iterator)
    assert time.monotonic() - start < 5
    assert "[6, 7, 8]" in str(caught.value)
    assert all(map(gone, pids))


def test_a_worker_killed_between_batches():
    iterator = iter(data.DataLoader(Numbers(size=400), 2, num_workers=2))
    next(iterator)
    os.kill(iterator._workers[1].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"worker 1 .*SIGKILL.*batch of indices \[\d+, \d+\]"):
        list(iterator)


def test_many_kills():
    for number in range(12):
        iterator = iter(data.DataLoader(Numbers(lambda i: np.zeros(20_000), size=64), 4, num_workers=2))
        for _ in range(number % 4):
            next(iterator)
        pids = [worker.pid for worker in iterator._workers]
        os.kill(pids[number % 2], signal.SIGKILL)
        with pytest.raises(RuntimeError, match="SIGKILL"):
            list(iterator)
        assert all(map(gone, pids))


@pytest.mark.parametrize(
    "error, kind",
    [
        (ValueError("bad picture"), ValueError),
        (KeyError("bad picture"), KeyError),
        (OddError(1, "bad picture"), RuntimeError),
        (type("Local", (Exception,), {})("bad picture"), RuntimeError),
        (UnicodeDecodeError("utf8", b"x", 0, 1, "bad picture"), RuntimeError),
        (StopIteration("bad picture"), RuntimeError),
    ],
    ids=lambda value: str(getattr(value, "__name__", None)),
)
def test_an_exception_keeps_its_class_and_traceback(error, kind):
    loader = data.DataLoader(Numbers(at(4, lambda: fail(error))), 3, num_workers=2)
    with pytest.raises(kind) as caught:
        list(loader)
    text = str(caught.value)
    assert "bad picture" in text and "index 4 of Numbers" in text
    assert "worker 1 (pid" in text and "in fail\n" in text


def test_the_next_batch_can_be_read_after_an_exception():
    for workers in (0, 2):
        iterator = iter(data.DataLoader(Numbers(at(4, lambda: fail(ValueError("bad")))), 3, num_workers=workers))
        assert next(iterator)[0].tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match="bad"):
            next(iterator)
        assert indices(iterator) == [6, 7, 8, 9, 10, 11]


def test_nothing_comes_after_a_death():
    iterator = iter(data.DataLoader(Numbers(at(0, lambda: os._exit(1))), 3, num_workers=2))
    with pytest.raises(RuntimeError, match="exit code 1"):
        next(iterator)
    assert list(iterator) == []


def test_an_exception_of_collate_fn_and_of_worker_init_fn():
    with pytest.raises(ZeroDivisionError, match=r"collating the samples at indices \[0, 1\]"):
        list(data.DataLoader(Numbers(), 2, num_workers=1, collate_fn=lambda batch: 1 / 0))
    with pytest.raises(ValueError, match=r"no licence\n\n.*worker \d .*in worker_init_fn"):
        list(data.DataLoader(Numbers(), 2, num_workers=2, worker_init_fn=lambda number: fail(ValueError("no licence"))))


def test_a_batch_that_cannot_be_pickled():
    loader = data.DataLoader(Numbers(), 2, num_workers=1, collate_fn=lambda batch: lambda: batch)
    with pytest.raises(Exception, match=r"pickle.*\n\n.*worker 0 .*indices \[0, 1\]"):
        list(loader)


def test_timeout():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"worker 0 .*timeout=0.3.*\[0, 1\]"):
        list(data.DataLoader(Numbers(lambda index: time.sleep(60)), 2, num_workers=2, timeout=0.3))
    assert time.monotonic() - start < 4


def test_breaking_off_ends_the_workers():
    iterator = iter(data.DataLoader(Numbers(size=1000), 2, num_workers=2))
    pids = [worker.pid for worker in iterator._workers]
    next(iterator)
    start = time.monotonic()
    del iterator
    assert all(map(gone, pids)) and time.monotonic() - start < 2


def test_persistent_workers():
    def slowly(index):
        time.sleep(0.02)  # so that the worker that is killed still has work to do
        return index

    started = []
    loader = data.DataLoader(Numbers(slowly), 5, num_workers=2, persistent_workers=True, worker_init_fn=started.append)
    pids = [sorted({pid for batch in loader for pid in batch[2].tolist()}) for _ in range(3)]
    assert pids[0] == pids[1] == pids[2] and len(pids[0]) == 2 and started == []
    next(iter(loader))  # an epoch that is broken off leaves nothing for the next
    assert indices(loader) == list(range(12))
    with pytest.raises(RuntimeError):
        iterator = iter(loader)
        os.kill(pids[0][0], signal.SIGKILL)
        list(iterator)
    assert indices(loader) == list(range(12))  # new workers
    del loader, iterator


def test_out_of_order():
    def act(index):
        if index == 0:
            time.sleep(0.3)
        return index

    loader = data.DataLoader(Numbers(act), 1, num_workers=2, in_order=False)
    order = indices(loader)
    assert sorted(order) == list(range(12)) and order[0] != 0
    assert indices(data.DataLoader(Numbers(act), 1, num_workers=2)) == list(range(12))


def test_worker_info():
    class Where(Numbers):
        def __getitem__(self, index):
            info = data.get_worker_info()
            return info.id, info.num_workers, info.seed, info.dataset is self, rushlight.initial_seed()

    batches = list(data.DataLoader(Where(), 3, num_workers=2))
    assert [set(batch[0].tolist()) for batch in batches] == [{0}, {1}, {0}, {1}]
    assert batches[0][1].tolist() == [2, 2, 2] and batches[0][3].all()
    assert batches[1][2][0].item() == batches[0][2][0].item() + 1 == batches[1][4][0].item()
    assert data.get_worker_info() is None


def test_what_crosses_the_process_border_is_unchanged():
    big = rushlight.arange(100_000).reshape(2, 50_000)
    sample = {
        "big": big,
        "slice": big[:, ::2],
        "brain": rushlight.tensor([1.5, -2.0], dtype=rushlight.bfloat16),
        "none": rushlight.zeros(0, 3),
        "scalar": rushlight.tensor(3),
        "flags": rushlight.tensor([True, False]),
        "leaf": rushlight.ones(2, requires_grad=True),
        "array": np.arange(6).reshape(2, 3).T,
        "nested": (1, "text", [b"bytes", None]),
    }
    for got in data.DataLoader([sample], batch_size=None, num_workers=1, collate_fn=lambda value: value):
        for name, value in sample.items():
            if isinstance(value, rushlight.Tensor):
                assert got[name].dtype == value.dtype and got[name].shape == value.shape, name
                assert got[name].requires_grad == value.requires_grad
                assert got[name].tolist() == value.tolist(), name
        assert (got["array"] == sample["array"]).all() and got["nested"] == sample["nested"]
        got["big"].add_(1)
        assert got["big"][0, 1].item() == 2
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        list(data.DataLoader(Numbers(lambda index: rushlight.ones(1, requires_grad=True) * 2), num_workers=1))


def test_ctrl_c_in_the_main_process():
    iterator = iter(data.DataLoader(Numbers(lambda index: time.sleep(60)), num_workers=2))
    pids = [worker.pid for worker in iterator._workers]
    previous = signal.signal(signal.SIGALRM, lambda *_: fail(KeyboardInterrupt()))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(iterator)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - start < 2.2 and all(map(gone, pids))


def run(*arguments):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=30, env=environment)


def test_workers_end_with_a_killed_main_process():
    done = run(
        "-c",
        textwrap.dedent(
            """
            import os, signal
            from rushlight.utils import data
            iterator = iter(data.DataLoader(range(10**6), num_workers=2))
            next(iterator)
            print(*(worker.pid for worker in iterator._workers), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
            """
        ),
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert done.returncode == -signal.SIGKILL and len(pids) == 2
    deadline = time.monotonic() + 4
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(gone, pids))


def test_a_forked_copy_of_an_iterator_does_no_harm():
    done = run(
        "-c",
        textwrap.dedent(
            """
            import os
            from rushlight.utils import data
            iterator = iter(data.DataLoader(range(9), 3, num_workers=2))
            if os.fork() == 0:
                del iterator
                os._exit(0)
            os.wait()
            print([batch.tolist() for batch in iterator])
            """
        ),
    )
    assert done.stdout.strip() == "[[0, 1, 2], [3, 4, 5], [6, 7, 8]]" and not done.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method):
    dataset = data.TensorDataset(rushlight.arange(8))
    loader = data.DataLoader(dataset, 3, num_workers=1, multiprocessing_context=method)
    assert [batch[0].tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_what_cannot_be_pickled_is_named():
    for dataset, extra, name in (
        (Numbers(lambda index: index), {}, "dataset.act"),
        (Numbers(), {"collate_fn": lambda batch: batch}, "collate_fn"),
        (Numbers(), {"worker_init_fn": lambda number: None}, "worker_init_fn"),
    ):
        start = time.monotonic()
        with pytest.raises(Exception, match=f"got {name} .*lambda.*cannot be pickled.*'spawn'.*def at the top"):
            iter(data.DataLoader(dataset, num_workers=2, multiprocessing_context="spawn", **extra))
        assert time.monotonic() - start < 2


def test_a_script_without_main_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from rushlight.utils import data
            list(data.DataLoader(range(4), num_workers=1, multiprocessing_context="spawn"))
            """
        )
    )
    done = run(script)
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr.strip().splitlines()[-1]


class _Pending(data.Dataset):
    """Its tensors were recorded, random numbers among them, but not computed when the workers were forked."""

    def __init__(self):
        self.x = rushlight.rand(8, 3)
        self.y = self.x * 2 + rushlight.randn(8, 3)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.x[index], self.y[index] + 1


def test_fork_while_work_is_pending():
    rushlight.manual_seed(3)
    dataset = _Pending()
    batches = list(data.DataLoader(dataset, 4, num_workers=2))
    for place, column in enumerate((dataset.x, dataset.y + 1)):
        assert rushlight.cat([batch[place] for batch in batches]).tolist() == column.tolist()
    rushlight.manual_seed(3)
    assert _Pending().y.tolist() == dataset.y.tolist()
