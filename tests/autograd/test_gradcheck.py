"""gradcheck, and the Jacobians of autograd.functional, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


def leaf(*values):
    return rl.tensor(values, dtype=rl.float64, requires_grad=True)


class Wrong(rl.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * 2 + y

    @staticmethod
    def backward(ctx, g):
        return g * 2, g * 3


def test_right_gradients_pass():
    x, y = leaf(0.3, -1.2), leaf(0.5, 2.0)
    assert rl.autograd.gradcheck(lambda a, b: (a * b, a.sin()), (x, y))
    assert rl.autograd.gradcheck(rl.tanh, x, fast_mode=True)
    assert rl.autograd.gradgradcheck(lambda a, b: (a * b).exp(), (x, y))
    assert x.grad is None


@pytest.mark.parametrize("check", ["gradcheck", "gradgradcheck"])
def test_the_generator_stands_where_pytorchs_does_afterwards(check):
    def drawn(library):
        library.manual_seed(3)
        x = library.tensor([[0.3, -1.2, 0.8]], dtype=library.float64, requires_grad=True)
        assert getattr(library.autograd, check)(lambda v: (v.exp(), v.sum(0)), (x,))
        return library.rand(2).tolist()

    assert drawn(rl) == drawn(torch)


def test_wrong_gradient_names_the_input_and_both_jacobians():
    x, y = leaf(0.3, -1.2), leaf(0.5, 2.0)
    with pytest.raises(rl.autograd.GradcheckError, match="with respect to input 1") as error:
        rl.autograd.gradcheck(Wrong.apply, (x, y))
    assert (
        "numerical" in str(error.value)
        and "analytical" in str(error.value)
        and "largest difference 2" in str(error.value)
    )
    assert not rl.autograd.gradcheck(Wrong.apply, (x, y), raise_exception=False)


def test_wrong_use():
    with pytest.raises(ValueError, match="at least one input"):
        rl.autograd.gradcheck(rl.tanh, (rl.ones(2),))
    with pytest.warns(UserWarning, match="double precision"):
        rl.autograd.gradcheck(lambda x: x * 2, (rl.ones(2, requires_grad=True),), eps=1e-2, atol=1e-2)
    with pytest.raises(NotImplementedError, match="forward-mode"):
        rl.autograd.gradcheck(rl.tanh, (leaf(1.0),), check_forward_ad=True)


def one(m, a, b):
    return (a.sin() * b).sum() + (a * a * b).sum()


def vector(m, a, b):
    return m.stack([a * b, a**3]), a.sum() * b


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"])
def test_functional_like_pytorch(name):
    a, b, v = np.array([0.3, -0.7]), np.array([1.5, 0.2]), np.array([0.4, -2.0])
    found = []
    for m in (rl, torch):
        x, y, d = m.tensor(a), m.tensor(b), m.tensor(v)
        function = getattr(m.autograd.functional, name)
        if name in ("hessian", "hvp", "vhp"):
            extra = () if name == "hessian" else ((d, d * 2),)
            result = function(lambda p, q, m=m: one(m, p, q), (x, y), *extra)
        elif name == "vjp":
            result = function(lambda p, q, m=m: vector(m, p, q), (x, y), (m.stack([d, d]), d))
        else:
            result = function(lambda p, q, m=m: vector(m, p, q), (x, y), *(((d, d),) if name == "jvp" else ()))
        found.append(result)

    def compare(ours, theirs):
        if isinstance(ours, tuple):
            assert len(ours) == len(theirs)
            for one_of, other in zip(ours, theirs, strict=True):
                compare(one_of, other)
        else:
            assert not ours.requires_grad
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10)

    compare(*found)


def test_jacobian_keeps_the_graph_on_request():
    x = leaf(0.3, -0.7)
    j = rl.autograd.functional.jacobian(lambda t: t**3, x, create_graph=True)
    (g,) = rl.autograd.grad(j.sum(), x)
    np.testing.assert_allclose(g.numpy(), 6 * x.detach().numpy())


def test_strict_and_wrong_arguments():
    x = leaf(0.3, -0.7)
    with pytest.raises(RuntimeError, match="independent"):
        rl.autograd.functional.jacobian(lambda t: rl.ones(2), x, strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        rl.autograd.functional.hessian(lambda t: t, x)
    with pytest.raises(TypeError, match="tuples of Tensors"):
        rl.autograd.functional.jacobian(lambda t: t, 3.0)
    with pytest.raises(RuntimeError, match="size"):
        rl.autograd.functional.vjp(lambda t: t, x, rl.ones(3))
