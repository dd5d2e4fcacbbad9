"""torch.func: derivatives of functions, nested, of modules, and as PyTorch's documentation uses them; the same values there."""

from __future__ import annotations

import numpy as np
import pytest
from transform_fixtures import libraries, same  # noqa: F401  fixtures

import rushlight as rl


def product(p):
    """A function of a vector whose derivatives of all orders are dense."""
    return lambda x: (x.sin() * x.sum()).cumsum(0)


def number(p):
    return lambda x: product(p)(x).sum()


def network(p):
    net = p.m.nn.Sequential(p.m.nn.Linear(3, 5), p.m.nn.Tanh(), p.m.nn.Linear(5, 2))
    with p.m.no_grad():
        for k in net.parameters():
            k.copy_(p.m.linspace(-1, 1, k.numel()).reshape(k.shape))
    return net


def data_dependent(p):
    def f(x):
        y = x * x
        if y.sum().item() > 0:
            y = y * 3
        z = y.clone()
        z[0] = x[1] * y[2]
        y.sum().item()
        return z * x

    return f


def partly_constant(p):
    def f(x):
        with p.m.no_grad():
            y = x * x
        return (y * x).sum()

    return f


TRANSFORMS = {
    "grad": lambda p: p.func.grad(number(p))(p.randn(3)),
    "grad of grad": lambda p: p.func.grad(lambda y: p.func.grad(number(p))(y).sum())(p.randn(3)),
    "grad and value": lambda p: p.func.grad_and_value(lambda a, b: ((a * b).sum(), a), argnums=(0, 1), has_aux=True)(
        p.randn(3), p.randn(3, seed=1)
    ),
    "grad of a tree": lambda p: p.func.grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": p.randn(3), "b": [p.randn(3, seed=1)]}),
    "grad of what is unused": lambda p: p.func.grad(lambda x: p.m.ones(()))(p.randn(3)),
    "grad of data-dependent code": lambda p: p.func.vjp(data_dependent(p), p.randn(3))[1](p.m.ones(3)),
    "grad under no_grad": lambda p: p.m.no_grad()(p.func.grad(number(p)))(p.randn(3)),
    "grad with no_grad inside": lambda p: p.func.grad(partly_constant(p))(p.randn(3)),
    "grad of a leaf": lambda p: (x := p.randn(3).requires_grad_(), p.m.autograd.grad(p.func.grad(number(p))(x).sum(), x))[1],
    "two levels keep apart": lambda p: p.func.grad(lambda a: a * p.func.grad(lambda b: a * b)(p.m.tensor(2.0)))(p.m.tensor(3.0)),
    "complex": lambda p: p.func.grad(lambda z: (z * z.conj()).real.sum())(p.m.tensor([1 + 2j, 3 - 1j])),
    "vjp": lambda p: (lambda y, back: (y, back(p.m.ones(3)), back(p.m.ones(3) * 2)))(*p.func.vjp(p.m.sin, p.randn(3))),
    "vjp, run in between": lambda p: (lambda y, back: (y.sum().item() > 9, back(p.m.ones(3))))(*p.func.vjp(product(p), p.randn(3))),
    "linearize": lambda p: (lambda y, push: (y, push(p.m.ones(3)), push(p.randn(3))))(*p.func.linearize(p.m.sin, p.randn(3))),
    "map of linearize": lambda p: p.m.vmap(p.func.linearize(p.m.sin, p.randn(3))[1])(p.m.eye(3)),
    "jacrev": lambda p: p.func.jacrev(product(p))(p.randn(3)),
    "jacfwd": lambda p: p.func.jacfwd(product(p))(p.randn(3)),
    "jacrev of jacrev": lambda p: p.func.jacrev(p.func.jacrev(product(p)))(p.randn(3)),
    "jacfwd of jacfwd": lambda p: p.func.jacfwd(p.func.jacfwd(product(p)))(p.randn(3)),
    "jacrev of jacfwd": lambda p: p.func.jacrev(p.func.jacfwd(product(p)))(p.randn(3)),
    "jacrev in chunks": lambda p: p.func.jacrev(product(p), chunk_size=2)(p.randn(3)),
    "jacobians of trees": lambda p: [
        j(lambda d: {"o": d["a"] * d["b"], "s": d["a"].sum()})({"a": p.randn(3), "b": p.randn(3, seed=1)})
        for j in (p.func.jacrev, p.func.jacfwd)
    ],
    "jacobians with aux": lambda p: [
        j(lambda a, b: ((a * b).sum(0, keepdim=True), a), argnums=(0, 1), has_aux=True)(p.randn(3), p.randn(3, seed=1))
        for j in (p.func.jacrev, p.func.jacfwd)
    ],
    "hessian": lambda p: p.func.hessian(number(p))(p.randn(3)),
    "hessian of linear algebra": lambda p: p.func.hessian(lambda v: p.m.logdet(p.m.outer(v, v) + 2 * p.m.eye(3)))(p.randn(3)),
    "batched jacobians": lambda p: (p.m.vmap(p.func.jacrev(product(p)))(p.randn(4, 3)), p.m.vmap(p.func.jacfwd(product(p)))(p.randn(4, 3))),
    "batched hessians": lambda p: p.m.vmap(p.func.hessian(number(p)))(p.randn(4, 3)),
    "jacobian of a map": lambda p: p.func.jacrev(lambda w: p.m.vmap(lambda x: p.m.tanh(w @ x))(p.randn(5, 3)))(p.randn(2, 3)),
    "grad of map of grad": lambda p: p.func.grad(lambda w: (p.m.vmap(p.func.grad(lambda a: (a * w).sin().sum()))(p.randn(4, 3)) ** 2).sum())(p.randn(3)),
    "map of grad of map": lambda p: p.m.vmap(p.func.grad(lambda w: (p.m.vmap(lambda a: (a * w).sin().sum())(p.randn(4, 3)) ** 2).sum()))(p.randn(4, 3)),
    "Hessian-vector product": lambda p: p.func.jvp(p.func.grad(number(p)), (p.randn(3),), (p.randn(3, seed=1),))[1],
    "functionalize": lambda p: p.func.functionalize(lambda a: a.clone().add_(1))(p.randn(3)),
}  # fmt: skip

