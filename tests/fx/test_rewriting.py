"""Patterns, passes and whole-model rewritings, beside PyTorch's."""

from __future__ import annotations

import operator

import pytest

import rushlight as torch
from rushlight import fx, nn
from rushlight.fx.experimental.optimization import fuse, remove_dropout
from rushlight.fx.passes.shape_prop import ShapeProp
from rushlight.fx.subgraph_rewriter import replace_pattern_with_filters


def two_results(x):
    a = x + 1
    return a, a * 2


def cases(t):
    F = t.nn.functional
    yield lambda x: t.relu(x) + t.relu(x * 2), lambda x: t.relu(x), lambda x: t.sigmoid(x) * 1
    yield (
        lambda x, y: t.cat([t.relu(x), y], dim=1).sum() + t.max(x, y)[0],
        lambda a, b: t.cat([a, b], dim=1).sum(),
        lambda a, b: a.sum() + b.sum(),
    )
    yield (
        lambda x, w1, w2: t.stack([t.cat([w1, w2]).sum(), x.relu(), t.cat([x, w2]).sum()]),
        lambda w1, w2: t.cat([w1, w2]).sum(),
        lambda w1, w2: t.stack([w1, w2]),
    )
    yield lambda q: two_results(q)[0] / two_results(q - 1)[1], two_results, lambda x: (x.sin(), x.cos())
    # Inside values that something else needs; other literals; a chain that overlaps itself; results that are arguments.
    yield lambda x: (x + 1).relu() * (x + 1), lambda x: (x + 1).relu(), lambda x: x
    yield lambda x: [b := x + 1, b.relu()], lambda x: (x + 1).relu(), lambda x: x
    yield lambda x: x.sum(dim=1) + x.sum(dim=0), lambda x: x.sum(dim=1), lambda x: x.mean(dim=1)
    yield lambda x: x.relu().relu().relu(), lambda x: x.relu().relu(), lambda x: x.tanh()
    yield lambda x: t.neg(t.neg(x + 1)), lambda x: t.neg(x), lambda x: t.sub(0, x)
    yield lambda x: x[0:2] + x[0:3], lambda x: x[0:2], lambda x: x.narrow(0, 0, 2)
    yield lambda x, y: F.relu(x) * F.relu(y, True), lambda a, b: F.relu(a) * b, lambda a, b: b
    yield lambda x, y: x - y, lambda a, b: a - b, lambda a, b: b - a


@pytest.mark.parametrize("n", range(12))
def test_patterns_as_pytorch_replaces_them(oracle, n):
    shown = []
    for t in (torch, oracle):
        traced, pattern, replacement = list(cases(t))[n]
        gm = t.fx.symbolic_trace(traced)
        matches = t.fx.replace_pattern(gm, pattern, replacement)
        shown.append((gm.code, [(str(m.anchor), str(m.nodes_map)) for m in matches]))
    assert shown[0] == shown[1]


def test_replacements_bring_their_modules():
    class Pattern(nn.Module):
        def forward(self, x):
            return torch.relu(x)

    class New(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Softplus()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            return self.act(x) * self.scale

    gm = fx.symbolic_trace(lambda x: torch.relu(x) - 1)
    fx.replace_pattern(gm, fx.symbolic_trace(Pattern()), fx.symbolic_trace(New()))
    x = torch.tensor([0.5])
    assert torch.allclose(gm(x), nn.functional.softplus(x) * 2 - 1)
    assert [name for name, _ in gm.named_parameters()] == ["scale"]


def test_filters_literals_and_callbacks():
    def traced(x):
        return x.clamp(0, 1) + x.clamp(0, 6)

    six = lambda match, graph, pattern: 6 in match.nodes_map[match.anchors[0]].args  # noqa: E731
    gm = fx.symbolic_trace(traced)
    found = replace_pattern_with_filters(
        gm, lambda x: x.clamp(0, 3), lambda x: x.relu(), match_filters=[six], ignore_literals=True
    )
    assert [r.replacements[0].target for r in found] == ["relu"]
    assert gm(torch.tensor([9.0])).item() == 10
    made = []

    def callback(match, graph, pattern):
        made.append(match)
        return fx.symbolic_trace(lambda x: x * len(made)).graph

    gm = fx.symbolic_trace(traced)
    replace_pattern_with_filters(gm, lambda x: x.clamp(0, 3), ignore_literals=True, replacement_callback=callback)
    assert gm(torch.tensor([1.0])).item() == 3
    with pytest.raises(AssertionError, match="no replacement"):
        replace_pattern_with_filters(gm, traced)


def test_bad_patterns():
    gm = fx.symbolic_trace(lambda x: x.relu())
    with pytest.raises(RuntimeError, match="computes nothing"):
        fx.replace_pattern(gm, lambda x: x, lambda x: x)
    with pytest.raises(AssertionError, match="2 arguments for a pattern of 1"):
        fx.replace_pattern(gm, lambda x: x.relu(), lambda x, y: x)
    with pytest.raises(AssertionError, match="2 results for a pattern of 1"):
        fx.replace_pattern(fx.symbolic_trace(lambda x: x.relu()), lambda x: x.relu(), lambda x: (x, x.relu()))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)
        self.shared, self.kept = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.plain = nn.BatchNorm2d(3, track_running_stats=False)
        self.fc, self.bn1 = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.bn(self.conv(x)).relu()
        y = self.shared(x)
        x = self.kept(y) + y
        x = self.drop(x.mean(dim=(2, 3)))
        return self.bn1(self.fc(x))


