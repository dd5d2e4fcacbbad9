"""Averages of weights: stochastic weight averaging with its schedule and batch-norm update, and moving averages."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
X = torch.randn(96, 8)
y = (X[:, 0] * X[:, 1] > 0).long()
loader = DataLoader(TensorDataset(X, y), batch_size=24, shuffle=True)

model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
swa_model = AveragedModel(model)
ema_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
custom = AveragedModel(model, avg_fn=lambda averaged, current, n: 0.5 * averaged + 0.5 * current, use_buffers=True)
print(swa_model)

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
swa_start = 4
swa_scheduler = SWALR(optimizer, anneal_strategy="linear", anneal_epochs=3, swa_lr=0.05)
print(sorted(optimizer.param_groups[0])[-4:])

for epoch in range(9):
    for x, t in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        ema_model.update_parameters(model)
    custom.update_parameters(model)
    if epoch > swa_start:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()
    print(
        f"epoch {epoch} loss {loss.item():.3f} lr {optimizer.param_groups[0]['lr']:.5f} averaged {swa_model.n_averaged.item()}"
    )

update_bn(loader, swa_model)
for name, net in (("model", model), ("swa", swa_model), ("ema", ema_model), ("custom", custom)):
    net.eval()
    with torch.no_grad():
        logits = net(X)
    weight = dict(net.named_parameters())["0.weight" if net is model else "module.0.weight"]
    print(
        f"{name:6s} loss {F.cross_entropy(logits, y).item():.3f} |w| {weight.norm().item():.3f} {tuple(logits.shape)}"
    )
print(list(swa_model.state_dict()))
print(ema_model.n_averaged, custom.module[1].num_batches_tracked)


# --- the same by hand
class EMA:
    def __init__(self, model, decay):
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in model.named_parameters()}

    def update(self, model):
        with torch.no_grad():
            for k, v in model.named_parameters():
                self.shadow[k].lerp_(v, 1 - self.decay)


model.train()
ema = EMA(model, 0.8)
official = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8))
official.update_parameters(model)
for _ in range(5):
    optimizer.zero_grad()
    F.cross_entropy(model(X), y).backward()
    optimizer.step()
    ema.update(model)
    official.update_parameters(model)
gap = max((ema.shadow[k] - p).abs().max().item() for k, p in official.module.named_parameters())
print("by hand agrees:", gap < 1e-6, f"{ema.shadow['0.weight'].norm().item():.3f}")
