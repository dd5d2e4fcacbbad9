"""Gradients clipped by norm and by value, accumulated over micro-batches, and inspected."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters

torch.manual_seed(8)
X, y = torch.randn(32, 10), torch.randint(0, 4, (32,))


def build():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(10, 20), nn.ELU(), nn.Linear(20, 4))


# --- accumulated micro-batches give the full batch's gradient
full, pieces = build(), build()
F.cross_entropy(full(X), y).backward()
for x, t in zip(X.split(8), y.split(8)):
    (F.cross_entropy(pieces(x), t) / 4).backward()
for (name, p), q in zip(full.named_parameters(), pieces.parameters()):
    print(name, torch.allclose(p.grad, q.grad, atol=1e-6), f"{p.grad.norm().item():.4f}")

# --- an accumulating loop
model = build()
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.8, dampening=0.1)
accumulation_steps, norms = 4, []
for epoch in range(6):
    running = 0.0
    for i, (x, t) in enumerate(zip(X.split(4), y.split(4))):
        loss = F.cross_entropy(model(x), t, reduction="mean") / accumulation_steps
        loss.backward()
        running += loss.item()
        if (i + 1) % accumulation_steps == 0:
            norms.append(clip_grad_norm_(model.parameters(), max_norm=0.4).item())
            optimizer.step()
            optimizer.zero_grad()
    print(f"epoch {epoch} {running:.4f}")
print("norms before clipping", [round(v, 3) for v in norms])

# --- kinds of norm
for norm_type in (1.0, 2.0, float("inf")):
    model.zero_grad()
    (10 * F.cross_entropy(model(X), y)).backward()
    total = clip_grad_norm_(model.parameters(), 0.5, norm_type=norm_type)
    after = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in model.parameters()]), norm_type)
    print(norm_type, f"{total.item():.4f} -> {after.item():.4f}")
clip_grad_value_(model.parameters(), 0.01)
print("largest", f"{max(p.grad.abs().max().item() for p in model.parameters()):.4f}")
for p in model.parameters():
    p.grad.fill_(float("nan"))
try:
    clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
except RuntimeError:
    print("a norm that is not finite is refused")

# --- clipping by hooks, frozen layers, and the parameters as one vector
model = build()
handles = [p.register_hook(lambda g: g.clamp(-0.02, 0.02)) for p in model.parameters()]
F.cross_entropy(model(X), y).backward()
print([round(p.grad.abs().max().item(), 4) for p in model.parameters()])
for handle in handles:
    handle.remove()
for p in model[0].parameters():
    p.requires_grad_(False)
model.zero_grad()
F.cross_entropy(model(X), y).backward()
print([None if p.grad is None else tuple(p.grad.shape) for p in model.parameters()])
vector = parameters_to_vector(model.parameters())
vector_to_parameters(torch.zeros_like(vector), model.parameters())
print(vector.shape, f"{vector.norm().item():.4f}", f"{F.cross_entropy(model(X), y).item():.4f}")
print(sum(p.numel() for p in model.parameters() if p.requires_grad), "of", sum(p.numel() for p in model.parameters()))
