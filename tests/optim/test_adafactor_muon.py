"""Adafactor, Muon and SparseAdam against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

SHAPES = {"Adafactor": [(3, 4), (5,), (), (2, 4, 3)], "Muon": [(3, 4), (6, 2), (4, 4)]}
CASES: list[tuple[str, dict[str, Any], float]] = [
    # name, options, tolerance
    ("Adafactor", {}, 2e-5),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}, 2e-5),
    ("Adafactor", {"lr": 0.5, "beta2_decay": -0.5, "eps": (1e-3, 0.5), "d": 2.0}, 2e-5),
    ("Muon", {}, 3e-3),  # its products are of bfloat16
    ("Muon", {"lr": 0.02, "nesterov": False, "momentum": 0.4, "weight_decay": 0.0}, 5e-3),
    ("Muon", {"lr": 0.01, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)}, 5e-3),
]


def run(library: Any, name: str, options: dict[str, Any]) -> tuple[Any, list[Any]]:
    rng = np.random.RandomState(0)
    params = [library.tensor(rng.randn(*shape), dtype=library.float32, requires_grad=True) for shape in SHAPES[name]]
    optimizer = getattr(library.optim, name)(params, **options)
    for step in range(8):
        for param in params:
            param.grad = param.detach() + library.tensor(rng.randn(*param.shape), dtype=library.float32)
        if step == 4:  # from a state dictionary
            again = getattr(library.optim, name)(params, lr=9.0)
            again.load_state_dict(optimizer.state_dict())
            optimizer = again
        if step == 6:
            optimizer.param_groups[0]["lr"] *= 0.5
        optimizer.step()
    return optimizer, params


@pytest.mark.parametrize("case", CASES, ids=str)
def test_like_pytorch(case: tuple) -> None:
    name, options, tolerance = case
    (mine, params), (theirs, wanted) = (run(library, name, options) for library in (rl, torch))
    for a, b in zip(params, wanted, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)
    ours, other = mine.state_dict(), theirs.state_dict()
    assert ours["param_groups"] == other["param_groups"]
    for key, values in other["state"].items():
        assert list(ours["state"][key]) == list(values)
        for label, value in values.items():
            found = ours["state"][key][label]
            assert found.dtype is getattr(rl, str(value.dtype).removeprefix("torch."))
            np.testing.assert_allclose(found.numpy(), value.numpy(), rtol=tolerance, atol=tolerance)
    assert repr(mine) == repr(theirs)


def test_muon_makes_every_direction_count_alike() -> None:
    """A gradient of singular values 100 and 1 moves both directions about as far."""
    rl.manual_seed(0)
    u, v = (rl.linalg.qr(rl.randn(8, 8))[0][:, :2] for _ in range(2))
    w = rl.zeros(8, 8, requires_grad=True)
    w.grad = u * rl.tensor([100.0, 1.0]) @ v.T
    rl.optim.Muon([w], lr=1.0, weight_decay=0.0).step()
    moved = -(u.T @ w @ v).diagonal().detach()
    assert ((moved > 0.4) & (moved < 1.6)).all(), moved


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t, w: t.optim.Adafactor([w], lr=-1.0), ValueError),
        (lambda t, w: t.optim.Adafactor([w], beta2_decay=0.1), ValueError),
        (lambda t, w: t.optim.Adafactor([w], eps=(-1.0, 0.1)), ValueError),
        (lambda t, w: t.optim.Adafactor([w], eps=(None, -0.1)), ValueError),
        (lambda t, w: t.optim.Adafactor([w], d=0.5), ValueError),
        (lambda t, w: t.optim.Muon([w], momentum=-1.0), ValueError),
        (lambda t, w: t.optim.Muon([w], adjust_lr_fn="no"), ValueError),
        (lambda t, w: t.optim.Muon([t.zeros(3, requires_grad=True)]), ValueError),
        (lambda t, w: t.optim.Muon([w], ns_steps=100).step(), ValueError),
        (lambda t, w: t.optim.Muon([w], ns_coefficients=(1.0, 2.0)).step(), ValueError),
        (lambda t, w: t.optim.SparseAdam([w], lr=0.0), ValueError),
        (lambda t, w: t.optim.SparseAdam([w], eps=0.0), ValueError),
        (lambda t, w: t.optim.SparseAdam([w], betas=(1.0, 0.9)), ValueError),
        (lambda t, w: t.optim.SparseAdam([t.zeros(2, dtype=t.complex64, requires_grad=True)]), ValueError),
        (lambda t, w: t.optim.SparseAdam([w]).step(), RuntimeError),
    ],
)
def test_mistakes(call: Any, error: type) -> None:
    for library in (rl, torch):
        w = library.ones(2, 2, requires_grad=True)
        w.grad = library.ones(2, 2)
        with pytest.raises(error):
            call(library, w)


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_complex_parameters_are_refused(name: str) -> None:
    for library in (rl, torch):
        w = library.ones(2, 2, dtype=library.complex64, requires_grad=True)
        w.grad = library.ones(2, 2, dtype=library.complex64)
        with pytest.raises(RuntimeError, match="complex"):
            getattr(library.optim, name)([w]).step()


def test_sparse_adam_is_saved_and_loaded() -> None:
    w = rl.zeros(2, requires_grad=True)
    optimizer = rl.optim.SparseAdam([w], lr=0.5)
    again = rl.optim.SparseAdam([w])
    again.load_state_dict(optimizer.state_dict())
    assert again.param_groups[0]["lr"] == 0.5 and again.step(lambda: 3) == 3
    with pytest.raises(RuntimeError, match="got a dense gradient.*optim.Adam"):
        w.grad = rl.ones(2)
        again.step()
