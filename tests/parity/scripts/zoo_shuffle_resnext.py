"""Grouped convolutions: a network that shuffles channels and one of grouped bottlenecks; forward and backward."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(5)


class ShuffleBlock(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        """[N, C, H, W] -> [N, g, C/g, H, W] -> [N, C/g, g, H, W] -> [N, C, H, W]"""
        N, C, H, W = x.size()
        g = self.groups
        return x.view(N, g, C // g, H, W).permute(0, 2, 1, 3, 4).reshape(N, C, H, W)

    def extra_repr(self):
        return f"groups={self.groups}"


class SplitBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
        )
        self.shuffle = ShuffleBlock(2)

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        return self.shuffle(torch.cat([a, self.branch(b)], 1))


class DownBlock(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        mid = out_channels // 2
        self.left = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, 2, 1, groups=in_channels, bias=False),
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, mid, 1, bias=False),
            nn.BatchNorm2d(mid),
        )
        self.right = nn.Sequential(
            nn.Conv2d(in_channels, mid, 1, bias=False),
            nn.BatchNorm2d(mid),
            nn.Hardswish(),
            nn.Conv2d(mid, mid, 3, 2, 1, groups=mid),
        )
        self.shuffle = ShuffleBlock(2)

    def forward(self, x):
        return self.shuffle(torch.cat([F.relu(self.left(x)), self.right(x)], 1))


class GroupedBottleneck(nn.Module):
    def __init__(self, planes, cardinality=4, width=2):
        super().__init__()
        inner = cardinality * width
        self.reduce = nn.Conv2d(planes, inner, 1, bias=False)
        self.grouped = nn.Conv2d(inner, inner, 3, padding=2, dilation=2, groups=cardinality, bias=False)
        self.expand = nn.Conv2d(inner, planes, 1, bias=False)
        self.norm = nn.GroupNorm(4, planes)

    def forward(self, x):
        return F.silu(x + self.norm(self.expand(F.silu(self.grouped(F.silu(self.reduce(x)))))))


print(ShuffleBlock(3)(torch.arange(6.0).view(1, 6, 1, 1)).flatten())
print(
    torch.equal(
        nn.ChannelShuffle(3)(torch.arange(6.0).view(1, 6, 1, 1)), ShuffleBlock(3)(torch.arange(6.0).view(1, 6, 1, 1))
    )
)
head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
shuffle = nn.Sequential(
    nn.Conv2d(3, 16, 3, 2, 1), DownBlock(16, 24), SplitBlock(24), DownBlock(24, 32), SplitBlock(32), *head
)
stem = [nn.Conv2d(3, 32, 4, 4), nn.GroupNorm(1, 32)]
resnext = nn.Sequential(
    *stem, *(GroupedBottleneck(32) for _ in range(3)), nn.AdaptiveMaxPool2d((1, 1)), nn.Flatten(), nn.Linear(32, 10)
)
images, labels = torch.randn(6, 3, 32, 32), torch.randint(0, 10, (6,))
for net in (shuffle, resnext):
    print(net)
    print(sum(p.numel() for p in net.parameters() if p.requires_grad), [tuple(p.shape) for p in net.parameters()][:4])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for step in range(3):
        optimizer.zero_grad()
        loss = F.nll_loss(F.log_softmax(net(images), dim=1), labels)
        loss.backward()
        optimizer.step()
        print(f"{step} loss {loss.item():.3f} first layer {next(net.parameters()).grad.norm().item():.2f}")
    x = images.clone().requires_grad_()
    net.eval()
    net(x)[:, 0].sum().backward()
    print(x.grad.shape, f"{x.grad.abs().mean().item():.2e}")
