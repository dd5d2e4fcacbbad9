"""Forty steps of every scheduler against real PyTorch; state dictionaries; errors and warnings."""

import math
import warnings

import pytest

import rushlight

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:.*before .*optimizer.step:UserWarning")

BUILD = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, [lambda epoch: 0.95, lambda epoch: 1 - 0.01 * epoch]),
    "step": lambda s, o: s.StepLR(o, 3, gamma=0.7),
    "multi-step": lambda s, o: s.MultiStepLR(o, [3, 8, 8, 20], gamma=0.5),
    "constant": lambda s, o: s.ConstantLR(o),
    "linear": lambda s, o: s.LinearLR(o, 0.2, 0.9, total_iters=12),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.93),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 7, eta_min=0.01),
    "polynomial": lambda s, o: s.PolynomialLR(o, 25, power=2.0),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.3], 4, 7),
    "cyclic-2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="triangular2", cycle_momentum=False),
    "cyclic-exp": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="exp_range", gamma=0.97),
    "cyclic-own": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=lambda x: 1 / x, base_momentum=0.5),
    "one-cycle": lambda s, o: s.OneCycleLR(o, [0.1, 0.2], 41),
    "one-cycle-3": lambda s, o: s.OneCycleLR(
        o, 0.3, epochs=5, steps_per_epoch=9, three_phase=True, anneal_strategy="linear", pct_start=0.4
    ),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, eta_min=0.001),
    "restarts-1": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o), s.CosineAnnealingLR(o, 10), s.ExponentialLR(o, 0.9)], [3, 20]
    ),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o), s.ExponentialLR(o, 0.9)], optimizer=o),
    "sequential-of-chained": lambda s, o: s.SequentialLR(
        o, [s.ChainedScheduler([s.LinearLR(o), s.StepLR(o, 2)]), s.StepLR(o, 4)], [6]
    ),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, patience=2, factor=0.5, cooldown=1, min_lr=[0.01, 0.0]),
    "plateau-max": lambda s, o: s.ReduceLROnPlateau(o, "max", patience=1, threshold=0.05, threshold_mode="abs"),
}


def make(lib, name="SGD"):
    params = [lib.zeros(2, requires_grad=True), lib.zeros(3, requires_grad=True)]
    for param in params:
        param.grad = lib.ones_like(param.detach())
    options = {"momentum": 0.9} if name == "SGD" else {}
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 0.2}]
    return getattr(lib.optim, name)(groups, lr=0.1, **options)


def advance(scheduler, step):
    if type(scheduler).__name__ == "ReduceLROnPlateau":
        scheduler.step(math.sin(step / 3) + 2)
    else:
        scheduler.step()


def options(optimizer):
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def run(lib, build, optimizer_name, count=40):
    optimizer = make(lib, optimizer_name)
    scheduler = build(lib.optim.lr_scheduler, optimizer)
    seen = [(scheduler.get_last_lr(), options(optimizer), scheduler.state_dict())]
    for step in range(count):
        optimizer.step()
        advance(scheduler, step)
        seen.append((scheduler.get_last_lr(), options(optimizer), scheduler.state_dict()))
    return seen


@pytest.mark.parametrize("name", BUILD)
def test_forty_steps(name):
    for optimizer in ("SGD", "Adam"):
        ours, theirs = run(rushlight, BUILD[name], optimizer), run(torch, BUILD[name], optimizer)
        for step, ((rates, groups, state), (their_rates, their_groups, their_state)) in enumerate(zip(ours, theirs)):
            assert rates == their_rates, step
            assert groups == their_groups, step
            their_state.pop("_scale_fn_ref", None)
            assert list(state) == list(their_state)
            assert state == their_state, step


@pytest.mark.parametrize("name", BUILD)
def test_resume_from_a_state_dict(name):
    """PyTorch's state after 12 steps continues here as it does there."""
    scheduler_of = {}
    for lib in (torch, rushlight):
        optimizer = make(lib)
        scheduler_of[lib] = BUILD[name](lib.optim.lr_scheduler, optimizer)
    for step in range(12):
        scheduler_of[torch].optimizer.step()
        advance(scheduler_of[torch], step)
    ours, theirs = scheduler_of[rushlight], scheduler_of[torch]
    ours.load_state_dict(theirs.state_dict())
    for group, other in zip(ours.optimizer.param_groups, theirs.optimizer.param_groups):
        group["lr"] = other["lr"]
    for step in range(12, 20):
        advance(ours, step)
        advance(theirs, step)
        assert ours.get_last_lr() == theirs.get_last_lr()
        assert ours.state_dict().get("last_epoch") == theirs.state_dict().get("last_epoch")


@pytest.mark.parametrize("name", ["step", "cosine", "multi-step", "linear", "polynomial", "exponential", "restarts"])
def test_step_to_an_epoch(name):
    def jump(lib):
        scheduler = BUILD[name](lib.optim.lr_scheduler, make(lib))
        scheduler.optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step(9)
        return scheduler.get_last_lr(), scheduler.last_epoch

    assert jump(rushlight) == jump(torch)


def test_restarts_take_fractions():
    def fractions(lib):
        scheduler = lib.optim.lr_scheduler.CosineAnnealingWarmRestarts(make(lib), 3, 2)
        seen = []
        for step in range(30):
            scheduler.step(step / 2.5)
            seen.append((scheduler.get_last_lr(), scheduler.T_cur, scheduler.T_i, scheduler.last_epoch))
        return seen

    assert fractions(rushlight) == fractions(torch)


def test_last_epoch_resumes():
    def resumed(lib):
        optimizer = make(lib)
        for group in optimizer.param_groups:
            group["initial_lr"] = 1.0
        scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 3, last_epoch=4)
        return scheduler.get_last_lr(), scheduler.last_epoch

    assert resumed(rushlight) == resumed(torch)


