"""`torch.multiprocessing`: Python's `multiprocessing`, and `spawn`. Tensors travel as copies; none lies in memory that
processes share.

>>> import rushlight.multiprocessing as mp
>>> mp.get_sharing_strategy(), mp.Queue.__name__
('copy', 'Queue')
"""

from __future__ import annotations

import multiprocessing as _processes
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error

__all__ = [
    "ProcessRaisedException",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
]


class ProcessRaisedException(Exception):
    """A process of `spawn` ended with an exception."""


def get_all_sharing_strategies() -> set[str]:
    """{"copy"}."""
    return {"copy"}


def get_sharing_strategy() -> str:
    """ "copy"."""
    return "copy"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted: whichever way is asked for, tensors are copied."""


def _run(fn: Callable[..., Any], rank: int, args: tuple[Any, ...], failures: Any) -> None:
    try:
        fn(rank, *args)
    except Exception:
        import traceback

        failures.put((rank, traceback.format_exc()))
        raise SystemExit(1) from None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> Any:
    """Run `fn(rank, *args)` in `nprocs` processes, and wait for them; with join=False, their list.

    Errors: ProcessRaisedException with the traceback of the first process that failed; the others are ended.
    """
    context = _processes.get_context(start_method)
    failures = context.SimpleQueue()
    processes = [
        context.Process(target=_run, args=(fn, rank, args, failures), daemon=daemon)  # type: ignore[attr-defined]
        for rank in range(nprocs)
    ]
    for process in processes:
        process.start()
    if not join:
        return processes
    from multiprocessing.connection import wait

    left = {process.sentinel: process for process in processes}
    while left:
        for sentinel in wait(list(left)):
            process = left.pop(sentinel)  # type: ignore[arg-type]
            process.join()
            if process.exitcode:
                for other in left.values():
                    other.terminate()
                rank, text = failures.get() if not failures.empty() else (processes.index(process), "")
                raise ProcessRaisedException(
                    explain_error("spawn", got=f"an error in process {rank}", expected="none") + f"\n\n{text}"
                )
    return None


def __getattr__(name: str) -> Any:
    return getattr(_processes, name)
