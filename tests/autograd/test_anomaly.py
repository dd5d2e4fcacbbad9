"""Anomaly mode: the first nan of a backward pass, named as PyTorch names it, with where and how it began."""

import re
import threading
import warnings

import numpy as np
import pytest

import rushlight as rl
from rushlight import lessons


def run(library, program):
    """(what anomaly mode says first, the other warnings) of a program under a library."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with library.autograd.detect_anomaly():
                program(library)
        except Exception as error:
            return error, told[1:]
    return None, told[1:]


def leaf(library, *values):
    return library.tensor(values, dtype=library.float64, requires_grad=True)


def sqrt_at_zero(t):
    x = leaf(t, 0.0, 1.0)
    (x.sqrt() * x).sum().backward()


def nan_in_forward(t):
    leaf(t, -1.0, 1.0).sqrt().exp().mul(2).sum().backward()


def where_of_a_quotient(t):
    x = leaf(t, 0.0, 1.0)
    t.where(x > 0, x / x, x).sum().backward()


def second_order(t):
    x = leaf(t, 0.0)
    (g,) = t.autograd.grad(((x * x) ** 0.5).sum(), x, create_graph=True)
    g.sum().backward()


def given_nan(t):
    (leaf(t, 0.0, 1.0) * 2).sum().backward(t.tensor(float("nan"), dtype=t.float64))


def after_item(t):
    x = leaf(t, 0.0, 1.0)
    loss = (x.sqrt() * x).sum()
    assert loss.item() == 1.0
    loss.backward(retain_graph=True)


def checkpointed(t):
    from importlib import import_module

    checkpoint = import_module(f"{t.__name__}.utils.checkpoint").checkpoint
    checkpoint(lambda v: (v.sqrt() * v).sum(), leaf(t, 0.0, 1.0), use_reentrant=False).backward()


def transformed(t):
    t.func.grad(lambda v: (v.sqrt() * v).sum())(t.tensor([0.0, 1.0]))


def user_function(t):
    class Bad(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, g):
            return g * float("nan"), None

    Bad.apply(leaf(t, 1.0) * 1, 3).sum().backward()


def second_output(t):
    x, y = leaf(t, 1.0), leaf(t, 0.0)
    ((x - 1) / y).sum().backward()


def with_a_hook(t):
    x = leaf(t, 0.0)
    y = x * 1
    y.register_hook(lambda g: g)
    (y.sqrt() * y).sum().backward()


def gradient_for_inputs(t):
    x = leaf(t, 0.0)
    (x.sqrt() * x).sum().backward(inputs=[x])


PROGRAMS = [
    sqrt_at_zero, nan_in_forward, where_of_a_quotient, second_order, given_nan, after_item, checkpointed, transformed,
    user_function, second_output, with_a_hook, gradient_for_inputs,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_the_function_and_the_output_are_those_that_torch_names(program):
    torch = pytest.importorskip("torch")
    expected, theirs = run(torch, program)
    error, ours = run(rl, program)
    assert type(error) is type(expected) is RuntimeError
    assert str(error).startswith(str(expected).rstrip("."))
    assert len(ours) == len(theirs) == 1
    assert str(ours[0].message).split(".")[0] == str(theirs[0].message).split(".")[0]  # Error detected in XBackward0


def finite(t):
    x = leaf(t, 1.0, 2.0)
    (x.sqrt() * x).sum().backward()


def infinite_gradient(t):
    leaf(t, 0.0, 1.0).sqrt().sum().backward()


def infinite_loss(t):
    (leaf(t, 1.0) / 0.0).sum().backward()


@pytest.mark.parametrize("program", [finite, infinite_gradient, infinite_loss], ids=lambda p: p.__name__)
def test_what_torch_lets_pass_raises_nothing(program):
    torch = pytest.importorskip("torch")
    assert run(torch, program)[0] is None
    assert run(rl, program)[0] is None


def facts(program):
    error, told = run(rl, program)
    return str(error), [str(w.message) for w in told]


def test_it_tells_line_pass_origin_and_what_to_do():
    text, (way,) = facts(sqrt_at_zero)
    assert (
        "gradient of `sqrt`, recorded at" in text
        and "test_anomaly.py" in text
        and "`(x.sqrt() * x).sum().backward()`" in text
    )
    assert f"backward pass {rl.lazy.record.local.backwards + 1}." in text
    assert "It began in this rule of the backward pass" in text
    assert "Fix: keep its argument above 0" in text
    assert "in sqrt_at_zero" in way and "in facts" in way  # the whole way to that line


def test_a_nan_of_the_forward_pass_is_named():
    text, _ = facts(nan_in_forward)
    assert "Function 'ExpBackward0'" in text
    assert "It began in the forward pass: the first nan came out of `sqrt` at" in text
    assert "(x + 1e-12).sqrt()" in text  # the advice fits where it began


def test_an_inf_of_the_backward_pass_is_named():
    text, _ = facts(lambda t: (leaf(t, 0.0).log() * 0 + leaf(t, 2.0)).sum().backward())
    assert "Function 'LogBackward0' returned nan" in text and "first inf came out of `log`" in text
    text, _ = facts(lambda t: ((leaf(t, 3.0) * 0).log()).sum().backward())
    assert "Function 'MulBackward0' returned nan" in text and "the first inf came out of LogBackward0" in text
    assert "log1p" in text


def test_a_given_gradient_is_told():
    assert "passed to backward() is nan already" in facts(given_nan)[0]


def test_a_parameter_and_an_input_that_are_nan_already():
    w = rl.nn.Parameter(rl.tensor([float("nan"), 1.0]))
    assert "the parameter" in (text := facts(lambda t: (w * w).sum().backward())[0]) and "is nan already" in text
    x = rl.tensor([float("nan"), 1.0])
    v = rl.nn.Parameter(rl.ones(2))
    assert "the input" in facts(lambda t: (v * x).sum().backward())[0]


def test_the_origin_is_found_in_a_trace_that_was_run_before():
    def program(t):
        x = leaf(t, -1.0)
        y = x.sqrt()
        assert np.isnan(y.item())
        (y * 2).exp().sum().backward()

    text, _ = facts(program)
    assert "the first nan came out of `sqrt`" in text and "y = x.sqrt()" in text


def test_the_part_of_a_gradient_says_of_which():
    error, (told,) = run(rl, second_order)
    assert isinstance(error, RuntimeError) and "create_graph=True" in str(told.message) or "** 0.5" in str(told.message)

    def program(t):
        x = leaf(t, 0.0, 1.0)
        (g,) = t.autograd.grad((x**1.5).sum(), x, create_graph=True)
        (g * x.detach()).sum().backward()

    _, (told,) = run(rl, program)
    assert "That was part of the gradient PowBackward0" in str(told.message)


class Net(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = rl.nn.Linear(2, 3), rl.nn.Sequential(rl.nn.Linear(3, 3), Root())

    def forward(self, x):
        return self.second(self.first(x)).sum()


class Root(rl.nn.Module):
    def forward(self, x):
        return (x * self.scale).sqrt() * 0

    scale = 1.0


def test_the_step_of_a_training_loop_and_the_module_are_named():
    rl.manual_seed(0)
    net = Net()
    optimizer = rl.optim.SGD(net.parameters(), lr=0.1)
    start = rl.lazy.record.local.backwards
    with rl.autograd.set_detect_anomaly(True):
        for step in range(5):
            optimizer.zero_grad()
            with rl.no_grad():
                for p in net.parameters():
                    p.abs_()
            net.second[1].scale = 0.0 if step == 3 else 1.0
            loss = net(rl.ones(2, 2))
            if step < 3:
                loss.backward()
                optimizer.step()
                continue
            with (
                pytest.warns(UserWarning, match="Error detected in SqrtBackward0"),
                pytest.raises(RuntimeError) as caught,
            ):
                loss.backward()
            assert all(p.grad is None for p in net.parameters())  # nothing was accumulated
            break
    assert f"first nan of backward pass {start + 4}." in str(caught.value)
    assert "in Net.second.1 (Root)" in str(caught.value)


def test_training_gives_the_same_numbers_as_without():
    def losses(mode):
        rl.manual_seed(1)
        net = rl.nn.Sequential(
            rl.nn.Linear(4, 8), rl.nn.BatchNorm1d(8), rl.nn.Tanh(), rl.nn.Dropout(0.5), rl.nn.Linear(8, 1)
        )
        optimizer = rl.optim.Adam(net.parameters(), lr=0.01)
        found = []
        with rl.autograd.set_detect_anomaly(mode):
            for _ in range(4):
                optimizer.zero_grad()
                loss = net(rl.linspace(0, 1, 24).reshape(6, 4)).square().mean()
                loss.backward()
                optimizer.step()
                found.append(loss.item())
        return found

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)


def test_two_places_of_the_same_structure_are_told_apart():
    def once(t, good):
        x = leaf(t, 1.0 if good else 0.0)
        if good:
            (x.sqrt() * x).sum().backward()
        else:
            (x.sqrt() * x).sum().backward()  # here

    def program(t):
        once(t, True)
        once(t, False)

    assert "# here" in facts(program)[0]


def test_infinite_gradients_and_losses_are_warned_about_once():
    lessons.forget_told()
    text, told = facts(infinite_gradient)
    assert text == "None" and len(told) == 1
    assert (
        told[0].startswith("Function 'SqrtBackward0' returned inf values in its 0th output.")
        and "anomaly-inf" in told[0]
    )
    assert facts(infinite_gradient)[1] == []
    _, told = facts(lambda t: (leaf(t, 0.0).log() - leaf(t, 1.0)).detach().add(leaf(t, 1.0)).sum().backward())
    assert "is inf, though no gradient is" in told[0] and "`log`" in told[0]


def test_an_exception_in_a_backward_says_where_its_forward_was():
    class Fails(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("mine")

    def program(t):
        Fails.apply(leaf(t, 1.0)).sum().backward()

    for check_nan in (True, False):
        with rl.autograd.set_detect_anomaly(True, check_nan=check_nan), pytest.raises(ValueError, match="mine"):
            with pytest.warns(UserWarning, match="Error detected in FailsBackward") as told:
                program(rl)
        assert "Fails.apply(leaf(t, 1.0))" in str(told[0].message)


def test_a_nan_is_told_rather_than_what_it_led_a_hook_to_raise():
    def program(t):
        x = leaf(t, 0.0)
        y = x * 1

        def look(g):
            if g.isnan().any():
                raise ValueError("the hook saw it")

        y.register_hook(look)
        (y.sqrt() * 0).sum().backward()

    error, _ = run(rl, program)
    assert isinstance(error, RuntimeError) and "SqrtBackward0" in str(error)
    assert isinstance(error.__cause__, ValueError)


def test_without_check_nan_a_nan_passes():
    with rl.autograd.set_detect_anomaly(True, check_nan=False):
        sqrt_at_zero(rl)


@pytest.mark.parametrize("library", ["rushlight", "torch"])
def test_the_switches(library):
    t = pytest.importorskip(library)

    def state():
        return t.is_anomaly_enabled(), t.is_anomaly_check_nan_enabled()

    before = state()
    assert before == (False, True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        mode = t.autograd.detect_anomaly(check_nan=False)
        assert state() == before  # it begins with the block
    assert len(told) == 1 and str(told[0].message).startswith("Anomaly Detection has been enabled")
    with mode:
        assert state() == (True, False)
        with t.autograd.set_detect_anomaly(False):
            assert state() == (False, True)
        assert state() == (True, False)
    assert state() == before
    t.autograd.set_detect_anomaly(True)
    assert state() == (True, True)
    t.autograd.set_detect_anomaly(False)
    t.set_anomaly_enabled(True, False)
    assert state() == (True, False)
    t.set_anomaly_enabled(False)
    assert state() == before
    with pytest.raises(ZeroDivisionError), t.autograd.set_detect_anomaly(True):
        raise ZeroDivisionError
    assert state() == before


def test_it_is_on_in_threads_that_begin_later():
    found = []
    with rl.autograd.set_detect_anomaly(True):
        thread = threading.Thread(target=lambda: found.append(facts_of_thread()))
        thread.start()
        thread.join()

    assert "SqrtBackward0" in found[0]


def facts_of_thread():
    try:
        sqrt_at_zero(rl)
    except RuntimeError as error:
        return str(error)


def test_nothing_is_noted_when_it_is_off():
    rl.ones(1).add(1).item()  # what was pending has run
    x = leaf(rl, 1.0)
    y = x * 2
    trace = y._trace
    assert trace.places is None and not trace.general and not trace.node.noted
    y.sum().backward()
    assert trace.kept is None and x.grad.tolist() == [2.0]


def test_in_vmap_nothing_is_looked_at():
    x = rl.tensor([[0.0], [1.0]])
    with rl.autograd.set_detect_anomaly(True):
        found = rl.func.vmap(rl.func.grad(lambda v: (v.sqrt() * v).sum()))(x)
    np.testing.assert_allclose(found.numpy(), [[np.nan], [1.5]])


def test_the_message_in_chinese(monkeypatch):
    monkeypatch.setattr(rl.config, "language", "zh")
    text, (way,) = facts(nan_in_forward)
    assert text.startswith("Function 'ExpBackward0' returned nan values in its 0th output.")
    assert "它始于前向传播" in text and "修复：" in text
    assert way.startswith("Error detected in ExpBackward0.")


def test_every_function_named_in_a_message_is_that_of_grad_fn():
    x = leaf(rl, 0.0)
    y = x.sqrt()
    name = y.grad_fn.name()
    with rl.autograd.set_detect_anomaly(True), pytest.warns(UserWarning), pytest.raises(RuntimeError) as caught:
        (y * x).sum().backward()
    assert re.match(r"Function '(\w+)'", str(caught.value)).group(1) == name
