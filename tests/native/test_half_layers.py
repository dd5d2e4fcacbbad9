"""float16 and bfloat16 in ops whose kernels know float32 and float64: computed natively, with the reference's bits or one rounding off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as torch
from rushlight import config, nn
from rushlight.backend.llvm import target
from rushlight.compile.native import Native

F = nn.functional
ULP = {torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}


def values(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / 2)


def recurrent(kind: Callable[..., Any]) -> Callable[..., Any]:
    def layer(x: Any) -> Any:
        torch.manual_seed(3)
        return kind(8, 8).to(x.dtype)(x[0])[0]

    return layer


LAYERS = {
    "convolution": lambda x: F.conv2d(x, values(6, 4, 3, 3, seed=1).to(x.dtype), values(6).to(x.dtype), padding=1),
    "transposed convolution": lambda x: F.conv_transpose2d(x, values(4, 5, 3, 3, seed=1).to(x.dtype), stride=2),
    "max pooling": lambda x: F.max_pool2d(x, 2),
    "mean pooling": lambda x: F.avg_pool2d(x, 3, stride=2, padding=1),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "lstm": recurrent(nn.LSTM),
    "gru": recurrent(nn.GRU),
    "rnn": recurrent(nn.RNN),
}


def run(layer: Callable[..., Any], dtype: Any) -> tuple[list[np.ndarray], str]:
    x = values(2, 4, 8, 8).to(dtype).requires_grad_()
    y = layer(x)
    weights = values(*y.shape, seed=2).to(dtype)
    (y * weights).sum().backward()
    found = [t.detach().float().numpy() for t in (y, x.grad)]
    return found, str(torch.explain())


@pytest.mark.parametrize("dtype", ULP, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_half_precision_runs_natively_and_rounds_once(name, dtype, monkeypatch):
    if not target.current().half:
        pytest.skip("this target does not convert float16")
    monkeypatch.setattr(config, "reference_runs", 0)
    native, said = run(LAYERS[name], dtype)
    for op in ("convolution", "pool", "attention", "layer"):
        assert op not in said.partition("NumPy runs")[2].partition("\n")[0]
    monkeypatch.setattr(Native, "__call__", lambda self, *given: self.reference(*given))
    expected, _ = run(LAYERS[name], dtype)
    for a, b in zip(native, expected, strict=True):
        assert a.shape == b.shape and np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=2 * ULP[dtype], atol=4 * ULP[dtype] * np.abs(b).max())
