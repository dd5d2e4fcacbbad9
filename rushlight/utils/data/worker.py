"""What runs inside a worker process."""

from __future__ import annotations

import gc
import os
import pickle
import queue
import random
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

import rushlight
from rushlight.utils.data import fetch, transport

_GRACE = 5.0  # seconds a worker gets to finish its batch once nobody waits for it


@dataclass(frozen=True)
class WorkerInfo:
    """Where this code runs: worker `id` of `num_workers`, its `seed`, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The `WorkerInfo` of this worker process, or None in the main process.

    >>> import rushlight as torch
    >>> torch.utils.data.get_worker_info() is None
    True
    """
    return _info


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to know; the fields `batched` to `drop_last` are those of `make_fetch`."""

    dataset: Any
    iterable: bool
    batched: bool
    collate_fn: Any
    drop_last: bool
    init_fn: Any
    num_workers: int
    base_seed: int


@dataclass(frozen=True)
class Failure:
    """An exception of a worker, worded for the main process."""

    kind: type[BaseException]
    text: str

    def reraise(self) -> NoReturn:
        """Raise the same class of exception; RuntimeError where that class cannot be made from a text alone."""
        if issubclass(self.kind, (StopIteration, GeneratorExit)):
            raise RuntimeError(self.text)
        try:
            error = self.kind(_Lines(self.text))
        except Exception:
            error = RuntimeError(self.text)
        raise error


class _Lines(str):
    """Text that a KeyError, which shows the repr of its argument, does not put on one line."""

    def __repr__(self) -> str:
        return str(self)


class StreamEnd:
    """A worker's answer when its IterableDataset has no more batches."""


def run_worker(connection: Any, inherited: list[Any], worker_id: int, job: Job) -> None:
    """Answer tasks `(epoch, number, indices)` with `(number, answer)` until the connection ends."""
    for other in inherited:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # the collector must not touch, and so copy, pages shared with the parent
    _prepare(worker_id, job)
    tasks = _Tasks(connection)
    try:
        if _initialize(connection, worker_id, job):
            _serve(connection, tasks, worker_id, job)
    except transport.Gone:
        return  # nobody listens any more


def _initialize(connection: Any, worker_id: int, job: Job) -> bool:
    try:
        if job.init_fn is not None:
            job.init_fn(worker_id)
    except Exception as error:
        _answer(connection, None, _failure(error, worker_id, "in worker_init_fn"))
        return False
    return True


def _prepare(worker_id: int, job: Job) -> None:
    global _info
    seed = job.base_seed + worker_id
    rushlight.set_num_threads(1)  # the workers share the cores among themselves
    random.seed(seed)
    rushlight.manual_seed(seed)
    words = [worker_id, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    _info = WorkerInfo(worker_id, job.num_workers, seed, job.dataset)


def _serve(connection: Any, tasks: _Tasks, worker_id: int, job: Job) -> None:
    epoch = None
    while (task := tasks.get()) is not None:
        task_epoch, number, indices = task
        if task_epoch != tasks.newest:
            continue  # left over from an epoch that was broken off
        try:
            if task_epoch != epoch:
                epoch = task_epoch
                read = fetch.make_fetch(
                    job.dataset,
                    iterable=job.iterable,
                    batched=job.batched,
                    collate_fn=job.collate_fn,
                    drop_last=job.drop_last,
                )
            answer = transport.pack((number, read(indices)))
        except StopIteration:
            answer = transport.pack((number, StreamEnd() if job.iterable else _stopped(indices, worker_id)))
        except Exception as error:
            place = "" if job.iterable else f"in the batch of indices {fetch.shorten(indices)}"
            _answer(connection, number, _failure(error, worker_id, place))
            continue
        transport.send(connection, answer)


def _answer(connection: Any, number: int | None, value: Any) -> None:
    transport.send(connection, transport.pack((number, value)))


def _stopped(indices: Any, worker_id: int) -> Failure:
    text = f"DataLoader worker {worker_id}: StopIteration was raised for indices {fetch.shorten(indices)}."
    return Failure(RuntimeError, text)


def _failure(error: Exception, worker_id: int, place: str) -> Failure:
    notes = "; ".join(getattr(error, "__notes__", []))
    text = f"{error}\n\nRaised in DataLoader worker {worker_id} (pid {os.getpid()}) {notes or place}.\n"
    text += "".join(traceback.format_exception(error))
    try:
        kind = pickle.loads(pickle.dumps(type(error)))
    except Exception:  # a class made inside a function cannot be named in another process
        kind = RuntimeError
    return Failure(kind, text)


class _Tasks:
    """Reads tasks in a thread of its own, so that the main process never waits to hand one over.

    The thread also ends an orphan: when the main process is gone the worker may finish its batch, but no more.
    """

    def __init__(self, connection: Any) -> None:
        self.newest: int | None = None  # epoch of the last task that came in
        self._connection = connection
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self.get = self._queue.get
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        parent = os.getppid()
        try:
            while True:
                # A sibling may hold the other end open, so the end of the file alone does not tell of a parent's death.
                while not self._connection.poll(1.0):
                    if os.getppid() != parent:
                        raise EOFError
                task = transport.unpack(*transport.receive(self._connection))
                if task is None:
                    raise EOFError
                self.newest = task[0]
                self._queue.put(task)
        except transport.Gone:
            self.newest = None  # what is still queued is not wanted any more
            self._queue.put(None)
        time.sleep(_GRACE)
        os._exit(1)
