"""Parameter groups, state dictionaries, hooks, printed form, errors and warnings of the optimisers."""

import warnings

import numpy as np
import pytest

import rushlight
from rushlight import optim

torch = pytest.importorskip("torch")


def leaf(lib=rushlight, size=2):
    return lib.ones(size, requires_grad=True)


def named(lib):
    return [("weight", leaf(lib)), ("bias", leaf(lib, 1))]


@pytest.mark.parametrize(
    "params",
    [
        lambda lib: [leaf(lib), leaf(lib, 3)],
        lambda lib: (tensor for tensor in [leaf(lib)]),
        named,
        lambda lib: [{"params": leaf(lib), "lr": 0.5}, {"params": [leaf(lib), leaf(lib)], "momentum": 0.9}],
        lambda lib: [{"params": named(lib), "lr": 0.5}],
    ],
    ids=["list", "generator", "named", "groups", "named group"],
)
def test_groups_print_and_save_as_in_pytorch(params):
    ours, theirs = optim.SGD(params(rushlight), lr=0.1), torch.optim.SGD(params(torch), lr=0.1)
    assert repr(ours) == repr(theirs)
    our_groups, their_groups = ours.state_dict()["param_groups"], theirs.state_dict()["param_groups"]
    assert our_groups == their_groups
    assert [list(group) for group in our_groups] == [list(group) for group in their_groups]


ERRORS = {
    "empty": lambda lib: lib.optim.SGD([]),
    "method": lambda lib: lib.optim.SGD(lib.nn.Linear.parameters),
    "tensor": lambda lib: lib.optim.SGD(leaf(lib)),
    "number": lambda lib: lib.optim.SGD(3),
    "numbers": lambda lib: lib.optim.SGD([1, 2]),
    "text": lambda lib: lib.optim.SGD("abc"),
    "not a leaf": lambda lib: lib.optim.SGD([leaf(lib) * 2]),
    "set": lambda lib: lib.optim.SGD([{"params": {leaf(lib)}}]),
    "group without params": lambda lib: lib.optim.SGD([{"lr": 1}]),
    "group then tensor": lambda lib: lib.optim.SGD([{"params": [leaf(lib)]}, leaf(lib)]),
    "tensor then group": lambda lib: lib.optim.SGD([leaf(lib), {"params": [leaf(lib)]}]),
    "some names": lambda lib: lib.optim.SGD([("a", leaf(lib)), leaf(lib)]),
    "names in one group": lambda lib: lib.optim.SGD([{"params": [("a", leaf(lib))]}, {"params": [leaf(lib)]}]),
    "name after tensor": lambda lib: lib.optim.SGD([(leaf(lib), "a")]),
    "group is a list": lambda lib: lib.optim.SGD([leaf(lib)]).add_param_group([leaf(lib)]),
    "base step": lambda lib: lib.optim.Optimizer([leaf(lib)], {}).step(),
    "lr": lambda lib: lib.optim.SGD([leaf(lib)], lr=-1),
    "lr of two": lambda lib: lib.optim.Adam([leaf(lib)], lr=lib.tensor([0.1, 0.2])),
    "momentum": lambda lib: lib.optim.SGD([leaf(lib)], momentum=-1),
    "weight decay": lambda lib: lib.optim.SGD([leaf(lib)], weight_decay=-1),
    "nesterov": lambda lib: lib.optim.SGD([leaf(lib)], nesterov=True),
    "nesterov damped": lambda lib: lib.optim.SGD([leaf(lib)], nesterov=True, momentum=0.9, dampening=0.1),
    "fused and foreach": lambda lib: lib.optim.SGD([leaf(lib)], fused=True, foreach=True),
    "beta 0": lambda lib: lib.optim.Adam([leaf(lib)], betas=(1.0, 0.9)),
    "beta 1": lambda lib: lib.optim.AdamW([leaf(lib)], betas=(0.9, -0.1)),
    "mixed betas": lambda lib: lib.optim.Adam([leaf(lib)], betas=(lib.tensor(0.9), 0.9)),
    "eps": lambda lib: lib.optim.Adamax([leaf(lib)], eps=-1),
    "momentum decay": lambda lib: lib.optim.NAdam([leaf(lib)], momentum_decay=-1),
    "radam": lambda lib: lib.optim.RAdam([leaf(lib)], betas=(0.9, 1.0)),
    "alpha": lambda lib: lib.optim.RMSprop([leaf(lib)], alpha=-1),
    "lr_decay": lambda lib: lib.optim.Adagrad([leaf(lib)], lr_decay=-1),
    "accumulator": lambda lib: lib.optim.Adagrad([leaf(lib)], initial_accumulator_value=-1),
    "rho": lambda lib: lib.optim.Adadelta([leaf(lib)], rho=1.1),
    "etas": lambda lib: lib.optim.Rprop([leaf(lib)], etas=(1.5, 1.2)),
    "asgd": lambda lib: lib.optim.ASGD([leaf(lib)], weight_decay=-1),
    "lbfgs groups": lambda lib: lib.optim.LBFGS([{"params": [leaf(lib)]}, {"params": [leaf(lib)]}]),
    "lbfgs without closure": lambda lib: lib.optim.LBFGS([leaf(lib)]).step(),
    "lbfgs search": lambda lib: lib.optim.LBFGS([leaf(lib)], line_search_fn="golden").step(closure_of(lib)),
    "load sizes": lambda lib: lib.optim.SGD([leaf(lib), leaf(lib)]).load_state_dict(
        lib.optim.SGD([leaf(lib)]).state_dict()
    ),
    "load groups": lambda lib: lib.optim.SGD([{"params": [leaf(lib)]}, {"params": [leaf(lib)]}]).load_state_dict(
        lib.optim.SGD([leaf(lib)]).state_dict()
    ),
    "load nothing": lambda lib: lib.optim.SGD([leaf(lib)]).load_state_dict({}),
}


