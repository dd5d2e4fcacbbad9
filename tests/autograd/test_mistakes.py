"""Mistakes in the use of autograd: the exception class is PyTorch's, the message names lines and the fix."""

from __future__ import annotations

import pytest

import rushlight as rl

HERE = "test_mistakes.py"


def message(error):
    """The whole text with its notes."""
    return "\n".join([str(error.value), *getattr(error.value, "__notes__", ())])


def leaf(*values):
    return rl.tensor(values, requires_grad=True)


def test_nothing_requires_a_gradient_names_the_leaves():
    x = rl.ones(3, 1, 29)  # a shape of its own: equal steps share the line that is named
    loss = (x * 2).sum()
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn") as error:
        loss.backward()
    assert "requires_grad=True" in message(error) and HERE in message(error)


def test_backward_on_a_vector_names_the_shape_and_both_fixes():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs") as error:
        (x * 2).backward()
    assert "[2]" in message(error) and ".mean()" in message(error) and "ones_like" in message(error)


@pytest.mark.parametrize("read_first", [False, True])
def test_second_backward_names_the_first(read_first):
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    if read_first:
        loss.item()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time") as error:
        loss.backward()
    assert HERE in message(error) and "retain_graph=True" in message(error)


def test_gradient_of_a_result_warns():
    x = leaf(1.0)
    y = x * 2
    with pytest.warns(UserWarning, match="retain_grad"):
        assert y.grad is None


@pytest.mark.parametrize("read_first", [False, True])
def test_saved_value_written_in_place_names_both_lines(read_first):
    x = leaf(1.0, 2.0)
    y = x * 3
    saved = y.exp()
    if read_first:
        saved.sum().item()
    saved.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as error:
        saved.sum().backward()
    text = message(error)
    assert "saved = y.exp()" in text and "Fix:" in text
    if not read_first:
        assert "saved.add_(1)" in text


def test_leaf_written_in_place():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad") as error:
        x.add_(1)
    assert "no_grad" in message(error)


def test_unused_input():
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        rl.autograd.grad(x * 2, y)


def test_input_without_gradient():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        rl.autograd.grad(x * 2, rl.ones(1))


def test_gradient_of_another_shape():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(rl.ones(3))


def test_integers_cannot_require_gradients():
    with pytest.raises(RuntimeError, match="floating point and complex"):
        rl.ones(2, dtype=rl.int64).requires_grad_()


def test_numpy_of_a_tensor_with_gradient():
    with pytest.raises(RuntimeError, match="detach"):
        leaf(1.0).numpy()


def test_hook_on_a_tensor_without_gradient():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        rl.ones(1).register_hook(print)


def test_grad_mode_is_restored_after_an_error():
    with pytest.raises(ZeroDivisionError), rl.no_grad():
        raise ZeroDivisionError
    assert rl.is_grad_enabled()


def test_state_after_a_failed_backward_is_usable():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError):
        (x * 2).backward()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_missing_second_derivatives_say_so_when_they_are_needed():
    weight = leaf(1.0, 2.0).reshape(1, 2)
    bags = rl.nn.functional.embedding_bag(rl.tensor([[0, 0]]), weight, mode="sum")
    (g,) = rl.autograd.grad((bags**3).sum(), weight, create_graph=True)
    assert g.tolist() == [[24.0, 96.0]]
    with pytest.raises(NotImplementedError, match="embedding_bag: the second derivative"):
        rl.autograd.grad(g.sum(), weight)
