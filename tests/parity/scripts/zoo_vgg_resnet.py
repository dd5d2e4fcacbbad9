"""Two classics written out for 32x32 images: a VGG from a list of widths, and a residual network; forward and backward."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class VGG(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.features = self._make_layers(cfg)
        self.classifier = nn.Linear(32, 10)

    def forward(self, x):
        out = self.features(x)
        out = out.view(out.size(0), -1)
        return self.classifier(out)

    def _make_layers(self, cfg):
        layers, in_channels = [], 3
        for x in cfg:
            if x == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [
                    nn.Conv2d(in_channels, x, kernel_size=3, padding=1),
                    nn.BatchNorm2d(x),
                    nn.ReLU(inplace=True),
                ]
                in_channels = x
        layers += [nn.AvgPool2d(kernel_size=1, stride=1)]
        return nn.Sequential(*layers)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=10, width=8):
        super().__init__()
        self.in_planes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stages = [self._make_layer(block, width * 2**i, n, 1 if i == 0 else 2) for i, n in enumerate(num_blocks)]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.linear = nn.Linear(width * 8 * block.expansion, num_classes)

    def _make_layer(self, block, planes, num_blocks, stride):
        layers = []
        for s in [stride] + [1] * (num_blocks - 1):
            layers.append(block(self.in_planes, planes, s))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        out = F.avg_pool2d(out, 4)
        return self.linear(out.view(out.size(0), -1))


images, labels = torch.randn(4, 3, 32, 32), torch.tensor([3, 1, 4, 1])
for net in (VGG([8, "M", 16, "M", 24, 24, "M", 32, 32, "M", 32, "M"]), ResNet(BasicBlock, [2, 2, 2, 2])):
    print(net)
    print(type(net).__name__, sum(p.numel() for p in net.parameters()), len(net.state_dict()))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for step in range(3):
        optimizer.zero_grad()
        outputs = net(images)
        loss = nn.CrossEntropyLoss()(outputs, labels)
        loss.backward()
        total = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
        optimizer.step()
        print(f"{step} loss {loss.item():.3f} gradient {total.item():.2f} {tuple(outputs.shape)}")
    net.eval()
    with torch.no_grad():
        print([round(v, 2) for v in net(images)[0].tolist()])
