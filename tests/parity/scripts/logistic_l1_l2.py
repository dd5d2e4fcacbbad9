"""Logistic regression, plain and with L1 and L2 penalties, on features most of which say nothing."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)
n, p = 240, 12
X = torch.randn(n, p)
truth = torch.zeros(p)
truth[:3] = torch.tensor([2.0, -1.5, 1.0])
y = torch.bernoulli(torch.sigmoid(X @ truth + 0.3))
train, test = slice(0, 180), slice(180, None)
print("positives:", int(y.sum().item()), "of", n)


def fit(penalty, strength, epochs=80):
    torch.manual_seed(0)
    model = nn.Linear(p, 1)
    weight_decay = strength if penalty == "decay" else 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=weight_decay)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(X[train]).squeeze(1), y[train])
        if penalty == "l1":
            loss = loss + strength * model.weight.abs().sum()
        elif penalty == "l2":
            loss = loss + strength * model.weight.pow(2).sum() / 2
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        probability = torch.sigmoid(model(X[test])).squeeze(1)
        accuracy = ((probability > 0.5).float() == y[test]).float().mean().item()
        nll = F.binary_cross_entropy(probability, y[test]).item()
    return model, loss.item(), accuracy, nll


for penalty, strength in [("none", 0.0), ("l1", 0.02), ("l1", 0.1), ("l2", 0.05), ("l2", 0.5), ("decay", 0.05)]:
    model, loss, accuracy, nll = fit(penalty, strength)
    weight = model.weight.detach().squeeze(0)
    print(
        f"{penalty:5s} {strength:4.2f} loss {loss:.4f} accuracy {accuracy:.3f} nll {nll:.4f} "
        f"|w|1 {weight.norm(p=1).item():.3f} |w|2 {weight.norm().item():.3f} small {(weight.abs() < 0.06).sum().item()}"
    )

# --- the L1 problem by proximal steps: weights that are exactly zero
w, b = torch.zeros(p, requires_grad=True), torch.zeros(1, requires_grad=True)
for _ in range(100):
    loss = F.binary_cross_entropy_with_logits(X[train] @ w + b, y[train])
    gw, gb = torch.autograd.grad(loss, [w, b])
    with torch.no_grad():
        w.copy_(F.softshrink(w - 0.5 * gw, 0.5 * 0.05))
        b -= 0.5 * gb
print("zeros:", (w == 0).sum().item(), "weights:", [round(v, 3) + 0.0 for v in w[:3].tolist()])

# --- multinomial, by Newton-like LBFGS
classes = torch.stack([X @ torch.randn(p) for _ in range(3)], dim=1).argmax(dim=1)
softmax = nn.Linear(p, 3)
nn.init.zeros_(softmax.weight)
nn.init.zeros_(softmax.bias)
optimizer = torch.optim.LBFGS(softmax.parameters(), lr=0.5, max_iter=8)


def closure():
    optimizer.zero_grad()
    loss = F.cross_entropy(softmax(X), classes) + 0.01 * sum(q.square().sum() for q in softmax.parameters())
    loss.backward()
    return loss


for step in range(3):
    print(f"LBFGS {step} {optimizer.step(closure).item():.4f}")
confusion = torch.zeros(3, 3, dtype=torch.int64)
for t, q in zip(classes, softmax(X).argmax(1)):
    confusion[t, q] += 1
print(confusion, torch.bincount(classes))