def trained():
    torch.manual_seed(0)
    net = Small()
    for _ in range(3):
        net(torch.randn(8, 1, 6, 6) * 2 + 1)
    return net.eval()


def test_batch_norms_are_folded():
    net, x = trained(), torch.randn(2, 1, 6, 6)
    fused = fuse(net)
    names = [n.target for n in fused.graph.nodes if n.op == "call_module"]
    assert names == ["conv", "shared", "kept", "drop", "fc"]
    assert torch.allclose(fused(x), net(x), atol=1e-4)
    assert isinstance(net.bn, nn.BatchNorm2d) and not torch.equal(fused.conv.weight, net.conv.weight)
    again = fuse(fx.symbolic_trace(net), no_trace=True)
    assert torch.allclose(again(x), net(x), atol=1e-4)


def test_dropout_is_taken_out():
    net, x = trained(), torch.randn(2, 1, 6, 6)
    clean = remove_dropout(net)
    assert "drop" not in clean.code
    assert torch.equal(clean(x), net(x))


def test_shapes_are_noted(oracle):
    def noted(t, module):
        gm = t.fx.symbolic_trace(module)
        inputs = t.zeros(2, 3, 8, 8)
        module = (ShapeProp if t is torch else importlib_shape_prop())(gm)
        module.propagate(inputs)
        return [
            (
                n.name,
                [(tuple(m.shape), str(m.dtype), m.requires_grad, m.stride, str(m.memory_format)) for m in metas(n)],
            )
            for n in gm.graph.nodes
        ]

    def metas(node):
        return flat(node.meta.get("tensor_meta", ()))

    def flat(meta):
        if hasattr(meta, "shape"):
            return [meta]
        return [m for part in meta for m in flat(part)] if isinstance(meta, (tuple, list)) else []

    def importlib_shape_prop():
        import torch.fx.passes.shape_prop as theirs

        return theirs.ShapeProp

    def model(t):
        class Net(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = t.nn.Conv2d(3, 4, 3)

            def forward(self, x):
                y = self.conv(x).permute(0, 2, 3, 1)
                return y.contiguous().view(-1), t.max(y, 1), y.shape[0]

        return Net()

    assert noted(torch, model(torch)) == noted(oracle, model(oracle))


def test_shapes_are_shown_in_code(oracle, capsys):
    gm = fx.symbolic_trace(nn.Sequential(nn.Linear(3, 2)))
    ShapeProp(gm).propagate(torch.zeros(4, 3))
    gm.print_readable()
    assert '_0: "f32[4, 2]" = getattr(self, "0")(input_1)' in capsys.readouterr().out


def test_transformers_keep_meta_and_may_return_constants():
    gm = fx.symbolic_trace(lambda x, y=2: operator.add(x, y).relu())
    gm.graph.find_nodes(op="call_method", target="relu")[0].meta["mine"] = 1

    class Skip(fx.Transformer):
        def call_method(self, target, args, kwargs):
            return super().call_method("neg", args, kwargs)

    out = Skip(gm).transform()
    node = out.graph.find_nodes(op="call_method", target="neg")[0]
    assert node.meta == {"mine": 1} and out(torch.ones(1)).item() == -3


def test_pictures_are_refused_with_the_way_out():
    gm = fx.symbolic_trace(lambda x: x)
    with pytest.raises(NotImplementedError, match="print_tabular"):
        fx.passes.graph_drawer.FxGraphDrawer(gm, "net")
