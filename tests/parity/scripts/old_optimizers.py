"""Optimisers written in the manner of 2018: numbers before tensors, x.new(), out= onto an operand, one wrapped around another."""

import math
import warnings
from collections import defaultdict

import torch
import torch.nn as nn
from torch.optim.optimizer import Optimizer

warnings.filterwarnings("ignore")


class OldAMSGrad(Optimizer):
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad, state = p.grad.data, self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["mean"] = grad.new().resize_as_(grad).zero_()
                    state["square"] = torch.zeros_like(p.data)
                    state["largest"] = torch.zeros_like(p.data)
                state["step"] += 1
                if group["weight_decay"] != 0:
                    grad = grad.add(group["weight_decay"], p.data)
                state["mean"].mul_(beta1).add_(1 - beta1, grad)
                state["square"].mul_(beta2).addcmul_(1 - beta2, grad, grad)
                torch.max(state["largest"], state["square"], out=state["largest"])
                denominator = state["largest"].sqrt().add_(group["eps"])
                correction = math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                p.data.addcdiv_(-group["lr"] * correction, state["mean"], denominator)


class SlowWeights(Optimizer):
    """Lookahead: every k steps the weights go half of the way from where they were."""

    def __init__(self, optimizer, k=3, alpha=0.5):
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        self.param_groups = optimizer.param_groups
        self.state = defaultdict(dict)
        self.count = 0

    def zero_grad(self):
        self.optimizer.zero_grad()

    def step(self, closure=None):
        self.optimizer.step(closure)
        self.count += 1
        if self.count % self.k:
            return
        for group in self.param_groups:
            for fast in group["params"]:
                state = self.state[fast]
                if "slow" not in state:
                    state["slow"] = fast.data.new(fast.size()).copy_(fast.data)
                state["slow"].add_(self.alpha, fast.data - state["slow"])
                fast.data.copy_(state["slow"])


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))


x, y = torch.randn(40, 8, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 3
makers = {
    "amsgrad": lambda p: OldAMSGrad(p, weight_decay=1e-2),
    "slow amsgrad": lambda p: SlowWeights(OldAMSGrad(p, lr=3e-2)),
    "slow sgd": lambda p: SlowWeights(torch.optim.SGD(p, lr=0.2, momentum=0.9), k=5),
}
for name, maker in makers.items():
    model = network()
    optimizer = maker(list(model.parameters()))
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(
        f"{name}: {losses[0]:.4f} {losses[9]:.4f} {losses[-1]:.4f}",
        [type(s).__name__ for s in optimizer.state.values()][:1],
    )
print(torch.addmm(2, torch.eye(2), 3, torch.ones(2, 2), torch.eye(2)))
