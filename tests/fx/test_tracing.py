"""Tracing: what is caught, what cannot be, tracers of one's own, and that nothing of it stays behind."""

from __future__ import annotations

import math
import subprocess
import sys
import threading

import pytest

import rushlight as torch
from rushlight import fx, nn
from rushlight.functional import intercept
from rushlight.fx import _catching

F = nn.functional


def leaf(x, n):
    return [v * n for v in x.tolist()]


@fx.wrap
def decorated(x):
    return x + 1 if x.sum() > 0 else x - 1


fx.wrap("leaf")
fx.wrap("len")


def line(fn, **kwargs):
    return fx.symbolic_trace(fn, **kwargs).code.strip().split("\n")[1].strip()


class Branchy(nn.Module):
    def forward(self, x):
        if x.mean() > 0:  # the line that is to be named
            return x
        return -x


def test_a_branch_is_named_with_its_line_and_the_way_out():
    with pytest.raises(fx.proxy.TraceError) as caught:
        fx.symbolic_trace(Branchy())
    text = str(caught.value)
    assert "test_tracing.py" in text and "if x.mean() > 0:  # the line that is to be named" in text
    for fix in ("torch.where", "concrete_args", "is_leaf_module", "torch.fx.wrap"):
        assert fix in text


@pytest.mark.parametrize(
    "fn, error, words",
    [
        (lambda x: [v for v in x], fx.proxy.TraceError, "a loop over Proxy"),
        (lambda x: torch.stack([*x]), fx.proxy.TraceError, "fixed number of names"),
        (lambda x: dict(**x), fx.proxy.TraceError, "loop over"),
        (lambda x: x in (1, 2), fx.proxy.TraceError, "as a condition"),
        (lambda x: int(x), TypeError, "a Python number is needed"),
        (lambda x: range(x.shape[0]), TypeError, "a Python number is needed"),
        (lambda x: torch.relu(x, 1, 2, 3), TypeError, "torch.relu"),
        (lambda x: {x: 1}, RuntimeError, "keys that are known"),
        (lambda x: torch.add(x, object()), NotImplementedError, "torch.fx.wrap"),
    ],
)
def test_what_only_a_value_can_answer(fn, error, words):
    with pytest.raises(error, match=words):
        fx.symbolic_trace(fn)


def test_assignment_to_elements_names_the_value():
    def fn(x):
        x[0] = 1
        return x

    with pytest.raises(TypeError, match=r"`x\[\.\.\.\] = value`.*torch.where"):
        fx.symbolic_trace(fn)


def test_unpacking_says_how_many():
    gm = fx.symbolic_trace(lambda x: (lambda a, b: a - b)(*split(x)))
    assert gm(torch.tensor([5.0, 2.0])).item() == 3.0


def split(x):
    a, b = x.split(1)
    return a, b


def test_wrapped_functions_are_leaves():
    gm = fx.symbolic_trace(lambda x: (leaf(x, 2), decorated(x), len(x), math.floor(x[0])))
    x = torch.tensor([1.5, 2.0])
    values = gm(x)
    assert values[0] == [3.0, 4.0] and values[1].tolist() == [2.5, 3.0] and values[2:] == (2, 1)
    again = fx.symbolic_trace(gm)
    assert [n.target for n in again.graph.nodes] == [n.target for n in gm.graph.nodes]
    assert leaf(x, 1) == [1.5, 2.0] and len([1]) == 1
    with pytest.raises(NotImplementedError, match="top level"):
        fx.wrap("leaf")
    with pytest.raises(RuntimeError, match="wrap: got 3"):
        fx.wrap(3)


def test_arguments_may_have_values():
    def fn(x, flag, n=2):
        return x * n if flag else x

    gm = fx.symbolic_trace(fn, concrete_args={"flag": True})
    assert gm(torch.ones(1), True).item() == 2
    with pytest.raises(AssertionError, match="flag has been specialized to have value True"):
        gm(torch.ones(1), False)
    none = fx.symbolic_trace(fn, concrete_args={"flag": None})
    assert none(torch.ones(1), None).item() == 1
    with pytest.raises(AssertionError, match="None but got another"):
        none(torch.ones(1), 1)
    with pytest.raises(NotImplementedError, match="concrete_args: got flag"):
        fx.symbolic_trace(fn, concrete_args={"flag": object()})


