"""`torch.layout`: its constants, and that creation functions refuse what they do not make."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight

torch = pytest.importorskip("torch")

CREATE = {
    "ones": lambda t, kind: t.ones(2, 3, layout=kind), "full": lambda t, kind: t.full((2, 3), 1.0, layout=kind),
    "eye": lambda t, kind: t.eye(3, layout=kind), "arange": lambda t, kind: t.arange(3, layout=kind), "range": lambda t, kind: t.range(0, 3, layout=kind),
    "linspace": lambda t, kind: t.linspace(0, 1, 3, layout=kind), "logspace": lambda t, kind: t.logspace(0, 1, 3, layout=kind),
    "rand": lambda t, kind: t.rand(2, layout=kind), "randn": lambda t, kind: t.randn(2, layout=kind), "randint": lambda t, kind: t.randint(3, (2,), layout=kind),
    "randperm": lambda t, kind: t.randperm(3, layout=kind), "normal": lambda t, kind: t.normal(0.0, 1.0, (2,), layout=kind),
    "ones_like": lambda t, kind: t.ones_like(t.ones(2), layout=kind), "full_like": lambda t, kind: t.full_like(t.ones(2), 3, layout=kind), "rand_like": lambda t, kind: t.rand_like(t.ones(2), layout=kind),
    "randn_like": lambda t, kind: t.randn_like(t.ones(2), layout=kind), "new_full": lambda t, kind: t.ones(2).new_full((2,), 1.0, layout=kind),
    "empty_strided": lambda t, kind: t.empty_strided((2,), (1,), layout=kind), "empty_permuted": lambda t, kind: t.empty_permuted((2, 3), (1, 0), layout=kind),
    "hann_window": lambda t, kind: t.hann_window(3, layout=kind), "windows.hann": lambda t, kind: t.signal.windows.hann(3, layout=kind),
    "tril_indices": lambda t, kind: t.tril_indices(3, 3, layout=kind), "fftfreq": lambda t, kind: t.fft.fftfreq(3, layout=kind),
}  # fmt: skip


def test_constants() -> None:
    for name in ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"):
        constant = getattr(rushlight, name)
        assert isinstance(constant, rushlight.layout) and repr(constant) == repr(getattr(torch, name))
        assert pickle.loads(pickle.dumps(constant)) is constant and copy.deepcopy(constant) is constant
    assert rushlight.zeros(2).layout is rushlight.strided
    with pytest.raises(TypeError, match=r"one of torch\.strided"):
        rushlight.layout()


@pytest.mark.parametrize("name", CREATE)
def test_layouts_that_are_not_made_are_refused(name: str) -> None:
    make = CREATE[name]
    assert make(rushlight, rushlight.strided).layout is rushlight.strided
    with pytest.raises(Exception) as theirs:
        make(torch, torch.sparse_coo)
    with pytest.raises(theirs.type, match=r"torch\.sparse_coo; expected torch\.strided"):
        make(rushlight, rushlight.sparse_coo)
    with pytest.raises(TypeError, match=r"torch\.layout"):
        make(rushlight, "strided")


@pytest.mark.parametrize("name", ["new_zeros", "new_ones", "new_empty"])
def test_new_tensors_take_all_options(name: str) -> None:
    for t in (rushlight, torch):
        made = getattr(t.ones(1, dtype=t.float64), name)(
            size=(2, 3), layout=t.strided, pin_memory=False, requires_grad=True
        )
        assert made.shape == (2, 3) and made.dtype is t.float64 and made.requires_grad
        with pytest.raises(TypeError):
            getattr(t.ones(1), name)(2, layuot=t.strided)
