"""Adversarial examples: one step of the gradient's sign, projected steps, and training against them."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(15)


def shapes(count):
    """Bars: horizontal, vertical, and diagonal, with noise, in [0, 1]."""
    images, labels = torch.zeros(count, 1, 12, 12), torch.randint(0, 3, (count,))
    for i, label in enumerate(labels):
        at = int(torch.randint(2, 10, (1,)))
        if label == 0:
            images[i, 0, at] = 1
        elif label == 1:
            images[i, 0, :, at] = 1
        else:
            images[i, 0] = torch.eye(12).roll(at, 0)
    return (0.7 * images + 0.3 * torch.rand_like(images)).clamp(0, 1), labels


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 10, 3)
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(10 * 4 * 4, 3)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout(F.max_pool2d(x, 2))
        return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)


def fgsm_attack(image, epsilon, data_grad):
    return torch.clamp(image + epsilon * data_grad.sign(), 0, 1)


def gradient_of(model, x, y):
    x = x.clone().detach().requires_grad_(True)
    return torch.autograd.grad(F.nll_loss(model(x), y), x)[0]


def pgd(model, x, y, epsilon, step, count):
    moved = x.clone()
    for _ in range(count):
        moved = moved.detach() + step * gradient_of(model, moved, y).sign()
        moved = torch.min(torch.max(moved, x - epsilon), x + epsilon).clamp(0, 1)
    return moved


images, labels = shapes(96)
test_images, test_labels = shapes(60)
print(images.shape, torch.bincount(labels), f"{images.mean().item():.4f}")
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(4):
    for x, y in zip(images.split(24), labels.split(24)):
        loss = F.nll_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")

model.eval()
for epsilon in (0, 0.1, 0.3):
    x = test_images.clone()
    x.requires_grad = True
    output = model(x)
    loss = F.nll_loss(output, test_labels)
    model.zero_grad()
    loss.backward()
    perturbed = fgsm_attack(x.detach(), epsilon, x.grad)
    with torch.no_grad():
        after = model(perturbed)
    print(
        f"epsilon {epsilon}: loss {loss.item():.3f} -> {F.nll_loss(after, test_labels).item():.2f} "
        f"accuracy {(after.argmax(1) == test_labels).float().mean().item():.2f} moved {(perturbed - x).abs().max().item():.2f}"
    )

stronger = pgd(model, test_images, test_labels, 0.1, 0.03, 5)
print(
    "pgd",
    f"{(stronger - test_images).abs().max().item():.3f}",
    (F.nll_loss(model(stronger), test_labels) > 0.05).item(),
)

# --- training against it
model.train()
for epoch in range(3):
    for x, y in zip(images.split(32), labels.split(32)):
        bad = fgsm_attack(x, 0.1, gradient_of(model, x, y))
        loss = 0.5 * (F.nll_loss(model(x), y) + F.nll_loss(model(bad), y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"hardened {epoch} {loss.item():.2f}")

# --- saliency, and the smallest step that changes a linear answer
model.eval()
saliency = gradient_of(model, test_images[:4], test_labels[:4]).abs().amax(dim=1)
print(saliency.shape, saliency.flatten(1).argmax(1).shape)
