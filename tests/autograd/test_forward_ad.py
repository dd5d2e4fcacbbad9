"""Forward mode: the rule of every op of the table; dual tensors; PyTorch's values and exceptions."""

from __future__ import annotations

import numpy as np
import pytest
from transform_fixtures import libraries, same, table  # noqa: F401  fixtures

import rushlight as rl


def _of_floats(call, arrays, floats):
    """The op as a function of its floating-point operands, with its differentiable results."""

    def f(*xs):
        given = [rl.tensor(a) for a in arrays]
        for i, x in zip(floats, xs):
            given[i] = x
        return tuple(r for r in call(*given) if r.dtype is rl.float64)

    return f


def test_every_op_pushes_tangents_forward(table, monkeypatch):
    """J v from the forward rules is what differentiating v -> Jᵀ v, recorded as a whole, gives."""
    monkeypatch.setattr(
        rl.config, "backend", "numpy"
    )  # it is about formulas; compiling them would take most of the time
    wrong, count = [], 0
    for op, arrays, call in table:
        floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and a.size]
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
        f = _of_floats(call, wide, floats)
        if op.vjp is None or not floats or not f():
            continue
        xs = tuple(rl.tensor(wide[i]) for i in floats)
        vs = tuple(rl.tensor(np.random.RandomState(i).randn(*wide[i].shape)) for i in floats)
        try:
            expected = rl.autograd.functional.jvp(f, xs, vs)[1]
        except NotImplementedError:
            with pytest.raises(NotImplementedError):
                rl.func.jvp(f, xs, vs)
            continue
        for a, b in zip(expected, rl.func.jvp(f, xs, vs)[1], strict=True):
            count += 1
            if not np.allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-8, equal_nan=True):
                wrong.append((op.name, a, b))
    assert not wrong and count > 150


def dual(p, program):
    with p.fwAD.dual_level():
        return program(p.fwAD.make_dual(p.randn(4, 3), p.randn(4, 3, seed=1)))


def tangent(p, program):
    return dual(p, lambda x: p.fwAD.unpack_dual(program(x)))


def looked_at(x):
    y = (x.sin() * x).sum(0)
    return y * x[0] if y.sum().item() < 1e9 else y


def under_no_grad(p):
    def f(x):
        with p.m.no_grad():
            return x * x

    return f


def leaving(p):
    with p.fwAD.dual_level():
        x = p.fwAD.make_dual(p.randn(3), p.randn(3))
    return p.fwAD.unpack_dual(x * 2).tangent is None


def nested_levels(p):
    with p.fwAD.dual_level(), p.fwAD.dual_level():
        pass


def dual_module(p):
    net = p.m.nn.Linear(3, 2)
    given = {"weight": p.randn(2, 3), "bias": p.randn(2)}
    with p.fwAD.dual_level():
        duals = {k: p.fwAD.make_dual(v, p.m.ones_like(v)) for k, v in given.items()}
        return p.fwAD.unpack_dual(p.func.functional_call(net, duals, p.randn(4, 3))).tangent


def written(p):
    def f(x):
        y = x.clone()
        y[0] = x[1] * 2
        y.mul_(x)
        y[1:, 0] += 1
        return y

    return f


def own_function(p, with_jvp):
    class Square(p.m.autograd.Function):
        @staticmethod
        def forward(a):
            return a * a

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return g

        if with_jvp:

            @staticmethod
            def jvp(ctx, t):
                return 5 * t * ctx.saved_tensors[0]

    return Square.apply


