"""A densely connected network and an inverted-residual (depthwise) network for 32x32 images; forward and backward."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)


class Bottleneck(nn.Module):
    def __init__(self, in_planes, growth_rate):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.conv1 = nn.Conv2d(in_planes, 4 * growth_rate, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth_rate)
        self.conv2 = nn.Conv2d(4 * growth_rate, growth_rate, kernel_size=3, padding=1, bias=False)

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return torch.cat([out, x], 1)


class Transition(nn.Sequential):
    def __init__(self, in_planes, out_planes):
        super().__init__()
        self.add_module("norm", nn.BatchNorm2d(in_planes))
        self.add_module("relu", nn.ReLU())
        self.add_module("conv", nn.Conv2d(in_planes, out_planes, kernel_size=1, bias=False))
        self.add_module("pool", nn.AvgPool2d(2))


class DenseNet(nn.Module):
    def __init__(self, nblocks=(2, 3, 2), growth_rate=6, reduction=0.5, num_classes=10):
        super().__init__()
        planes = 2 * growth_rate
        self.conv1 = nn.Conv2d(3, planes, kernel_size=3, stride=2, padding=1, bias=False)
        self.blocks = nn.Sequential()
        for i, count in enumerate(nblocks):
            for j in range(count):
                self.blocks.add_module(f"dense{i}_{j}", Bottleneck(planes, growth_rate))
                planes += growth_rate
            if i != len(nblocks) - 1:
                self.blocks.add_module(f"transition{i}", Transition(planes, int(planes * reduction)))
                planes = int(planes * reduction)
        self.bn = nn.BatchNorm2d(planes)
        self.linear = nn.Linear(planes, num_classes)

    def forward(self, x):
        out = F.relu(self.bn(self.blocks(self.conv1(x))))
        out = F.adaptive_avg_pool2d(out, (1, 1))
        return self.linear(torch.flatten(out, 1))


class InvertedResidual(nn.Module):
    """expand + depthwise + pointwise"""

    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers += [nn.Conv2d(inp, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


def mobilenet(num_classes=10):
    features = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)]
    channels = 16
    for t, c, n, s in [[1, 8, 1, 1], [4, 12, 2, 2], [4, 16, 2, 2]]:
        for i in range(n):
            features.append(InvertedResidual(channels, c, s if i == 0 else 1, t))
            channels = c
    net = nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.zeros_(m.bias)
    return net


images, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 9, 5, 2])
for name, net in (("DenseNet", DenseNet()), ("MobileNetV2", mobilenet())):
    print(net)
    print(name, sum(p.numel() for p in net.parameters()))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    for step in range(3):
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"{step} loss {loss.item():.3f}")
    stats = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    print(len(stats), stats[-1].num_batches_tracked, f"{stats[0].running_mean.abs().mean().item():.4f}")
