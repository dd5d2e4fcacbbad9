"""Copies of views, native_* functions, losses with numbered reductions, and other names beside the common ones."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)


def values(result):
    if isinstance(result, (tuple, list)):
        return [v for item in result for v in values(item)]
    return [np.asarray(result.detach().numpy() if hasattr(result, "detach") else result)]


def same(function, *arrays, rtol=1e-5):
    found = []
    for library in (rushlight, torch):
        library.manual_seed(0)
        found.append(values(function(library, *map(library.tensor, arrays))))
    assert len(found[0]) == len(found[1])
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-6)


COPIES = {
    "alias": (), "as_strided": ((2, 2), (1, 2), 1), "detach": (), "diagonal": (1, 1, 2), "expand": ((2, 2, 3, 4),), "narrow": (1, 1, 2),
    "permute": ((2, 0, 1),), "select": (1, 2), "slice": (2, 1, None, 2), "split": (2, 1), "split_with_sizes": ((1, 3), 2),
    "squeeze": (), "transpose": (0, 2), "unbind": (1,), "unfold": (2, 2, 1), "unsqueeze": (1,), "view": ((4, 6),),
}  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_views(name):
    same(lambda lib, x: getattr(lib, f"{name}_copy")(x, *COPIES[name]), X)
    x = rushlight.tensor(X)
    found = getattr(rushlight, f"{name}_copy")(x, *COPIES[name])
    (found[0] if isinstance(found, tuple) else found).fill_(100)
    assert x.tolist() == X.tolist()


def test_windows_of_memory():
    same(
        lambda lib, x, s: lib.as_strided_scatter(x.transpose(0, 2), s, (2, 3), (1, 4), 2),
        X,
        np.ones((2, 3), np.float32),
    )
    same(lambda lib, x: x.as_strided_((2, 2), (4, 1), 1), X)
    with pytest.raises(RuntimeError, match="out of bounds"):
        rushlight.as_strided_scatter(rushlight.zeros(4), rushlight.zeros(2), (2,), (9,))
    with pytest.raises(RuntimeError, match="src size"):
        rushlight.as_strided_scatter(rushlight.zeros(4), rushlight.zeros(3), (2,), (1,))


WEIGHT, BIAS = X[0, :, 0], X[1, :, 0]


@pytest.mark.parametrize(
    "function",
    [
        lambda lib, x, w, b: lib.native_layer_norm(x, (4,), None, None, 1e-5),
        lambda lib, x, w, b: lib.native_group_norm(x, w, b, 2, 3, 4, 3, 1e-5),
        lambda lib, x, w, b: lib.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5),
        lambda lib, x, w, b: lib.native_batch_norm(x, w, b, b * 0, b * 0 + 1, False, 0.1, 1e-5),
        lambda lib, x, w, b: lib._native_batch_norm_legit(x, w, b, True, 0.1, 1e-5),
        lambda lib, x, w, b: lib.ops.aten._batch_norm_with_update(x, w, b, b * 0, b * 0 + 1, 0.1, 1e-5)[:3],
        lambda lib, x, w, b: lib.native_dropout(x, 0.4, True),
        lambda lib, x, w, b: lib.ops.aten.native_dropout_backward(x, x > 0, 2.0),
        lambda lib, x, w, b: lib.ops.aten._softmax_backward_data(x, x.softmax(1), 1, lib.float32),
        lambda lib, x, w, b: lib.ops.aten._safe_softmax.default(x.masked_fill(x < 1, -lib.inf), 2),
        lambda lib, x, w, b: lib.ops.aten._upsample_bilinear2d_aa(x[None], [2, 3], False),
        lambda lib, x, w, b: lib.grid_sampler_2d(x[None], x[None, ..., :2].tanh(), 0, 0, False),
        lambda lib, x, w, b: lib._chunk_cat([x, x[:, :2]], 1, 2),
        lambda lib, x, w, b: lib._unsafe_masked_index(x[0, 0], lib.tensor([True, False]), [lib.tensor([1, 99])], 5.0),
        lambda lib, x, w, b: lib.ops.aten.add.Tensor(x, w.unsqueeze(1)),
    ],
)
def test_functions_under_layers(function):
    same(function, X, WEIGHT, BIAS)


SIGN = np.array([[1.0, -1.0, 1.0, -1.0]] * 3, np.float32)


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_losses_with_numbered_reductions(reduction):
    a, b = X
    for call in (
        lambda lib, x, y, s: lib.kl_div(x, y.softmax(1), reduction),
        lambda lib, x, y, s: lib.margin_ranking_loss(x, y, s, 0.5, reduction),
        lambda lib, x, y, s: lib.hinge_embedding_loss(x, s, 1.0, reduction),
        lambda lib, x, y, s: lib.cosine_embedding_loss(x, y, s[:, 0], 0.0, reduction),
        lambda lib, x, y, s: lib.triplet_margin_loss(x, y, x * y, reduction=reduction),
        lambda lib, x, y, s: lib.poisson_nll_loss(x, y.abs(), True, True, 1e-8, reduction),
        lambda lib, x, y, s: lib.binary_cross_entropy_with_logits(x, (s > 0).float(), None, y.abs(), reduction),
    ):
        same(call, a, b, SIGN)
    with pytest.raises(ValueError, match="by name"):
        rushlight.kl_div(rushlight.tensor(a), rushlight.tensor(b), "mean")


def test_positions_and_counts():
    same(lambda lib, x: lib.argwhere(x > 0), X)
    for size in (2, 40):
        same(lambda lib, x, size=size: lib.nonzero_static(x > 0, size=size, fill_value=7), X)
    same(lambda lib, i: lib.unravel_index(i, (2, 3, 4)), np.array([[0, 23], [-1, 13]]))
    same(lambda lib, x: x.dsplit(2) + x.dsplit([1, 2]), X)
    points = np.random.default_rng(1).normal(size=(50, 2))
    same(lambda lib, p: lib.histogramdd(p, [3, 4]), points)
    same(lambda lib, p: lib.histogramdd(p, 3, range=[-1.0, 1.0, 0.0, 2.0], weight=p[:, 0].abs(), density=True), points)
    edges = [np.array([-1.0, 0.0, 3.0]), np.array([-0.5, 0.5])]
    same(lambda lib, p: lib.histogramdd(p, [lib.tensor(e) for e in edges]), points)
    with pytest.raises(TypeError, match="indices of torch.float32"):
        rushlight.unravel_index(rushlight.zeros(1), (2,))
    with pytest.raises(ValueError, match="negative"):
        rushlight.unravel_index(rushlight.tensor([0]), (-2,))
    with pytest.raises(RuntimeError, match="size=-1"):
        rushlight.nonzero_static(rushlight.zeros(1), size=-1)
    with pytest.raises(RuntimeError, match="not divisible"):
        rushlight.zeros(1, 1, 3).dsplit(2)


def test_low_rank():
    A = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, -1.0, 2.0])
    U, S, V = rushlight.svd_lowrank(rushlight.tensor(A), q=2)
    np.testing.assert_allclose((U * S @ V.mH).numpy(), A, atol=1e-9)
    np.testing.assert_allclose(S.numpy(), np.linalg.svd(A)[1][:2], atol=1e-9)
    U, S, V = rushlight.pca_lowrank(rushlight.tensor(A.T), q=1)
    np.testing.assert_allclose((U * S @ V.mH).numpy(), A.T - A.T.mean(0), atol=1e-9)
    with pytest.raises(ValueError, match="q=9"):
        rushlight.svd_lowrank(rushlight.tensor(A), q=9)
    with pytest.raises(ValueError, match="niter"):
        rushlight.pca_lowrank(rushlight.tensor(A), niter=-1)


def test_binomial_is_pytorchs():
    count = np.random.default_rng(0).integers(0, 200, 300).astype(np.float64)
    chance = np.random.default_rng(1).random(300)
    same(lambda lib, n, p: (lib.binomial(n, p), lib.rand(3)), count, chance, rtol=0)
    with pytest.raises(ValueError, match="floating"):
        rushlight.binomial(rushlight.tensor([3]), rushlight.tensor([0.5]))


def test_norms_and_constructors():
    same(lambda lib, x: lib.frobenius_norm(x, (1, 2)), X)
    same(lambda lib, x: lib.nuclear_norm(x[0]), X)
    same(lambda lib, x: lib.nuclear_norm(x, (0, 2), True), X)
    same(lambda lib, x: (lib.norm_except_dim(x, 2, 1), lib.norm_except_dim(x, 1, -1)), X)
    same(lambda lib, x: lib.adjoint(x * 1j).resolve_conj(), X)
    same(lambda lib, x: lib.scalar_tensor(True), X)
    assert (
        rushlight.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
    )
    assert rushlight.zeros(1).new_empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    with pytest.raises(RuntimeError, match="physical_layout"):
        rushlight.empty_permuted((2, 3), (0, 0))


def test_in_place():
    same(lambda lib, x: x.clone().nan_to_num_(0.5), np.where(X > 1, np.nan, X))
    same(lambda lib, x: x[0].clone().fill_diagonal_(9), X)
    same(lambda lib, x: x.clone().fill_diagonal_(9, wrap=True), np.zeros((9, 2)))
    same(lambda lib, x: x.fill_diagonal_(9), np.zeros((3, 3, 3)))
    same(lambda lib, x: x.apply_(lambda v: v * 2), X)
    same(lambda lib, x: x.map_(x[0, 0] * 1, lambda v, w: v - w), X)
    same(lambda lib, x: x.double().float_power_(2), X)
    same(lambda lib, x: lib.resize_as_(x, lib.zeros(2, 2)), X)
    same(lambda lib, x: lib.arcsin_(x.tanh()), X)
    with pytest.raises(RuntimeError, match="float_power"):
        rushlight.zeros(2).float_power_(2)
    with pytest.raises(RuntimeError, match="fill_diagonal_"):
        rushlight.zeros(2).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="requires grad"):
        rushlight.zeros(2, requires_grad=True).apply_(abs)


def test_questions():
    x = rushlight.zeros(2, 3)
    assert rushlight.typename(x) == "torch.FloatTensor" and rushlight.typename([1]) == "list"
    assert x.is_same_size(x + 1) and not x.is_same_size(x.t()) and x.t().dim_order() == (1, 0)
    assert rushlight.is_signed(x) and not rushlight.is_signed(x.byte()) and rushlight.get_device(x) == -1
    assert rushlight.is_storage(x.untyped_storage()) and not rushlight.is_storage(x)
    assert rushlight.set_flush_denormal(True) is False and not rushlight.is_inference(x)
    with pytest.raises(TypeError, match="torch.LongTensor"):
        rushlight.set_default_tensor_type("torch.LongTensor")
    for library in (rushlight, torch):
        sizes = library.sym_max(2, 3.0), library.sym_min(2, 3.0), library.sym_int(-3.7), library.sym_sum([1, 2])
        assert repr(sizes) == "(3.0, 2.0, -3, 3)"
        assert library.sym_ite(library.sym_not(False), 1, 2) == 1 and library.sym_float(2) == 2.0


def test_memory_of_others(tmp_path):
    a = np.zeros(3)
    t = rushlight.from_dlpack(a)
    a[0] = 5
    assert t.tolist() == [5, 0, 0]
    x = rushlight.ones(2, 2)
    theirs = torch.from_dlpack(x)
    theirs[0, 0] = 7
    assert x[0, 0] == 7 and rushlight.from_dlpack(rushlight.to_dlpack(x)).shape == (2, 2)
    with pytest.raises(BufferError, match="detach"):
        rushlight.to_dlpack(rushlight.ones(2, requires_grad=True))
    file = str(tmp_path / "numbers")
    mapped = rushlight.from_file(file, shared=True, size=4)
    mapped.fill_(2)
    assert rushlight.from_file(file, size=3).tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="16 bytes"):
        rushlight.from_file(file, size=5)
