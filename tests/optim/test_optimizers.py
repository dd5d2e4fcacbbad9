"""Twenty steps of every optimiser against real PyTorch, and the exchange of state dictionaries."""

import copy
import pickle

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.3, 0.9), "eps": 1e-3, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.2, "maximize": True}),
    ("RMSprop", {"lr": 0.05}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.4, "centered": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.5}),
    ("Adagrad", {"lr": 0.5, "lr_decay": 0.1, "initial_accumulator_value": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {"lr": 2.0}),
    ("Adadelta", {"lr": 2.0, "rho": 0.7, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.1}),
    ("Adamax", {"lr": 0.1, "betas": (0.2, 0.7), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.9, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {"lr": 0.1}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.5), "maximize": True}),
    ("ASGD", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "alpha": 0.5, "t0": 5, "weight_decay": 0.1, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]
SHAPES = [(3, 4), (5,), ()]


def arrays(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype=dtype) for shape in SHAPES]


def parameters(lib, dtype=np.float32):
    kind = getattr(lib, dtype.__name__)
    return [lib.tensor(array.tolist(), dtype=kind, requires_grad=True) for array in arrays(0, dtype)]


def give_gradients(lib, params, step, dtype=np.float32):
    """Gradients that depend on the parameters, as in training, but need no backward pass."""
    for param, noise in zip(params, arrays(step + 1, dtype)):
        param.grad = param.detach() + lib.tensor(noise.tolist(), dtype=getattr(lib, dtype.__name__))


def steps(lib, optimizer, params, count, first=0, dtype=np.float32):
    for step in range(first, first + count):
        give_gradients(lib, params, step, dtype)
        optimizer.step()


