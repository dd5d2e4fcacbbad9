"""L-BFGS against real PyTorch on the Rosenbrock function and on a small regression."""

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def rosenbrock(lib, dtype, **options):
    x = lib.tensor([-1.5, 2.0], dtype=getattr(lib, dtype), requires_grad=True)
    optimizer = lib.optim.LBFGS([x], **options)

    def closure():
        optimizer.zero_grad()
        loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    return losses, x.detach().tolist(), optimizer.state_dict()


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.001, "max_iter": 4},
        {"lr": 0.001, "history_size": 3, "max_iter": 6},
        {"line_search_fn": "strong_wolfe", "max_iter": 5},
        {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 20, "max_eval": 12},
    ],
    ids=str,
)
def test_same_path_as_pytorch(options):
    losses, x, state = rosenbrock(rushlight, "float64", **options)
    their_losses, their_x, their_state = rosenbrock(torch, "float64", **options)
    np.testing.assert_allclose(losses, their_losses, rtol=1e-6)
    np.testing.assert_allclose(x, their_x, rtol=1e-6)
    ours, theirs = state["state"][0], their_state["state"][0]
    assert list(ours) == list(theirs)
    assert state["param_groups"] == their_state["param_groups"]
    for key in ("func_evals", "n_iter"):
        assert ours[key] == theirs[key]
    assert len(ours["old_dirs"]) == len(theirs["old_dirs"])
    np.testing.assert_allclose(ours["d"].tolist(), theirs["d"].tolist(), rtol=1e-5)


def test_finds_the_minimum():
    losses, x, _ = rosenbrock(rushlight, "float64", line_search_fn="strong_wolfe", max_iter=40)
    np.testing.assert_allclose(x, [1.0, 1.0], atol=1e-5)
    assert losses[-1] < 1e-3


def test_several_parameters_and_a_resumed_run():
    data = np.random.default_rng(0).standard_normal((12, 3))

    def build(lib):
        weight = lib.zeros(3, 1, dtype=lib.float64, requires_grad=True)
        bias = lib.zeros(1, dtype=lib.float64, requires_grad=True)
        unused = lib.zeros(2, dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.LBFGS([weight, bias, unused], lr=0.5, max_iter=3)
        x = lib.tensor(data.tolist(), dtype=lib.float64)
        y = (x * x).sum(1, keepdim=True)

        def closure():
            optimizer.zero_grad()
            loss = ((x @ weight + bias - y) ** 2).mean() + (weight**4).sum()
            loss.backward()
            return loss

        return optimizer, closure, [weight, bias]

    optimizer, closure, params = build(rushlight)
    theirs, their_closure, their_params = build(torch)
    for _ in range(2):
        np.testing.assert_allclose(optimizer.step(closure).item(), theirs.step(their_closure).item(), rtol=1e-9)
    resumed, resumed_closure, resumed_params = build(rushlight)
    resumed.load_state_dict(optimizer.state_dict())
    with rushlight.no_grad():
        for ours, value in zip(resumed_params, params):
            ours.copy_(value)
    resumed.step(resumed_closure)
    theirs.step(their_closure)
    for ours, value in zip(resumed_params, their_params):
        np.testing.assert_allclose(ours.tolist(), value.tolist(), rtol=1e-6)


def test_unknown_line_search():
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        rosenbrock(rushlight, "float64", line_search_fn="golden")


def test_at_the_minimum_nothing_moves():
    x = rushlight.zeros(2, requires_grad=True)
    optimizer = rushlight.optim.LBFGS([x])

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 0.0
    assert x.tolist() == [0.0, 0.0]
