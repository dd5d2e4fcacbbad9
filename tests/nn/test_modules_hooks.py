"""Hooks: their order, what they may replace, and the backward ones against PyTorch."""

import pytest

import rushlight
from rushlight import nn
from rushlight.nn.modules import module as module_file


def test_forward_hooks_run_in_order_and_replace():
    seen = []
    layer = nn.Identity()
    layer.register_forward_pre_hook(lambda m, args: seen.append("pre") or (args[0] + 1,))
    layer.register_forward_pre_hook(lambda m, args: seen.append("pre first"), prepend=True)
    layer.register_forward_hook(lambda m, args, output: seen.append("post") or output * 10)
    first = layer.register_forward_hook(lambda m, args, output: seen.append("post first"), prepend=True)
    assert layer(rushlight.tensor(1.0)).item() == 20.0
    assert seen == ["pre first", "pre", "post first", "post"]
    first.remove()
    first.remove()
    seen.clear()
    layer(rushlight.tensor(1.0))
    assert seen == ["pre first", "pre", "post"]


def test_hooks_with_kwargs():
    class Scale(nn.Module):
        def forward(self, x, by=1):
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, output: output + kwargs["by"], with_kwargs=True)
    assert layer(2, by=3) == 12
    with pytest.raises(RuntimeError, match="args, kwargs"):
        with layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True):
            layer(2, by=3)
    assert layer(2, by=3) == 12


def test_always_call_runs_after_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    layer, seen = Broken(), []
    layer.register_forward_hook(lambda m, args, output: seen.append("never"))
    layer.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        layer(1)
    assert seen == [None]


def test_global_hooks():
    seen = []
    with module_file.register_module_forward_pre_hook(lambda m, args: seen.append(type(m).__name__)):
        with module_file.register_module_forward_hook(lambda m, args, output: seen.append("after " + type(m).__name__)):
            nn.Sequential(nn.Identity())(1)
    nn.Identity()(1)
    assert seen == ["Sequential", "Identity", "after Identity", "after Sequential"]


def gradients(library):
    """Everything the backward hooks of a small network see, and the gradients they leave."""
    nn = library.nn
    library.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    seen = []

    def show(kind):
        return lambda m, *grads: seen.append(
            (kind, type(m).__name__, [[None if g is None else g.tolist() for g in grad] for grad in grads])
        )

    for layer in net:
        layer.register_full_backward_hook(show("hook"))
        layer.register_full_backward_pre_hook(show("pre"))
    net[1].register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 2,))
    net[2].register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 3,))
    net(library.ones(2, 3)).sum().backward()
    return seen, [parameter.grad.tolist() for parameter in net.parameters()]


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_backward_hooks_match():
    torch = pytest.importorskip("torch")
    (seen, grads), (their_seen, their_grads) = gradients(rushlight), gradients(torch)
    assert [entry[:2] for entry in seen] == [entry[:2] for entry in their_seen]
    for ours, theirs in zip(seen, their_seen):
        for a, b in zip(ours[2], theirs[2]):
            assert [x is None for x in a] == [x is None for x in b]
            for x, y in zip(a, b):
                if x is not None:
                    assert sum(x, []) == pytest.approx(sum(y, []), rel=1e-5)
    for a, b in zip(grads, their_grads):

        def flat(values):
            return sum(values, []) if isinstance(values[0], list) else values

        assert flat(a) == pytest.approx(flat(b), rel=1e-5)


def test_backward_hook_with_wrong_count():
    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0], None))
    x = rushlight.ones(1, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="got 2 gradients; expected 1"):
        layer(x).sum().backward()


def test_backward_hooks_stay_quiet_without_gradients():
    seen = []
    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda *args: seen.append(1))
    with rushlight.no_grad():
        assert layer(rushlight.ones(1, 2)).shape == (1, 2)
    assert seen == []


def test_one_handle_for_all_hooks():
    handle = rushlight.utils.hooks.RemovableHandle
    layer = nn.Linear(1, 1)
    optimizer = rushlight.optim.SGD(layer.parameters(), lr=0.1)
    hooks = [
        layer.register_forward_hook(lambda *_: None),
        layer.weight.register_hook(lambda grad: grad * 2),
        layer.weight.register_post_accumulate_grad_hook(lambda weight: None),
        (layer.weight * 1).register_hook(lambda grad: None),
        optimizer.register_step_pre_hook(lambda *_: None),
    ]
    assert all(type(hook) is handle for hook in hooks)
    layer(rushlight.ones(1, 1)).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0]]
    hooks[1].remove()
    hooks[1].remove()
    layer(rushlight.ones(1, 1)).sum().backward()
    assert layer.weight.grad.tolist() == [[3.0]]
