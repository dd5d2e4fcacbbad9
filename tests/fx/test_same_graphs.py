"""Graphs, code and numbers of traced models are PyTorch's, and the code that is written runs."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
from fx_models import MODELS, unet

import rushlight


def made(t, model):
    """The traced model with weights that depend on nothing but their shapes, and its inputs."""
    module, shapes = model(t)
    rng = np.random.default_rng(0)
    if isinstance(module, t.nn.Module):
        with t.no_grad():
            for value in (*module.parameters(), *module.buffers()):
                if value.is_floating_point() and value.numel() > 1:
                    value.copy_(t.tensor(rng.uniform(0.05, 0.4, tuple(value.shape)).astype(np.float32)))
    inputs = [t.tensor(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
    return module, t.fx.symbolic_trace(module), inputs


def leaves(value):
    if isinstance(value, dict):
        return [x for v in value.values() for x in leaves(v)]
    if isinstance(value, (tuple, list)):
        return [x for v in value for x in leaves(v)]
    return [value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)]


def assert_same(got, expected, **tolerance):
    assert len(leaves(got)) == len(leaves(expected))
    for a, b in zip(leaves(got), leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def listed(graph, capsys):
    if hasattr(graph.nodes, "graph") and type(graph).__module__.startswith("rushlight"):
        graph.print_tabular()
        text = capsys.readouterr().out
    else:  # PyTorch's needs another package
        from rushlight.fx._table import table

        rows = [[n.op, n.name, n.target, n.args, n.kwargs] for n in graph.nodes]
        text = table(rows, ["opcode", "name", "target", "args", "kwargs"]) + "\n"
    # Functions print as objects, whose classes and addresses differ.
    return re.sub(r" +|-+", " ", re.sub(r"<(function|built-in \w+) .*?>(?=  )", "<function>", text))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_graph_code_and_numbers(model, oracle, capsys):
    module, ours, inputs = made(rushlight, model)
    _, theirs, their_inputs = made(oracle, model)
    assert ours.code == theirs.code
    assert str(ours.graph) == str(theirs.graph)
    assert listed(ours.graph, capsys) == listed(theirs.graph, capsys)
    assert ours.print_readable(print_output=False) == theirs.print_readable(print_output=False)
    expected = theirs(*their_inputs)
    for run in (ours, module, rushlight.fx.Interpreter(ours).run, rushlight.fx.Transformer(ours).transform()):
        assert_same(run(*inputs), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_copies_say_the_same(model):
    _, ours, inputs = made(rushlight, model)
    other = rushlight.fx.Graph()
    other.output(other.graph_copy(ours.graph, {}))
    for twin in (
        copy.deepcopy(ours),
        copy.copy(ours),
        pickle.loads(pickle.dumps(ours)),
        rushlight.fx.GraphModule(ours, other, type(ours).__name__),
    ):
        assert twin.code == ours.code
        assert_same(twin(*inputs), ours(*inputs))
    assert (
        rushlight.fx.symbolic_trace(ours).code.split("def ")[1] == ours.code.split("def ")[1]
        or model.__name__ == "keywords"
    )


def test_gradients_flow_through_the_code(oracle):
    grads = {}
    for t in (rushlight, oracle):
        _, module, inputs = made(t, unet)
        module(*inputs).square().sum().backward()
        grads[t] = [p.grad.numpy() for p in module.parameters()]
    for a, b in zip(grads[rushlight], grads[oracle], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