def test_nested_arguments():
    gm = fx.symbolic_trace(lambda d: {"r": [d["a"] + d["b"][0]]}, concrete_args={"d": {"a": fx.PH, "b": [fx.PH, 3]}})
    one = torch.ones(1)
    assert gm({"a": one, "b": [one * 2, 3]})["r"][0].item() == 3
    assert fx.Interpreter(gm).run({"a": one, "b": [one, 3]})["r"][0].item() == 2
    with pytest.raises(ValueError, match="structure"):
        gm({"a": one})


def test_tracers_of_ones_own():
    seen = []

    class Mine(fx.Tracer):
        def is_leaf_module(self, m, name):
            seen.append(name)
            return name.endswith("keep")

        def create_node(self, kind, target, *args, **kwargs):
            node = super().create_node(kind, target, *args, **kwargs)
            node.meta["mine"] = kind
            return node

        def to_bool(self, obj):
            return True

    class Inner(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else None

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.keep, self.act, self.inner = nn.Linear(2, 2), nn.ReLU(), Inner()

        def forward(self, x):
            return self.inner(self.act(self.keep(x)))

    net = Net()
    graph = Mine().trace(net)
    assert seen == ["keep", "act", "inner"]
    assert [n.op for n in graph.nodes][:3] == ["placeholder", "call_module", "call_function"]
    assert all(n.meta["mine"] == n.op for n in graph.nodes)
    assert list(graph.find_nodes(op="call_function", target=F.relu)[0].meta["nn_module_stack"]) == ["act"]
    stranger = nn.Linear(2, 2)
    with pytest.raises(NameError, match="no child of the traced module"):
        fx.symbolic_trace(lambda x: stranger(x))


def test_shapes_of_parameters_may_be_numbers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 3)

        def forward(self, x):
            return x * self.fc.weight.shape[0] if self.fc.weight.ndim == 2 else x

    tracer = fx.Tracer(param_shapes_constant=True)
    gm = fx.GraphModule(tracer.root if hasattr(tracer, "root") else (net := Net()), tracer.trace(net))
    assert gm(torch.ones(1)).item() == 3


def test_asserts_are_recorded_as_functions():
    class Asserting(fx.Tracer):
        trace_asserts = True

    with pytest.raises(NotImplementedError, match="torch._assert"):
        Asserting().trace(lambda x: x)

    def fn(x):
        torch._assert(x.sum() > 0, "positive")
        return x

    gm = fx.symbolic_trace(fn)
    with pytest.raises(AssertionError, match="positive"):
        gm(-torch.ones(1))
    assert not gm.graph.eliminate_dead_code() and gm(torch.ones(1)).item() == 1


def test_tensors_become_attributes():
    constant = torch.tensor([1.0, 2.0])
    gm = fx.symbolic_trace(lambda x: constant - x + constant)
    assert [n.target for n in gm.graph.nodes if n.op == "get_attr"] == ["_tensor_constant0"] * 2
    assert gm(torch.ones(2)).tolist() == [1.0, 3.0]


def test_stack_traces_are_noted_when_asked_for():
    class Noting(fx.Tracer):
        record_stack_traces = True

    def fn(x):
        return x.exp()

    graph = Noting().trace(fn)
    node = graph.find_nodes(op="call_method", target="exp")[0]
    assert node.stack_trace.rstrip().endswith("return x.exp()") and "rushlight/fx" not in node.stack_trace
    text = fx.GraphModule({}, graph).print_readable(print_output=False)
    assert "test_tracing.py" in text and "in fn, code: return x.exp()" in text


def test_classes_with_the_metaclass_are_recorded():
    class Pair(metaclass=fx.ProxyableClassMeta):
        def __init__(self, left, right):
            self.left, self.right = left, right

    gm = fx.symbolic_trace(lambda x: Pair(x, 2).left)
    assert gm(7) == 7
    assert Pair(1, 2).right == 2


def untouched():
    return not any(
        function in intercept._known and _catching._RANK in intercept._known[function].layers
        for function in (torch.relu, F.relu)
    )


FAST = """
import rushlight as torch
from rushlight import fx, nn
F = nn.functional
codes = lambda: (torch.relu.__code__, F.relu.__code__, torch.Tensor.__add__.__code__, nn.Module.__call__, nn.Module.__getattr__)
before = codes()
class Seen(nn.Module):
    def forward(self, x):
        assert codes()[0] is not before[0] and codes()[3] is not before[3]
        return torch.relu(x) if self.training else x if x.sum() > 0 else -x
fx.symbolic_trace(Seen())
assert codes() == before
try:
    fx.symbolic_trace(Seen().eval())
except fx.proxy.TraceError:
    assert codes() == before
    print("back")
"""