def test_tensor_rate_is_filled_in_place():
    param = rushlight.zeros(1, requires_grad=True)
    param.grad = rushlight.ones(1)
    optimizer = rushlight.optim.SGD([param], lr=rushlight.tensor(0.5))
    rate = optimizer.param_groups[0]["lr"]
    scheduler = rushlight.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert scheduler.get_last_lr()[0].item() == 0.25 and scheduler.base_lrs[0].item() == 0.5


def test_own_scheduler_and_callable_state():
    class Half:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    scheduler = rushlight.optim.lr_scheduler.LambdaLR(make(rushlight), Half(0.5))
    assert scheduler.state_dict()["lr_lambdas"] == [{"base": 0.5}, {"base": 0.5}]
    other = rushlight.optim.lr_scheduler.LambdaLR(make(rushlight), Half(0.1))
    other.load_state_dict(scheduler.state_dict())
    assert other.lr_lambdas[0].base == 0.5


def caught(action):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        action()
    return [(warning.category, str(warning.message), warning.filename) for warning in seen]


def test_scheduler_before_optimizer_warns_once_at_the_users_line():
    optimizer = make(rushlight)
    scheduler = rushlight.optim.lr_scheduler.StepLR(optimizer, 3)
    ((category, text, filename),) = caught(scheduler.step)
    assert issubclass(category, UserWarning) and filename == __file__
    assert "before optimizer.step()" in text and "call `optimizer.step()` first" in text
    assert caught(scheduler.step) == []


def test_the_right_order_does_not_warn():
    optimizer = make(rushlight)
    optimizer.step()  # steps before the scheduler exists do not count
    scheduler = rushlight.optim.lr_scheduler.StepLR(optimizer, 3)
    assert len(caught(scheduler.step)) == 1
    other = rushlight.optim.lr_scheduler.StepLR(optimizer, 3)
    optimizer.step()
    assert caught(other.step) == []


def test_sequential_warns_at_the_users_line():
    optimizer = make(rushlight)
    module = rushlight.optim.lr_scheduler
    scheduler = module.SequentialLR(optimizer, [module.StepLR(optimizer, 2), module.StepLR(optimizer, 2)], [5])
    ((_, _, filename),) = caught(scheduler.step)
    assert filename == __file__


def test_get_lr_outside_step_warns():
    scheduler = rushlight.optim.lr_scheduler.StepLR(make(rushlight), 3)
    ((_, text, filename),) = caught(scheduler.get_lr)
    assert "get_last_lr()" in text and filename == __file__


ERRORS = {
    "no optimizer": lambda s, o: s.StepLR(3, 3),
    "plateau without optimizer": lambda s, o: s.ReduceLROnPlateau(3),
    "resume without initial_lr": lambda s, o: s.StepLR(o, 3, last_epoch=3),
    "functions": lambda s, o: s.LambdaLR(o, [lambda epoch: 1] * 3),
    "constant": lambda s, o: s.ConstantLR(o, factor=2),
    "linear start": lambda s, o: s.LinearLR(o, start_factor=0),
    "linear end": lambda s, o: s.LinearLR(o, end_factor=-1),
    "no schedulers": lambda s, o: s.SequentialLR(o, [], []),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [1, 2]),
    "plateau in a sequence": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1), s.ReduceLROnPlateau(o)], [1]),
    "number in a sequence": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1), 3], [1]),
    "empty chain": lambda s, o: s.ChainedScheduler([]),
    "plateau factor": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    "plateau mode": lambda s, o: s.ReduceLROnPlateau(o, mode="low"),
    "plateau threshold mode": lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="low"),
    "plateau min_lr": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[1, 2, 3]),
    "plateau without metric": lambda s, o: s.ReduceLROnPlateau(o).step(),
    "plateau with text": lambda s, o: s.ReduceLROnPlateau(o).step("low"),
    "cyclic mode": lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"),
    "cyclic base_lr": lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    "one cycle without length": lambda s, o: s.OneCycleLR(o, 0.1),
    "one cycle length": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=-1),
    "one cycle epochs": lambda s, o: s.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=3),
    "one cycle start": lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=2),
    "one cycle strategy": lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="square"),
    "restarts T_0": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "restarts T_mult": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 0),
    "restarts eta_min": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, eta_min="low"),
    "restarts epoch": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5).step(-1),
    "base class": lambda s, o: s.LRScheduler(o),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_pytorchs_class(name):
    with pytest.raises(Exception) as theirs:
        ERRORS[name](torch.optim.lr_scheduler, make(torch))
    with pytest.raises(theirs.type):
        ERRORS[name](rushlight.optim.lr_scheduler, make(rushlight))


def test_momentum_cycles_need_an_optimizer_with_momentum():
    with pytest.raises(ValueError, match="cycle_momentum=False"):
        rushlight.optim.lr_scheduler.CyclicLR(make(rushlight, "Adagrad"), 0.1, 0.2)


def test_schedulers_of_two_optimizers_do_not_mix():
    module = rushlight.optim.lr_scheduler
    with pytest.raises(ValueError, match="share one optimizer"):
        module.ChainedScheduler([module.StepLR(make(rushlight), 1), module.StepLR(make(rushlight), 1)])


def test_one_cycle_ends():
    optimizer = make(rushlight)
    scheduler = rushlight.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 2)
    optimizer.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="total_steps=2"):
        scheduler.step()


def test_plateau_after_a_new_group():
    optimizer = make(rushlight)
    scheduler = rushlight.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.0, 0.0])
    optimizer.add_param_group({"params": [rushlight.zeros(1, requires_grad=True)]})
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match="min_lrs"):
        scheduler.step(1.0)
