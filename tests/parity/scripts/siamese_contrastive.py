"""A siamese network with a contrastive loss of one's own: shared weights, pairs drawn by a Dataset, a threshold for verification."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

random.seed(2)
torch.manual_seed(2)


class Pairs(Dataset):
    def __init__(self, images, labels, count):
        self.images, self.labels, self.count = images, labels, count
        self.of_class = {c: torch.nonzero(labels == c).flatten().tolist() for c in labels.unique().tolist()}

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        same = index % 2 == 0
        first = random.choice(sorted(self.of_class))
        second = first if same else random.choice([c for c in sorted(self.of_class) if c != first])
        a, b = random.choice(self.of_class[first]), random.choice(self.of_class[second])
        return self.images[a], self.images[b], torch.tensor([float(not same)])


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(1, 4, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(4),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 8, kernel_size=3, padding=1),
            nn.PReLU(),
        )
        self.fc = nn.Sequential(nn.Linear(8 * 4 * 4, 16), nn.ELU(), nn.Linear(16, 4))

    def forward_once(self, x):
        output = self.cnn(x)
        return self.fc(output.view(output.size()[0], -1))

    def forward(self, a, b):
        return self.forward_once(a), self.forward_once(b)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, label):
        distance = F.pairwise_distance(a, b, keepdim=True)
        far = torch.clamp(self.margin - distance, min=0.0)
        return torch.mean((1 - label) * torch.pow(distance, 2) + label * torch.pow(far, 2))


prototypes = torch.randn(4, 1, 8, 8)
labels = torch.arange(4).repeat_interleave(10)
images = prototypes[labels] + 0.4 * torch.randn(40, 1, 8, 8)
net, criterion = Siamese(), ContrastiveLoss()
print(net)
optimizer = torch.optim.RAdam(net.parameters(), lr=0.005, weight_decay=1e-5)
loader = DataLoader(Pairs(images, labels, 64), batch_size=16)
for epoch in range(5):
    history = []
    for a, b, label in loader:
        optimizer.zero_grad()
        loss = criterion(*net(a, b), label)
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    print(f"epoch {epoch} loss {sum(history) / len(history):.4f}")

net.eval()
with torch.no_grad():
    codes = net.forward_once(images)
    distances = torch.cdist(codes, codes)
    same = labels[:, None] == labels[None, :]
    off = ~torch.eye(40, dtype=torch.bool)
    print(f"same {distances[same & off].mean():.3f} different {distances[~same].mean():.3f}")
    verdict = distances < 1.0
    print("verified", round((verdict == same)[off].double().mean().item(), 3), distances.shape)
    print("cosine", round(F.cosine_similarity(codes[:10], codes[10:20]).mean().item(), 3))
