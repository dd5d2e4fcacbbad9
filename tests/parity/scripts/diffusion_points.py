"""Denoising diffusion on points of a spiral: noise schedule, training with a moving average of the weights, both samplers."""

import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
STEPS = 24
betas = torch.linspace(1e-3, 0.2, STEPS)
kept = torch.cumprod(1 - betas, axis=0)
before = F.pad(kept[:-1], (1, 0), value=1.0)


def gather(table, t, shape):
    return table.gather(-1, t).reshape(len(t), *((1,) * (len(shape) - 1)))


class Time(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, t):
        half = self.width // 2
        rates = torch.exp(torch.arange(half) * -(math.log(100.0) / (half - 1)))
        angle = t[:, None].float() * rates[None]
        return torch.cat((angle.sin(), angle.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.time = nn.Sequential(Time(width), nn.Linear(width, width), nn.SiLU())
        self.inside = nn.Linear(2, width)
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU()) for _ in range(2)]
        )
        self.out = nn.Linear(width, 2)

    def forward(self, x, t):
        h = self.inside(x)
        for block in self.blocks:
            h = h + block(h + self.time(t))
        return self.out(h)


angle = torch.rand(256) * 3 * math.pi
data = torch.stack((angle.cos(), angle.sin()), 1) * angle[:, None] / 6
model = Denoiser()
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for step in range(60):
    x = data[torch.randint(0, len(data), (64,))]
    t = torch.randint(0, STEPS, (64,))
    noise = torch.randn_like(x)
    noisy = gather(kept, t, x.shape).sqrt() * x + (1 - gather(kept, t, x.shape)).sqrt() * noise
    loss = F.mse_loss(model(noisy, t), noise)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), model.parameters()):
            slow.lerp_(fast, 0.1)
    if step % 20 == 0:
        print(f"step {step}: {loss.item():.3f}")


@torch.no_grad()
def ancestral(count):
    x = torch.randn(count, 2)
    for i in reversed(range(STEPS)):
        t = torch.full((count,), i)
        mean = (x - betas[i] / (1 - kept[i]).sqrt() * average(x, t)) / (1 - betas[i]).sqrt()
        spread = (betas[i] * (1 - before[i]) / (1 - kept[i])).sqrt()
        x = mean + spread * torch.randn_like(x) if i else mean
    return x


@torch.no_grad()
def deterministic(count, stride=4):
    x = torch.randn(count, 2)
    times = list(range(STEPS - 1, -1, -stride))
    for now, then in zip(times, [*times[1:], -1]):
        noise = average(x, torch.full((count,), now))
        clean = (x - (1 - kept[now]).sqrt() * noise) / kept[now].sqrt()
        left = kept[then] if then >= 0 else torch.tensor(1.0)
        x = left.sqrt() * clean + (1 - left).sqrt() * noise
    return x


for sampler in (ancestral, deterministic):
    found = sampler(6)
    print(sampler.__name__, tuple(found.shape), [round(v, 2) for v in found.norm(dim=1).tolist()])