def test_the_fast_code_is_back_after_a_trace():
    done = subprocess.run([sys.executable, "-c", FAST], capture_output=True, text=True)
    assert done.stdout == "back\n", done.stderr


def test_loose_proxies_are_caught_and_then_forgotten():
    graph = fx.Graph()
    proxy = fx.Proxy(graph.placeholder("x"))
    assert torch.relu(F.relu(proxy, inplace=True)).node.target is torch.relu
    assert not untouched()
    del proxy
    for _ in range(_catching._PATIENCE + 2):
        torch.relu(torch.ones(1))
    assert untouched()
    with pytest.raises(RuntimeError, match="several graphs"):
        torch.add(fx.Proxy(fx.Graph().placeholder("a")), fx.Proxy(fx.Graph().placeholder("b")))


def test_other_threads_go_on():
    results, started, done = [], threading.Event(), threading.Event()

    def fn(x):
        started.set()
        assert done.wait(10)
        return x + 1

    def work():
        started.wait(10)
        results.append(net(torch.ones(1, 2)).shape)
        done.set()

    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    thread = threading.Thread(target=work)
    thread.start()
    gm = fx.symbolic_trace(fn)
    thread.join()
    assert results == [(1, 2)] and len(list(gm.graph.nodes)) == 3


def test_calls_that_are_filled_in_run():
    x = torch.rand(4, 4) + 0.1
    for fn in (
        lambda x: torch.norm(x),
        lambda x: torch.norm(x, 1, 0),
        lambda x: torch.cdist(x, x + 1),
        lambda x: torch.split(x, 2)[1],
        lambda x: torch.split(x, [1, 3])[1],
        lambda x: torch.unique_consecutive(x),
        lambda x: torch.unique(x, return_counts=True)[1],
        lambda x: torch.tensordot(x, x),
        lambda x: torch.meshgrid(x[0], x[1], indexing="ij")[0],
        lambda x: torch.stft(x.reshape(-1), 4, return_complex=True).real,
        lambda x: torch.linalg.norm(x) + torch.special.entr(x) + torch.fft.fft(x).real,
        lambda x: F.l1_loss(x, x * 2) + F.softmax(x, -1) + F.threshold(x, 0.2, 0.0) + F.logsigmoid(x) + F.sigmoid(x) + F.gelu(x),
        lambda x: F.max_pool2d(x[None], 2, return_indices=True)[1],
        lambda x: F.interpolate(x[None, None], scale_factor=2) + F.one_hot(torch.tensor([0, 1, 2, 3]), 8).repeat(2, 1),
        lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]) + F.normalize(x) + F.pad(x, (0, 0)),
    ):  # fmt: skip
        gm = fx.symbolic_trace(fn)
        assert torch.equal(gm(x), fn(x)), gm.code


def test_spellings_of_functions(oracle):
    """Every function of nn.functional, called with as few arguments as it takes, is written down as PyTorch does."""
    import inspect

    # One object under two names here; a function that is looked into there; keywords in another order.
    other = {
        "upsample",
        "upsample_bilinear",
        "upsample_nearest",
        "native_channel_shuffle",
        "adaptive_max_pool1d_with_indices",
    }
    other |= {"multi_head_attention_forward"}
    checked = 0
    for name in sorted(set(dir(F)) & set(dir(oracle.nn.functional)) - other):
        ours, theirs = getattr(F, name), getattr(oracle.nn.functional, name)
        if name.startswith("_") or not inspect.isfunction(ours) or "torch" in name:
            continue
        least = sum(p.default is p.empty for p in inspect.signature(ours).parameters.values() if p.kind <= 1)
        if name.startswith("fractional"):
            continue  # an argument more is checked before it is written down there
        for wide in (0, 1):
            texts = []
            for t, fn in ((torch, ours), (oracle, theirs)):
                graph = t.fx.Graph()
                proxies = [t.fx.Proxy(graph.placeholder(f"a{n}")) for n in range(least)]
                tracer = proxies[0].tracer
                proxies = [t.fx.Proxy(p.node, tracer) for p in proxies]
                try:
                    fn(
                        *proxies,
                        **({"inplace": True} if wide and "inplace" in inspect.signature(ours).parameters else {}),
                    )
                except TypeError as error:
                    texts.append(type(error).__name__)
                else:
                    texts.append(str(graph).split("\n")[-1])
            if "TypeError" not in texts:
                assert texts[0] == texts[1], name
                checked += 1
    assert checked > 150
