"""A script for several processes, started as one: process group, wrapped model, sampler, collectives, nested containers."""

import os
import socket

import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK="0", WORLD_SIZE="1")
print("before:", dist.is_initialized())
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
print("rank", rank, "of", size, dist.get_backend())

torch.manual_seed(0)
data = TensorDataset(torch.randn(24, 5), torch.arange(24) % 2)
sampler = DistributedSampler(data, shuffle=True, seed=3)
loader = DataLoader(data, batch_size=8, sampler=sampler)
model = DDP(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
print(list(model.state_dict()))
for epoch in range(2):
    sampler.set_epoch(epoch)
    total = torch.zeros(2)
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += torch.tensor([loss.item() * len(x), len(x)])
    dist.all_reduce(total, op=dist.ReduceOp.SUM)
    if rank == 0:
        print(f"epoch {epoch}: {(total[0] / total[1]).item():.4f} over {int(total[1])}")

gathered = [torch.zeros(2) for _ in range(size)]
dist.all_gather(gathered, total)
seen = [None] * size
dist.all_gather_object(seen, {"rank": rank, "batches": len(loader)})
dist.broadcast(model.module[0].weight.data, src=0)
print(len(gathered), torch.equal(gathered[0], total), seen)
dist.barrier()
dist.destroy_process_group()
print("after:", dist.is_initialized())

state = {"model": model.module.state_dict(), "epoch": 2, "history": [(0, torch.ones(2)), (1, torch.zeros(2))]}
leaves, spec = tree_flatten(state)
print(len(leaves), spec.num_leaves, tree_unflatten(leaves, spec)["epoch"])
print(tree_map(lambda leaf: tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else leaf, state)["history"])
