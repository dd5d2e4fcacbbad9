"""A U-Net that segments circles: double convolutions, skips by concatenation, Dice and cross-entropy, IoU."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels, mid_channels=None):
        super().__init__()
        mid_channels = mid_channels or out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, bilinear=True):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels, n_classes, bilinear, base=6):
        super().__init__()
        factor = 2 if bilinear else 1
        self.inc = DoubleConv(n_channels, base)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(base, base * 2))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(base * 2, base * 4 // factor))
        self.up1 = Up(base * 4, base * 2 // factor, bilinear)
        self.up2 = Up(base * 2, base, bilinear)
        self.outc = nn.Conv2d(base, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def circles(count, size=22):
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre, radius = torch.randint(6, size - 6, (count, 2)), torch.randint(3, 7, (count,))
    distance = (yy - centre[:, 0, None, None]) ** 2 + (xx - centre[:, 1, None, None]) ** 2
    masks = (distance <= radius[:, None, None] ** 2).long()
    return masks.unsqueeze(1).float() + 0.5 * torch.randn(count, 1, size, size), masks


def dice_loss(logits, masks, epsilon=1e-6):
    p = F.softmax(logits, dim=1).float()
    target = F.one_hot(masks, logits.shape[1]).permute(0, 3, 1, 2).float()
    inter = 2 * (p * target).sum(dim=(-1, -2))
    sets = p.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2))
    return 1 - ((inter + epsilon) / (sets + epsilon)).mean()


images, masks = circles(6)
print(images.shape, masks.shape, masks.sum().item())
for bilinear in (True, False):
    torch.manual_seed(1)
    net = UNet(1, 2, bilinear)
    if not bilinear:
        print(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for step in range(8):
        logits = net(images)
        loss = F.cross_entropy(logits, masks) + dice_loss(logits, masks)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if step % 3 == 1:
            print(f"step {step} loss {loss.item():.3f}")
    predicted = net(images).argmax(dim=1)
    union = (predicted | masks).sum().item()
    print(predicted.shape, f"IoU {(predicted & masks).sum().item() / union:.1f}")
