"""Squeeze-and-excitation blocks and an inception module with an auxiliary head, 32x32 images; forward and backward."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(2)


class SEBlock(nn.Module):
    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.shortcut = (
            nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False) if in_planes != planes else nn.Identity()
        )
        self.fc1 = nn.Conv2d(planes, planes // 4, kernel_size=1)
        self.fc2 = nn.Conv2d(planes // 4, planes, kernel_size=1)

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out)
        out = self.conv2(F.relu(self.bn2(self.conv1(out))))
        w = F.avg_pool2d(out, out.size(2))
        w = torch.sigmoid(self.fc2(F.relu(self.fc1(w))))
        return out * w + shortcut


class BasicConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(self, in_planes, n1x1, n3x3red, n3x3, n5x5red, n5x5, pool_planes):
        super().__init__()
        self.b1 = BasicConv2d(in_planes, n1x1, kernel_size=1)
        self.b2 = nn.Sequential(
            BasicConv2d(in_planes, n3x3red, kernel_size=1), BasicConv2d(n3x3red, n3x3, kernel_size=3, padding=1)
        )
        self.b3 = nn.Sequential(
            BasicConv2d(in_planes, n5x5red, kernel_size=1),
            BasicConv2d(n5x5red, n5x5, kernel_size=(1, 5), padding=(0, 2)),
            BasicConv2d(n5x5, n5x5, kernel_size=(5, 1), padding=(2, 0)),
        )
        self.b4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), BasicConv2d(in_planes, pool_planes, kernel_size=1)
        )

    def forward(self, x):
        return torch.cat([self.b1(x), self.b2(x), self.b3(x), self.b4(x)], 1)


class GoogLeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.pre_layers = BasicConv2d(3, 12, kernel_size=3, padding=1, stride=2)
        self.a3 = Inception(12, 8, 6, 12, 2, 4, 4)
        self.b3 = Inception(28, 12, 8, 16, 4, 8, 4)
        self.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.aux = nn.Linear(28, 10)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(40, 10)

    def forward(self, x):
        out = self.a3(self.pre_layers(x))
        aux = self.aux(out.mean((2, 3))) if self.training else None
        out = self.b3(self.maxpool(out))
        out = self.linear(self.dropout(torch.flatten(F.adaptive_avg_pool2d(out, 1), 1)))
        return (out, aux) if self.training else out


images, labels = torch.randn(4, 3, 32, 32), torch.tensor([1, 2, 3, 4])
senet = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1, bias=False),
    SEBlock(8, 8),
    SEBlock(8, 16, 2),
    SEBlock(16, 32, 2),
    nn.AvgPool2d(8),
    nn.Flatten(),
    nn.Linear(32, 10),
)
for net in (senet, GoogLeNet()):
    print(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(3):
        optimizer.zero_grad()
        outputs = net(images)
        if isinstance(outputs, tuple):
            loss = F.cross_entropy(outputs[0], labels) + 0.3 * F.cross_entropy(outputs[1], labels)
        else:
            loss = F.cross_entropy(outputs, labels)
        loss.backward()
        optimizer.step()
        print(f"{step} loss {loss.item():.3f}")
    net.eval()
    print(net(images).shape, f"{F.cross_entropy(net(images), labels).item():.2f}")
