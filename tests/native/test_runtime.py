"""The launcher and its threads: what is computed, what is refused, and what happens around it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from small_kernels import add_kernel, copy_text, fault_text, scratch_text, slow_text

from rushlight.backend.llvm import jit, pool, threads
from rushlight.backend.llvm.runtime import IN_USE, Table, launcher

linux = pytest.mark.skipif(not pool.FUTEX_CALL, reason="threads are Linux's")
launch = launcher()


@pytest.fixture(autouse=True)
def two_threads():
    before = threads.threads()
    threads.set_threads(2)
    yield
    threads.set_threads(before)


def adding(units: int, grain: int = 0, groups: int = 1, serial: bool = False, **options) -> Table:
    """x += number, on the only output, in each group."""
    table = Table(0, 1, ("f64",))
    for _ in range(groups):
        table.group(serial)
        table.add(add_kernel(), [table.output(0), table.number(0)], units, grain)
    table.finish(**options)
    return table


def run(table: Table, x: np.ndarray, number: float = 1.0) -> int:
    return launch(table.address, [], [number], [x], 0, 0, table.groups)


# -- what is computed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("heavy", [False, True])
def test_every_unit_runs_once_whatever_the_threads(count, heavy):
    threads.set_threads(count)
    for units, grain in ((0, 0), (1, 1), (7, 2), (100, 3), (100, 1), (100, 1000), (64, 8)):
        x = np.zeros(130)
        assert run(adding(units, grain, groups=3, heavy=heavy), x) == 0
        assert x.tolist() == [3.0] * units + [0.0] * (130 - units)


def test_slots_offsets_and_instructions_of_a_group():
    table = Table(2, 2, ("f64", "i64"))
    held = np.zeros(4)
    table.group()
    for place in (
        table.leaf(1).at(8),
        table.output(0).at(16).at(8),
        table.output(1),
        table.arena.at(24),
        table.constant(held),
    ):
        table.add(add_kernel(), [place, table.number(0)], 2, 1)
    table.group(serial=True)
    table.add(add_kernel(), [table.leaf(0), table.number(0)], 3, 1)
    table.finish()
    leaves, outputs, arena = [np.zeros(5), np.zeros(5)], [np.zeros(5), np.zeros(5)], np.zeros(8)
    for number in (1, 2.5):
        assert launch(table.address, leaves, (number, 7), tuple(outputs), arena.ctypes.data, 0, 2) == 0
    assert [x.tolist() for x in leaves] == [[3.5, 3.5, 3.5, 0, 0], [0, 3.5, 3.5, 0, 0]]
    assert [x.tolist() for x in outputs] == [[0, 0, 0, 3.5, 3.5], [3.5, 3.5, 0, 0, 0]]
    assert arena.tolist() == [0, 0, 0, 3.5, 3.5, 0, 0, 0] and held.tolist() == [3.5, 3.5, 0, 0]


def test_subclasses_of_arrays_are_arrays():
    class Mine(np.ndarray):
        pass

    x = np.zeros(4)
    assert run(adding(4), x.view(Mine)) == 0 and x.tolist() == [1.0] * 4


def test_a_stretch_of_the_groups():
    x = np.zeros(4)
    table = adding(4, groups=5)
    assert launch(table.address, [], [1.0], [x], 0, 1, 3) == 0
    assert x.tolist() == [2.0] * 4


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("f64", 0.1, 0.1), ("f64", 3, 3.0), ("f64", True, 1.0), ("f64", -1.0, -1.0), ("f64", -1, -1.0),
        ("f64", np.float32(0.5), 0.5), ("f64", float("inf"), float("inf")), ("i64", -1, -1),
        ("i64", 2**63 - 1, 2**63 - 1), ("i64", -(2**63), -(2**63)), ("i64", False, 0), ("i64", np.int32(5), 5),
    ],
)  # fmt: skip
def test_numbers_are_converted_by_kind(kind, given, kept):
    table = Table(0, 1, (kind,))
    table.group()
    table.add(jit.address(copy_text()), [table.output(0), table.number(0)], 1)
    table.finish()
    x = np.zeros(1, np.float64 if kind == "f64" else np.int64)
    assert launch(table.address, [], [given], [x], 0, 0, 1) == 0
    assert x[0] == kept


def test_the_status_stops_the_launch_and_is_forgotten_by_the_next():
    table = Table(0, 1, ("f64",))
    fault = jit.address(fault_text())
    table.group()
    table.add(add_kernel(), [table.output(0), table.number(0)], 4)
    table.group()
    table.add(fault, [table.status, 17], 1)
    table.group()
    table.add(add_kernel(), [table.output(0), table.number(0)], 4)
    table.finish()
    x = np.zeros(4)
    assert run(table, x) == 17
    assert x.tolist() == [1.0] * 4
    assert launch(table.address, [], [1.0], [x], 0, 2, 3) == 0


@linux
@pytest.mark.parametrize("size", [8, 1000, 1 << 20])
def test_each_thread_has_scratch_memory_of_its_own(size):
    threads.set_threads(4)
    table = Table(0, 1)
    table.group()
    table.add(jit.address(scratch_text()), [table.output(0), size], 5000, 7)
    table.finish(scratch=size)
    x = np.zeros(5000, np.int64)
    for _ in range(20):
        assert launch(table.address, [], [], [x], 0, 0, 1) == 0
    assert np.array_equal(x, 20 * np.arange(5000))


def test_the_clock_is_read_around_each_group():
    table, x = adding(1000, groups=4), np.zeros(1000)
    run(table, x)
    assert not table.times.any()
    table.profile(True)
    run(table, x)
    times = table.times.ravel().copy()
    table.profile(False)
    run(table, x)
    assert np.array_equal(times, table.times.ravel()), "it can be switched off again"
    assert times.shape == (8,) and times[0] > 0 and np.all(np.diff(times) >= 0)
    assert abs(time.clock_gettime_ns(time.CLOCK_MONOTONIC) - int(times[-1])) < 60e9


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaves", "numbers", "outputs", "error"),
    [
        ([], [], [], ValueError), ([np.zeros(1)], [1.0], [np.zeros(1)], ValueError), ([], [1.0], [[1.0]], TypeError),
        ([], [1.0], np.zeros((1, 1)), TypeError), (None, [1.0], [np.zeros(1)], TypeError),
        ([], ["1"], [np.zeros(1)], TypeError), ([], [1j], [np.zeros(1)], TypeError),
        ([], [10**400], [np.zeros(1)], OverflowError), ([], [1.0], [np.float64(1)], TypeError),
    ],
)  # fmt: skip
def test_wrong_arguments_raise_and_leave_the_table_usable(leaves, numbers, outputs, error):
    table, x = adding(1), np.zeros(1)
    with pytest.raises(error):
        launch(table.address, leaves, numbers, outputs, 0, 0, 1)
    assert run(table, x) == 0 and x[0] == 1.0


def test_integers_too_large_and_floats_for_integers():
    table = Table(0, 0, ("i64",))
    table.group()
    table.finish()
    for given, error in ((2**63, OverflowError), (1.5, TypeError)):
        with pytest.raises(error):
            launch(table.address, [], [given], [], 0, 0, 1)
    with pytest.raises(TypeError, match="expected"):
        launch(table.address)


def test_memory_that_cannot_be_had():
    table, x = adding(100, 1, scratch=1 << 60), np.zeros(100)
    with pytest.raises(MemoryError):
        run(table, x)
    assert not x.any()
    good = adding(100, 1, scratch=1 << 16)
    assert run(good, x) == 0 and x.tolist() == [1.0] * 100


# -- threads -----------------------------------------------------------------------------------------------------------


@linux
def test_no_thread_takes_two_places_in_a_job():
    """The scratch memory has as many places as there are threads, also when one comes back to a job."""
    threads.set_threads(3)
    tables = [adding(units, 1, groups=groups) for units, groups in ((2, 1), (40, 1), (3, 2), (17, 1))]
    x = np.zeros(40)
    for round in range(5000):
        table = tables[round % 4]
        run(table, x)
        assert threads._words["entered"].value <= 3
        if round % 50 == 0:
            time.sleep(0.0002)


@linux
def test_threads_come_and_go_with_the_setting():
    x = np.zeros(100)
    for count in (3, 1, 5, 2):
        threads.set_threads(count)
        deadline = time.monotonic() + 20
        run(adding(100, 1), x)
        while threads.alive() != count - 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert threads.threads() == count and threads.alive() == count - 1


@linux
def test_results_stay_right_while_the_number_of_threads_changes():
    stop = threading.Event()

    def change() -> None:
        for i in range(10**9):
            if stop.is_set():
                return
            threads.set_threads(1 + i % 5)
            time.sleep(0.0002)

    other = threading.Thread(target=change)
    other.start()
    try:
        table, x = Table(0, 1), np.zeros(600, np.int64)
        for _ in range(20):
            table.group()
            table.add(jit.address(scratch_text()), [table.output(0), 4096], 600, 7)
        table.finish(scratch=4096)
        for _ in range(300):
            assert launch(table.address, [], [], [x], 0, 0, 20) == 0
    finally:
        stop.set()
        other.join()
    assert np.array_equal(x, 6000 * np.arange(600))


@linux
def test_threads_that_the_system_refuses():
    """Too little address space for their stacks: the launch makes do with those that there are."""
    done = script(
        """
        import resource
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), used + (200 << 20)))
        threads.set_threads(900)
        assert run() == 0
        print(x[:64:8].tolist() == [2000] * 8, threads.alive() < 100, threads.threads() == threads.alive() + 1)
        """,
        2,
        1,
    )
    assert done.stdout == "True True True\n", done.stderr


def test_several_python_threads_launch_at_once():
    def work(index: int) -> None:
        table, x = adding(3000, 10, groups=20, scratch=512), np.zeros(3000)
        for _ in range(100):
            assert run(table, x, index) == 0
        done[index] = bool(np.all(x == 2000 * index))

    done = [False] * 6
    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert all(done)


def test_one_table_is_run_by_one_thread_at_a_time():
    slow = Table(0, 1)
    slow.group()
    slow.add(jit.address(slow_text()), [slow.output(0), 1000], 100_000)
    slow.finish()
    x, y = np.zeros(1, np.int64), np.zeros(1, np.int64)
    first = threading.Thread(target=lambda: launch(slow.address, [], [], [x], 0, 0, 1))
    first.start()
    while not x[0]:
        time.sleep(0.001)
    assert launch(slow.address, [], [], [y], 0, 0, 1) == IN_USE and not y[0]
    again = slow.copy()
    assert launch(again.address, [], [], [y], 0, 0, 0) == 0
    first.join()
    assert x[0] == 100_000_000
    assert launch(slow.address, [], [], [x], 0, 0, 0) == 0


# -- around it ---------------------------------------------------------------------------------------------------------


@linux
def test_a_forked_child_has_threads_of_its_own():
    table, x = adding(5000, 5, groups=10), np.zeros(5000)
    run(table, x)
    for _ in range(10):
        child = os.fork()
        if not child:
            run(table, x)
            os._exit(0 if x[0] == 20 and np.all(x == x[0]) and threads.alive() == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
    run(table, x)
    assert np.all(x == 20)


def test_the_runtime_is_loaded_once():
    done = script(
        """
        from rushlight.backend.llvm import runtime
        found = []
        runtime._symbols.clear()
        real = threads.bind
        threads.bind = lambda words: (found.append(1), time.sleep(0.1), real(words))
        workers = [threading.Thread(target=runtime.symbols) for _ in range(8)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        print(len(found))
        """,
        1,
        1,
    )
    assert done.stdout == "1\n", done.stderr


SCRIPT = """
import os, signal, sys, threading, time
sys.path.insert(0, {tests!r})
import numpy as np
from small_kernels import add_kernel, slow_text
from rushlight.backend.llvm import jit, threads
from rushlight.backend.llvm.runtime import Table, launcher
launch = launcher()
threads.set_threads(3)
table, slow = Table(0, 1), jit.address(slow_text())
for _ in range({groups}):
    table.group()
    for i in range(8):
        table.add(slow, [table.output(0).at(64 * i), 1000], {units}, 1)
table.finish(scratch=100)
x = np.zeros(100, np.int64)
def run():
    return launch(table.address, [], [], [x], 0, 0, table.groups)
"""


def script(body: str, groups: int, units: int) -> subprocess.CompletedProcess[str]:
    here = os.path.dirname(os.path.abspath(__file__))
    source = SCRIPT.format(tests=here, groups=groups, units=units) + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)


def test_the_interpreter_ends_at_once_with_threads_parked_or_running():
    for body, groups in (("run()", 2), ("threading.Thread(target=run, daemon=True).start(); time.sleep(0.05)", 10_000)):
        start = time.monotonic()
        done = script(body, groups, 100)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert time.monotonic() - start < 5


def test_ctrl_c_stops_a_long_launch_between_groups():
    done = script(
        """
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            run()
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - start < 10, 0 < x[0] < 100_000 * 10_000)
        print(launch(table.address, [], [], [x], 0, 0, 1))
        """,
        10_000,
        100,
    )
    assert done.stdout == "interrupted True True\n0\n", done.stderr


@linux
def test_signals_reach_the_main_thread():
    """Threads of the pool block signals, so that a handler interrupts what Python waits for."""
    done = script(
        """
        run()
        blocking = 0
        signal.signal(signal.SIGALRM, lambda *_: print("handled", flush=True))
        for thread in os.listdir("/proc/self/task"):
            if int(thread) != os.getpid():
                status = open(f"/proc/self/task/{thread}/status").read()
                blocked = int(status.split("SigBlk:")[1].split()[0], 16)
                blocking += blocked >> (signal.SIGALRM - 1) & 1
        print(blocking)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        signal.pause()
        """,
        2,
        10,
    )
    assert done.stdout == "2\nhandled\n", done.stderr
