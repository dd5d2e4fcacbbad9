"""torch.masked against PyTorch's, and against plain reductions of what the mask keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
MASK = np.array([[True, False, True, True], [False] * 4, [True] * 4])
REDUCTIONS = ["sum", "prod", "amax", "amin", "mean", "var", "std", "logsumexp", "argmax", "argmin", "median"]


def both(name: str, *args, x=X, mask=MASK, **options):
    found = []
    for library in (rushlight, torch):
        given = {k: getattr(library, v) if k == "dtype" else v for k, v in options.items()}
        keep = None if mask is None else library.tensor(mask)
        found.append(getattr(library.masked, name)(library.tensor(x), *args, mask=keep, **given).numpy())
    return found


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("options", [{"dim": 1}, {"dim": 0, "keepdim": True}, {"dim": 1, "dtype": "float64"}])
@pytest.mark.parametrize("mask", [MASK, MASK[2], None], ids=["full", "broadcast", "none"])
def test_reductions(name, options, mask):
    ours, theirs = both(name, mask=mask, **options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert ours.dtype == theirs.dtype or name == "median"  # PyTorch's does not look at `dtype`


@pytest.mark.parametrize("name", [n for n in REDUCTIONS if n != "median"])
def test_reductions_of_everything(name):
    ours, theirs = both(name)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ["sum", "prod", "amax", "amin", "argmax", "var"])
def test_integers(name):
    ours, theirs = both(name, dim=1, x=np.arange(12, dtype=np.int32).reshape(3, 4))
    np.testing.assert_allclose(ours, theirs)
    assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "cumsum", "cumprod"])
def test_what_keeps_the_shape(name):
    ours, theirs = both(name, 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ord", [2.0, 1.0, 0.0, math.inf, -math.inf])
def test_norms(ord):
    np.testing.assert_allclose(*both("norm", ord, 1), rtol=1e-5)
    if ord == 2.0:
        np.testing.assert_allclose(*both("normalize", ord, 1), rtol=1e-5)


def test_logaddexp():
    found = []
    for library in (rushlight, torch):
        a, b, m = library.tensor(X), library.tensor(X * 2), library.tensor(MASK)
        found.append(library.masked.logaddexp(a, b, input_mask=m, other_mask=~m).numpy())
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "amax"])
def test_masked_elements_have_no_gradient(name):
    x = rushlight.tensor(X, requires_grad=True)
    getattr(rushlight.masked, name)(x, mask=rushlight.tensor(MASK)).backward()
    kept = rushlight.tensor(X[MASK], requires_grad=True)
    getattr(kept, name)().backward()
    np.testing.assert_allclose(x.grad.numpy()[MASK], kept.grad.numpy(), rtol=1e-5, atol=1e-7)
    assert not x.grad.numpy()[~MASK].any()


def test_bad_input():
    x = rushlight.tensor(X)
    with pytest.raises(IndexError, match="no more dimensions"):
        rushlight.masked.sum(x, mask=rushlight.ones(1, 3, 4, dtype=rushlight.bool))
    with pytest.raises(RuntimeError):
        rushlight.masked.sum(x, mask=rushlight.ones(5, dtype=rushlight.bool))
    with pytest.raises(ValueError, match="floating dtype"):
        rushlight.masked.mean(rushlight.arange(3))
    with pytest.raises(NotImplementedError, match="masked.amax"):
        rushlight.masked.amax(x > 0, mask=rushlight.tensor(MASK))
    with pytest.raises(ValueError, match="nothing is kept"):
        rushlight.masked.median(rushlight.arange(2), mask=rushlight.zeros(2, dtype=rushlight.bool))
    with pytest.raises(AssertionError, match="one of them"):
        rushlight.masked.var(x, 0, True, correction=1)