MISTAKES = {
    "not a scalar": lambda p: p.func.grad(p.m.sin)(p.randn(3)),
    "not floating": lambda p: p.func.grad(p.m.sum)(p.m.ones(3).long()),
    "argnums": lambda p: p.func.grad(p.m.sum, argnums=2)(p.randn(3)),
    "not a tensor": lambda p: p.func.grad(lambda x: 3.0)(p.randn(3)),
    "backward": lambda p: p.func.grad(lambda x: x.sum().backward())(p.randn(3)),
    "a write to the argument": lambda p: p.func.grad(lambda x: x.mul_(2).sum())(p.randn(3)),
    "a write to what is captured": lambda p: (w := p.m.ones(3), p.func.grad(lambda x: w.add_(x).sum())(p.randn(3))),
    "a write to a captured leaf": lambda p: (w := p.m.ones(3).requires_grad_(), p.func.grad(lambda x: w.add_(x).sum())(p.randn(3))),
    "batch norm's statistics": lambda p: (b := p.m.nn.BatchNorm1d(3), p.func.grad(lambda x: b(x).sum())(p.randn(4, 3))),
    "structure of cotangents": lambda p: p.func.vjp(p.m.sin, p.randn(3))[1]((p.randn(3), p.randn(3))),
    "shape of a tangent": lambda p: p.func.jvp(p.m.sin, (p.randn(3),), (p.randn(2),)),
    "primals": lambda p: p.func.jvp(p.m.sin, p.randn(3), p.randn(3)),
    "strict": lambda p: p.func.jvp(lambda x: p.m.ones(2), (p.randn(3),), (p.randn(3),), strict=True),
    "unknown name, strict": lambda p: p.func.functional_call(network(p), {"x": p.randn(3)}, (p.randn(4, 3),), strict=True),
    "a name twice": lambda p: p.func.functional_call(network(p), ({"0.bias": p.randn(5)}, {"0.bias": p.randn(5)}), (p.randn(4, 3),)),
    "not a dict": lambda p: p.func.functional_call(network(p), 3, (p.randn(4, 3),)),
    "different tensors for one": lambda p: p.func.functional_call(_tied(p), {"a.weight": p.m.eye(3), "b.weight": p.m.eye(3) * 2}, p.randn(4, 3)),
    "no models": lambda p: p.func.stack_module_state([]),
    "modes": lambda p: p.func.stack_module_state([p.m.nn.Linear(1, 1), p.m.nn.Linear(1, 1).eval()]),
    "classes": lambda p: p.func.stack_module_state([p.m.nn.Linear(1, 1), p.m.nn.Bilinear(1, 1, 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_as_pytorch(same, name):
    same(TRANSFORMS[name], 1e-4)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_as_pytorch(same, name):
    same(MISTAKES[name])


def _tied(p):
    class Twice(p.m.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = (p.m.nn.Linear(3, 3, bias=False) for _ in range(2))
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    return Twice()


def test_modules_as_functions(same):
    def buffers(p):
        norm = p.m.nn.BatchNorm1d(3)
        state = {k: v.clone() for k, v in norm.named_buffers()}
        p.func.functional_call(norm, (dict(norm.named_parameters()), state), (p.randn(4, 3),))
        return state, dict(norm.named_buffers())

    same(lambda p: p.func.functional_call(network(p), {"0.weight": p.m.zeros(5, 3)}, (p.randn(4, 3),)))
    same(lambda p: p.func.functional_call(network(p), {"unknown": p.m.zeros(5, 3)}, (p.randn(4, 3),)))
    same(buffers)
    same(lambda p: p.func.functional_call(_tied(p), {"a.weight": p.m.eye(3) * 2}, (p.randn(4, 3),)))


def test_per_sample_gradients_of_a_convolutional_network(same):
    def program(p):
        n = p.m.nn
        net = n.Sequential(
            n.Conv2d(1, 4, 3, padding=1), n.GroupNorm(2, 4), n.ReLU(), n.MaxPool2d(2), n.Conv2d(4, 4, 3, groups=2), n.Flatten(),
            n.Linear(16, 3),
        )  # fmt: skip
        params = {k: p.m.sin(p.m.arange(v.numel()).float()).reshape(v.shape) for k, v in net.named_parameters()}

        def loss(params, x, y):
            return p.F.cross_entropy(p.func.functional_call(net, params, (x.unsqueeze(0),)), y.unsqueeze(0))

        return p.m.vmap(p.func.grad(loss), in_dims=(None, 0, 0))(params, p.randn(6, 1, 8, 8), p.m.arange(6) % 3)

    same(program, 1e-3)


def test_ensembles(same):
    def program(p):
        nets = [network(p) for _ in range(3)]
        with p.m.no_grad():
            for k, net in enumerate(nets):
                for parameter in net.parameters():
                    parameter.mul_(k + 1)
        params, buffers = p.func.stack_module_state(nets)
        base, x = network(p), p.randn(4, 3)

        def call(params, buffers, x):
            return p.func.functional_call(base, (params, buffers), (x,))

        one = p.m.vmap(call, in_dims=(0, 0, None))(params, buffers, x)
        own = p.m.vmap(call)(params, buffers, p.m.stack([x, x * 2, x * 3]))
        one.sum().backward()
        return one, own, params["0.weight"].grad

    same(program)


def test_hessian_of_a_loss(same):
    def program(p):
        net = network(p)
        params, x = {k: v.detach() for k, v in net.named_parameters()}, p.randn(4, 3)
        return p.func.hessian(lambda params: (p.func.functional_call(net, params, (x,)) ** 2).mean())(params)

    same(program, 1e-3)


def test_learning_to_learn(same):
    """An inner loop of gradient steps for each task, differentiated as a whole."""

    def program(p):
        net = network(p)

        def task(params, x, y):
            def loss(params):
                return ((p.func.functional_call(net, params, (x,)) - y) ** 2).mean()

            for _ in range(2):
                gradient = p.func.grad(loss)(params)
                params = {k: v - 0.05 * gradient[k] for k, v in params.items()}
            return loss(params)

        tasks = p.m.vmap(task, in_dims=(None, 0, 0))(
            dict(net.named_parameters()), p.randn(5, 4, 3), p.randn(5, 4, 2, seed=1)
        )
        tasks.mean().backward()
        return tasks, [v.grad for v in net.parameters()]

    same(program, 1e-4)


def test_a_captured_tensor_gets_its_value_back():
    w = rl.tensor([1.0, 2.0, 3.0])
    for f in (
        lambda: rl.func.grad(lambda x: (w.add_(x) * 2).sum())(rl.ones(3)),
        lambda: rl.func.jvp(lambda x: w.add_(x) * 2, (rl.ones(3),), (rl.ones(3),)),
    ):
        with pytest.raises(RuntimeError, match="captured"):
            f()
        assert w.tolist() == [1, 2, 3] and not w.requires_grad


def test_results_require_no_gradient_that_nobody_asked_for():
    x = rl.tensor([1.0, 2.0])
    assert not rl.func.grad(lambda x: (x * x).sum())(x).requires_grad
    assert not rl.func.vjp(lambda x: data_dependent(None)(rl.cat([x, x])), x)[0].requires_grad
    assert not rl.func.jvp(rl.func.grad(lambda x: (x * x).sum()), (x,), (x,))[1].requires_grad
    w = rl.tensor([1.0, 1.0], requires_grad=True)
    gradient = rl.func.grad(lambda x: (x * x * w).sum())(x)
    gradient.sum().backward()
    assert w.grad.tolist() == [2, 4]


def test_a_step_is_recognised():
    hessian = rl.func.hessian(lambda x: (x.sin() * x.sum()).tanh().sum())
    for step in range(3):
        hessian(rl.randn(4)).tolist()
        if step:
            assert rl.explain().misses == 0


FUNCTIONAL = [{}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}, {"strategy": "forward-mode"}, {"strict": True}, {"vectorize": True, "strict": True}, {"strategy": "x"}]  # fmt: skip


@pytest.mark.parametrize("options", FUNCTIONAL, ids=str)
def test_jacobian_of_autograd(same, options):
    same(lambda p: p.m.autograd.functional.jacobian(product(p), p.randn(3), **options))
    same(
        lambda p: p.m.autograd.functional.jacobian(
            lambda a, b: (a * b, (a * b).sum()), (p.randn(3), p.randn(3, seed=1)), **options
        )
    )


def several(p):
    return lambda a, b: (a * b).sum() ** 2 + b.sin().sum()


@pytest.mark.parametrize("name", ["hvp", "vhp"])
def test_products_with_hessians_of_autograd(same, name):
    pair = lambda p: (p.randn(3), p.randn(3))  # noqa: E731
    same(lambda p: getattr(p.m.autograd.functional, name)(several(p), pair(p), pair(p)), 1e-4)
    same(lambda p: getattr(p.m.autograd.functional, name)(product(p), p.randn(3), p.randn(3)))
    same(lambda p: getattr(p.m.autograd.functional, name)(number(p), p.randn(3)))


@pytest.mark.parametrize("name", ["jvp", "vjp"])
def test_products_with_jacobians_of_autograd(same, name):
    same(lambda p: getattr(p.m.autograd.functional, name)(product(p), p.randn(3), p.randn(3)))
    same(lambda p: getattr(p.m.autograd.functional, name)(product(p), p.randn(3)))


@pytest.mark.parametrize("options", [{}, {"vectorize": True}, {"create_graph": True}], ids=str)
def test_hessian_of_autograd(same, options):
    same(lambda p: p.m.autograd.functional.hessian(several(p), (p.randn(3), p.randn(3)), **options), 1e-4)


def test_hessian_by_forward_mode():
    found = rl.autograd.functional.hessian(
        number(None), rl.ones(3), vectorize=True, outer_jacobian_strategy="forward-mode"
    )
    np.testing.assert_allclose(found.numpy(), rl.func.hessian(number(None))(rl.ones(3)).numpy(), rtol=1e-5)
