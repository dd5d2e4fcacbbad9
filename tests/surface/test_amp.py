"""Autocast and the gradient scaler, against PyTorch on the CPU."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F

RNG = np.random.default_rng(0)
M, V, B3 = (RNG.standard_normal(s).astype(np.float32) for s in ((4, 4), (4,), (2, 4, 4)))
C1, C2, C3 = (RNG.standard_normal(s).astype(np.float32) for s in ((1, 2, 8), (1, 2, 8, 8), (1, 2, 6, 6, 6)))
K1, K2, K3 = (RNG.standard_normal(s).astype(np.float32) for s in ((3, 2, 3), (3, 2, 3, 3), (3, 2, 3, 3, 3)))
S = (M @ M.T + 4 * np.eye(4)).astype(np.float32)
P = (np.abs(M) / (np.abs(M).max() + 1)).astype(np.float32)
I = np.array([0, 1, 2, 0])  # noqa: E741

CASES = (
    """
F.linear(c(M), c(M), c(V)) | c(M) @ c(M) | t.matmul(c(M), c(V)) | t.mm(c(M), c(M)) | t.bmm(c(B3), c(B3)) | t.mv(c(M), c(V))
t.addmm(c(M), c(M), c(M)) | t.addbmm(c(M), c(B3), c(B3)) | t.baddbmm(c(B3), c(B3), c(B3)) | t.addmv(c(V), c(M), c(V)) | t.dot(c(V), c(V))
t.outer(c(V), c(V)) | t.einsum("ij,jk->ik", c(M), c(M)) | t.einsum("ij->ji", c(M)) | t.tensordot(c(M), c(M), 1) | t.inner(c(M), c(M))
t.linalg.multi_dot([c(M), c(M), c(M)]) | t.linalg.vecdot(c(M), c(M)) | t.matrix_power(c(M), 3) | t.kron(c(M), c(M))
F.conv1d(c(C1), c(K1)) | F.conv2d(c(C2), c(K2)) | F.conv3d(c(C3), c(K3)) | F.conv_transpose2d(c(C2), c(K2).transpose(0, 1))
F.prelu(c(M), c(V[:1])) | F.scaled_dot_product_attention(c(B3), c(B3), c(B3)) | F.avg_pool3d(c(C3), 2) | F.max_pool3d(c(C3), 2)
F.avg_pool2d(c(C2), 2) | F.adaptive_avg_pool3d(c(C3), 2) | F.binary_cross_entropy(c(P), c(P)) | F.binary_cross_entropy_with_logits(c(M), c(P))
t.prod(c(M)) | c(M).prod(0) | t.quantile(c(M), 0.5) | t.cdist(c(M), c(M)) | t.trace(c(M)) | t.linalg.cholesky(c(S)) | t.inverse(c(S))
t.linalg.svdvals(c(M)) | t.linalg.eigvalsh(c(S)) | t.linalg.norm(c(M)) | F.mse_loss(c(M), c(M)) | F.l1_loss(c(M), c(M))
F.cross_entropy(c(M), t.tensor(I)) | F.nll_loss(c(M), t.tensor(I)) | F.kl_div(c(M), c(P), reduction="sum") | F.huber_loss(c(M), c(M))
F.smooth_l1_loss(c(M), c(M)) | F.poisson_nll_loss(c(M), c(P)) | F.triplet_margin_loss(c(M), c(M), c(M)) | F.multi_margin_loss(c(M), t.tensor(I))
t.fft.fft(c(V)) | t.stack([c(V), t.ones(4)]) | t.cat([c(V), c(V)]) | t.index_copy(c(M), 0, t.tensor([0]), t.ones(1, 4))
F.softmax(c(M), -1) | F.log_softmax(c(M), -1) | F.layer_norm(c(M), (4,)) | F.gelu(c(M)) | c(M).sum() | c(M).exp() | c(M).cumsum(0)
F.pad(c(C2), (1, 1, 1, 1), mode="reflect") | F.pad(c(C1), (1, 1), mode="replicate") | F.pad(c(C3), (1,) * 6, mode="reflect") | F.pad(c(M), (1, 1))
t.nn.LSTM(4, 4)(c(B3))[0] | t.nn.GRU(4, 4)(c(B3))[0] | t.nn.LSTMCell(4, 4)(c(M))[0] | t.nn.RNN(4, 4)(c(B3))[0]
t.nn.MultiheadAttention(4, 2)(c(B3), c(B3), c(B3))[0] | t.nn.TransformerEncoderLayer(4, 2, 8)(c(B3)) | t.nn.BatchNorm1d(4)(c(M))
c(M).double() @ c(M).double() | F.embedding(t.tensor(I), c(M)) | t.addcmul(c(M), c(M), c(M))
""".replace("\n", " | ")
    .strip(" |")
    .split(" | ")
)


def dtype_of(t, case, kind):
    names = {"t": t, "F": t.nn.functional, "c": lambda a: t.tensor(a).to(getattr(t, kind)), **globals()}
    names["F"] = t.nn.functional
    with warnings.catch_warnings(), t.autocast("cpu", dtype=t.bfloat16):
        warnings.simplefilter("ignore")
        return str(eval(case, names).dtype)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", [case.strip() for case in CASES])
def test_dtypes_are_pytorchs(oracle, case, kind):
    assert dtype_of(torch, case, kind) == dtype_of(oracle, case, kind)


def train(t, steps=4):
    w1, w2 = (t.tensor(RNG_WEIGHTS[n], requires_grad=True) for n in range(2))
    x, y = t.tensor(RNG_WEIGHTS[2]), t.tensor([0, 1, 2, 3, 0, 1])
    optimizer = t.optim.SGD([w1, w2], lr=0.1)
    losses = []
    for _ in range(steps):
        with t.autocast("cpu", dtype=t.bfloat16):
            h = t.relu(t.nn.functional.linear(x, w1))
            loss = t.nn.functional.cross_entropy(t.nn.functional.linear(h, w2), y)
        optimizer.zero_grad()
        loss.backward()
        assert (w1.grad.dtype, loss.dtype) == (t.float32, t.float32)
        optimizer.step()
        losses.append(loss.item())
    return losses, w1.detach().numpy()


RNG_WEIGHTS = [RNG.standard_normal(s).astype(np.float32) * 0.5 for s in ((16, 8), (4, 16), (6, 8))]


def test_training_is_as_pytorchs(oracle):
    ours, w = train(torch)
    theirs, v = train(oracle)
    np.testing.assert_allclose(ours, theirs, rtol=2e-2)
    np.testing.assert_allclose(w, v, atol=2e-2)
    assert ours[-1] < ours[0]


def test_casts_are_ordinary_ops_and_steps_are_recognised():
    with torch.autocast("cpu"):
        a = torch.ones(2, 2, requires_grad=True)
        b = (a @ a).float().sum()
    b.backward()
    assert a.grad.dtype is torch.float32 and a.grad.tolist() == [[4.0, 4.0], [4.0, 4.0]]


def test_regions_nest_and_decorate():
    a = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.is_autocast_enabled("cpu") and (a @ a).dtype is torch.float16
        with torch.autocast("cpu", enabled=False):
            assert not torch.is_autocast_enabled("cpu") and (a @ a).dtype is torch.float32
            with torch.autocast("cpu", dtype=torch.bfloat16):
                assert (a @ a).dtype is torch.bfloat16
        assert (a @ a).dtype is torch.float16
    assert (a @ a).dtype is torch.float32

    @torch.autocast("cpu")
    def f(x):
        return x @ x

    assert f(a).dtype is torch.bfloat16
    with pytest.raises(KeyError), torch.cpu.amp.autocast():
        raise KeyError
    assert not torch.is_autocast_enabled("cpu")


def test_backward_inside_a_region_computes_in_the_dtypes_that_gradients_have():
    w = torch.ones(3, 3, requires_grad=True)
    with torch.autocast("cpu"):
        loss = (w.exp() * w).sum()
        loss.backward(create_graph=True)
        assert w.grad.dtype is torch.float32
    np.testing.assert_allclose(w.grad.detach().numpy(), 2 * np.e, rtol=1e-6)


def test_a_leaf_is_cast_once(oracle):
    for t in (torch, oracle):
        w, x = t.full((1, 1), 1.0, requires_grad=True), t.tensor([[1.0]])
        with t.autocast("cpu", cache_enabled=True):
            total = sum(t.nn.functional.linear(x, w).float() * k for k in (256.0, 1.0))
        total.sum().backward()
        assert w.grad.item() == 256.0  # 257 is no bfloat16: the gradients met in it


def test_out_and_double_are_left_alone():
    a, out = torch.ones(2, 2), torch.empty(2, 2)
    with torch.autocast("cpu"):
        assert torch.mm(a, a, out=out).dtype is torch.float32
        assert torch.mm(a.double(), a.double()).dtype is torch.float64
        with pytest.raises(RuntimeError, match="autocast"):
            torch.cat([a.half(), a.bfloat16()])


def test_settings():
    assert torch.get_autocast_dtype("cpu") is torch.bfloat16 and torch.get_autocast_dtype("cuda") is torch.float16
    torch.set_autocast_dtype("cpu", torch.float16)
    try:
        with torch.autocast("cpu"):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float16
    finally:
        torch.set_autocast_dtype("cpu", torch.bfloat16)
    torch.set_autocast_enabled("cpu", True)
    assert torch.is_autocast_enabled("cpu")
    torch.set_autocast_enabled("cpu", False)
    assert not torch.is_autocast_enabled("cpu") and torch.is_autocast_cache_enabled()
    assert torch.amp.is_autocast_available("cpu") and not torch.amp.is_autocast_available("cuda")


def test_what_is_not_there_warns_and_changes_nothing():
    with pytest.warns(UserWarning, match="cuda"), torch.cuda.amp.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
    with pytest.warns(UserWarning, match="float64"), torch.autocast("cpu", dtype=torch.float64):
        assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(RuntimeError, match="toaster"):
        torch.autocast("toaster")
    with pytest.raises(ValueError, match="device_type"):
        torch.autocast(1)


def test_custom_functions():
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, a, b):
            assert not torch.is_autocast_enabled("cpu")
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g @ b.T, a.T @ g

    a = torch.ones(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        out = Product.apply(a, torch.ones(2, 2, dtype=torch.bfloat16))
        assert out.dtype is torch.float32
    out.sum().backward()
    assert a.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def scaled_steps(t, bad_at):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    optimizer, scaler = t.optim.SGD([w], lr=0.25), t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    seen = []
    for step in range(6):
        optimizer.zero_grad()
        loss = (w * w).sum() * (float("inf") if step == bad_at else 1.0)
        scaler.scale(loss).backward()
        if step % 2:
            scaler.unscale_(optimizer)
            seen.append(t.nn.utils.clip_grad_norm_([w], 0.5).item())
        scaler.step(optimizer)
        scaler.update()
        seen.append((scaler.get_scale(), w.detach().tolist()))
    return seen, scaler.state_dict()


@pytest.mark.parametrize("bad_at", [None, 0, 3])
def test_scaler_is_pytorchs(oracle, bad_at):
    ours, state = scaled_steps(torch, bad_at)
    theirs, expected = scaled_steps(oracle, bad_at)
    assert state == expected
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            np.hstack(a) if isinstance(a, tuple) else a, np.hstack(b) if isinstance(b, tuple) else b, rtol=1e-6
        )


def test_scaler_state_and_mistakes():
    w = torch.ones(2, requires_grad=True)
    optimizer, scaler = torch.optim.SGD([w], lr=0.1), torch.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="scale"):
        scaler.step(optimizer)
    scaler.scale([w.sum(), w.sum()])[0].backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="twice"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="twice"):
        scaler.step(optimizer)
    scaler.update()
    with pytest.raises(AssertionError, match="update"):
        scaler.update()
    copy = pickle.loads(pickle.dumps(scaler))
    assert copy.state_dict() == scaler.state_dict() and copy.is_enabled()
    other = torch.amp.GradScaler("cpu", init_scale=2.0)
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 65536.0
    with pytest.raises(RuntimeError, match="enabled"):
        other.load_state_dict({})
    half = torch.ones(2, dtype=torch.float16, requires_grad=True)
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="float16"):
        scaler.unscale_(torch.optim.SGD([half], lr=0.1))
    with pytest.warns(UserWarning, match="cuda"):
        off = torch.cuda.amp.GradScaler()
    assert not off.is_enabled() and off.state_dict() == {} and off.scale(w) is w


def test_functions_keep_their_signatures_once_autocast_has_been_used():
    import inspect

    with torch.autocast("cpu"):
        pass
    assert list(inspect.signature(F.linear).parameters)[:2] == ["input", "weight"]
    assert F.linear.__name__ == "linear" and nn.Linear(2, 2)(torch.ones(1, 2)).shape == (1, 2)
