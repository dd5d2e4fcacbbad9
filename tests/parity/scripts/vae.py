"""A variational autoencoder: reparametrisation, the KL term, samples from the prior, an interpolation."""

import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, pixels=64, hidden=32, latent=4):
        super().__init__()
        self.pixels = pixels
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, pixels)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, self.pixels))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x.view(-1, x[0].numel()), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce, kld


torch.manual_seed(11)
bars = torch.zeros(256, 1, 8, 8)
for image, (row, column) in zip(bars, torch.randint(0, 8, (256, 2)).tolist()):
    image[0, row] = 1.0
    image[:, :, column] = 1.0
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(bars), batch_size=64, shuffle=True)

model = VAE()
print(model)
optimizer = optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(1, 5):
    model.train()
    totals = torch.zeros(2)
    for (data,) in loader:
        optimizer.zero_grad()
        recon, mu, logvar = model(data)
        bce, kld = loss_function(recon, data, mu, logvar)
        (bce + kld).backward()
        optimizer.step()
        totals += torch.stack([bce, kld]).detach()
    print("epoch {}: reconstruction {:.3f}, divergence {:.4f}".format(epoch, *(totals / len(bars)).tolist()))

model.eval()
with torch.no_grad():
    sample = model.decode(torch.randn(5, 4)).view(5, 1, 8, 8)
    print(sample.shape, f"{sample.mean():.4f} {sample.amax(dim=(1, 2, 3)).min():.4f}")
    ends = model.encode(bars[:2].flatten(1))[0]
    path = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, 5).unsqueeze(1))
    decoded = model.decode(path)
    print([f"{v:.3f}" for v in (decoded - bars[0].view(-1)).abs().mean(dim=1)])
    recon, mu, logvar = model(bars[:16])
    print("bits kept:", ((recon > 0.5) == bars[:16].view(16, -1).bool()).float().mean().item())
