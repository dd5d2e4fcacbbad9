"""A recommender: users and items as vectors with biases, then the neural form, ranked by hit rate."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(17)
USERS, ITEMS, RANK = 24, 18, 3
taste, kind = torch.randn(USERS, RANK), torch.randn(ITEMS, RANK)
ratings = (3 + taste @ kind.T + 0.2 * torch.randn(USERS, ITEMS)).clamp(1, 5)
known = torch.rand(USERS, ITEMS) < 0.6
print("known:", known.sum().item(), f"mean {ratings[known].mean().item():.4f} {ratings.median().item():.3f}")


class Ratings(Dataset):
    def __init__(self, mask):
        self.users, self.items = mask.nonzero(as_tuple=True)

    def __len__(self):
        return len(self.users)

    def __getitem__(self, i):
        u, v = self.users[i], self.items[i]
        return {"user": u, "item": v, "rating": ratings[u, v]}


class MatrixFactorization(nn.Module):
    def __init__(self, mean, factors=4):
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, factors), nn.Embedding(ITEMS, factors)
        self.user_bias, self.item_bias = nn.Embedding(USERS, 1), nn.Embedding(ITEMS, 1)
        self.register_buffer("mean", mean)
        for e in (self.user, self.item):
            nn.init.normal_(e.weight, std=0.1)
        for e in (self.user_bias, self.item_bias):
            e.weight.data.zero_()

    def forward(self, u, v):
        dot = (self.user(u) * self.item(v)).sum(-1)
        return dot + self.user_bias(u).squeeze(-1) + self.item_bias(v).squeeze(-1) + self.mean


class NeuralCF(nn.Module):
    def __init__(self, factors=6):
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, factors), nn.Embedding(ITEMS, factors)
        self.mlp = nn.Sequential(nn.Linear(2 * factors, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, u, v):
        return 1 + 4 * torch.sigmoid(self.mlp(torch.cat([self.user(u), self.item(v)], dim=-1))).squeeze(-1)


loader = DataLoader(Ratings(known), batch_size=32, shuffle=True)
batch = next(iter(loader))
print({k: (tuple(v.shape), v.dtype) for k, v in batch.items()}, len(loader))
u_hidden, v_hidden = (~known).nonzero(as_tuple=True)
for model in (MatrixFactorization(ratings[known].mean()), NeuralCF()):
    print(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03, weight_decay=1e-4)
    for epoch in range(6):
        squared, seen = 0.0, 0
        for batch in loader:
            prediction = model(batch["user"], batch["item"])
            loss = F.mse_loss(prediction, batch["rating"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            squared, seen = squared + loss.item() * len(prediction), seen + len(prediction)
        with torch.no_grad():
            held = F.mse_loss(model(u_hidden, v_hidden), ratings[u_hidden, v_hidden]).sqrt()
        if epoch % 2 == 1:
            print(f"epoch {epoch} rmse {(squared / seen) ** 0.5:.3f} hidden {held.item():.3f}")
    with torch.no_grad():
        grid = model(torch.arange(USERS).repeat_interleave(ITEMS), torch.arange(ITEMS).repeat(USERS)).view(USERS, ITEMS)
    top = grid.masked_fill(known, float("-inf")).topk(3, dim=1).indices
    hit = ratings.masked_fill(known, float("-inf")).argmax(1, keepdim=True).eq(top).any(1).float().mean()
    print(tuple(top.shape), f"hit rate {hit.item():.2f}")

# --- alternating least squares by the linear solver
user, item = torch.rand(USERS, RANK), torch.rand(ITEMS, RANK)
centred, mask = (ratings - ratings[known].mean()) * known, known.float()
for sweep in range(3):
    for rows, columns, table, m in ((user, item, centred, mask), (item, user, centred.T, mask.T)):
        gram = torch.einsum("ij,jk,jl->ikl", m, columns, columns) + 0.3 * torch.eye(RANK)
        rows.copy_(torch.linalg.solve(gram, (table @ columns).unsqueeze(-1)).squeeze(-1))
    error = ((user @ item.T - centred)[known] ** 2).mean().sqrt()
    print(f"sweep {sweep} rmse {error.item():.3f}")
values = torch.linalg.svdvals(centred)
print("singular values", [round(v, 2) for v in values[:4].tolist()])
