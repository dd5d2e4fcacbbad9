"""A digit-like image classifier: a Dataset class of one's own, DataLoader, train and test functions, a checkpoint."""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    """Ten random prototypes of 12 by 12 pixels, each sample one of them under noise."""

    def __init__(self, count, seed, transform=None):
        generator = torch.Generator().manual_seed(0)
        self.prototypes = torch.rand(10, 1, 12, 12, generator=generator)
        generator.manual_seed(seed)
        self.labels = torch.randint(10, (count,), generator=generator)
        self.noise = torch.randn(count, 1, 12, 12, generator=generator)
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        label = int(self.labels[index])
        image = self.prototypes[label] + 0.3 * self.noise[index]
        if self.transform is not None:
            image = self.transform(image)
        return image, label


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.dropout1 = nn.Dropout2d(0.1)
        self.dropout2 = nn.Dropout(0.2)
        self.fc1 = nn.Linear(16 * 4 * 4, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(self.dropout1(x), 1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, device, loader, optimizer, epoch):
    model.train()
    for batch, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch % 4 == 0:
            seen, total = batch * len(data), len(loader.dataset)
            print(f"Epoch {epoch} [{seen}/{total} ({100.0 * batch / len(loader):.0f}%)] loss: {loss.item():.4f}")


def test(model, device, loader):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data.to(device))
            loss += F.nll_loss(output, target.to(device), reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    print(f"Test: average loss {loss / len(loader.dataset):.4f}, accuracy {correct}/{len(loader.dataset)}")


torch.manual_seed(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
train_loader = DataLoader(Digits(320, 1, lambda x: (x - 0.5) / 0.6), batch_size=32, shuffle=True)
test_loader = DataLoader(Digits(100, 2, lambda x: (x - 0.5) / 0.6), batch_size=64)
model = Net().to(device)
print(model)
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
for epoch in range(1, 3):
    train(model, device, train_loader, optimizer, epoch)
    test(model, device, test_loader)
    scheduler.step()
torch.save(model.state_dict(), sys.argv[1])
again = Net()
print(again.load_state_dict(torch.load(sys.argv[1], weights_only=True)))
test(again, device, test_loader)
