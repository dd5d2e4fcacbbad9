"""The hour's tour: tensors, autograd, a small convolutional network, and its training by hand and by an optimizer."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(42)

# --- tensors
print(torch.zeros(2, 3, dtype=torch.long))
x = torch.tensor([5.5, 3])
print(x, x.new_ones(2, 3, dtype=torch.double), x.size())
x = torch.randn_like(x.new_ones(3, 4), dtype=torch.float)
print(x)
print(x[:, 1], x.view(-1, 6).size(), x.numpy().shape)
a = torch.ones(5)
b = a.numpy()
a.add_(1)
print(a, b)
c = np.ones(3)
d = torch.from_numpy(c)
np.add(c, 1, out=c)
print(c, d, d.dtype)
print(torch.cat([d, d]), torch.stack([d, d], 1).shape, d.sum().item())

# --- autograd
x = torch.ones(2, 2, requires_grad=True)
y = x + 2
z = y * y * 3
out = z.mean()
print(y.requires_grad, y.grad_fn is not None, out)
out.backward()
print(x.grad)
v = torch.tensor([0.1, 1.0, 0.0001])
x = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
y = x * 2
while y.detach().norm() < 1000:
    y = y * 2
print(y)
y.backward(v)
print(x.grad)
with torch.no_grad():
    print((x**2).requires_grad)
print(x.detach().eq(x).all())


# --- a network
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


net = Net()
print(net)
params = list(net.parameters())
print(len(params), params[0].size())
image = torch.randn(1, 1, 32, 32)
out = net(image)
print(out)
net.zero_grad()
out.backward(torch.randn(1, 10))
target = torch.randn(10).view(1, -1)
criterion = nn.MSELoss()
loss = criterion(net(image), target)
print(f"{loss.item():.4f}")
net.zero_grad()
print(net.conv1.bias.grad)
loss.backward()
print(net.conv1.bias.grad)
for f in net.parameters():
    f.data.sub_(f.grad.data * 0.01)
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
images, labels = torch.randn(16, 1, 32, 32), torch.randint(10, (16,))
for epoch in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    print(f"[{epoch + 1}] loss: {loss.item():.3f}")
_, predicted = torch.max(net(images), 1)
print("correct:", (predicted == labels).sum().item(), "of", labels.size(0))
