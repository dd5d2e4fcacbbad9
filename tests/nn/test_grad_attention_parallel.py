"""nn.grad, nn.attention, nn.parallel and the fused linear loss against PyTorch."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

CONVOLUTIONS = [
    # dimensions, input, weight, options
    (1, (2, 3, 9), (4, 3, 2), {"stride": 2, "padding": 1}),
    (2, (2, 4, 7, 6), (6, 2, 3, 2), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}),
    (3, (1, 2, 4, 5, 4), (3, 2, 2, 2, 2), {"padding": 1}),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_gradients(case: tuple) -> None:
    n, shape, weight_shape, options = case
    rng = np.random.RandomState(0)
    x, w = rng.randn(*shape), rng.randn(*weight_shape)
    out = getattr(torch.nn.functional, f"conv{n}d")(torch.tensor(x), torch.tensor(w), **options)
    g = rng.randn(*out.shape)
    found = []
    for library in (rl, torch):
        module = importlib.import_module(f"{library.__name__}.nn.grad")
        a, b, c = (library.tensor(v, requires_grad=True) for v in (x, w, g))
        one = getattr(module, f"conv{n}d_input")(shape, b, c, **options)
        two = getattr(module, f"conv{n}d_weight")(a, weight_shape, c, **options)
        ((one**2).sum() + (two**3).sum()).backward()
        with library.no_grad():
            assert not getattr(module, f"conv{n}d_input")(shape, b, c, **options).requires_grad
        found.append([t.detach().numpy() for t in (one, two, a.grad, b.grad, c.grad)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def test_attention_kernels_are_chosen_by_name() -> None:
    from rushlight.nn.attention import SDPBackend, sdpa_kernel

    theirs = importlib.import_module("torch.nn.attention").SDPBackend
    assert {each.name: int(each) for each in SDPBackend} == {name: int(b) for name, b in theirs.__members__.items()}
    q = rl.randn(1, 2, 3, 4)
    attention = rl.nn.functional.scaled_dot_product_attention
    for backends in (SDPBackend.MATH, [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION]):
        with sdpa_kernel(backends):
            assert rl.equal(attention(q, q, q), attention(q, q, q))
    with pytest.raises(RuntimeError, match="CUDNN_ATTENTION.*SDPBackend.MATH"), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        pass
    with pytest.raises(AssertionError, match="an SDPBackend"), sdpa_kernel("math"):
        pass


def test_data_parallel_calls_its_module() -> None:
    found = []
    for library in (rl, torch):
        library.manual_seed(0)
        net = library.nn.DataParallel(library.nn.Linear(3, 2), device_ids=[0])
        found.append((repr(net), list(net.state_dict()), net(library.ones(2, 3)).flatten().tolist(), net.device_ids))
    assert found[0][:2] == found[1][:2] and found[0][3] == found[1][3]
    assert found[0][2] == pytest.approx(found[1][2], rel=1e-5)
    parallel = rl.nn.parallel
    assert parallel.data_parallel(rl.nn.Identity(), rl.ones(2)).tolist() == [1, 1]
    assert parallel.DataParallel is rl.nn.DataParallel


LOSSES: list[tuple[dict[str, Any], Any]] = [
    # options of the module, batch
    ({}, 7),
    ({"bias": True, "label_smoothing": 0.1, "weight": [1.0, 2.0, 0.5, 1.0]}, 7),
    ({"ignore_index": 2, "reduction": "sum"}, 7),
    ({"reduction": "none", "bias": True}, 7),
    ({"out_features": (2, 3), "bias": True}, 5),
    ({"bias": True}, None),
]


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_linear_cross_entropy(case: tuple, chunk: int | None) -> None:
    options, batch = case
    found = []
    for library in (rl, torch):
        library.manual_seed(0)
        given = dict(options)
        if "weight" in given:
            given["weight"] = library.tensor(given["weight"])
        if chunk and library is rl:
            given["options"] = rl.nn.LinearCrossEntropyOptions(batch_chunk_size=chunk)
        module = library.nn.LinearCrossEntropyLoss(5, 4, **given)
        rows = () if batch is None else (batch,)
        x = library.randn(*rows, 5).requires_grad_()
        target = library.randint(0, 4, (*rows, *options.get("out_features", ())))
        loss = module(x, target)
        (loss**2).sum().backward()
        text = repr(module) if not chunk else ""
        found.append((text, [t.detach().numpy() for t in (loss, x.grad, *(p.grad for p in module.parameters()))]))
    assert found[0][0] == found[1][0]
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)


def test_linear_cross_entropy_of_probabilities_and_in_parts() -> None:
    rl.manual_seed(0)
    x, w, b = rl.randn(7, 5), rl.randn(4, 5), rl.randn(4)
    target = rl.randn(7, 4).softmax(1)
    function = rl.nn.functional.linear_cross_entropy
    whole = rl.nn.functional.cross_entropy(x @ w.T + b, target)
    for options in (None, rl.nn.LinearCrossEntropyOptions(), rl.nn.LinearCrossEntropyOptions(batch_chunk_size=2)):
        assert function(x, w, target, linear_bias=b, options=options).item() == pytest.approx(whole.item(), rel=1e-5)
    parts = rl.nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:2")
    assert parts.rows(64, 8, 64) == 16 and rl.nn.LinearCrossEntropyOptions().rows(64, 64, 8) == 64
    assert repr(rl.nn.LinearCrossEntropyOptions()) == repr(torch.nn.LinearCrossEntropyOptions())


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t: t.nn.functional.linear_cross_entropy(t.ones(2, 2, 2), t.ones(3, 2), t.ones(2)), RuntimeError),
        (lambda t: t.nn.functional.linear_cross_entropy(t.ones(2, 2), t.ones(3, 4), t.ones(2)), RuntimeError),
        (lambda t: t.nn.functional.linear_cross_entropy(t.ones(2), t.ones(3, 4, 2), t.ones(2)), RuntimeError),
        (
            lambda t: t.nn.functional.linear_cross_entropy(
                t.ones(2, 2), t.ones(3, 2), t.ones(2), linear_bias=t.ones(2)
            ),
            RuntimeError,
        ),
        (
            lambda t: t.nn.functional.linear_cross_entropy(t.ones(2, 2), t.ones(3, 2), t.ones(2, 3), ignore_index=1),
            RuntimeError,
        ),
        (lambda t: t.nn.LinearCrossEntropyLoss(2, 3, weight=t.ones(2)), RuntimeError),
        (lambda t: t.nn.LinearCrossEntropyLoss(2, 3, label_smoothing=2.0), RuntimeError),
        (lambda t: t.nn.LinearCrossEntropyOptions(acc_policy="fast"), ValueError),
        (lambda t: t.nn.LinearCrossEntropyOptions(chunking_method="halves"), ValueError),
        (lambda t: t.nn.LinearCrossEntropyOptions(batch_chunk_size=0), ValueError),
        (lambda t: t.nn.LinearCrossEntropyOptions(acc_dtype=t.int64), ValueError),
    ],
)
def test_mistakes(call: Any, error: type) -> None:
    for library in (rl, torch):
        with pytest.raises(error):
            call(library)
