"""`autograd.Function`: user-written gradients, compared with PyTorch running the same class body."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

BOTH = pytest.mark.parametrize("m", [rushlight, torch], ids=["rushlight", "torch"])


def leaf(m, *values):
    return m.tensor(values, dtype=m.float64, requires_grad=True)


def close(tensor, *values):
    np.testing.assert_allclose(tensor.detach().numpy(), values, rtol=1e-12)


@BOTH
def test_save_for_backward_and_differentiate_twice(m):
    class Cube(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = leaf(m, 2.0, -1.0)
    y = Cube.apply(x)
    assert (
        y.requires_grad and type(y.grad_fn).__name__ in ("Node", "CubeBackward") and y.grad_fn.name() == "CubeBackward"
    )
    (g,) = m.autograd.grad(y.sum(), x, create_graph=True)
    close(g, 12.0, 3.0)
    (h,) = m.autograd.grad(g.sum(), x)
    close(h, 12.0, -6.0)


@BOTH
def test_setup_context_and_keyword_free_arguments(m):
    class Scale(m.autograd.Function):
        @staticmethod
        def forward(x, factor):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.factor = inputs[1]
            ctx.needs = ctx.needs_input_grad

        @staticmethod
        def backward(ctx, g):
            assert ctx.needs == (True, False)
            return g * ctx.factor, None

    x = leaf(m, 1.0, 2.0)
    Scale.apply(x, 5.0).sum().backward()
    close(x.grad, 5.0, 5.0)


@BOTH
def test_several_outputs_one_without_gradient(m):
    class Split(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            sign = (x > 0).to(x.dtype)
            ctx.mark_non_differentiable(sign)
            return x * 2, x * 3, sign

        @staticmethod
        def backward(ctx, a, b, c):
            return 2 * a + 3 * b

    x = leaf(m, 1.0, -2.0)
    first, second, sign = Split.apply(x)
    assert not sign.requires_grad and second.requires_grad
    first.sum().backward(retain_graph=True)
    close(x.grad, 2.0, 2.0)
    second.sum().backward()
    close(x.grad, 5.0, 5.0)


@BOTH
def test_gradients_that_are_none(m):
    class Pair(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.set_materialize_grads(False)
            return x * 2, y * 2

        @staticmethod
        def backward(ctx, a, b):
            assert b is None
            return a * 2, None

    x, y = leaf(m, 1.0), leaf(m, 1.0)
    Pair.apply(x, y)[0].sum().backward()
    close(x.grad, 2.0)
    assert y.grad is None


@BOTH
def test_mark_dirty(m):
    class AddOne(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = leaf(m, 1.0, 2.0)
    y = x * 1
    z = AddOne.apply(y)
    assert z is y
    (z * z).sum().backward()
    close(x.grad, 28.0, 42.0)


@BOTH
def test_input_returned_as_it_is(m):
    class Same(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf(m, 1.0)
    y = Same.apply(x)
    y.sum().backward()
    close(x.grad, 3.0)


@BOTH
def test_once_differentiable_stops_the_second_derivative(m):
    from_module = m.autograd.function.once_differentiable

    class Square(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @from_module
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(m, 3.0)
    (g,) = m.autograd.grad(Square.apply(x) * x, x, create_graph=True)
    close(g, 27.0)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


@BOTH
def test_wrong_number_of_gradients(m):
    class Bad(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="returned an incorrect number of gradients"):
        Bad.apply(leaf(m, 1.0), leaf(m, 1.0)).sum().backward()


@BOTH
def test_saved_value_changed_in_place(m):
    class Square(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(m, 3.0)
    y = x * 1
    z = Square.apply(y)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@BOTH
def test_not_instantiated_and_methods_missing(m):
    class Empty(m.autograd.Function):
        pass

    with pytest.raises(NotImplementedError):
        Empty.apply(leaf(m, 1.0))


@BOTH
def test_forward_reads_values_and_backward_too(m):
    class Clip(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.top = x.max().item()
            return x / ctx.top

        @staticmethod
        def backward(ctx, g):
            assert g.sum().item() > 0
            return g / ctx.top

    x = leaf(m, 1.0, 4.0)
    Clip.apply(x * 2).sum().backward()
    close(x.grad, 0.25, 0.25)


@BOTH
def test_under_no_grad_it_is_a_plain_function(m):
    class Double(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with m.no_grad():
        assert not Double.apply(leaf(m, 1.0)).requires_grad
    assert not Double.apply(m.ones(1)).requires_grad
