"""Layers that learn without a backward pass through the network: each tells real from wrongly labelled inputs by its own loss."""

import torch
import torch.nn as nn
from torch.optim import Adam

torch.manual_seed(0)
CLASSES = 4


def marked(x, label):
    """The first inputs replaced by the label."""
    x = x.clone()
    x[:, :CLASSES] *= 0.0
    x[range(x.shape[0]), label] = x.max()
    return x


def another(label):
    wrong = label.clone()
    for at, true in enumerate(label):
        others = [c for c in range(CLASSES) if c != true.item()]
        wrong[at] = torch.tensor(others)[torch.randint(len(others), size=(1,))].item()
    return wrong


class Layer(nn.Linear):
    def __init__(self, inputs, outputs, threshold=2.0):
        super().__init__(inputs, outputs)
        self.relu, self.threshold = nn.ReLU(), threshold
        self.optimizer = Adam(self.parameters(), lr=0.03)

    def forward(self, x):
        direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(direction, self.weight.T) + self.bias.unsqueeze(0))

    def train(self, real, wrong, steps=40):
        for _ in range(steps):
            good, bad = (self.forward(x).pow(2).mean(1) for x in (real, wrong))
            loss = torch.log1p(torch.exp(torch.cat([self.threshold - good, bad - self.threshold]))).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        print(f"layer {self.in_features}->{self.out_features}: loss {loss.item():.3f}")
        return self.forward(real).detach(), self.forward(wrong).detach()


def predict(layers, x):
    columns = []
    for label in range(CLASSES):
        h, goodness = marked(x, label), []
        for layer in layers:
            h = layer(h)
            goodness.append(h.pow(2).mean(1))
        columns.append(sum(goodness).unsqueeze(1))
    return torch.cat(columns, 1).argmax(1)


label = torch.randint(0, CLASSES, (160,))
x = torch.randn(160, 24) + 2.0 * nn.functional.one_hot(label + CLASSES, 24)
layers = [Layer(24, 32), Layer(32, 32)]
real, wrong = marked(x, label), marked(x, another(label))
for layer in layers:
    real, wrong = layer.train(real, wrong)
print("right:", predict(layers, x).eq(label).float().mean().item() > 0.8)
