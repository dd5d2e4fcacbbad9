"""nn.init: the numbers are PyTorch's for the same seed, and mistakes are explained."""

import math

import pytest

import rushlight
from rushlight.nn import init

torch = pytest.importorskip("torch")

CALLS = [
    ("uniform_", (3, 5), {}),
    ("uniform_", (20,), {"a": -2.0, "b": 3.0}),
    ("normal_", (3, 5), {}),
    ("normal_", (40, 3), {"mean": 1.0, "std": 0.5}),
    ("trunc_normal_", (30, 4), {"std": 0.02}),
    ("trunc_normal_", (30, 4), {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 1.0}),
    ("trunc_normal_", (40,), {"mean": 1.0, "std": 0.1, "a": 0.0, "b": 0.9}),
    ("trunc_normal_", (40,), {"a": 2.0, "b": 3.0}),
    ("constant_", (2, 3), {"val": 0.3}),
    ("ones_", (2,), {}),
    ("zeros_", (2,), {}),
    ("eye_", (3, 4), {}),
    ("dirac_", (4, 2, 3, 3), {}),
    ("dirac_", (6, 2, 5), {"groups": 3}),
    ("xavier_uniform_", (3, 5), {"gain": 2.0}),
    ("xavier_uniform_", (4, 3, 3, 3), {}),
    ("xavier_normal_", (16, 5), {}),
    ("kaiming_uniform_", (3, 5), {"a": math.sqrt(5)}),
    ("kaiming_uniform_", (4, 3, 3, 3), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", (4, 3, 5), {}),
    ("kaiming_normal_", (32, 8), {"nonlinearity": "tanh"}),
    ("sparse_", (10, 4), {"sparsity": 0.3}),
]


def run(library, name, shape, arguments):
    library.manual_seed(3)
    tensor = library.empty(shape)
    result = getattr(library.nn.init, name)(tensor, **arguments)
    assert result is tensor
    return tensor


@pytest.mark.parametrize("name, shape, arguments", CALLS)
def test_same_numbers(name, shape, arguments):
    ours, theirs = run(rushlight, name, shape, arguments), run(torch, name, shape, arguments)
    tolerance = 1e-6 if name == "trunc_normal_" else 0.0  # scaled and shifted in another order
    assert ours.flatten().tolist() == pytest.approx(theirs.flatten().tolist(), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3)])
def test_orthogonal(shape):
    ours, theirs = run(rushlight, "orthogonal_", shape, {}), run(torch, "orthogonal_", shape, {})
    assert ours.flatten().tolist() == pytest.approx(theirs.flatten().tolist(), abs=1e-5)


@pytest.mark.parametrize("nonlinearity", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain(nonlinearity):
    assert init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)


def test_gain_of_a_slope():
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)
    with pytest.raises(ValueError, match="param=True"):
        init.calculate_gain("leaky_relu", True)
    with pytest.raises(ValueError, match="'foo'.*leaky_relu"):
        init.calculate_gain("foo")


def test_parameters_keep_requiring_gradients():
    weight = rushlight.nn.Parameter(rushlight.zeros(2, 2))
    init.ones_(weight)
    assert weight.requires_grad and weight.is_leaf and weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_mistakes():
    with pytest.raises(ValueError, match="biases"):
        init.xavier_uniform_(rushlight.zeros(3))
    with pytest.raises(ValueError, match="'middle'"):
        init.kaiming_uniform_(rushlight.zeros(3, 2), mode="middle")
    with pytest.raises(ValueError, match="2 dimensions"):
        init.eye_(rushlight.zeros(3))
    with pytest.raises(ValueError, match="3 to 5"):
        init.dirac_(rushlight.zeros(3, 3))
    with pytest.raises(ValueError, match="multiple"):
        init.dirac_(rushlight.zeros(3, 3, 3), groups=2)
    with pytest.raises(ValueError, match="a < b"):
        init.trunc_normal_(rushlight.zeros(3), a=1.0, b=1.0)
    with pytest.raises(ValueError):
        init.orthogonal_(rushlight.zeros(3))
    with pytest.warns(UserWarning, match="no values"):
        init.kaiming_normal_(rushlight.zeros(0, 3))
    with pytest.warns(UserWarning, match="outside"):
        init.trunc_normal_(rushlight.zeros(3), mean=5.0)


def test_old_names_warn():
    with pytest.warns(FutureWarning, match="nn.init.constant_"):
        assert init.constant(rushlight.zeros(2), 4.0).tolist() == [4.0, 4.0]