def closure_of(lib):
    weight = leaf(lib)

    def closure():
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("name", [name for name in ERRORS if name not in ("method", "lbfgs search")])
def test_errors_have_pytorchs_class(name):
    with pytest.raises(Exception) as theirs:
        ERRORS[name](torch)
    with pytest.raises(theirs.type):
        ERRORS[name](rushlight)


class Plain:
    """Something with a `parameters` method, as modules have."""

    def __init__(self):
        self.weight = leaf()

    def parameters(self):
        return iter([self.weight])


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (list, ValueError, ["SGD", "empty parameter list", "already used up"]),
        (lambda: Plain().parameters, TypeError, ["the method parameters itself", "call it: model.parameters()"]),
        (lambda: Plain(), TypeError, ["a module (Plain)", "model.parameters()"]),
        (lambda: [Plain()], TypeError, ["Plain at position 0", "module.parameters()"]),
        (lambda: leaf(), TypeError, ["one tensor of shape (2,)", "[tensor]"]),
        (lambda: [leaf(), leaf() * 2], ValueError, ["position 1", "that an operation made", "detach()"]),
    ],
    ids=["empty", "method", "module", "list of modules", "tensor", "not a leaf"],
)
def test_errors_teach(params, error, words):
    with pytest.raises(error) as caught:
        optim.SGD(params(), lr=0.1)
    for word in words:
        assert word in str(caught.value)


def test_used_up_generator():
    parameters = Plain().parameters()
    optim.SGD(parameters)
    with pytest.raises(ValueError, match="already used up"):
        optim.SGD(parameters)


def test_parameter_in_two_groups():
    weight = leaf()
    with pytest.raises(ValueError, match="more than one group"):
        optim.SGD([{"params": [weight]}, {"params": [leaf(), weight]}])


def test_parameter_twice_in_a_group_is_updated_twice():
    def run(lib):
        weight = leaf(lib)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer = lib.optim.SGD([weight, weight], lr=0.1)
        weight.grad = lib.ones(2)
        optimizer.step()
        optimizer.step()
        return weight.tolist(), optimizer.state_dict()["param_groups"]

    (ours, our_groups), (theirs, their_groups) = run(rushlight), run(torch)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert our_groups == their_groups
    with pytest.warns(UserWarning, match="more than once") as seen:
        optim.SGD([weight := leaf(), weight])
    assert seen[0].filename == __file__


def test_foreach_and_fused_change_nothing():
    results = []
    for options in ({}, {"foreach": True}, {"fused": True}):
        weight = leaf()
        optimizer = optim.Adam([weight], lr=0.1, **options)
        weight.grad = rushlight.ones(2)
        optimizer.step()
        results.append(weight.tolist())
    assert results[0] == results[1] == results[2]


def test_zero_grad():
    weight = leaf()
    optimizer = optim.SGD([weight, leaf()])
    weight.grad = kept = rushlight.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert weight.grad is kept and weight.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert weight.grad is None


def test_step_hooks():
    calls = []
    weight = leaf()
    optimizer = optim.SGD([weight], lr=0.1)
    weight.grad = rushlight.ones(2)
    first = optimizer.register_step_pre_hook(lambda opt, args, kwargs: calls.append(("pre", opt is args[0], kwargs)))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: calls.append(("post", weight.tolist()[0] < 1)))
    optimizer.step()
    first.remove()
    optimizer.step()
    assert calls == [("pre", True, {}), ("post", True), ("post", True)]
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: ((opt, lambda: 7.0), {}))
    assert optimizer.step() == 7.0
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="None or a pair"):
        optimizer.step()


