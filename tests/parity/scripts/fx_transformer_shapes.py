"""torch.fx on a small attention model: shapes and costs by node, other operations by Transformer, tracers of one's own."""

import math

import torch
import torch.fx as fx
import torch.nn as nn
import torch.nn.functional as F
from torch.fx.passes.shape_prop import ShapeProp

torch.manual_seed(5)


@fx.wrap
def rows_in(x):
    return len(x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
        self.temperature = nn.Parameter(torch.tensor(1.0))

    def forward(self, x, mask=None):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) / (math.sqrt(C) * self.temperature)
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        return self.out((F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(B, T, C))


class Model(nn.Module):
    def __init__(self, words=11, width=8):
        super().__init__()
        self.embed, self.attend = nn.Embedding(words, width), Attention(width, 2)
        self.norm, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Linear(16, width))
        self.register_buffer("positions", torch.linspace(0, 1, 6)[:, None])
        self.head = nn.Linear(width, words)

    def forward(self, tokens, mask=None):
        h = self.embed(tokens) + self.positions
        h = h + self.attend(h, mask)
        h = h + self.mlp(self.norm(h))
        return self.head(h), h / rows_in(h)


class KeepMath(fx.Tracer):
    def trace(self, root, concrete_args=None):
        graph = super().trace(root, concrete_args)
        self.seen = len(graph.nodes)
        return graph

    def is_leaf_module(self, m, name):
        return isinstance(m, (nn.Linear, nn.Embedding, nn.LayerNorm)) or name == "mlp"


model = Model().eval()
tokens = torch.randint(0, 11, (3, 6))
mask = torch.ones(6, 6, dtype=torch.bool).triu(1)
tracer = KeepMath()
graph = tracer.trace(model)
gm = fx.GraphModule(model, graph)
print(tracer.seen, [n.target for n in graph.nodes if n.op == "call_module"])
print(gm.code)
with torch.no_grad():
    logits, hidden = model(tokens, mask)
    again = gm(tokens, mask)
print(torch.allclose(logits, again[0], atol=1e-6), torch.allclose(hidden, again[1], atol=1e-6))

with torch.no_grad():
    ShapeProp(gm).propagate(tokens, mask)
for node in gm.graph.nodes:
    meta = node.meta.get("tensor_meta")
    if hasattr(meta, "shape"):
        print(f"{node.name:16} {str(tuple(meta.shape)):16} {meta.dtype} {meta.stride} {meta.requires_grad}")


def products(module):
    """Multiplications in layers and matrix products, by the shapes that were noted."""
    total = {}
    modules = dict(module.named_modules())
    for node in module.graph.nodes:
        out = node.meta["tensor_meta"].shape if hasattr(node.meta.get("tensor_meta"), "shape") else None
        if node.op == "call_module" and isinstance(modules[node.target], nn.Linear):
            total[node.target] = out.numel() * modules[node.target].in_features
        if node.op == "call_function" and node.name.startswith("matmul"):
            total[node.name] = out.numel() * node.args[0].meta["tensor_meta"].shape[-1]
    return total


print(products(gm))


class Quick(fx.Transformer):
    """Softmax becomes a sum-normalised ReLU, division by a constant a product, GELU stays."""

    def call_function(self, target, args, kwargs):
        if target is F.softmax:
            positive = F.relu(args[0]) + 1e-3
            return positive / positive.sum(dim=kwargs["dim"], keepdim=True)
        return super().call_function(target, args, kwargs)

    def call_method(self, target, args, kwargs):
        if target == "masked_fill":
            return super().call_method(target, (*args[:2], -1e4), kwargs)
        return super().call_method(target, args, kwargs)


quick = Quick(gm).transform()
with torch.no_grad():
    changed, _ = quick(tokens, mask)
print(len(gm.graph.nodes), len(quick.graph.nodes), f"{(changed - logits).abs().mean().item():.4f}")
print([n.name for n in quick.graph.nodes if n.op == "call_function" and n.name.startswith(("relu", "truediv", "sum"))])

# Operations rebuilt by hand on proxies of the new graph.
rules = {F.gelu: lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2.0)))}
mlp = fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4)))
plain = fx.symbolic_trace(lambda x: F.gelu(x * 2) + F.gelu(x))
fresh, env = fx.Graph(), {}
tracer = fx.proxy.GraphAppendingTracer(fresh)
for node in plain.graph.nodes:
    if node.op == "call_function" and node.target in rules:
        proxies = [fx.Proxy(env[a.name], tracer) if isinstance(a, fx.Node) else a for a in node.args]
        env[node.name] = rules[node.target](*proxies).node
    else:
        env[node.name] = fresh.node_copy(node, lambda n: env[n.name])
rebuilt = fx.GraphModule(nn.Module(), fresh)
points = torch.linspace(-2, 2, 5)
print(rebuilt.code, torch.allclose(rebuilt(points), plain(points), atol=1e-6))

# Specialised on a flag, with an argument that is a pair.
special = fx.symbolic_trace(model, concrete_args={"mask": None})
print([n.name for n in special.graph.nodes][:4], len(special.graph.nodes))
with torch.no_grad():
    print(f"{special(tokens, None)[0].sum().item():.3f} {model(tokens)[0].sum().item():.3f}")
pair = fx.symbolic_trace(lambda x, ab: {"sum": x + ab[0], "product": x * ab[1]}, concrete_args={"ab": (fx.PH, fx.PH)})
print(pair.code, pair(torch.ones(2), (torch.full((2,), 2.0), torch.full((2,), 3.0))))

# Training through the transformed module goes on as usual.
optimizer = torch.optim.Adam(quick.parameters(), lr=0.02)
quick.train()
for step in range(4):
    out, _ = quick(tokens, mask)
    loss = F.cross_entropy(out.reshape(-1, 11), tokens.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss.item():.4f}")
