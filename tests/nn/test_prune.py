"""Pruning against PyTorch: masks, names, gradients, methods on top of each other, and mistakes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")
import torch.nn.utils.prune as their_prune  # noqa: E402

import rushlight.nn.utils.prune as prune  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:prune.remove")

LIBRARIES = [(rl, prune), (torch, their_prune)]

CALLS = {
    "identity": lambda t, p, m: p.identity(m, "weight"),
    "random": lambda t, p, m: p.random_unstructured(m, "weight", 0.4),
    "random count": lambda t, p, m: p.random_unstructured(m, "bias", 2),
    "l1": lambda t, p, m: p.l1_unstructured(m, "weight", amount=0.3),
    "l1 none": lambda t, p, m: p.l1_unstructured(m, "weight", amount=0),
    "l1 all": lambda t, p, m: p.l1_unstructured(m, "weight", amount=1.0),
    "l1 scores": lambda t, p, m: p.l1_unstructured(
        m, "weight", 3, importance_scores=t.arange(24.0).reshape(4, 6).flip(1)
    ),
    "structured": lambda t, p, m: p.random_structured(m, "weight", 2, dim=1),
    "structured rows": lambda t, p, m: p.random_structured(m, "weight", 0.5, dim=0),
    "ln": lambda t, p, m: p.ln_structured(m, "weight", 0.5, n=2, dim=0),
    "ln inf": lambda t, p, m: p.ln_structured(m, "weight", 2, n=float("inf"), dim=-1),
    "mask": lambda t, p, m: p.custom_from_mask(m, "bias", t.tensor([1, 0, 0, 1])),
    "twice": lambda t, p, m: p.l1_unstructured(p.random_unstructured(m, "weight", 0.3), "weight", 0.5),
    "rows, then elements": lambda t, p, m: p.l1_unstructured(p.ln_structured(m, "weight", 1, n=1, dim=0), "weight", 4),
    "elements, then rows": lambda t, p, m: p.ln_structured(p.l1_unstructured(m, "weight", 6), "weight", 2, 2, 0),
    "three": lambda t, p, m: p.custom_from_mask(
        p.ln_structured(p.ln_structured(m, "weight", 1, 2, 0), "weight", 1, 2, dim=1), "weight", t.arange(24).reshape(4, 6) % 2
    ),
}  # fmt: skip


def values(module: Any) -> dict[str, list[float]]:
    return {name: value.flatten().tolist() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("case", CALLS)
def test_like_pytorch(case: str) -> None:
    found = []
    for library, module in LIBRARIES:
        library.manual_seed(5)
        layer = library.nn.Linear(6, 4)
        assert CALLS[case](library, module, layer) is layer and module.is_pruned(layer)
        optimizer = library.optim.SGD(layer.parameters(), lr=0.5, momentum=0.9)
        for _ in range(3):
            layer(library.ones(2, 6)).pow(2).sum().backward()
            optimizer.step()
        state = values(layer)
        (hook,) = layer._forward_pre_hooks.values()
        names = [type(each).__name__ for each in hook] if isinstance(hook, module.PruningContainer) else []
        module.remove(layer, hook._tensor_name)
        assert not module.is_pruned(layer)
        found.append((state, names, values(layer)))
    (state, names, after), (their_state, their_names, their_after) = found
    assert names == their_names and list(state) == list(their_state) and list(after) == list(their_after)
    for mine, theirs in ((state, their_state), (after, their_after)):
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-4, atol=1e-5)


def test_all_layers_together() -> None:
    masks = []
    for library, module in LIBRARIES:
        library.manual_seed(1)
        net = library.nn.Sequential(library.nn.Linear(5, 4), library.nn.ReLU(), library.nn.Linear(4, 3))
        pairs = [(net[0], "weight"), (net[2], "weight"), (net[0], "bias")]
        module.global_unstructured(pairs, pruning_method=module.L1Unstructured, amount=0.5)
        scores = {(net[2], "weight"): library.arange(12.0).reshape(3, 4)}
        module.global_unstructured([pairs[1]], module.L1Unstructured, importance_scores=scores, amount=3)
        masks.append({name: value.tolist() for name, value in net.state_dict().items() if name.endswith("_mask")})
    assert masks[0] == masks[1]


def test_pruned_weights_stay_zero_while_training() -> None:
    layer = prune.l1_unstructured(rl.nn.Linear(6, 4), "weight", 0.5)
    optimizer = rl.optim.Adam(layer.parameters(), lr=0.1)
    gone = layer.weight_mask == 0
    for _ in range(3):
        optimizer.zero_grad()
        layer(rl.randn(3, 6)).pow(2).sum().backward()
        assert (layer.weight_orig.grad[gone] == 0).all()
        optimizer.step()
    layer(rl.ones(1, 6))
    assert (layer.weight[gone] == 0).all() and (layer.weight[~gone] != 0).all()
    again = prune.identity(rl.nn.Linear(6, 4), "weight")
    again.load_state_dict(layer.state_dict())
    assert rl.equal(again(rl.ones(1, 6)), layer(rl.ones(1, 6)))


def test_that_nothing_is_faster_is_said() -> None:
    layer = prune.l1_unstructured(rl.nn.Linear(2, 2), "weight", 1)
    with pytest.warns(UserWarning, match="neither smaller nor faster.*ln_structured"):
        prune.remove(layer, "weight")


def test_a_tensor_without_a_module_and_copies() -> None:
    t = rl.tensor([[1.0, -3.0], [0.5, 2.0]])
    assert prune.L1Unstructured(2).prune(t).tolist() == [[0, -3], [0, 2]]
    assert prune.LnStructured(1, n=1, dim=1).prune(t, importance_scores=-t * rl.tensor([9.0, 1.0])).tolist() == [
        [1, 0],
        [0.5, 0],
    ]
    layer = prune.l1_unstructured(rl.nn.Linear(2, 2), "weight", 1)
    other = copy.deepcopy(prune.remove(layer, "weight"))
    assert other.weight.tolist() == layer.weight.tolist()


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t, p, m: p.l1_unstructured(m, "weight", "much"), TypeError),
        (lambda t, p, m: p.l1_unstructured(m, "weight", -1), ValueError),
        (lambda t, p, m: p.l1_unstructured(m, "weight", 1.5), ValueError),
        (lambda t, p, m: p.l1_unstructured(m, "weight", 100), ValueError),
        (lambda t, p, m: p.random_structured(m, "bias", 1, dim=0), ValueError),
        (lambda t, p, m: p.random_structured(m, "weight", 1, dim=2), IndexError),
        (lambda t, p, m: p.custom_from_mask(m, "weight", t.ones(3)), AssertionError),
        (lambda t, p, m: p.l1_unstructured(m, "weight", 1, importance_scores=t.ones(3)), AssertionError),
        (lambda t, p, m: p.L1Unstructured(1).prune(t.ones(3), importance_scores=t.ones(2)), AssertionError),
        (lambda t, p, m: p.remove(m, "weight"), ValueError),
        (lambda t, p, m: p.PruningContainer().add_pruning_method(3), TypeError),
        (lambda t, p, m: p.global_unstructured([(m, "weight")], p.LnStructured, amount=1, n=2), TypeError),
        (lambda t, p, m: p.global_unstructured(3, p.L1Unstructured, amount=1), TypeError),
        (lambda t, p, m: p.global_unstructured([], p.L1Unstructured, [1], amount=1), TypeError),
    ],
)
def test_mistakes_leave_the_module_as_it_was(call: Any, error: type) -> None:
    for library, module in LIBRARIES:
        layer = library.nn.Linear(6, 4)
        with pytest.raises(error):
            call(library, module, layer)
        assert list(layer.state_dict()) == ["weight", "bias"] or library is torch
        assert not layer._forward_pre_hooks or library is torch
