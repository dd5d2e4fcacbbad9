"""The main process's side of loading with worker processes.

Batch `k` is task `k`; task `k` goes to worker `k mod n` (so random augmentations repeat from run to run), answers are
handed out in the order of their numbers. Each worker has one connection of its own: no lock and no queue is shared, so
a worker can die at any moment without blocking the others.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings
from collections import deque
from contextlib import suppress
from itertools import count, cycle
from multiprocessing import connection as mp_connection
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, NoReturn

from rushlight.errors import explain_error
from rushlight.lessons import say
from rushlight.utils.data import fetch, transport
from rushlight.utils.data.iterator import LoaderIterator
from rushlight.utils.data.worker import Failure, Job, StreamEnd, run_worker

if TYPE_CHECKING:
    from rushlight.utils.data.loader import DataLoader

_LOOK = 1.0  # seconds between looks at whether the workers still live, should nothing else have told
_DONE = object()  # what no sampler yields
_GRACE = 1.0  # seconds that workers get to end by themselves, and again after a SIGTERM


def start_context(context: BaseContext | None) -> BaseContext:
    """The given `multiprocessing` context; else what the program has set, else fork where it is safe (Linux)."""
    if context is not None:
        return context
    if multiprocessing.get_start_method(allow_none=True) is None and sys.platform.startswith("linux"):
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context()


class _Worker:
    """One process, its connection and the tasks it has not answered yet."""

    def __init__(self, number: int, process: Any, connection: Any) -> None:
        self.number = number
        self.process = process
        self.pid = process.pid
        self.connection = connection
        self.tasks: dict[int, Any] = {}  # task -> indices, oldest first
        self.active = True  # False once its stream has ended

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"


class ProcessIterator(LoaderIterator):
    """One pass over a `DataLoader` with `num_workers > 0`; with persistent workers it is wound back by `restart`."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._owner = os.getpid()
        self._workers: list[_Worker] = []
        self._pending: deque[int] = deque()  # tasks given out and not handed to the user, in order
        self._numbers = count()
        self._epoch = 0
        self._timeout = loader.timeout
        self._in_order = loader.in_order
        self._persistent = loader.persistent_workers
        self._ahead = (loader.prefetch_factor or 2) * loader.num_workers
        self._context = start_context(loader._context)
        try:
            self._start_workers(loader)
            self._begin()
        except BaseException:
            self._shutdown()
            raise

    def restart(self, loader: DataLoader) -> None:
        """Begin the next epoch with the same workers."""
        self._rewind(loader)
        self._epoch += 1
        try:
            self._begin()
        except BaseException:
            self._shutdown()
            raise

    @property
    def alive(self) -> bool:
        """Whether there still are workers to go on with."""
        return bool(self._workers)

    def _begin(self) -> None:
        self._pending.clear()
        self._answers: dict[int, Any] = {}
        for worker in self._workers:
            worker.tasks.clear()
            worker.active = True
        self._turns = cycle(self._workers)
        for _ in range(self._ahead):
            self._give_task()

    # Handing out tasks, taking in answers

    def _fetch_next(self) -> Any:
        try:
            answer = self._take_answer()
            self._give_task()
            while isinstance(answer, StreamEnd):
                answer = self._take_answer()
                self._give_task()
        except StopIteration:
            if not self._persistent:
                self._shutdown()
            raise
        except BaseException:
            self._shutdown()
            raise
        if isinstance(answer, Failure):
            answer.reraise()  # the workers go on: whoever catches it may ask for the next batch
        return answer

    def _take_answer(self) -> Any:
        while self._pending:
            number = self._pending[0] if self._in_order else next(iter(self._answers), None)
            if number in self._answers:
                self._pending.remove(number)
                return self._answers.pop(number)
            self._receive()
        raise StopIteration

    def _give_task(self) -> None:
        indices = next(self._index_iter, _DONE)
        worker = self._next_worker()
        if indices is _DONE or worker is None:
            return
        number = next(self._numbers)
        self._pending.append(number)
        worker.tasks[number] = indices
        # A dead worker may have left a message that says why, so it is noticed where answers are read.
        with suppress(*transport.Gone):
            transport.send(worker.connection, transport.pack((self._epoch, number, indices)))

    def _next_worker(self) -> _Worker | None:
        active = [worker for worker in self._workers if worker.active]
        if not active:
            return None
        if not self._in_order:
            return min(active, key=lambda worker: len(worker.tasks))
        return next(worker for worker in self._turns if worker.active)

    def _receive(self) -> None:
        """Wait until at least one answer has come in."""
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else float("inf")
        channels = {worker.connection: worker for worker in self._workers}
        channels.update({worker.process.sentinel: worker for worker in self._workers})
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self._raise_late()
            ready = mp_connection.wait(list(channels), min(left, _LOOK))
            answered = [channels[item] for item in ready if not isinstance(item, int)]
            for worker in answered:
                self._read(worker)
            if answered:
                return
            for worker in self._workers:
                if not worker.process.is_alive():
                    self._raise_dead(worker)

    def _read(self, worker: _Worker) -> None:
        try:
            packed = transport.receive(worker.connection)
        except transport.Gone:
            self._raise_dead(worker)
        number, answer = transport.unpack(*packed)
        if number is None:  # worker_init_fn failed
            answer.reraise()
        if worker.tasks.pop(number, self) is self:
            return  # the task of an epoch that was broken off
        self._answers[number] = answer
        if isinstance(answer, StreamEnd):
            worker.active = False

    # Starting and ending processes

    def _start_workers(self, loader: DataLoader) -> None:
        job = Job(
            dataset=loader.dataset,
            iterable=self._iterable,
            batched=loader._auto_collation,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
            init_fn=loader.worker_init_fn,
            num_workers=loader.num_workers,
            base_seed=self._base_seed,
        )
        forks = self._context.get_start_method() == "fork"
        ours: list[Any] = []
        for number in range(loader.num_workers):
            near, far = self._context.Pipe(duplex=True)
            ours.append(near)
            # A forked child inherits the near ends; they must close there, or nobody would notice that we are gone.
            process = self._context.Process(  # type: ignore[attr-defined]
                target=run_worker, args=(far, ours if forks else [], number, job), daemon=True
            )
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "This process .*is multi-threaded", DeprecationWarning)
                    process.start()
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                near.close()
                raise type(error)(_cannot_pickle(error, job, self._context)) from error
            finally:
                far.close()
            self._workers.append(_Worker(number, process, near))

    def _raise_dead(self, worker: _Worker) -> NoReturn:
        worker.process.join(_GRACE)
        code = worker.process.exitcode
        how, fix = _explain_exit(code, self._context.get_start_method())
        text = f"DataLoader: {worker} {how}"
        if worker.tasks and not self._iterable:
            text += f" while it had the batch of indices {fetch.shorten(next(iter(worker.tasks.values())))}"
        raise RuntimeError(f"{text}. Fix: {fix}.")

    def _raise_late(self) -> NoReturn:
        busy = next((worker for worker in self._workers if self._pending[0] in worker.tasks), None)
        indices = ""
        if busy is not None and not self._iterable:
            indices = f" for indices {fetch.shorten(busy.tasks[self._pending[0]])}"
        raise RuntimeError(
            explain_error(
                "DataLoader",
                got=f"no batch from {busy} within timeout={self._timeout} seconds{indices}",
                fix="raise timeout, or look for what blocks in __getitem__ with num_workers=0",
            )
        )

    def _shutdown(self) -> None:
        if os.getpid() != self._owner:
            return  # a forked copy of this object; the processes are not ours
        workers, self._workers = self._workers, []
        self._pending.clear()
        for worker in workers:
            with suppress(*transport.Gone):  # it may be dead already
                transport.send(worker.connection, transport.pack(None))
            worker.connection.close()
        for end in (None, "terminate", "kill"):
            deadline = time.monotonic() + _GRACE
            for worker in workers:
                if end and worker.process.is_alive():
                    getattr(worker.process, end)()
            for worker in workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        for worker in workers:
            worker.process.close()

    def __del__(self) -> None:
        if getattr(self, "_workers", None):
            self._shutdown()


