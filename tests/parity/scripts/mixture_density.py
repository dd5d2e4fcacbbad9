"""A mixture density network for a curve that has several answers, in torch.distributions and by hand."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal, kl_divergence

torch.manual_seed(12)
t = torch.linspace(-1, 1, 160).unsqueeze(1)
x = t + 0.3 * torch.sin(7 * t) + 0.03 * torch.randn_like(t)
y = t
x = (x - x.mean()) / x.std()
print(x.shape, f"{x.min().item():.3f} {x.max().item():.3f}")


class MDN(nn.Module):
    def __init__(self, hidden=20, k=3):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, hidden), nn.Tanh())
        self.z_pi, self.z_mu, self.z_sigma = nn.Linear(hidden, k), nn.Linear(hidden, k), nn.Linear(hidden, k)

    def forward(self, x):
        h = self.z_h(x)
        return self.z_pi(h), self.z_mu(h), F.softplus(self.z_sigma(h)) + 1e-3


def by_hand(logits, mu, sigma, y):
    log_normal = -0.5 * ((y - mu) / sigma) ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(F.log_softmax(logits, dim=-1) + log_normal, dim=-1).mean()


model = MDN()
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(60):
    logits, mu, sigma = model(x)
    mixture = MixtureSameFamily(Categorical(logits=logits), Normal(mu, sigma))
    loss = -mixture.log_prob(y.squeeze(1)).mean()
    if step == 0:
        print("by hand agrees:", torch.allclose(loss, by_hand(logits, mu, sigma, y), atol=1e-5))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 19:
        print(f"step {step} {loss.item():.1f}")

with torch.no_grad():
    logits, mu, sigma = model(torch.tensor([[-1.0], [0.0], [1.0]]))
    mixture = MixtureSameFamily(Categorical(logits=logits), Normal(mu, sigma))
    print(mixture.batch_shape, mixture.event_shape, mixture.component_distribution.batch_shape)
    print(
        "mean", [round(v, 2) for v in mixture.mean.tolist()], "spread", [round(v, 2) for v in mixture.stddev.tolist()]
    )
    print("below zero", [round(v, 2) for v in mixture.cdf(torch.zeros(3)).tolist()])
    print(mixture.sample((5,)).shape)

# --- the pieces
torch.manual_seed(0)
p, q = Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0])), Normal(torch.zeros(2), torch.ones(2))
print(p, kl_divergence(p, q), p.entropy())
print(Independent(p, 1).log_prob(torch.tensor([0.5, 0.5])), p.rsample((2,)))
weights = Categorical(torch.tensor([0.2, 0.3, 0.5]))
print(weights.probs, weights.entropy(), weights.sample((8,)))
plane = MultivariateNormal(torch.zeros(2), torch.tensor([[2.0, 0.5], [0.5, 1.0]]))
print(plane.log_prob(torch.tensor([1.0, -1.0])), plane.sample((3,)).shape, plane.entropy())

# --- gradients through samples, and by the score
location = torch.tensor(0.7, requires_grad=True)
sample = Normal(location, 0.5).rsample((1000,))
sample.pow(2).mean().backward()
print(f"through samples {location.grad.item():.4f}")
location.grad.zero_()
distribution = Normal(location, 0.5)
action = distribution.sample((1000,))
(distribution.log_prob(action) * action.pow(2)).mean().backward()
print(f"by the score {location.grad.item():.3f}")
try:
    Normal(torch.tensor(0.0), torch.tensor(-1.0))
except ValueError:
    print("a negative scale is refused")