PROGRAMS = {
    "dual": lambda p: tangent(p, lambda x: (x.sin() * x).sum(0)),
    "looked at": lambda p: tangent(p, looked_at),
    "no_grad": lambda p: tangent(p, under_no_grad(p)),
    "detach": lambda p: tangent(p, lambda x: x.detach()).tangent is None,
    "constants": lambda p: tangent(p, lambda x: p.m.ones(2)).tangent is None,
    "integers": lambda p: tangent(p, lambda x: x.argmax(0)).tangent is None,
    "writes": lambda p: tangent(p, written(p)),
    "leaving": leaving,
    "module": dual_module,
    "differentiable": lambda p: (
        x := p.randn(3).requires_grad_(),
        p.m.autograd.grad(p.func.jvp(p.m.sin, (x,), (p.m.ones(3),))[1].sum(), x),
    )[1],
    "jvp": lambda p: p.func.jvp(lambda a: p.m.softmax(a.exp() * a.sum(), 0), (p.randn(3),), (p.randn(3, seed=1),)),
    "jvp of jvp": lambda p: p.func.jvp(
        lambda z: p.func.jvp(looked_at, (z,), (p.randn(4, 3, seed=1),)), (p.randn(4, 3),), (p.randn(4, 3, seed=2),)
    ),
    "levels keep apart": lambda p: p.func.jvp(
        lambda a: a * p.func.jvp(lambda b: a * b, (p.m.tensor(2.0),), (p.m.tensor(1.0),))[1], (p.m.tensor(3.0),), (p.m.tensor(1.0),)
    ),
    "grad of jvp": lambda p: p.func.grad(lambda z: p.func.jvp(lambda a: (a.sin() * a.sum()).sum(), (z,), (p.m.ones(3),))[1])(p.randn(3)),
    "aux": lambda p: p.func.jvp(lambda a: (a * 2, a.sum()), (p.randn(3),), (p.m.ones(3),), has_aux=True)[1],
    "under no_grad": lambda p: p.m.no_grad()(p.func.jvp)(p.m.sin, (p.randn(3),), (p.randn(3),)),
    "complex": lambda p: p.func.jvp(lambda z: (z * z).exp(), (p.m.tensor([1 + 2j, 0.3 - 1j]),), (p.m.tensor([1j, 1 + 1j]),)),
    "dropout": lambda p: (p.m.manual_seed(0), p.func.jvp(lambda x: p.F.dropout(x, 0.5), (p.m.ones(6),), (p.m.ones(6),)))[1],
    "own jvp": lambda p: p.func.jvp(own_function(p, True), (p.randn(3),), (p.randn(3, seed=1),)),
    "no jvp": lambda p: p.func.jvp(own_function(p, False), (p.randn(3),), (p.randn(3, seed=1),)),
    "nested levels": nested_levels,
    "no level": lambda p: p.fwAD.make_dual(p.m.ones(3), p.m.ones(3)),
    "shape": lambda p: dual(p, lambda x: p.fwAD.make_dual(p.m.ones(3), p.m.ones(2))),
    "integer dual": lambda p: dual(p, lambda x: p.fwAD.make_dual(p.m.ones(3).long(), p.m.ones(3).long())),
    "exit": lambda p: p.fwAD.exit_dual_level(),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(same, name):
    same(PROGRAMS[name])


def test_memory_that_numpy_holds():
    array = np.full(800_000, 2.0, np.float32)
    value, push = rl.func.jvp(lambda x: (x * x).mean(), (rl.from_numpy(array),), (rl.ones(800_000),))
    assert value.item() == 4 and push.item() == 4


def test_what_only_reverse_mode_offers_in_pytorch():
    """Attention and recurrent layers have forward rules too: against finite differences."""
    rl.manual_seed(0)
    lstm = rl.nn.LSTM(3, 4).double()
    x, v = rl.randn(5, 2, 3, dtype=rl.float64), rl.randn(5, 2, 3, dtype=rl.float64)
    for f in (lambda x: lstm(x)[0], lambda x: rl.nn.functional.scaled_dot_product_attention(x, x, x)):
        with rl.no_grad():
            expected = (f(x + 1e-6 * v) - f(x - 1e-6 * v)) / 2e-6
            np.testing.assert_allclose(rl.func.jvp(f, (x,), (v,))[1].numpy(), expected.numpy(), atol=1e-7)