def test_an_optimizer_around_another_without_super_init():
    class Every(optim.Optimizer):
        def __init__(self, inner, k):
            self.inner, self.k, self.param_groups, self.steps = inner, k, inner.param_groups, 0

        def step(self, closure=None):
            self.steps += 1
            if self.steps % self.k == 0:
                self.inner.step(closure)

    weight = leaf()
    weight.grad = rushlight.ones(2)
    optimizer = Every(optim.SGD([weight], lr=0.5), 2)
    before = weight.tolist()
    for _ in range(3):
        optimizer.step()
    assert weight.tolist() == [w - 0.5 for w in before]
    optimizer.zero_grad()
    assert weight.grad is None
    seen = []
    optimizer.register_step_post_hook(lambda *call: seen.append(call[0] is optimizer))
    optimizer.step()
    assert seen == [True]


def test_hooks_of_every_optimizer():
    from rushlight.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    calls = []
    handles = [
        register_optimizer_step_pre_hook(lambda *args: calls.append("pre")),
        register_optimizer_step_post_hook(lambda *args: calls.append("post")),
    ]
    weight = leaf()
    weight.grad = rushlight.ones(2)
    optim.SGD([weight]).step()
    for handle in handles:
        handle.remove()
    optim.SGD([weight]).step()
    assert calls == ["pre", "post"]


def test_state_dict_hooks():
    calls = []
    optimizer = optim.SGD([leaf()], lr=0.1)
    optimizer.register_state_dict_pre_hook(lambda opt: calls.append("before"))
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "note": 1})
    optimizer.register_state_dict_post_hook(lambda opt, state: calls.append("note" in state), prepend=True)
    state = optimizer.state_dict()
    assert state["note"] == 1 and calls == ["before", False]

    def faster(opt, state):
        group = {**state["param_groups"][0], "lr": 0.5}
        return {**state, "param_groups": [group]}

    optimizer.register_load_state_dict_pre_hook(faster)
    optimizer.register_load_state_dict_post_hook(lambda opt: calls.append(opt.param_groups[0]["lr"]))
    optimizer.load_state_dict(state)
    assert calls[-1] == 0.5 and state["param_groups"][0]["lr"] == 0.1


def test_names_survive_loading():
    optimizer = optim.SGD(named(rushlight))
    optimizer.load_state_dict(optim.SGD([leaf(), leaf(size=1)], lr=0.5).state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_own_optimizer():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr=optim.optimizer.required):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with rushlight.no_grad():
                for group in self.param_groups:
                    for param in group["params"]:
                        param.sub_(param.grad.sign() * group["lr"])

    class Twice(Sign):
        def step(self, closure=None):
            super().step()
            super().step()

    with pytest.raises(ValueError, match="'lr'"):
        Sign([leaf()])
    weight = leaf()
    weight.grad = rushlight.ones(2)
    optimizer = Twice([weight], lr=0.25)
    calls = []
    optimizer.register_step_pre_hook(lambda *args: calls.append(1))
    optimizer.step()
    assert weight.tolist() == [0.5, 0.5] and calls == [1]


def warned(action):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        action()
    return [(str(warning.message), warning.filename) for warning in seen]


def test_step_without_any_gradient_warns_once_with_names():
    optimizer = optim.SGD(named(rushlight))
    ((text, filename),) = warned(optimizer.step)
    assert "weight (2,)" in text and "bias (1,)" in text and "backward()" in text
    assert filename == __file__
    assert warned(optimizer.step) == []


def test_parameters_that_never_get_a_gradient_are_named():
    used, foreign, frozen = leaf(), leaf(size=3), rushlight.ones(4)
    optimizer = optim.SGD([used, foreign, frozen], lr=0.1)
    texts = []
    for _ in range(20):
        used.grad = rushlight.ones(2)
        texts += warned(optimizer.step)
    assert len(texts) == 1
    assert "group 0 position 1 (3,)" in texts[0][0] and "position 0" not in texts[0][0]


def test_a_late_gradient_does_not_warn():
    used, late = leaf(), leaf()
    optimizer = optim.SGD([used, late], lr=0.1)
    for step in range(20):
        used.grad = rushlight.ones(2)
        late.grad = rushlight.ones(2) if step == 5 else None
        assert warned(optimizer.step) == []


def test_frozen_parameters_do_not_warn():
    assert warned(optim.SGD([rushlight.ones(2)]).step) == []


def test_gradients_after_a_failed_step_are_used_again():
    weight = leaf()
    optimizer = optim.Adam([weight], lr=0.1)
    weight.grad = rushlight.ones(2)

    def broken():
        raise KeyError("closure")

    with pytest.raises(KeyError):
        optimizer.step(broken)
    optimizer.step()
    assert optimizer.state[weight]["step"].item() == 1
    np.testing.assert_allclose(weight.tolist(), [0.9, 0.9], rtol=1e-6)