def plain(value):
    """State with NumPy arrays in place of tensors of either library."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def rebuilt(lib, value):
    """The same state with tensors of `lib`."""
    if isinstance(value, np.ndarray):
        return lib.tensor(value.tolist(), dtype=getattr(lib, value.dtype.name))
    if isinstance(value, dict):
        return {key: rebuilt(lib, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(rebuilt(lib, item) for item in value)
    return value


def assert_same(ours, theirs, rtol, where="state"):
    assert type(ours) is type(theirs), where
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            assert_same(ours[key], theirs[key], rtol, f"{where}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for index, (a, b) in enumerate(zip(ours, theirs)):
            assert_same(a, b, rtol, f"{where}[{index}]")
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, where
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol, err_msg=where)
    else:
        assert ours == theirs, where


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-6), (np.float64, 1e-12)], ids=["float32", "float64"])
def test_twenty_steps(name, options, dtype, rtol):
    ours, theirs = parameters(rushlight, dtype), parameters(torch, dtype)
    our_optimizer = getattr(rushlight.optim, name)(ours, **options)
    their_optimizer = getattr(torch.optim, name)(theirs, **options)
    assert repr(our_optimizer) == repr(their_optimizer)
    assert_same(plain(our_optimizer.state_dict()), plain(their_optimizer.state_dict()), rtol)
    for step in range(20):
        steps(rushlight, our_optimizer, ours, 1, step, dtype)
        steps(torch, their_optimizer, theirs, 1, step, dtype)
    assert_same(plain(ours), plain(theirs), 3 * rtol)
    assert_same(plain(our_optimizer.state_dict()), plain(their_optimizer.state_dict()), 3 * rtol)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_state_moves_both_ways(name, options):
    def run(lib, state=None):
        params = parameters(lib)
        optimizer = getattr(lib.optim, name)(params, **options)
        if state is None:
            steps(lib, optimizer, params, 3)
        else:
            optimizer.load_state_dict(rebuilt(lib, state))
        return params, optimizer

    _, from_torch = run(torch)
    _, from_ours = run(rushlight)
    ours, our_optimizer = run(rushlight, plain(from_torch.state_dict()))
    theirs, their_optimizer = run(torch, plain(from_ours.state_dict()))
    steps(rushlight, our_optimizer, ours, 3, 3)
    steps(torch, their_optimizer, theirs, 3, 3)
    assert_same(plain(ours), plain(theirs), 3e-6)
    assert_same(plain(our_optimizer.state_dict()), plain(their_optimizer.state_dict()), 3e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam", "ASGD"])
def test_groups_and_missing_gradients(name):
    """Parameters of one group at different step counts, and options by group."""

    def run(lib):
        params = parameters(lib)
        optimizer = getattr(lib.optim, name)([{"params": params[:2], "lr": 0.3, "weight_decay": 0.1}], lr=0.1)
        optimizer.add_param_group({"params": params[2]})
        for step in range(6):
            give_gradients(lib, params, step)
            if step % 2:
                params[0].grad = None
            optimizer.step()
        return plain(params), plain(optimizer.state_dict())

    assert_same(run(rushlight), run(torch), 3e-6)


def test_a_rate_may_change_between_steps():
    def run(lib):
        params = parameters(lib)
        optimizer = lib.optim.Adam(params, lr=0.1)
        for step in range(6):
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.param_groups[0]["betas"] = (0.9 - step / 10, 0.99)
            steps(lib, optimizer, params, 1, step)
        return plain(params)

    assert_same(run(rushlight), run(torch), 3e-6)


def test_tensor_learning_rate():
    params = parameters(rushlight)
    optimizer = rushlight.optim.SGD(params, lr=rushlight.tensor(0.5))
    before = plain(params)
    steps(rushlight, optimizer, params, 1)
    np.testing.assert_allclose(plain(params)[1], before[1] - 0.5 * plain(params[1].grad), rtol=1e-6)
    assert isinstance(optimizer.state_dict()["param_groups"][0]["lr"], rushlight.Tensor)


def test_half_precision_parameters_keep_a_float32_count():
    param = rushlight.ones(2, dtype=rushlight.float16, requires_grad=True)
    optimizer = rushlight.optim.Adam([param], lr=0.5)
    param.grad = rushlight.ones(2, dtype=rushlight.float16)
    optimizer.step()
    other = rushlight.optim.Adam([param], lr=0.5)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[param]["step"].dtype == rushlight.float32
    assert other.state[param]["exp_avg"].dtype == rushlight.float16
    assert param.tolist() == [0.5, 0.5]


def test_loaded_state_is_not_shared():
    params = parameters(rushlight)
    optimizer = rushlight.optim.Adam(params, lr=0.1)
    steps(rushlight, optimizer, params, 2)
    other = rushlight.optim.Adam(parameters(rushlight), lr=0.1)
    other.load_state_dict(optimizer.state_dict())
    steps(rushlight, optimizer, params, 1)
    state = other.state[other.param_groups[0]["params"][0]]
    assert state["step"].item() == 2
    assert optimizer.state[params[0]]["step"].item() == 3


def test_replaced_step_count_is_read_again():
    params = parameters(rushlight)
    optimizer = rushlight.optim.Adam(params, lr=0.1)
    steps(rushlight, optimizer, params, 2)
    for param in params:
        optimizer.state[param]["step"] = rushlight.tensor(9.0)
    steps(rushlight, optimizer, params, 1, 2)
    assert optimizer.state[params[0]]["step"].item() == 10


def test_copies_and_pickles_go_on():
    params = parameters(rushlight)
    optimizer = rushlight.optim.Adam(params, lr=0.1)
    steps(rushlight, optimizer, params, 2)
    clone = copy.deepcopy(optimizer)
    theirs = clone.param_groups[0]["params"]
    steps(rushlight, optimizer, params, 2, 2)
    steps(rushlight, clone, theirs, 2, 2)
    assert_same(plain(theirs), plain(params), 0)
    restored = pickle.loads(pickle.dumps(optimizer))
    assert_same(plain(restored.state_dict()), plain(optimizer.state_dict()), 0)
    restored.register_step_post_hook(lambda *args: None)


def test_adam_dictionary_loaded_into_adamw_stays_decoupled():
    params = parameters(rushlight)
    optimizer = rushlight.optim.AdamW(params)
    state = rushlight.optim.Adam(params).state_dict()
    del state["param_groups"][0]["decoupled_weight_decay"]
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_old_dictionary_with_a_number_as_step():
    params = parameters(rushlight)
    optimizer = rushlight.optim.Adam(params, lr=0.1)
    steps(rushlight, optimizer, params, 2)
    state = optimizer.state_dict()
    state["state"] = {key: {**value, "step": 2} for key, value in state["state"].items()}
    other = rushlight.optim.Adam(params, lr=0.1)
    other.load_state_dict(state)
    assert other.state[params[0]]["step"].item() == 2.0


def test_training_with_backward_and_closure():
    def run(lib):
        weight = lib.tensor([[1.0, -2.0]], requires_grad=True)
        x = lib.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
        optimizer = lib.optim.Adam([weight], lr=0.1)

        def closure():
            optimizer.zero_grad()
            loss = ((x @ weight.t() - 1.0) ** 2).mean()
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(10)]
        return losses, plain(weight)

    (our_losses, ours), (their_losses, theirs) = run(rushlight), run(torch)
    np.testing.assert_allclose(our_losses, their_losses, rtol=1e-5)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