def _explain_exit(code: int | None, method: str) -> tuple[str, str]:
    if code is None:
        return "closed its connection", "do not close file descriptors that the dataset has not opened"
    if code >= 0:
        fix = "look for os._exit or sys.exit in the dataset, or run it with num_workers=0 to see the error"
        if method != "fork":
            fix = say("main-guard", method=method)
        return f"ended with exit code {code}", fix
    name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
    fix = "run the dataset with num_workers=0 to find the crash"
    if -code == signal.SIGKILL:
        fix = "if you did not kill it, memory ran out: use fewer workers, a smaller batch or a smaller prefetch_factor"
    return f"was ended by {name} (exit code {code})", fix


def _cannot_pickle(error: Exception, job: Job, context: BaseContext) -> str:
    """Name the part of the loader that cannot be sent to a new process."""
    culprit = say("cannot-pickle/argument")
    parts = {f"dataset.{name}": value for name, value in getattr(job.dataset, "__dict__", {}).items()}
    parts |= {"dataset": job.dataset, "collate_fn": job.collate_fn, "worker_init_fn": job.init_fn}
    for name, value in parts.items():
        try:
            ForkingPickler.dumps(value)
        except Exception:
            culprit = f"{name} ({value!r})"
            break
    return say("cannot-pickle", culprit=culprit, error=error, method=context.get_start_method())
