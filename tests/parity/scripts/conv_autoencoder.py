"""Autoencoders of stripes: strided convolutions down and transposed ones up, then a variational and a denoising one."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)


def stripes(count):
    rows = torch.arange(16).float()
    frequency, phase = torch.rand(count, 1, 1) + 0.3, torch.rand(count, 1, 1) * 3
    angle = torch.rand(count, 1, 1)
    field = angle * rows[:, None] + (1 - angle) * rows[None, :]
    return (0.5 + 0.5 * torch.sin(frequency * field + phase)).unsqueeze(1)


class ConvAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),  # b, 8, 8, 8
            nn.ReLU(True),
            nn.Conv2d(8, 12, 3, stride=2, padding=1),  # b, 12, 4, 4
            nn.ReLU(True),
            nn.Conv2d(12, 16, 4),  # b, 16, 1, 1
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(16, 12, 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(12, 8, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(True),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(256, 64), nn.Linear(64, 6), nn.Linear(64, 6)
        self.fc3, self.fc4 = nn.Linear(6, 64), nn.Linear(64, 256)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 256))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


x = stripes(24)
print(x.shape, f"{x.mean().item():.4f} {x.std().item():.4f}")

model = ConvAutoencoder()
print(model)
for layer in model.decoder:
    if isinstance(layer, nn.ConvTranspose2d):
        print(tuple(layer.weight.shape), layer.output_padding)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-5)
for epoch in range(12):
    noisy = (x + 0.2 * torch.randn_like(x)).clamp_(0, 1) if epoch >= 6 else x
    loss = F.mse_loss(model(noisy), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 4 == 3:
        print(f"autoencoder {epoch} {loss.item():.4f}")
print(model.encoder(x[:2]).shape, model(x[:2]).shape)

vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
for epoch in range(12):
    recon, mu, logvar = vae(x)
    BCE = F.binary_cross_entropy(recon, x.view(-1, 256), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    optimizer.zero_grad()
    (BCE + KLD).backward()
    optimizer.step()
    if epoch % 4 == 3:
        print(f"VAE {epoch} {BCE.item() / len(x):.2f} {KLD.item() / len(x):.3f}")
with torch.no_grad():
    sample = vae.decode(torch.randn(3, 6)).view(3, 1, 16, 16)
print(sample.shape, f"{sample.mean().item():.3f}")
