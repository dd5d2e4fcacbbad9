"""A conditional Wasserstein GAN with gradient penalty: double backward through the critic, an average of the generator."""

import copy

import torch
import torch.nn as nn
from torch import autograd

torch.manual_seed(31)
latent, classes = 4, 3


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.label_emb = nn.Embedding(classes, 3)

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(*block(latent + 3, 16, normalize=False), *block(16, 24), nn.Linear(24, 2))

    def forward(self, z, labels):
        return self.model(torch.cat((self.label_emb(labels), z), -1))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(2 + classes, 24), nn.Softplus(), nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 1)
        )

    def forward(self, points, labels):
        return self.model(torch.hstack((points, nn.functional.one_hot(labels, classes).to(points.dtype))))


def compute_gradient_penalty(critic, real, fake, labels):
    alpha = torch.rand(real.size(0), 1)
    between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = critic(between, labels)
    gradients = autograd.grad(
        outputs=scores,
        inputs=between,
        grad_outputs=torch.ones_like(scores),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


generator, critic = Generator(), Critic()
average = copy.deepcopy(generator).requires_grad_(False)
print(generator, critic, sep="\n")
optimizer_G = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
optimizer_C = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))
angles = torch.tensor([0.0, 2.1, 4.2])
for step in range(12):
    labels = torch.randint(0, classes, (32,))
    real = torch.stack((angles[labels].cos(), angles[labels].sin()), dim=1) + 0.1 * torch.randn(32, 2)
    optimizer_C.zero_grad()
    fake = generator(torch.randn(32, latent), labels).detach()
    penalty = compute_gradient_penalty(critic, real, fake, labels)
    loss_C = critic(fake, labels).mean() - critic(real, labels).mean() + 10.0 * penalty
    loss_C.backward()
    optimizer_C.step()
    if step % 3 == 2:
        for p in critic.parameters():
            p.requires_grad = False
        optimizer_G.zero_grad()
        loss_G = -critic(generator(torch.randn(32, latent), labels), labels).mean()
        loss_G.backward()
        optimizer_G.step()
        for p in critic.parameters():
            p.requires_grad = True
        with torch.no_grad():
            for mean, p in zip(average.parameters(), generator.parameters()):
                mean.mul_(0.9).add_(p, alpha=0.1)
        print(f"step {step}: critic {loss_C.item():.3f} penalty {penalty.item():.4f} generator {loss_G.item():.4f}")

average.eval()
points = average(torch.randn(6, latent), torch.arange(6) % 3)
print(points.shape, points.requires_grad, [round(v, 3) for v in points.mean(0).tolist()])
