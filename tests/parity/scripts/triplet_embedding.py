"""Metric learning with triplets: TripletMarginLoss, the hardest triplets of a batch, margin losses, nearest neighbours."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(21)
centres = torch.randn(5, 10)
labels = torch.randint(5, (120,))
points = centres[labels] + 0.6 * torch.randn(120, 10)


class Embedder(nn.Module):
    def __init__(self, width=24, size=3):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(10, width), nn.Linear(width, size)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        x = F.silu(self.norm(self.layers[0](x)))
        return F.normalize(self.layers[1](x), p=2, dim=1)


def draw_triplets(labels, count):
    """Indices of anchors, positives (same class, another point) and negatives."""
    anchors = torch.randint(len(labels), (count,))
    same = labels[anchors].unsqueeze(1) == labels.unsqueeze(0)
    positive_weights = same.float().scatter(1, anchors.unsqueeze(1), 0.0)
    positives = torch.multinomial(positive_weights, 1).squeeze(1)
    negatives = torch.multinomial((~same).float(), 1).squeeze(1)
    return anchors, positives, negatives


def batch_hard(codes, labels, margin=0.3):
    distances = torch.cdist(codes, codes)
    same = labels.view(-1, 1).eq(labels.view(1, -1))
    hardest_positive = distances.masked_fill(~same, 0.0).max(dim=1).values
    hardest_negative = distances.masked_fill(same, float("inf")).min(dim=1).values
    return F.relu(hardest_positive - hardest_negative + margin).mean()


model = Embedder()
print(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
triplet = nn.TripletMarginLoss(margin=0.5, p=2, swap=True)
print(triplet)
for step in range(20):
    a, p, n = (model(points[index]) for index in draw_triplets(labels, 32))
    loss = triplet(a, p, n)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 4:
        print(f"triplet step {step + 1}: {loss.item():.4f}")
for step in range(10):
    batch = torch.randperm(120)[:40]
    loss = batch_hard(model(points[batch]), labels[batch])
    model.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 4:
        print(f"hard step {step + 1}: {loss.item():.3f}")

with torch.no_grad():
    codes = model(points)
    distances = torch.cdist(codes, codes).fill_diagonal_(float("inf"))
    nearest = distances.topk(3, largest=False).indices
    votes = labels[nearest].mode(dim=1).values
    print("nearest neighbours:", (votes == labels).sum().item(), "of", len(labels))
    print("norms", torch.allclose(codes.norm(dim=1), torch.ones(120)))
    a, p, n = draw_triplets(labels, 64)
    cosine = nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: 1 - F.cosine_similarity(x, y), margin=0.2)
    print(f"cosine triplet {cosine(codes[a], codes[p], codes[n]).item():.4f}")
    target = torch.where(torch.arange(64) % 2 == 0, 1, -1)
    other = torch.where((target == 1).unsqueeze(1), codes[p], codes[n])
    print(f"embedding loss {F.cosine_embedding_loss(codes[a], other, target, margin=0.1).item():.4f}")
    print(f"ranking loss {F.margin_ranking_loss(codes[:, 0], codes[:, 1], torch.ones(120), margin=0.1).item():.4f}")
print(torch.bincount(labels), [round(v, 3) for v in F.pairwise_distance(centres[:2], centres[2:4]).tolist()])
