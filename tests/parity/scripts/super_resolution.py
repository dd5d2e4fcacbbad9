"""Super-resolution: sub-pixel convolution (PixelShuffle), orthogonal initialisation, PSNR, against bicubic interpolation."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset


class Waves(Dataset):
    """Smooth random images, and the same made smaller."""

    def __init__(self, count, size=16, upscale_factor=2):
        coarse = torch.rand(count, 1, 5, 5)
        self.images = F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)
        self.factor = upscale_factor

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        target = self.images[index]
        return F.avg_pool2d(target, self.factor), target.clone()


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 16, (3, 3), padding="same")
        self.conv3 = nn.Conv2d(16, 8, (3, 3), (1, 1), (1, 1), padding_mode="replicate")
        self.conv4 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        for conv in (self.conv1, self.conv2, self.conv3):
            init.orthogonal_(conv.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv4.weight)


def psnr(a, b):
    return 10 * math.log10(1 / F.mse_loss(a, b).item())


torch.manual_seed(123)
train_loader = DataLoader(Waves(48), batch_size=8, shuffle=True, drop_last=True)
test_loader = DataLoader(Waves(16), batch_size=8)
model = Net(upscale_factor=2)
print(model)
criterion = nn.MSELoss()
optimizer = Adam(model.parameters(), lr=0.003)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, threshold=0.3)
for epoch in range(1, 5):
    epoch_loss = 0
    for input, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(input), target)
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        quality = [psnr(model(input), target) for input, target in test_loader]
    scheduler.step(epoch_loss)
    mean = sum(quality) / len(quality)
    print(f"Epoch {epoch} loss {epoch_loss / len(train_loader):.4f} PSNR {mean:.2f} dB lr {scheduler.get_last_lr()}")
input, target = next(iter(test_loader))
for mode in ("nearest", "bilinear", "bicubic"):
    corners = None if mode == "nearest" else False
    print(mode, f"{psnr(F.interpolate(input, scale_factor=2, mode=mode, align_corners=corners), target):.2f}")
folded = F.pixel_unshuffle(target, 2)
print(folded.shape, torch.equal(F.pixel_shuffle(folded, 2), target), nn.PixelUnshuffle(2)(target).equal(folded))
