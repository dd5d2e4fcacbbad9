"""A nearest-centroid and k-means exercise as people write it who come from NumPy: axis=, keepdims=, sequences as indices."""

import numpy as np
import torch

torch.manual_seed(0)
points = torch.cat([torch.randn(30, 2) * 0.3 + torch.tensor(c) for c in ((0.0, 0.0), (2.0, 1.0), (0.0, 3.0))], axis=0)
labels = torch.arange(90) // 30

centered = points - points.mean(axis=0, keepdims=True)
scaled = centered / centered.std(axis=0, keepdims=True)
print(
    "mean",
    [round(v, 4) + 0.0 for v in scaled.mean(axis=0).tolist()],
    "std",
    [round(v, 4) for v in scaled.std(axis=0).tolist()],
)

centers = points[range(0, 90, 30)]
for _ in range(5):
    distance = ((points.unsqueeze(axis=1) - centers[None]) ** 2).sum(axis=-1)
    nearest = distance.argmin(axis=1)
    centers = torch.stack([points[nearest == k].mean(axis=0) for k in range(3)], axis=0)
print("centers", [[round(v, 3) for v in row] for row in centers.tolist()])
print(
    "counts", [(nearest == k).sum().item() for k in range(3)], "worst", round(distance.min(axis=1)[0].max().item(), 4)
)

table = torch.zeros(90, 3)
table[range(90), labels] = 1.0
print(
    "one hot",
    table.sum(axis=0).tolist(),
    table[(0, 30, 60), (0, 1, 2)].tolist(),
    (table.argmax(axis=1) == labels).all().item(),
)
table[range(3), 0] += 0.5
print(table[:3].tolist())

scores = torch.softmax(-distance, axis=1)
value, where = scores.max(axis=1, keepdims=True)
print(
    "shapes",
    tuple(value.shape),
    tuple(where.shape),
    tuple(scores.view(size=(45, 6)).shape),
    tuple(centers.repeat(repeats=(2, 1)).shape),
)
print(
    "entropy",
    round(-(scores * scores.log()).sum(axis=1).mean().item(), 4),
    round(scores.logsumexp(axis=0).sum().item(), 4),
)
print("order", scores[:4].sort(axis=1, descending=True).indices.tolist(), scores.topk(2, axis=1).indices[::30].tolist())
print("unbound", [round(c.sum().item(), 3) for c in scores.unbind(axis=1)], [len(c) for c in points.chunk(4, axis=0)])
grid = torch.arange(24).reshape(2, 3, 4)
print(
    grid[:, range(2), ::2].tolist(),
    grid[np.array([1, 0]), (2, 0)].tolist(),
    grid.expand(size=(2, 2, 3, 4)).sum().item(),
)
weight = torch.ones(2, 3, requires_grad=True)
(weight * torch.arange(6.0).view(size=(2, 3))).prod(axis=1).sum().backward()
print(weight.grad.tolist(), weight.cumsum(axis=1)[-1].tolist())
