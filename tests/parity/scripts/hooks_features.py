"""Hooks: features from the middle of a network, gradients on the way back, changed inputs and outputs, and their removal."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(6)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, x, scale=1.0):
        x = self.body(self.stem(x))
        return scale * self.head(x.mean(dim=(2, 3)))


net = Net()
x = torch.randn(2, 1, 9, 9)
print([name for name, _ in net.named_modules()])

# --- features
features: dict = {}


def keep(name):
    def hook(module, inputs, output):
        features[name] = output.detach()

    return hook


handles = [module.register_forward_hook(keep(name)) for name, module in net.named_modules() if name]
net(x)
for name, value in features.items():
    print(f"{name:7s} {tuple(value.shape)} {value.mean().item():.4f} zeros {(value == 0).float().mean().item():.3f}")
for handle in handles:
    handle.remove()
features.clear()
net(x)
print("after removal", features)

# --- gradients on the way back; and where the network looks (Grad-CAM)
activation, gradient = [], []
h1 = net.body.register_forward_hook(lambda m, i, o: activation.append(o))
h2 = net.body.register_full_backward_hook(lambda m, gi, go: gradient.append(go[0]))
h3 = net.head.register_full_backward_hook(
    lambda m, gi, go: print("head", [tuple(g.shape) for g in gi], [tuple(g.shape) for g in go])
)
scores = net(x)
scores[:, 1].sum().backward()
cam = F.relu((gradient[0].mean((2, 3), keepdim=True) * activation[0]).sum(1))
print(cam.shape, f"{cam.sum().item():.4f}", gradient[0].shape)
for h in (h1, h2, h3):
    h.remove()

# --- hooks that change things
plain = net(x)
h = net.head.register_forward_pre_hook(lambda module, args: (args[0] * 0,))
print(torch.allclose(net(x), net.head.bias.expand(2, 3)))
h.remove()
h = net.register_forward_hook(lambda module, args, output: output.softmax(-1))
print(net(x).sum(-1))
h.remove()
h = net.register_forward_pre_hook(lambda m, args, kwargs: (args, {**kwargs, "scale": 3.0}), with_kwargs=True)
print(torch.allclose(net(x), 3 * plain), torch.allclose(net(x, scale=5.0), 3 * plain))
h.remove()
with torch.no_grad():
    print(torch.equal(net(x), plain))

# --- hooks of tensors
leaf = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
middle = leaf * 2
middle.retain_grad()
seen: list = []
h = middle.register_hook(lambda g: seen.append(g.clone()))
leaf.register_hook(lambda g: g * 10)
middle.pow(2).sum().backward()
print(leaf.grad, middle.grad, seen[0])
h.remove()
weight = torch.ones(2, requires_grad=True)
weight.register_post_accumulate_grad_hook(lambda p: print("accumulated", p.grad))
(weight * torch.tensor([3.0, 4.0])).sum().backward()

# --- a hook in the optimizer's step, and one for the state dict
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
optimizer.register_step_pre_hook(lambda opt, args, kwargs: print("before", len(opt.param_groups)))
optimizer.register_step_post_hook(lambda opt, args, kwargs: print("after"))
net(x).sum().backward()
optimizer.step()
net._register_state_dict_hook(lambda module, state, prefix, metadata: state.update(extra=torch.tensor(1)))
print(list(net.state_dict())[-2:], f"{net(x).sum().item():.3f}")
