"""k folds, early stopping, a schedule that waits for plateaus, and a checkpoint from which training goes on the same."""

import copy
import os
import sys
import tempfile

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Subset, TensorDataset

PATH = sys.argv[1] if len(sys.argv) > 1 else os.path.join(tempfile.mkdtemp(), "checkpoint.pth")
torch.manual_seed(21)
X = torch.randn(120, 5)
Y = (X[:, :1] * X[:, 1:2] + X[:, 2:3].sin()) + 0.1 * torch.randn(120, 1)
dataset = TensorDataset(X, Y)


class EarlyStopping:
    def __init__(self, patience=3, delta=0.0):
        self.patience, self.delta, self.best, self.counter, self.state = patience, delta, float("inf"), 0, None

    def step(self, value, model):
        if value < self.best - self.delta:
            self.best, self.counter, self.state = value, 0, copy.deepcopy(model.state_dict())
        else:
            self.counter += 1
        return self.counter >= self.patience


def build():
    return nn.Sequential(nn.Linear(5, 24, bias=False), nn.BatchNorm1d(24), nn.Tanh(), nn.Dropout(0.1), nn.Linear(24, 1))


def train_epoch(model, optimizer, loader):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    return sum(nn.functional.mse_loss(model(x), y, reduction="sum").item() for x, y in loader) / len(loader.dataset)


# --- k folds
order = torch.randperm(len(dataset))
folds = order.chunk(4)
for k, held_out in enumerate(folds):
    rest = torch.cat([f for i, f in enumerate(folds) if i != k])
    train = DataLoader(Subset(dataset, rest.tolist()), batch_size=16, shuffle=True)
    valid = DataLoader(Subset(dataset, held_out.tolist()), batch_size=32)
    model, stopper = build(), EarlyStopping(patience=2, delta=1e-3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.3, patience=1)
    epochs = 0
    for _ in range(7):
        epochs += 1
        train_loss, valid_loss = train_epoch(model, optimizer, train), evaluate(model, valid)
        scheduler.step(valid_loss)
        if stopper.step(valid_loss, model):
            break
    model.load_state_dict(stopper.state)
    print(
        f"fold {k}: epochs {epochs} train {train_loss:.3f} best {stopper.best:.3f} lr {optimizer.param_groups[0]['lr']:.4f}"
    )
    assert abs(evaluate(model, valid) - stopper.best) < 1e-5


# --- a checkpoint in the middle, and going on from it
def parts():
    torch.manual_seed(5)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.05)


def run(model, optimizer, scheduler, first, last):
    losses = []
    for epoch in range(first, last):
        loader = DataLoader(dataset, 30, shuffle=True, generator=torch.Generator().manual_seed(epoch))
        torch.manual_seed(epoch)
        losses.append(train_epoch(model, optimizer, loader))
        scheduler.step(losses[-1])
    return losses


model, optimizer, scheduler = parts()
before = run(model, optimizer, scheduler, 0, 3)
torch.save(
    {
        "epoch": 3,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "losses": before,
        "rng": torch.get_rng_state(),
    },
    PATH,
)
straight = run(model, optimizer, scheduler, 3, 6)
checkpoint = torch.load(PATH, weights_only=True)
print(sorted(checkpoint), list(checkpoint["model_state_dict"]), checkpoint["rng"].dtype)
model, optimizer, scheduler = parts()
print(model.load_state_dict(checkpoint["model_state_dict"]))
optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
scheduler.load_state_dict(checkpoint["scheduler"])
resumed = run(model, optimizer, scheduler, checkpoint["epoch"], 6)
print("the same losses:", straight == resumed, [round(v, 3) for v in before + resumed])
print("lr", optimizer.param_groups[0]["lr"], scheduler.num_bad_epochs, scheduler.get_last_lr())
try:
    nn.Sequential(nn.Linear(5, 23)).load_state_dict(checkpoint["model_state_dict"])
except RuntimeError:
    print("another model is refused")
print(nn.Sequential(nn.Linear(5, 24)).load_state_dict(checkpoint["model_state_dict"], strict=False).unexpected_keys)
