"""A small residual CNN with BatchNorm, StepLR, weight initialisation by hand and a count of its parameters."""

import torch
from torch import nn, optim


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.body(x)
        out += self.shortcut(x)
        return self.relu(out)


class SmallResNet(nn.Module):
    def __init__(self, widths=(8, 16), classes=4):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        blocks, inputs = [], widths[0]
        for stage, width in enumerate(widths):
            blocks += [Block(inputs, width, stride=1 + (stage > 0))]
            inputs = width
        self.layers = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)

    def forward(self, x):
        x = self.pool(self.layers(self.stem(x)))
        return self.fc(x.flatten(1))


torch.manual_seed(3)
labels = torch.randint(0, 4, (64,))
images = torch.randn(64, 3, 12, 12)
for index, label in enumerate(labels):
    images[index, :, 3 * label : 3 * label + 3] += 1.0  # a bright band tells the class

model = SmallResNet()
print(model)
print("parameters:", sum(p.numel() for p in model.parameters() if p.requires_grad))
criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)

for epoch in range(5):
    model.train()
    running, correct = 0.0, 0
    order = torch.randperm(len(images))
    for part in order.split(16):
        inputs, targets = images[part], labels[part]
        if torch.rand(1).item() < 0.5:
            inputs = inputs.flip(-1)
        optimizer.zero_grad(set_to_none=True)
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(part)
        correct += (outputs.max(1)[1] == targets).sum().item()
    print(f"epoch {epoch} lr {optimizer.param_groups[0]['lr']:g} loss {running / 64:.3f} correct {correct}")
    scheduler.step()

model.eval()
with torch.inference_mode():
    scores = model(images).softmax(dim=-1)
print("eval", (scores.argmax(-1) == labels).float().mean().item())
print(model.stem[1].num_batches_tracked, [round(v, 3) for v in model.stem[1].running_var.tolist()])
print(list(model.state_dict())[:6])
