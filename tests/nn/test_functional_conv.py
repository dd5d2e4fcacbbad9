"""linear, bilinear and convolutions against PyTorch."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from functional_oracle import agree, bind, draw, torch

import rushlight
from rushlight.nn import functional as F

TF = torch.nn.functional


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (4,), (0, 4)])
def test_linear(shape):
    agree(F.linear, TF.linear, draw(*shape), draw(5, 4), draw(5), second=True)
    agree(F.linear, TF.linear, draw(*shape), draw(5, 4), second=True)


def test_linear_with_a_weight_vector():
    agree(F.linear, TF.linear, draw(2, 4), draw(4), second=True)


def test_bilinear():
    agree(F.bilinear, TF.bilinear, draw(2, 3, 4), draw(2, 3, 5), draw(6, 4, 5), draw(6), second=True)
    with pytest.raises(RuntimeError, match="bilinear: got inputs"):
        F.bilinear(rushlight.ones(2, 3), rushlight.ones(2, 3), rushlight.ones(4, 3, 2))


def test_linear_errors_name_the_sizes_and_the_dtypes():
    with pytest.raises(
        RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x5 and 4x3\).*nn.Linear\(5, 3\)"
    ):
        F.linear(rushlight.ones(2, 5), rushlight.ones(3, 4))
    with pytest.raises(RuntimeError, match=r"same dtype, but got: Float != Double.*\.to\(torch.float64\)"):
        F.linear(rushlight.ones(2, 4), rushlight.ones(3, 4, dtype=rushlight.float64))
    with pytest.raises(RuntimeError, match="a bias of shape"):
        F.linear(rushlight.ones(2, 4), rushlight.ones(3, 4), rushlight.ones(2, 1, 3))


def _random_geometry(seed: int) -> tuple[dict, tuple, tuple]:
    """A random 2-d convolution: keyword arguments, input shape, weight shape."""
    rng = np.random.RandomState(seed)
    pick = lambda low, high: tuple(int(v) for v in rng.randint(low, high, 2))  # noqa: E731
    groups = int(rng.choice([1, 1, 2, 4]))
    kernel, dilation = pick(1, 4), pick(1, 3)
    space = tuple(int(rng.randint(3, 6)) + d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    arguments = {"stride": pick(1, 4), "padding": pick(0, 3), "dilation": dilation, "groups": groups}
    return arguments, (2, 4, *space), (8, 4 // groups, *kernel)


@pytest.mark.parametrize("seed", range(12))
def test_conv2d_of_random_geometry(seed):
    arguments, x, w = _random_geometry(seed)
    bias = [draw(8)] if seed % 2 else []
    agree(bind2(F.conv2d, **arguments), bind2(TF.conv2d, **arguments), draw(*x), draw(*w), *bias, second=True)


@pytest.mark.parametrize("seed", range(8))
def test_conv_transpose2d_of_random_geometry(seed):
    arguments, x, _ = _random_geometry(seed)
    arguments["padding"] = 0
    arguments["output_padding"] = tuple(min(s, 2) - 1 for s in arguments["stride"])
    weight = draw(4, 3, 2, 3)
    agree(
        bind2(F.conv_transpose2d, **arguments),
        bind2(TF.conv_transpose2d, **arguments),
        draw(*x),
        weight,
        draw(3 * arguments["groups"]),
        second=True,
    )


def bind2(function, **arguments):
    return lambda x, w, b=None: function(x, w, b, **arguments)


def test_one_and_three_dimensions():
    agree(bind(F.conv1d, 2, 1), bind(TF.conv1d, 2, 1), draw(2, 3, 9), draw(4, 3, 3), draw(4), second=True)
    agree(F.conv3d, TF.conv3d, draw(2, 2, 3, 4, 5), draw(3, 2, 2, 2, 2), draw(3), second=True)
    agree(F.conv_transpose1d, TF.conv_transpose1d, draw(2, 3, 5), draw(3, 4, 3), draw(4))
    agree(bind(F.conv_transpose3d, 2), bind(TF.conv_transpose3d, 2), draw(1, 2, 2, 3, 2), draw(2, 3, 2, 2, 2), draw(3))
    agree(bind(F.conv_tbc, 1), bind(TF.conv_tbc, 1), draw(5, 2, 3), draw(3, 3, 4), draw(4))


@pytest.mark.parametrize("kernel", [(3, 3), (2, 4)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(kernel, padding):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of a copy
        agree(
            bind2(F.conv2d, padding=padding, dilation=(2, 1)),
            bind2(TF.conv2d, padding=padding, dilation=(2, 1)),
            draw(2, 3, 7, 8),
            draw(4, 3, *kernel),
        )


def test_without_a_batch_dimension():
    agree(F.conv2d, TF.conv2d, draw(3, 5, 6), draw(4, 3, 2, 2), draw(4))
    agree(F.conv_transpose2d, TF.conv_transpose2d, draw(3, 5, 6), draw(3, 4, 2, 2), draw(4))


def test_empty_batch():
    w = rushlight.ones(4, 3, 2, 2, requires_grad=True)
    out = F.conv2d(rushlight.zeros(0, 3, 5, 5), w)
    out.sum().backward()
    assert out.shape == (0, 4, 4, 4)
    assert w.grad.abs().sum().item() == 0


def test_half_precision_is_computed_in_float32():
    x, w = draw(2, 8, 6, 6), draw(4, 8, 3, 3)
    out = F.conv2d(rushlight.tensor(x).to(rushlight.bfloat16), rushlight.tensor(w).to(rushlight.bfloat16))
    exact = TF.conv2d(torch.tensor(x).bfloat16().float(), torch.tensor(w).bfloat16().float())
    assert out.dtype is rushlight.bfloat16
    np.testing.assert_array_equal(out.float().numpy(), exact.bfloat16().float().numpy())


def test_the_gradient_is_named_after_the_op():
    assert (
        F.conv2d(rushlight.ones(1, 1, 3, 3), rushlight.ones(1, 1, 2, 2, requires_grad=True)).grad_fn.name()
        == "ConvolutionBackward0"
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.conv2d(rushlight.ones(1, 4, 8, 8), rushlight.ones(8, 3, 3, 3)), r"Given groups=1, weight of size \[8, 3, 3, 3\], expected input\[1, 4, 8, 8\] to have 3 channels, but got 4 channels instead.*nn.Conv2d\(4"),
        (lambda: F.conv2d(rushlight.ones(1, 8, 8, 3), rushlight.ones(8, 3, 3, 3)), r"movedim\(-1, 1\)"),
        (lambda: F.conv2d(rushlight.ones(8, 8), rushlight.ones(8, 3, 3, 3)), r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d, but got input of size: \[8, 8\]"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 2, 2), rushlight.ones(8, 3, 3, 3)), r"Calculated padded input size per channel: \(2 x 2\). Kernel size: \(3 x 3\)"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 3, 3, 3), rushlight.ones(7)), "expected bias to be 1-dimensional with 8 elements"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 3, 3, 3), stride=0), "non-positive stride"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 3, 3, 3), padding=-1), "negative padding"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 3, 3, 3), padding=(1, 2, 3)), "padding to be a single integer value or a list of 2"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 3, 3, 3), stride=2, padding="same"), "not supported for strided"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 3, 3, 3, dtype=rushlight.float64)), "same dtype"),
        (lambda: F.conv2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(8, 1, 3, 3), groups=3), "divisible by 3"),
        (lambda: F.conv_transpose2d(rushlight.ones(1, 3, 5, 5), rushlight.ones(3, 2, 3, 3), output_padding=1), "output padding must be smaller"),
    ],
)  # fmt: skip
def test_bad_input(call, words):
    with pytest.raises(RuntimeError, match=words):
        call()


def test_signatures_are_pytorchs():
    different = []
    for name in F.__all__:
        try:
            theirs = inspect.signature(getattr(TF, name)).parameters.values()
        except (ValueError, AttributeError):
            continue
        ours = inspect.signature(getattr(F, name)).parameters.values()
        if [p.name for p in theirs] != ["args", "kwargs"] and [(p.name, p.default, p.kind) for p in ours] != [
            (p.name, p.default, p.kind) for p in theirs
        ]:
            different.append(name)
    assert different == []
