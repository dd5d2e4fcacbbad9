"""torch.multiprocessing and torch.onnx."""

from __future__ import annotations

import pytest

import rushlight as torch
import rushlight.multiprocessing as mp


def _square(rank, x, queue):
    queue.put((rank, (x[rank] ** 2).item()))


def _fail(rank):
    raise ValueError(f"process {rank} says no")


def test_spawn():
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(_square, (torch.tensor([2.0, 3.0]), queue), nprocs=2)
    assert sorted(queue.get() for _ in range(2)) == [(0, 4), (1, 9)]
    with pytest.raises(mp.ProcessRaisedException, match="(?s)process 0.*process 0 says no"):
        mp.spawn(_fail, nprocs=1)


def test_names_of_multiprocessing():
    import multiprocessing

    assert mp.Process is multiprocessing.Process and mp.cpu_count() > 0
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()


def test_onnx():
    assert not torch.onnx.is_in_onnx_export()
    with pytest.raises(NotImplementedError, match="state_dict"):
        torch.onnx.export(torch.nn.Linear(1, 1), torch.ones(1), "x.onnx")
