"""vmap: every op of the table against a loop over samples; PyTorch's values, shapes and exceptions; recognised step after step."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
from transform_fixtures import libraries, same, table  # noqa: F401  fixtures

import rushlight as rl
from rushlight.func.batch import _slow

B = 3


def _variant(array, i):
    if array.dtype.kind == "f":
        return (array * (1 + 0.1 * i)).astype(array.dtype)
    return np.roll(array, i) if array.ndim else array


def test_every_op_gives_what_a_loop_gives(table):
    wrong = []
    for op, arrays, call in table:
        alone = [True] + [False] * (len(arrays) - 1)
        for mapped in [[True] * len(arrays)] + ([alone, [not a for a in alone]] if len(arrays) > 1 else []):
            rows = [[_variant(a, i) if m else a for a, m in zip(arrays, mapped)] for i in range(B)]
            loop = [call(*map(rl.tensor, row)) for row in rows]
            batch = [rl.tensor(np.stack(c)) if m else rl.tensor(c[0]) for c, m in zip(zip(*rows), mapped)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = rl.vmap(call, in_dims=tuple(0 if m else None for m in mapped))(*batch)
            for k, result in enumerate(found):
                expected = np.stack([one[k].numpy() for one in loop])
                got = result.numpy()
                if got.shape != expected.shape or got.dtype != expected.dtype:
                    wrong.append((op.name, mapped, got.shape, expected.shape))
                elif not np.allclose(got, expected, rtol=1e-4, atol=1e-5, equal_nan=True):
                    wrong.append((op.name, mapped, got, expected))
    assert not wrong


def _loss(results):
    """A sum of results in which every element has another weight."""
    kept = [r for r in results if r.requires_grad]
    return sum((r * rl.arange(1.0, r.numel() + 1, dtype=rl.float64).reshape(r.shape)).sum() for r in kept)


def _leaves(rows, floats):
    return [rl.tensor(np.stack([row[i] for row in rows]), requires_grad=True) for i in floats]


def _by_loop(call, rows, floats):
    xs, total = _leaves(rows, floats), 0
    for k, row in enumerate(rows):
        given = [rl.tensor(a) for a in row]
        for i, x in zip(floats, xs):
            given[i] = x[k]
        total = total + _loss(call(*given))
    return total, xs


def _by_vmap(call, rows, floats):
    xs, batch = _leaves(rows, floats), [rl.tensor(np.stack(column)) for column in zip(*rows)]
    for i, x in zip(floats, xs):
        batch[i] = x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = rl.vmap(call)(*batch)
    return sum(_loss([r[k] for r in results]) for k in range(len(rows))), xs


def test_every_gradient_through_vmap_is_that_of_a_loop(table, monkeypatch):
    monkeypatch.setattr(
        rl.config, "backend", "numpy"
    )  # it is about formulas; compiling them would take most of the time
    wrong, count = [], 0
    for op, arrays, call in table:
        floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and a.size]
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
        if op.vjp is None or not floats:
            continue
        rows = [[_variant(a, i) for a in wide] for i in range(2)]
        try:
            total, xs = _by_loop(call, rows, floats)
            if not isinstance(total, rl.Tensor) or total.dtype is not rl.float64:
                continue
            expected = rl.autograd.grad(total, xs, allow_unused=True)
        except NotImplementedError:
            continue
        total, xs = _by_vmap(call, rows, floats)
        count += 1
        for a, b in zip(expected, rl.autograd.grad(total, xs, allow_unused=True)):
            a, b = (0 if g is None else g.numpy() for g in (a, b))
            if not np.allclose(a, b, rtol=1e-6, atol=1e-8, equal_nan=True):
                wrong.append((op.name, a, b))
    assert not wrong and count > 150


def test_an_op_without_a_rule_is_done_sample_by_sample_and_says_so():
    _slow.discard("median_all_op")
    with pytest.warns(UserWarning, match="median_all_op has no batching rule"):
        found = rl.vmap(rl.median)(rl.tensor([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]]))
    assert found.tolist() == [2.0, 5.0]


PROGRAMS = {
    "dot": lambda p: p.m.vmap(p.m.dot)(p.randn(4, 3), p.randn(4, 3, seed=1)),
    "nested": lambda p: p.m.vmap(p.m.vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(1, 0), out_dims=1)(
        p.randn(4, 3), p.randn(3)
    ),
    "trees": lambda p: p.m.vmap(lambda d: {"s": d["x"] + d["y"], "l": [d["x"].sum()]}, in_dims=({"x": 0, "y": None},))(
        {"x": p.randn(4, 3), "y": p.m.ones(3)}
    ),
    "several outputs": lambda p: p.m.vmap(lambda a: (a, a.sum(), p.m.ones(2)), out_dims=(1, 0, 0))(p.randn(4, 3)),
    "an output without the dimension": lambda p: p.m.vmap(lambda a: (a, p.m.ones(2)), out_dims=(0, None))(
        p.randn(4, 3)
    ),
    "no dimension for what has one": lambda p: p.m.vmap(lambda a: a, out_dims=None)(p.randn(4, 3)),
    "chunks": lambda p: p.m.vmap(lambda a: (a * 2, a.sum()), in_dims=1, out_dims=(1, 0), chunk_size=2)(p.randn(4, 3)),
    "negative in_dims": lambda p: p.m.vmap(lambda a: a.sum(0), in_dims=-1)(p.randn(4, 3)),
    "keywords": lambda p: p.m.vmap(lambda a, b: a * b)(p.randn(4, 3), b=p.m.ones(4, 3)),
    "a number": lambda p: p.m.vmap(lambda a, b: a * b, in_dims=(0, None))(p.randn(4, 3), 3.0),
    "promotion": lambda p: p.m.vmap(lambda a, b: (a * b, a + 1, a * p.m.ones(3)))(p.randn(4).double(), p.randn(4, 3)),
    "gradients flow": lambda p: p.m.vmap(lambda a: a * 2)(p.randn(4, 3).requires_grad_()),
    "inside no_grad": lambda p: p.m.no_grad()(p.m.vmap(lambda a: a * 2))(p.randn(4, 3).requires_grad_()),
    "index by tensor": lambda p: p.m.vmap(lambda x, i: (x[i], x[:, i], x[i, :, i]))(
        p.randn(4, 3, 3, 3), p.m.tensor([[0, 2], [1, 0], [2, 2], [0, 1]])
    ),
    "index of no dimensions": lambda p: p.m.vmap(lambda x, i: x[i])(p.randn(4, 3), p.m.tensor([0, 2, 1, 0])),
    "embedding": lambda p: p.m.vmap(
        p.func.grad(lambda w, i: p.F.embedding(i, w, padding_idx=1).square().sum()), in_dims=(None, 0)
    )(p.randn(5, 3), p.m.tensor([[0, 1, 1], [2, 2, 4]])),
    "own weights": lambda p: p.m.vmap(lambda x, w: p.F.conv_transpose2d(x, w, stride=2))(
        p.randn(3, 2, 4, 5, 5), p.randn(3, 4, 2, 3, 3)
    ),
    "attention": lambda p: p.m.vmap(
        p.func.grad(
            lambda q, k: p.F.scaled_dot_product_attention(q, k, k, is_causal=True).square().sum(), argnums=(0, 1)
        )
    )(p.randn(3, 2, 4, 5), p.randn(3, 2, 4, 5, seed=1)),
    "recurrent layer": lambda p: p.m.vmap(p.func.grad(lambda x: _lstm(p)(x)[0].square().sum()))(p.randn(5, 2, 6, 3)),
    "linear algebra": lambda p: p.m.vmap(
        lambda a: (
            p.m.linalg.inv(a @ a.T + p.m.eye(3)),
            p.m.linalg.det(a),
            p.m.linalg.solve(a @ a.T + p.m.eye(3), a[0]),
        )
    )(p.randn(4, 3, 3)),
    "half precision": lambda p: p.m.vmap(lambda z: p.m.softmax(z * 3, 0).float())(p.randn(4, 6).bfloat16()),
    "complex": lambda p: p.m.vmap(lambda z: (z * z).abs())(p.m.tensor([1 + 2j, 0.3 - 1j])),
    "autograd.grad": lambda p: _rows(p),
    # mistakes
    "item": lambda p: p.m.vmap(lambda a: a.sum().item())(p.randn(4, 3)),
    "if": lambda p: p.m.vmap(lambda a: a if a.sum() > 0 else -a)(p.randn(4, 3)),
    "nonzero": lambda p: p.m.vmap(lambda a: a.nonzero())(p.randn(4, 3)),
    "a mask as index": lambda p: p.m.vmap(lambda a: a[a > 0])(p.randn(4, 3)),
    "not a tensor": lambda p: p.m.vmap(lambda a: 3)(p.randn(4, 3)),
    "sizes": lambda p: p.m.vmap(p.m.add)(p.randn(4, 3), p.m.ones(3)),
    "no inputs": lambda p: p.m.vmap(lambda: p.m.ones(1))(),
    "nothing mapped": lambda p: p.m.vmap(lambda a: a, in_dims=None)(p.randn(4, 3)),
    "structure of in_dims": lambda p: p.m.vmap(lambda a: a, in_dims=(0, 0))(p.randn(4, 3)),
    "range of in_dims": lambda p: p.m.vmap(lambda a: a, in_dims=2)(p.randn(4, 3)),
    "class of in_dims": lambda p: p.m.vmap(lambda a: a, in_dims="a")(p.randn(4, 3)),
    "mapping a number": lambda p: p.m.vmap(lambda a, b: a * b)(p.randn(4, 3), 3.0),
    "range of out_dims": lambda p: p.m.vmap(lambda a: a, out_dims=3)(p.randn(4, 3)),
    "structure of out_dims": lambda p: p.m.vmap(lambda a: (a, a), out_dims=(0, 0, 0))(p.randn(4, 3)),
    "randomness": lambda p: p.m.vmap(lambda a: a, randomness="x")(p.randn(4, 3)),
    "random op": lambda p: p.m.vmap(lambda a: a + p.m.randn(3))(p.randn(4, 3)),
    "backward": lambda p: p.m.vmap(lambda a: a.sum().backward())(p.randn(4, 3).requires_grad_()),
    "batch norm's statistics": lambda p: p.m.vmap(p.m.nn.BatchNorm1d(3))(p.randn(4, 5, 3)),
}


def _lstm(p):
    p.m.manual_seed(0)
    net = p.m.nn.LSTM(3, 4, batch_first=True)
    for k in net.parameters():
        k.requires_grad_(False).copy_(p.m.sin(p.m.arange(k.numel()).float()).reshape(k.shape))
    return lambda x: p.func.functional_call(net, dict(net.named_parameters()), (x,))


def _rows(p):
    x = p.randn(3).requires_grad_()
    y = x * x * x.sum()
    batched = p.m.autograd.grad(y, x, p.m.eye(3), is_grads_batched=True, retain_graph=True)
    return batched, p.m.vmap(lambda v: p.m.autograd.grad(y, x, v, retain_graph=True)[0])(p.m.eye(3))


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(same, name):
    same(PROGRAMS[name], 1e-4)


DRAWS = {
    "randn": lambda p, a: a + p.m.randn(3),
    "dropout": lambda p, a: p.F.dropout(a, 0.5),
    "rand_like": lambda p, a: p.m.rand_like(a),
    "bernoulli": lambda p, a: p.m.bernoulli(a.sigmoid()),
    "randperm": lambda p, a: p.m.randperm(3).sort()[0],
    "nested": lambda p, a: p.m.vmap(lambda b: b + p.m.rand(2), randomness="different")(p.m.ones(3, 2)),
}


@pytest.mark.parametrize("kind", ["different", "same"])
@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_as_pytorch(same, name, kind):
    def run(p):
        p.m.manual_seed(0)
        return p.m.vmap(lambda a: DRAWS[name](p, a), randomness=kind)(p.randn(4, 3))

    same(run)


def test_writes(same):
    def inside(p):
        def f(x, i, v):
            x = x.clone()
            x[i] = v
            x[:, 0] += 1
            x[i, i] = x.sum()
            return x

        return p.m.vmap(f)(p.randn(4, 3, 3), p.m.tensor([[0, 2], [1, 0], [2, 1], [0, 1]]), p.randn(4, 2, 3))

    def argument(p):
        a = p.randn(4, 3)
        p.m.vmap(lambda q: q.mul_(2).sum())(a)
        return a

    def captured(p):
        w = p.m.zeros(3)

        def f(a):
            w.add_(1)
            return a * w

        return p.m.vmap(f)(p.randn(4, 3)), w

    def captured_with_samples(p):
        w = p.m.zeros(3)
        p.m.vmap(lambda a: w.add_(a))(p.randn(4, 3))

    for program in (inside, argument, captured, captured_with_samples):
        same(program)


def test_an_exception_inside_leaves_everything_as_it_was():
    w = rl.ones(3)
    doubled = w * 2

    def f(x):
        w.add_(1)
        _ = doubled + x
        raise KeyError("x")

    with pytest.raises(KeyError):
        rl.vmap(f)(rl.ones(4, 3))
    assert w.tolist() == [1, 1, 1] and (doubled + w).tolist() == [3, 3, 3]


def test_memory_that_numpy_holds():
    for n in (4, 400_000):
        array = np.ones((n, 3), np.float32)
        found = rl.vmap(lambda x: x * rl.from_numpy(np.arange(3, dtype=np.float32)) + 1)(rl.from_numpy(array))
        array[:] = 5
        assert found.sum(0).div(n).tolist() == [1, 2, 3]


def test_a_step_is_recognised():
    net = rl.nn.Linear(3, 2)
    optimizer = rl.optim.SGD(net.parameters(), lr=0.1)
    per_sample = rl.vmap(rl.func.grad(lambda w, x: (w @ x).square().sum()), in_dims=(None, 0))
    for step in range(4):
        x = rl.randn(5, 3)
        rl.vmap(lambda x: net(x).square().sum())(x).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        if step > 1:
            assert rl.explain().misses == 0
        per_sample(net.weight.detach(), x).tolist()
        if step > 1:
            assert rl.explain().misses == 0


def test_threads():
    found = [None] * 3

    def work(k):
        for _ in range(5):
            found[k] = rl.vmap(rl.func.grad(lambda x: (x * x * k).sum()))(rl.ones(2, 2)).tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[[2.0 * k] * 2] * 2 for k in range(3)]


def test_a_function_of_ones_own(same):
    def own(p):
        class Square(p.m.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(a, w):
                return a * a * w

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, g):
                a, w = ctx.saved_tensors
                return 3 * g * a * w, g * a

        return Square.apply

    same(lambda p: p.m.vmap(p.func.grad(lambda a: own(p)(a, p.m.ones(3)).sum()))(p.randn(4, 3)))
    same(
        lambda p: p.func.grad(lambda q, w: p.m.vmap(own(p), in_dims=(0, None))(q, w).sum(), argnums=(0, 1))(
            p.randn(4, 3), p.randn(3)
        )
    )
    same(lambda p: p.m.vmap(own(p), in_dims=(0, None))(p.randn(4, 3), p.randn(3)))
