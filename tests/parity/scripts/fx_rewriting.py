"""Rewriting a trained network with torch.fx: other activations, folded batch norms, a profile by node, patterns replaced."""

import copy
import operator

import torch
import torch.fx as fx
import torch.nn as nn
import torch.nn.functional as F
from torch.fx import symbolic_trace

torch.manual_seed(3)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)) + x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.blocks = nn.ModuleList([Residual(6) for _ in range(2)])
        self.head = nn.Linear(6, 3)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x, scale: float = 1.0):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)
        return self.head(self.dropout(torch.relu(x))) * scale


x, y = torch.randn(24, 1, 8, 8), torch.arange(24) % 3
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for step in range(6):
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss.item():.4f}")
net.eval()
with torch.no_grad():
    reference = net(x)

gm = symbolic_trace(net)
print(gm.graph)
print(gm.code)
print("same outputs:", torch.allclose(gm(x), reference))


def report(name, module):
    with torch.no_grad():
        out = module(x)
    print(f"{name}: {out.abs().sum().item():.3f}, differs by {(out - reference).abs().max().item():.2e}")


# 1. Every ReLU, written as a module or as a function, becomes a SiLU.
smooth = copy.deepcopy(gm)
for node in smooth.graph.nodes:
    if node.op == "call_function" and node.target in (F.relu, torch.relu):
        with smooth.graph.inserting_after(node):
            new = smooth.graph.call_function(F.silu, (node.args[0],))
        node.replace_all_uses_with(new)
        smooth.graph.erase_node(node)
for name, child in list(smooth.named_modules()):
    if isinstance(child, nn.ReLU):
        parent, _, last = name.rpartition(".")
        setattr(smooth.get_submodule(parent), last, nn.SiLU())
smooth.graph.lint()
smooth.recompile()
print([str(n) for n in smooth.graph.nodes if "silu" in n.name])
with torch.no_grad():
    print(
        f"smooth: {smooth(x).abs().sum().item():.3f}, differs from the first: {not torch.equal(smooth(x), reference)}"
    )


# 2. Batch norms folded into the convolutions before them.
def fold(module):
    module = copy.deepcopy(module)
    modules = dict(module.named_modules())
    for node in list(module.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
            continue
        before = node.args[0]
        if before.op != "call_module" or not isinstance(modules[before.target], nn.Conv2d) or len(before.users) > 1:
            continue
        parent, _, last = before.target.rpartition(".")
        fused = torch.nn.utils.fusion.fuse_conv_bn_eval(modules[before.target], modules[node.target])
        setattr(modules[parent], last, fused)
        node.replace_all_uses_with(before)
        module.graph.erase_node(node)
    module.graph.lint()
    module.recompile()
    module.delete_all_unused_submodules()
    return module


folded = fold(gm)
print(folded)
with torch.no_grad():
    print("folded agrees:", torch.allclose(folded(x), reference, atol=1e-4))
from torch.fx.experimental.optimization import fuse, remove_dropout  # noqa: E402

with torch.no_grad():
    print("fuse agrees:", torch.allclose(fuse(net)(x), reference, atol=1e-4), len(list(fuse(net).graph.nodes)))
print("without dropout:", [n.target for n in remove_dropout(net).graph.nodes if n.op == "call_module"])


# 3. A profile: how often each kind of node ran, and how large its results were.
class Profile(fx.Interpreter):
    def __init__(self, module):
        super().__init__(module)
        self.rows = {}

    def run_node(self, n):
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            runs, numbers = self.rows.get((n.op, n._pretty_print_target(n.target)), (0, 0))
            self.rows[n.op, n._pretty_print_target(n.target)] = (runs + 1, numbers + result.numel())
        return result


profile = Profile(gm)
with torch.no_grad():
    profile.run(x)
    profile.run(x, 0.5)
for (op, target), (runs, numbers) in sorted(profile.rows.items()):
    print(f"{op:14} {target:45} {runs} {numbers}")


# 4. A pattern replaced: relu(a + b) becomes clamp(a + b, 0, 1.5), everywhere.
def pattern(a, b):
    return F.relu(a + b)


def replacement(a, b):
    return torch.clamp(a + b, 0.0, 1.5)


clipped = symbolic_trace(net)
matches = fx.replace_pattern(clipped, pattern, replacement)
print(len(matches), [str(match.anchor) for match in matches])
print([(str(n), n.format_node()) for n in clipped.graph.nodes if n.name.startswith("clamp")])
report("clipped", clipped)

# 5. A node put in by hand, and dead code taken out.
graph = fx.Graph()
a = graph.placeholder("a")
b = graph.call_function(operator.mul, (a, 3))
unused = graph.call_method("exp", (b,))
pair = graph.call_function(torch.topk, (b, 2), {"dim": 0})
best = graph.call_function(operator.getitem, (pair, 0))
graph.output({"best": best, "all": b})
print(graph.eliminate_dead_code(), len(graph.nodes))
made = fx.GraphModule(nn.Module(), graph, "Made")
print(made.code, made(torch.tensor([1.0, 5.0, 2.0])))

# 6. Gradients reach the weights through the written code.
net.train(False)
for module in (net, gm):
    module.zero_grad()
    F.cross_entropy(module(x, scale=2.0), y).backward()
    print(f"gradient {sum(p.grad.abs().sum().item() for p in module.parameters()):.3f}")
try:
    symbolic_trace(lambda t: t if t.sum() > 0 else -t)
except fx.proxy.TraceError:
    print("a branch that depends on the data cannot be traced")
