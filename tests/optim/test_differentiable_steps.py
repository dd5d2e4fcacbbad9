"""Steps with differentiable=True: what a gradient through several of them is, and the options that go with it."""

import numpy as np
import pytest

import rushlight as rl

CASES = [
    ("SGD", {}),
    ("SGD", {"maximize": True, "weight_decay": 0.01}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"weight_decay": 0.1}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("Adamax", {}),
    ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("ASGD", {}),
    ("Rprop", {}),
]
NO_LR = {"ASGD", "Rprop"}
# PyTorch cuts the first gradient off where it enters the momentum buffer, which is not the derivative of the step.
CUT_IN_TORCH = [case for case in CASES if "momentum" in case[1] and case[0] == "SGD"]


def numbers(t, seed, *shape):
    return t.tensor(np.random.RandomState(seed).randn(*shape))


def after_steps(t, name, options, w, lr, steps):
    """A loss after some steps on another one: the shape of every meta-learning loop."""
    x = numbers(t, 1, 4, 3)
    p = w.clone()
    optimizer = getattr(t.optim, name)([p], lr=lr, differentiable=True, **options)
    for _ in range(steps):
        (p.grad,) = t.autograd.grad(((x @ p).tanh() ** 2).sum(), p, create_graph=True)
        optimizer.step()
    return ((x @ p) ** 2).sum()


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "+".join(v))
def test_gradients_through_steps_are_finite_differences(name, options):
    w = numbers(rl, 0, 3).requires_grad_()
    steps = 7 if name == "RAdam" else 3
    if name in NO_LR:
        assert rl.autograd.gradcheck(lambda w: after_steps(rl, name, options, w, 0.1, steps), (w,))
    else:
        lr = rl.tensor(0.1, dtype=rl.float64, requires_grad=True)
        assert rl.autograd.gradcheck(lambda w, lr: after_steps(rl, name, options, w, lr, steps), (w, lr))


@pytest.mark.parametrize(
    ("name", "options"),
    [case for case in CASES if case not in CUT_IN_TORCH],
    ids=lambda v: v if isinstance(v, str) else "+".join(v),
)
@pytest.mark.parametrize("steps", [1, 2])
def test_gradients_through_steps_are_those_of_torch(name, options, steps):
    torch = pytest.importorskip("torch")
    found = []
    for t in (rl, torch):
        w = numbers(t, 0, 3).requires_grad_()
        try:
            loss = after_steps(t, name, options, w, 0.1, steps)
            found.append([loss.item(), *t.autograd.grad(loss, w)[0].tolist()])
        except RuntimeError as error:  # PyTorch's updates overwrite what the second step's gradient needs
            assert t is torch and steps == 2 and "inplace" in str(error)
            return
    np.testing.assert_allclose(*found, rtol=2e-5)


def test_the_learning_rate_gets_pytorchs_gradient():
    torch = pytest.importorskip("torch")
    for name in ("SGD", "Adam"):
        found = []
        for t in (rl, torch):
            lr = t.tensor(0.1, dtype=t.float64, requires_grad=True)
            loss = after_steps(t, name, {}, numbers(t, 0, 3), lr, 0) * 0
            w = numbers(t, 0, 3).requires_grad_()
            loss = loss + after_steps(t, name, {}, w, lr, 3)
            found.append([g.tolist() for g in t.autograd.grad(loss, [w, lr])])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_an_inner_loop_over_a_module_trains_its_start():
    """MAML on one number: the start from which one step gets nearest to the targets."""
    rl.manual_seed(0)
    start = rl.zeros(1, dtype=rl.float64, requires_grad=True)
    outer = rl.optim.SGD([start], lr=0.1)
    targets = [rl.tensor([v], dtype=rl.float64) for v in (1.0, 3.0)]
    for _ in range(200):
        outer.zero_grad()
        loss = 0.0
        for target in targets:
            p = start.clone()
            inner = rl.optim.SGD([p], lr=0.25, differentiable=True)
            (p.grad,) = rl.autograd.grad(((p - target) ** 2).sum(), p, create_graph=True)
            inner.step()
            loss = loss + ((p - target) ** 2).sum()
        loss.backward()
        outer.step()
    np.testing.assert_allclose(start.item(), 2.0, atol=1e-6)


