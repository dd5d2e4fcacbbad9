"""`torch.jit.trace`, `save` and `load`: what is recorded, what is warned of, and files that are data."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from fx_models import MODELS, containers

import rushlight as torch
from rushlight import nn
from rushlight.errors import FileFormatError

F = nn.functional


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [x for v in value for x in leaves(v)] if isinstance(value, (tuple, list)) else [value]


def plain(value):
    return np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)


def through_a_file(traced):
    stream = io.BytesIO()
    torch.jit.save(traced, stream)
    stream.seek(0)
    return torch.jit.load(stream)


@pytest.mark.filterwarnings("ignore:torch.jit.trace")
@pytest.mark.parametrize(
    "model", [model for model in MODELS if model is not containers], ids=lambda model: model.__name__
)
def test_traces_and_their_files_compute_the_same(model):
    module, shapes = model(torch)
    if isinstance(module, nn.Module):
        module.eval()
    traced = torch.jit.trace(module, tuple(torch.randn(*shape) for shape in shapes))
    loaded = through_a_file(traced)
    assert isinstance(traced, torch.jit.ScriptModule) and loaded.code == traced.code
    inputs = [torch.randn(*shape) for shape in shapes]
    for a, b, c in zip(leaves(module(*inputs)), leaves(traced(*inputs)), leaves(loaded(*inputs)), strict=True):
        np.testing.assert_allclose(plain(b), plain(a), atol=1e-5)
        np.testing.assert_array_equal(plain(b), plain(c))


def test_other_batch_sizes_fit():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(2 * 16, 4)

        def forward(self, x):
            n, _, h, w = x.shape
            y = F.max_pool2d(torch.relu(self.conv(x)), 2)
            return self.fc(y.view(x.size(0), -1)).reshape(n, 2, -1) + torch.zeros(n, 2, 1)

    net = Net()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = through_a_file(torch.jit.trace(net, torch.randn(2, 1, 10, 10)))
    x = torch.randn(5, 1, 10, 10)
    assert torch.allclose(traced(x), net(x))
    assert sorted(traced.state_dict()) == sorted(net.state_dict())


def test_a_branch_keeps_the_examples_answer_and_is_named():
    def fn(x):
        if x.sum() > 0:
            return x + 1
        return x - 1

    with pytest.warns(torch.jit.TracerWarning, match=r"as a condition, at .*`if x.sum\(\) > 0:`.*Fix: torch.where"):
        traced = torch.jit.trace(fn, torch.ones(2))
    assert traced(-torch.ones(2)).tolist() == [0.0, 0.0]
    for made, words in (
        (lambda x: x * int(x[0]), "made a Python number"),
        (lambda x: x * x[0].item(), r"item\(\) made a Python value"),
        (lambda x: sum(v for v in x), "a loop over x went on for 2 rounds"),
        (lambda x: x * len(x), "made a Python number"),
    ):
        with pytest.warns(torch.jit.TracerWarning, match=words):
            torch.jit.trace(made, torch.ones(2))


def test_the_check_sees_what_changes():
    calls = []

    def fn(x):
        calls.append(1)
        return x * len(calls)

    with pytest.warns(torch.jit.TracerWarning, match="another result from the trace"):
        torch.jit.trace(fn, torch.ones(2))
    with pytest.warns(torch.jit.TracerWarning, match=r"training mode, in which 1 does.*model.eval"):
        torch.jit.trace(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0)), torch.ones(1, 2))
    branch = lambda x: x.relu() if x.sum() > 0 else x  # noqa: E731
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.jit.trace(branch, torch.ones(2), check_inputs=[torch.ones(2), (-torch.ones(2),)])
    assert sum("another result" in str(w.message) for w in caught) == 1


def test_writes_are_recorded():
    def fn(x, scale):
        y = x.clone()
        y[0] = 7.0
        view = y.view(-1)
        view += 1
        view.mul_(scale)
        n = y.size(0)
        m = n
        n += 1
        return y, n, m

    example = torch.zeros(2, 2)
    traced = through_a_file(torch.jit.trace(fn, (example, torch.tensor(2.0))))
    assert example.tolist() == [[0, 0], [0, 0]]
    y, n, m = traced(torch.ones(3, 2), torch.tensor(10.0))
    assert y.tolist() == [[80, 80], [20, 20], [20, 20]] and (n, m) == (4, 3)


def test_gradients_and_keywords():
    layer = nn.Linear(3, 2)
    traced = torch.jit.trace(layer, example_kwarg_inputs={"input": torch.ones(1, 3)})
    traced(torch.ones(4, 3)).sum().backward()
    assert layer.weight.grad.tolist() == [[4.0] * 3] * 2
    seen = torch.jit.trace(lambda x: x * (2 if torch.jit.is_tracing() else 3), torch.ones(1))
    assert seen(torch.ones(1)).item() == 2 and not torch.jit.is_tracing()
    options = torch.jit.trace(lambda x, *, twice=False: x * 2 if twice else x, torch.ones(1))
    assert options(torch.ones(1)).item() == 1
    nested = torch.jit.trace(lambda pair: pair["a"] - pair["b"][0], {"a": torch.ones(1), "b": [torch.zeros(1)]})
    assert nested({"a": torch.tensor([5.0]), "b": [torch.tensor([2.0])]}).item() == 3


def own_function(x):
    return x


torch.fx.wrap("own_function")


def test_what_cannot_be_traced_or_saved_is_named():
    with pytest.raises(RuntimeError, match="no example inputs"):
        torch.jit.trace(nn.Linear(2, 2))
    with pytest.raises(NotImplementedError, match=r"got a Linear; expected what torch.jit.trace returned"):
        torch.jit.save(nn.Linear(2, 2), io.BytesIO())
    traced = torch.jit.trace(lambda x: own_function(x), torch.ones(1))
    with pytest.raises(NotImplementedError, match="a call of test_jit_trace.own_function, which a file cannot hold"):
        traced.save(io.BytesIO())
    module, shapes = containers(torch)
    with pytest.raises(NotImplementedError, match="a call of fx_models.Pair"):
        torch.jit.trace(module, torch.randn(*shapes[0])).save(io.BytesIO())
    with pytest.raises(NotImplementedError, match="_extra_files"):
        torch.jit.save(traced, io.BytesIO(), {"a": "b"})
    stream = io.BytesIO()
    torch.save({"weight": torch.ones(1)}, stream)
    stream.seek(0)
    with pytest.raises(FileFormatError, match="did not write here"):
        torch.jit.load(stream)


LINE = ["placeholder", "x", {"tuple": []}, {"dict": []}, "x"]


@pytest.mark.parametrize(
    "node, words",
    [
        (["call_function", "os.system", {"tuple": ["true"]}, {"dict": []}, "n"], "a call of os.system"),
        (
            ["call_function", "torch.from_file", {"tuple": ["f", True, 9]}, {"dict": []}, "n"],
            "a call of torch.from_file",
        ),
        (["call_function", "operator.call", {"tuple": [{"node": 0}]}, {"dict": []}, "n"], "a call of operator.call"),
        (
            ["call_function", "builtins.getattr", {"tuple": [{"node": 0}, "__class__"]}, {"dict": []}, "n"],
            "getattr with",
        ),
        (["call_method", "__reduce__", {"tuple": [{"node": 0}]}, {"dict": []}, "n"], "the method '__reduce__'"),
        (["call_method", "relu();x", {"tuple": [{"node": 0}]}, {"dict": []}, "n"], "the method 'relu();x'"),
        (["call_method", "tofile", {"tuple": [{"node": 0}, "f"]}, {"dict": []}, "n"], "the method 'tofile'"),
        (["call_method", "numpy", {"tuple": [{"node": 0}]}, {"dict": []}, "n"], "the method 'numpy'"),
        (["call_function", "torch.relu", {"tuple": [{"node": 0}]}, {"dict": [["a)+(b", 1]]}, "n"], "the keyword"),
        (["call_function", "torch.relu", {"tuple": [nn.ReLU()]}, {"dict": []}, "n"], "an argument of"),
        (["get_attr", "a b", {"tuple": []}, {"dict": []}, "n"], "the node get_attr"),
        (["root", "x", {"tuple": []}, {"dict": []}, "n"], "the node root"),
    ],
)
def test_files_hold_no_code(node, words):
    end = ["output", "output", {"tuple": [{"node": 1}]}, {"dict": []}, "output"]
    content = {
        "format": "rushlight.jit 1",
        "name": "n",
        "training": False,
        "nodes": [LINE, node, end],
        "modules": {},
        "tensors": {},
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    stream.seek(0)
    with pytest.raises(FileFormatError, match="torch.jit.load: got"):
        torch.jit.load(stream)
    stream.seek(0)
    with pytest.raises(FileFormatError) as caught:
        torch.jit.load(stream)
    assert words in str(caught.value)
