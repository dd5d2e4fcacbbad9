"""What users change between two steps counts in the next one, though an optimiser remembers what it gathered: against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def first_state(optimizer, position=0):
    return optimizer.state[optimizer.param_groups[0]["params"][position]]


def other_rate(lib, optimizer):
    optimizer.param_groups[0]["lr"] = 0.02


def decay(lib, optimizer):
    optimizer.param_groups[0]["weight_decay"] = 0.3


def amsgrad(lib, optimizer):
    group = optimizer.param_groups[0]
    if "amsgrad" in group:
        group["amsgrad"] = True
        for param in group["params"]:
            optimizer.state[param]["max_exp_avg_sq"] = lib.zeros_like(param)


def momentum(lib, optimizer):
    if "momentum" in optimizer.param_groups[0] and isinstance(optimizer, lib.optim.SGD):
        optimizer.param_groups[0]["momentum"] = 0.0


def state_replaced(lib, optimizer):
    state = first_state(optimizer)
    for name in ("exp_avg", "momentum_buffer", "square_avg"):
        if name in state:
            state[name] = lib.full_like(state[name], 0.25)


def state_swapped(lib, optimizer):
    one, two = optimizer.param_groups[0]["params"][:2]
    optimizer.state[one], optimizer.state[two] = optimizer.state[two], optimizer.state[one]


def state_written(lib, optimizer):
    for name, value in first_state(optimizer).items():
        if name != "step" and value is not None:
            value.mul_(0.5)


def state_forgotten(lib, optimizer):
    optimizer.state.pop(optimizer.param_groups[0]["params"][1], None)


def count_written(lib, optimizer):
    if "step" in first_state(optimizer):
        first_state(optimizer)["step"].fill_(40.0)


def count_replaced(lib, optimizer):
    if "step" in first_state(optimizer):
        first_state(optimizer)["step"] = lib.tensor(7.0)


def parameter_dropped(lib, optimizer):
    del optimizer.param_groups[0]["params"][0]


def group_added(lib, optimizer):
    optimizer.add_param_group({"params": [lib.ones(2, requires_grad=True)], "lr": 0.5})


def saved_and_loaded(lib, optimizer):
    optimizer.load_state_dict(optimizer.state_dict())


def gradient_gone(lib, optimizer):
    optimizer.param_groups[0]["params"][1].grad = None


CHANGES = [
    other_rate, decay, amsgrad, momentum, state_replaced, state_swapped, state_written, state_forgotten, count_written,
    count_replaced, parameter_dropped, group_added, saved_and_loaded, gradient_gone,
]  # fmt: skip


def run(lib, name, options, change):
    rng = np.random.default_rng(0)
    params = [lib.tensor(rng.standard_normal(4).astype(np.float32).tolist(), requires_grad=True) for _ in range(3)]
    optimizer = getattr(lib.optim, name)(params, **options)
    for step in range(9):
        for index, param in enumerate(p for group in optimizer.param_groups for p in group["params"]):
            param.grad = param.detach() * (index + 1) + 0.1 * step
        if step in (4, 6):
            change(lib, optimizer)
        optimizer.step()
    counts = [float(state["step"]) for state in optimizer.state.values() if "step" in state]
    return [param.detach().tolist() for group in optimizer.param_groups for param in group["params"]], counts


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1}), ("RMSprop", {"lr": 0.01})],
    ids=["SGD", "Adam", "RMSprop"],
)
def test_a_change_counts_at_once(name, options, change):
    if change is state_swapped and name == "SGD":
        options = {**options, "momentum": 0.5}
    ours, our_counts = run(rushlight, name, options, change)
    theirs, their_counts = run(torch, name, options, change)
    assert our_counts == their_counts
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=2e-5, atol=2e-6)


def test_a_hook_added_between_steps_runs():
    w = rushlight.ones(2, requires_grad=True)
    optimizer = rushlight.optim.SGD([w], lr=0.1)
    seen = []
    for step in range(4):
        w.grad = rushlight.ones(2)
        if step == 2:
            optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
            optimizer.register_step_post_hook(lambda *_: seen.append("after"))
        optimizer.step()
    assert seen == ["before", "after"] * 2


def test_the_gradients_of_the_last_step_are_not_kept_alive():
    import weakref

    w = rushlight.ones(2, requires_grad=True)
    optimizer = rushlight.optim.Adam([w], lr=0.1)
    for _ in range(3):
        (w * w).sum().backward()
        optimizer.step()
        grad = weakref.ref(w.grad)
        optimizer.zero_grad()
        assert grad() is None