def test_what_was_computed_before_a_step_keeps_its_gradient():
    w = rl.tensor([2.0], requires_grad=True)
    p = w * 1
    before = p * p  # needs the old value of p
    alias = p.view(1)
    optimizer = rl.optim.SGD([p], lr=0.5, differentiable=True)
    p.grad = rl.tensor([1.0])
    assert before.item() == 4.0
    optimizer.step()
    assert p.item() == 1.5 and alias.item() == 2.0
    (before + p).sum().backward()
    assert w.grad.item() == 5.0


def test_state_is_part_of_the_graph_and_can_be_given():
    momentum = rl.tensor([3.0], requires_grad=True)
    p, g = rl.tensor([1.0], requires_grad=True) * 1, rl.tensor([2.0], requires_grad=True)
    optimizer = rl.optim.SGD([p], lr=0.1, momentum=0.5, differentiable=True)
    optimizer.state[p]["momentum_buffer"] = momentum * 1
    p.grad = g
    optimizer.step()
    np.testing.assert_allclose(p.item(), 1 - 0.1 * (0.5 * 3 + 2), rtol=1e-6)
    found = rl.autograd.grad(p, [momentum, g])
    np.testing.assert_allclose([v.item() for v in found], [-0.05, -0.1], rtol=1e-6)
    assert optimizer.state[p]["momentum_buffer"].requires_grad


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_leaves_cannot_be_updated_so(name):
    for library in (rl, pytest.importorskip("torch")):
        p = library.ones(2, requires_grad=True)
        (p * 2).sum().backward()
        optimizer = getattr(library.optim, name)([p], differentiable=True)
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            optimizer.step()
        assert p.tolist() == [1.0, 1.0] and library.is_grad_enabled()


@pytest.mark.parametrize(("name", "option"), [("Adam", "weight_decay"), ("SGD", "momentum"), ("Rprop", "lr")])
def test_options_without_a_gradient_say_so(name, option):
    p = rl.ones(1, requires_grad=True) * 1
    p.grad = rl.ones(1)
    with pytest.raises(NotImplementedError, match=f"{option} that requires a gradient"):
        getattr(rl.optim, name)([p], differentiable=True, **{option: rl.tensor(0.1, requires_grad=True)}).step()


def test_fused_and_differentiable_exclude_each_other():
    for library in (rl, pytest.importorskip("torch")):
        with pytest.raises(RuntimeError, match="differentiable"):
            library.optim.Adam([library.ones(1, requires_grad=True)], fused=True, differentiable=True)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adadelta", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop"])
def test_capturable_changes_nothing_here(name):
    found = []
    for capturable in (False, True):
        p = rl.ones(2, requires_grad=True)
        optimizer = getattr(rl.optim, name)([p], capturable=capturable)
        for _ in range(3):
            p.grad = rl.tensor([1.0, -2.0])
            optimizer.step()
        found.append(p.tolist())
        assert optimizer.param_groups[0]["capturable"] is capturable
    assert found[0] == found[1]


def test_alpha_and_value_that_are_tensors_get_their_gradients():
    a, b = numbers(rl, 0, 3).requires_grad_(), (numbers(rl, 1, 3).abs() + 1).requires_grad_()
    s = rl.tensor(0.3, dtype=rl.float64, requires_grad=True)
    assert rl.autograd.gradcheck(lambda a, b, s: rl.add(a, b, alpha=s), (a, b, s))
    assert rl.autograd.gradcheck(lambda a, b, s: rl.sub(a, b, alpha=s), (a, b, s))
    assert rl.autograd.gradcheck(lambda a, b, s: rl.addcmul(a, a, b, value=s), (a, b, s))
    assert rl.autograd.gradcheck(lambda a, b, s: rl.addcdiv(a, a, b, value=s), (a, b, s))
