"""Losses against PyTorch: values and gradients for every reduction and option; mistakes that teach."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F

torch = pytest.importorskip("torch")

rng = np.random.RandomState(0)


def A(*shape):
    return rng.randn(*shape)


x, y, z = A(3, 5), A(3, 5), A(3, 5)
p, q = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(-y))
w = np.abs(A(5))
shares = np.exp(y) / np.exp(y).sum(1, keepdims=True)
signs = np.sign(A(3, 5))
t, t3, t4 = np.array([0, 4, 2]), rng.randint(0, 5, (3, 2)), rng.randint(0, 5, (3, 2, 2))

# name, arguments (arrays become tensors), how many of the first ones get gradients, options
CASES = [
    *[(n, (x, y), 2, {}) for n in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")],
    ("mse_loss", (x, A(3, 1)), 2, {}), ("mse_loss", (x, y), 2, {"weight": np.abs(z)}), ("l1_loss", (x, y), 2, {"weight": np.abs(z)}),
    ("huber_loss", (x, y), 2, {"weight": np.abs(z), "delta": 0.3}), ("smooth_l1_loss", (x, y), 2, {"beta": 0.3}),
    ("smooth_l1_loss", (x, y), 2, {"beta": 0}),
    ("binary_cross_entropy", (p, q), 2, {}), ("binary_cross_entropy", (p, q), 1, {"weight": w}),
    ("binary_cross_entropy", (np.array([0.0, 1.0, 0.5]), np.array([0.0, 0.0, 1.0])), 1, {}),
    ("binary_cross_entropy_with_logits", (x, q), 2, {}),
    ("binary_cross_entropy_with_logits", (x * 50, q), 2, {"weight": w, "pos_weight": w + 0.5}),
    *[
        (name, (a, b), 1, options)
        for options in ({}, {"weight": w}, {"ignore_index": 4}, {"ignore_index": 4, "weight": w})
        for name, a, b in (
            ("nll_loss", x, t), ("cross_entropy", x, t), ("cross_entropy", A(3, 5, 2), t3), ("cross_entropy", A(3, 5, 2, 2), t4),
        )
    ],
    ("nll_loss", (A(3, 5, 2, 2, 1), t4[..., None]), 1, {}), ("nll_loss", (x[0], np.array(3)), 1, {}),
    ("cross_entropy", (x, t), 1, {"label_smoothing": 0.2, "weight": w, "ignore_index": 4}),
    ("cross_entropy", (A(3, 5, 2), t3), 1, {"label_smoothing": 0.2}), ("cross_entropy", (x[0], np.array(1)), 1, {"label_smoothing": 0.1, "weight": w}),
    ("cross_entropy", (x, shares), 2, {}), ("cross_entropy", (x, shares), 2, {"weight": w, "label_smoothing": 0.1}),
    ("cross_entropy", (x[0], shares[0]), 2, {}), ("cross_entropy", (A(2, 5, 3), np.abs(A(2, 5, 3))), 2, {"weight": w}),
    ("kl_div", (x, shares), 2, {}), ("kl_div", (x, y), 2, {"log_target": True}),
    ("poisson_nll_loss", (x, np.abs(y) * 3), 1, {"full": True}), ("poisson_nll_loss", (np.abs(x), np.abs(y)), 1, {"log_input": False}),
    ("gaussian_nll_loss", (x, y, np.abs(z)), 3, {"full": True}), ("gaussian_nll_loss", (x, y, np.abs(A(3))), 3, {}),
    ("gaussian_nll_loss", (x, y, np.zeros((3, 1))), 2, {}), ("gaussian_nll_loss", (x, y, 0.3), 2, {}),
    ("margin_ranking_loss", (x, y, signs), 2, {"margin": 0.2}), ("hinge_embedding_loss", (x, signs), 1, {}), ("soft_margin_loss", (x, signs), 1, {}),
    ("multilabel_soft_margin_loss", (x, (signs > 0) * 1.0), 1, {"weight": w}), ("multi_margin_loss", (x, t), 1, {}),
    ("multi_margin_loss", (x, t), 1, {"p": 2, "weight": w, "margin": 0.7}), ("multi_margin_loss", (x[0], np.array(2)), 1, {}),
    ("multilabel_margin_loss", (x, np.array([[0, 1, 2, -1, 3], [3, -1, 0, 0, 1], [-1, 0, 0, 0, 0]])), 1, {}),
    ("multilabel_margin_loss", (x[0], np.array([0, 1, 2, -1, 3])), 1, {}),
    ("cosine_embedding_loss", (x, y, np.array([1, -1, -1])), 2, {"margin": 0.1}), ("cosine_embedding_loss", (x[0], y[0], np.array(1)), 2, {}),
    *[("triplet_margin_loss", (x, y, z), 3, {"swap": True, "p": k}) for k in (1, 2, 3.5)],
    ("triplet_margin_with_distance_loss", (x, y, z), 3, {}),
]  # fmt: skip


def run(m, f, name, arguments, differentiable, options):
    tensors = [m.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    for a in tensors[:differentiable]:
        a.requires_grad_()
    options = {k: m.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = getattr(f, name)(*tensors, **options)
    (loss * loss).sum().backward()
    return loss.detach().numpy(), *[a.grad.numpy() for a in tensors[:differentiable]]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", range(len(CASES)), ids=[c[0] for c in CASES])
def test_like_pytorch(case, reduction):
    name, arguments, differentiable, options = CASES[case]
    options = {**options, "reduction": reduction}
    ours = run(rl, F, name, arguments, differentiable, options)
    theirs = run(torch, torch.nn.functional, name, arguments, differentiable, options)
    assert ours[0].shape == theirs[0].shape
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("targets", "input_lengths", "target_lengths", "zero_infinity"),
    [
        ([[1, 2, 2], [3, 1, 0]], (6, 5), (3, 2), False), ([1, 2, 2, 3, 1], (6, 5), (3, 2), False),
        ([[1, 2, 2], [3, 1, 0]], (2, 2), (3, 2), True), ([[1, 2, 2], [3, 1, 0]], (6, 5), (3, 0), False), ([[1], [3]], (6, 5), (0, 0), False),
    ],
)  # fmt: skip
def test_ctc(targets, input_lengths, target_lengths, zero_infinity):
    logits = np.random.RandomState(3).randn(6, 2, 4)
    for reduction in ("mean", "sum", "none"):
        found = []
        for m, f in ((rl, F), (torch, torch.nn.functional)):
            a = m.tensor(logits, requires_grad=True)
            loss = f.ctc_loss(
                a.log_softmax(-1),
                m.tensor(targets),
                input_lengths,
                target_lengths,
                reduction=reduction,
                zero_infinity=zero_infinity,
            )
            loss.sum().backward()
            found.append((loss.detach().numpy(), a.grad.numpy()))
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-7, atol=1e-12)


def test_ctc_one_sample_and_mistakes():
    logs = rl.ones(6, 4).log_softmax(-1)
    assert F.ctc_loss(logs, rl.tensor([1, 2]), rl.tensor(6), rl.tensor(2), reduction="none").shape == ()
    with pytest.raises(RuntimeError, match="at most 6"):
        F.ctc_loss(logs, rl.tensor([1, 2]), (7,), (2,)).item()
    with pytest.raises(RuntimeError, match="blank"):
        F.ctc_loss(logs, rl.tensor([1, 2]), (6,), (2,), blank=9)
    with pytest.raises(IndexError, match="out of range"):
        F.ctc_loss(logs, rl.tensor([1, 7]), (6,), (2,)).item()


def test_graph_nodes_are_named_as_in_pytorch():
    a = rl.ones(3, 5, requires_grad=True)
    target = rl.tensor([0, 1, 2])
    assert F.cross_entropy(a, target).grad_fn.name() == "NllLossBackward0"
    assert F.cross_entropy(a[..., None], target[:, None]).grad_fn.name() == "NllLoss2DBackward0"
    assert F.mse_loss(a, rl.zeros(3, 5)).grad_fn.name() == "MseLossBackward0"
    assert F.l1_loss(a, rl.zeros(3, 5)).grad_fn.name() == "MeanBackward0"
    assert (
        F.binary_cross_entropy_with_logits(a, rl.zeros(3, 5)).grad_fn.name() == "BinaryCrossEntropyWithLogitsBackward0"
    )


def test_target_out_of_bounds_names_target_and_classes():
    with pytest.raises(IndexError, match=r"Target 12 is out of bounds.*10 classes.*13 outputs"):
        F.cross_entropy(rl.zeros(2, 10), rl.tensor([3, 12])).item()
    with pytest.raises(IndexError, match="Target -1 is out of bounds"):
        F.cross_entropy(rl.zeros(2, 10), rl.tensor([3, -1])).item()


@pytest.mark.parametrize(("kind", "word"), [("float32", "Float"), ("int32", "Int")])
def test_class_targets_of_another_dtype(kind, word):
    with pytest.raises(RuntimeError, match=rf"expected scalar type Long but found {word}.*\.long\(\)"):
        F.cross_entropy(rl.zeros(2, 10), rl.zeros(2, dtype=getattr(rl, kind)))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"batch_size \(64\) to match target batch_size \(100\).*flatten\(x, 1\)"):
        F.cross_entropy(rl.zeros(64, 10), rl.zeros(100, dtype=rl.int64))
    with pytest.raises(RuntimeError, match="multi-target not supported"):
        F.cross_entropy(rl.zeros(3, 10), rl.zeros(3, 1, dtype=rl.int64))
    with pytest.raises(RuntimeError, match=r"Expected target size \[3, 2\], got \[3, 4\]"):
        F.cross_entropy(rl.zeros(3, 10, 2), rl.zeros(3, 4, dtype=rl.int64))
    with pytest.raises(RuntimeError, match="all 10 classes"):
        F.cross_entropy(rl.zeros(3, 10), rl.zeros(3, dtype=rl.int64), weight=rl.ones(4))
    with pytest.raises(RuntimeError, match="Expected floating point type for target with class probabilities"):
        F.cross_entropy(rl.zeros(3, 4), rl.zeros(3, 4, dtype=rl.int64))
    with pytest.raises(ValueError, match=r"must be the same as input size.*unsqueeze\(1\)"):
        F.binary_cross_entropy_with_logits(rl.zeros(3, 1), rl.zeros(3))


def test_raw_outputs_in_binary_cross_entropy():
    with pytest.raises(
        RuntimeError, match=r"input should be between 0 and 1; got values from -2 to 3.*sigmoid"
    ) as error:
        F.binary_cross_entropy(rl.tensor([-2.0, 3.0]), rl.tensor([0.0, 1.0])).item()
    assert "BCEWithLogitsLoss" in str(error.value)
    with pytest.raises(RuntimeError, match="target should be between 0 and 1"):
        F.binary_cross_entropy(rl.tensor([0.5]), rl.tensor([2.0])).item()
    with pytest.raises(RuntimeError, match="Found dtype Long but expected Float"):
        F.binary_cross_entropy(rl.tensor([0.5]), rl.tensor([1]))


def test_broadcast_target_warns_with_both_sizes():
    with pytest.warns(
        UserWarning,
        match=r"target size \(torch.Size\(\[3\]\)\).*different to the input size.*both are spread over \[3, 3\]",
    ):
        F.mse_loss(rl.zeros(3, 1), rl.zeros(3))
    with pytest.warns(UserWarning, match="one is spread"):
        F.l1_loss(rl.zeros(3, 5), rl.zeros(3, 1))


def test_old_reduction_arguments():
    a, b = rl.tensor([1.0, 3.0]), rl.zeros(2)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(a, b, size_average=False).item() == 10
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.mse_loss(a, b, reduce=False).tolist() == [1, 9]
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.mse_loss(a, b, reduction="average")
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(a, b + 1)


def test_second_derivative_of_cross_entropy():
    a = rl.tensor(x, requires_grad=True)
    assert rl.autograd.gradgradcheck(lambda v: F.cross_entropy(v, rl.tensor(t)), (a,))
