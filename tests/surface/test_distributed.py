"""A process group of one: what a script that was written for several gets here."""

from __future__ import annotations

import pytest

import rushlight as torch
import rushlight.distributed as dist


@pytest.fixture
def group():
    dist.init_process_group("gloo", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_without_a_group():
    assert not dist.is_available() and not dist.is_initialized() and not dist.is_nccl_available()
    for ask in (dist.get_rank, dist.get_world_size, dist.barrier, dist.destroy_process_group):
        with pytest.raises(ValueError, match="init_process_group"):
            ask()
    with pytest.raises(ValueError, match="init_process_group"):
        torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))


def test_a_larger_group_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(NotImplementedError, match="rank 2 of 4.*one process"):
        dist.init_process_group("nccl")
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(ValueError, match="no WORLD_SIZE"):
        dist.init_process_group("nccl")
    assert not dist.is_initialized()


def test_collectives_of_one(group):
    x, target = torch.tensor([1.0, 2.0]), torch.zeros(2)
    with pytest.raises(ValueError, match="second call"):
        dist.init_process_group("gloo", rank=0, world_size=1)
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    assert dist.all_reduce(x) is None and dist.all_reduce(x, op=dist.ReduceOp.MAX, async_op=True).wait()
    assert x.tolist() == [1, 2]
    dist.all_gather([target], x)
    assert target.tolist() == [1, 2]
    for call in (dist.reduce_scatter_tensor, dist.all_gather_into_tensor, dist.all_to_all_single):
        target.zero_()
        call(target, x)
        assert target.tolist() == [1, 2]
    dist.scatter(target, [x * 3])
    assert target.tolist() == [3, 6]
    objects = [None]
    dist.all_gather_object(objects, "all")
    assert objects == ["all"]
    with pytest.raises(ValueError, match="all_gather.*2 tensors"):
        dist.all_gather([target, target], x)


def test_a_module_and_a_sampler_of_one(group):
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
    with net.no_sync():
        net(torch.ones(3, 2)).sum().backward()
    assert net.module.weight.grad.tolist() == [[3, 3]]
    sampler = torch.utils.data.distributed.DistributedSampler(range(5), shuffle=False)
    assert list(sampler) == [0, 1, 2, 3, 4]


def test_collectives_with_gradients(group):
    from rushlight.distributed import nn as collectives

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (gathered,) = collectives.all_gather(x * 3)
    (gathered + collectives.functional.all_reduce(x)).sum().backward()
    assert gathered.tolist() == [3, 6] and x.grad.tolist() == [4, 4]
