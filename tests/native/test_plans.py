"""Plans on disk: a step compiled before runs without any of the passes, with the same bits, messages and names."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight import config, nn
from rushlight.backend.llvm import diskcache, jit, plans
from rushlight.compile import native
from rushlight.lazy.record import fresh_trace
from rushlight.lazy.step import flush
from rushlight.lazy.trie import clear

LOAD, CODES = plans.load, native._codes


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    monkeypatch.setattr(config, "reference_runs", 0)
    monkeypatch.setattr(plans, "load", LOAD)
    forget()
    yield
    forget()


def forget() -> None:
    """As in a new process: no recorded step, no code in memory."""
    flush()
    clear()
    fresh_trace()
    jit._addresses.clear()


class Watched:
    """Counts the graphs that go through the passes."""

    def __init__(self, monkeypatch):
        self.graphs = 0
        run_passes = native.run_passes

        def counted(*args):
            self.graphs += 1
            return run_passes(*args)

        monkeypatch.setattr(native, "run_passes", counted)


@pytest.fixture
def watched(monkeypatch):
    return Watched(monkeypatch)


def train(steps: int = 3) -> list[bytes]:
    """Convolution, pooling, normalisation, dropout, an embedding, a loss, Adam: kernels with tables, calls, numbers, donated leaves."""
    torch.manual_seed(0)
    conv, norm, words = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Embedding(11, 8)
    head = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 9, 5))
    parameters = [p for m in (conv, norm, words, head) for p in m.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    x, y, t = torch.randn(4, 3, 8, 8), torch.randint(0, 5, (4,)), torch.randint(0, 11, (4,))
    losses = []
    for _ in range(steps):
        out = head(norm(conv(x)) + words(t)[:, :, None, None])
        loss = nn.functional.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().numpy().tobytes())
    return losses + [p.detach().numpy().tobytes() for p in parameters]


def test_a_second_process_needs_no_pass_and_computes_the_same_bits(watched):
    first = train()
    assert watched.graphs > 2
    forget()
    watched.graphs = 0
    assert train() == first
    assert watched.graphs == 0


def test_equal_steps_at_several_places_share_their_code(watched, monkeypatch):
    monkeypatch.setattr(native, "_codes", CODES)
    monkeypatch.setattr(plans, "load", lambda key, graph: None)
    x = torch.arange(6.0)
    for _ in range(3):  # each time after another step, so at another place
        flush()
        (x * 3).sum().item()
        x = x.clone()
        x.requires_grad_()
        y = x.exp()
        y.sum().item()
        (y * 2).sum().item()
    assert watched.graphs <= 4


def test_across_processes(tmp_path):
    code = (
        "import numpy as np, rushlight as torch\nfrom rushlight.compile import native\n"
        "real, ran = native.run_passes, []\nnative.run_passes = lambda *a: ran.append(1) or real(*a)\n"
        "torch.manual_seed(1)\nx = torch.randn(64, 64)\nprint(float((x @ x).softmax(1)[3, 5]), len(ran))\n"
    )
    environment = {**os.environ, "RUSHLIGHT_CACHE_DIR": str(tmp_path / "own"), "RUSHLIGHT_REFERENCE_RUNS": "0"}
    run = [subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).split() for _ in range(2)]
    assert run[0][0] == run[1][0]
    assert int(run[0][1]) > 0 and int(run[1][1]) == 0


def test_other_shapes_numbers_of_threads_and_sources_are_other_plans(watched, monkeypatch):
    def step(n):
        forget()
        watched.graphs = 0
        (torch.ones(n, 4).exp() + 1).sum().item()
        return watched.graphs

    assert step(3) == 1 and step(3) == 0 and step(5) == 1
    monkeypatch.setattr(plans, "_source", lambda: "another version")
    assert step(3) == 1
    monkeypatch.setattr(config, "threads", config.threads + 1)
    assert step(3) == 1


def test_a_plan_whose_kernels_are_gone_or_damaged_is_made_again(watched):
    x = torch.arange(12.0)
    expected = (x.sin() * 2).numpy().tobytes()
    forget()
    kernels = [e for e in diskcache._entries()]
    for entry in kernels:
        with open(entry.path, "r+b") as file:
            file.seek(60)
            file.write(b"damage")
    watched.graphs = 0
    assert (torch.arange(12.0).sin() * 2).numpy().tobytes() == expected
    assert watched.graphs > 0


def test_explain_shows_every_stage_of_a_program_that_was_loaded(watched):
    def step():
        return (torch.ones(4, 4).exp() @ torch.ones(4, 4)).sum().item()

    step()
    forget()
    watched.graphs = 0
    step()
    assert watched.graphs == 0 and "kernels" in str(torch.explain())
    assert "matmul" in str(torch.explain("fuse")) and "arena" in str(torch.explain("plan"))


def test_a_reference_that_fails_says_the_same():
    def step(value):
        return torch.linalg.inv(torch.ones(2, 2) * value + torch.eye(2)).sum().item()  # singular for -0.5

    messages = []
    for _ in range(2):
        step(2.0)
        with pytest.raises(torch.linalg.LinAlgError, match="singular") as caught:
            step(-0.5)
        messages.append(str(caught.value))
        forget()
    assert messages[0] == messages[1]


def test_the_profiler_knows_the_ops_of_a_loaded_plan():
    def names():
        forget()
        x = torch.randn(64, 64)
        with torch.profiler.profile() as prof:
            (x @ x).relu().sum().item()
        return {event.key for event in prof.key_averages()}

    assert names() == names() != set()


def test_what_cannot_be_described_has_no_key():
    from rushlight.ir.graph import Graph, Node
    from rushlight.ir.op import TABLE

    graph = Graph()
    value = graph.value(torch.ones(2)._meta)
    graph.leaves.append(value)
    graph.nodes.append(Node(TABLE["neg"], (value,), {}, (graph.value(graph.metas[0]),)))
    graph.outputs[0] = 1
    key = plans.plan_key(graph, {})
    assert key is not None and key == plans.plan_key(graph, {}) != plans.plan_key(graph, {1: 0})
    graph.nodes[0].static["fn"] = lambda x: x
    assert plans.plan_key(graph, {}) is None
    graph.nodes[0].static["fn"] = np.arange(3)
    assert plans.plan_key(graph, {}) is None
