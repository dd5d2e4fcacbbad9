"""Knowledge distillation: a small student taught by a larger teacher's soft targets, its hidden layer, and its attention."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)
centres = torch.randn(4, 10) * 1.5
labels = torch.arange(200) % 4
inputs = centres[labels] + 1.4 * torch.randn(200, 10)
shuffle = torch.randperm(200)
inputs, labels = inputs[shuffle], labels[shuffle]
train_x, test_x, train_y, test_y = inputs[:140], inputs[140:], labels[:140], labels[140:]


class Classifier(nn.Module):
    def __init__(self, widths):
        super().__init__()
        layers = []
        for a, b in zip([10, *widths[:-1]], widths):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(widths[-1], 4)

    def forward(self, x, hidden=False):
        h = self.features(x)
        return (self.classifier(h), h) if hidden else self.classifier(h)


def accuracy(model):
    model.eval()
    with torch.inference_mode():
        return 100 * (model(test_x).argmax(1) == test_y).float().mean().item()


def train(model, epochs, extra=None, parameters=()):
    optimizer = torch.optim.Adam([*model.parameters(), *parameters], lr=0.01)
    for _ in range(epochs):
        model.train()
        logits, hidden = model(train_x, hidden=True)
        loss = F.cross_entropy(logits, train_y)
        if extra is not None:
            loss = extra(loss, logits, hidden)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def student():
    torch.manual_seed(14)
    return Classifier([8])


teacher = Classifier([48, 32])
print(teacher)
print(f"teacher {train(teacher, 25):.3f} {accuracy(teacher):.0f}%")
for p in teacher.parameters():
    p.requires_grad = False
with torch.no_grad():
    teacher_logits, teacher_hidden = teacher(train_x, hidden=True)
print(sum(p.numel() for p in teacher.parameters()), sum(p.numel() for p in student().parameters()))

alone = student()
print(f"alone {train(alone, 25):.3f} {accuracy(alone):.0f}%")

for T, alpha in ((1.0, 0.5), (2.0, 0.75), (4.0, 0.9)):

    def soften(loss, logits, hidden, T=T, alpha=alpha):
        soft = F.kl_div(F.log_softmax(logits / T, dim=1), F.softmax(teacher_logits / T, dim=1), reduction="batchmean")
        return alpha * T**2 * soft + (1 - alpha) * loss

    pupil = student()
    print(f"T {T} alpha {alpha}: {train(pupil, 25, soften):.3f} {accuracy(pupil):.0f}%")

pupil = student()
bridge = nn.Linear(8, 32)
cosine = nn.CosineEmbeddingLoss()
hint = lambda loss, logits, hidden: 0.75 * loss + 0.25 * cosine(bridge(hidden), teacher_hidden, torch.ones(len(hidden)))  # noqa: E731
print(f"hidden, cosine: {train(pupil, 25, hint, bridge.parameters()):.3f} {accuracy(pupil):.0f}%")
pupil = student()
bridge = nn.Linear(8, 32)
hint = lambda loss, logits, hidden: loss + 0.5 * F.mse_loss(bridge(hidden), teacher_hidden)  # noqa: E731
print(f"hidden, squares: {train(pupil, 25, hint, bridge.parameters()):.3f} {accuracy(pupil):.0f}%")

log_target = F.kl_div(
    F.log_softmax(alone(test_x), 1), F.log_softmax(teacher(test_x), 1), reduction="none", log_target=True
)
print(log_target.shape, f"{log_target.sum(1).mean().item():.2f}")
