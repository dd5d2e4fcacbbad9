"""Parametrizations, and the older hooks that normalise weights, against PyTorch."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn.utils import parametrize

torch = pytest.importorskip("torch")


def close(mine: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    assert tuple(mine.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def same_state(mine: Any, theirs: Any) -> None:
    ours, wanted = mine.state_dict(), theirs.state_dict()
    assert list(ours) == list(wanted)
    for name, value in wanted.items():
        close(ours[name], value)


def trained(library: Any, make: Any, layer: str, x: tuple, steps: int = 3) -> Any:
    """The module after some steps of SGD, and the outputs on the way."""
    library.manual_seed(0)
    module = make(library, eval("nn." + layer, {"nn": library.nn}))
    optimizer = library.optim.SGD(module.parameters(), lr=0.05)
    outputs = []
    for _ in range(steps):
        out = module(library.randn(*x))
        optimizer.zero_grad()
        (out**2).sum().backward()
        optimizer.step()
        outputs.append(out)
    module.eval()
    return module, [*outputs, module(library.ones(*x))]


def old(library: Any, name: str) -> Any:
    def make(module: Any, **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(library.nn.utils, name)(module, **options)

    return make


MADE: dict[str, tuple[Any, str, tuple]] = {
    "weight": (lambda t, m: t.nn.utils.parametrizations.weight_norm(m), "Linear(4, 3)", (5, 4)),
    "weight, whole": (lambda t, m: t.nn.utils.parametrizations.weight_norm(m, dim=None), "Linear(4, 3)", (5, 4)),
    "weight, dim 1": (lambda t, m: t.nn.utils.parametrizations.weight_norm(m, dim=1), "ConvTranspose1d(4, 3, 2)", (2, 4, 6)),
    "weight, bias": (lambda t, m: t.nn.utils.parametrizations.weight_norm(m, "bias"), "Linear(4, 3)", (5, 4)),
    "spectral": (lambda t, m: t.nn.utils.parametrizations.spectral_norm(m), "Conv2d(2, 3, 2)", (2, 2, 4, 4)),
    "spectral, transposed": (
        lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=2), "ConvTranspose1d(2, 3, 2)", (2, 2, 4),
    ),
    "spectral, vector": (lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, "bias"), "Linear(4, 3)", (5, 4)),
    "orthogonal, square": (lambda t, m: t.nn.utils.parametrizations.orthogonal(m), "Linear(4, 4)", (5, 4)),
    "orthogonal, tall": (lambda t, m: t.nn.utils.parametrizations.orthogonal(m), "Linear(3, 5)", (5, 3)),
    "orthogonal, wide": (lambda t, m: t.nn.utils.parametrizations.orthogonal(m), "Linear(5, 3)", (5, 5)),
    "cayley, wide": (lambda t, m: t.nn.utils.parametrizations.orthogonal(m, orthogonal_map="cayley"), "Linear(5, 3)", (5, 5)),
    "householder": (
        lambda t, m: t.nn.utils.parametrizations.orthogonal(m, orthogonal_map="householder", use_trivialization=False),
        "Linear(3, 5)", (5, 3),
    ),
    "exponential, plain": (
        lambda t, m: t.nn.utils.parametrizations.orthogonal(m, orthogonal_map="matrix_exp", use_trivialization=False),
        "Linear(3, 5)", (5, 3),
    ),
    "old weight": (lambda t, m: old(t, "weight_norm")(m), "Conv1d(2, 3, 2)", (2, 2, 5)),
    "old weight, whole": (lambda t, m: old(t, "weight_norm")(m, dim=None), "Linear(4, 3)", (5, 4)),
    "old spectral": (lambda t, m: old(t, "spectral_norm")(m), "ConvTranspose2d(2, 3, 2)", (2, 2, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("case", MADE)
def test_training_like_pytorch(case: str) -> None:
    (mine, outputs), (theirs, wanted) = (trained(library, *MADE[case]) for library in (rl, torch))
    same_state(mine, theirs)
    for a, b in zip(outputs, wanted, strict=True):
        close(a, b)
    assert repr(mine) == repr(theirs)


class Symmetric(rl.nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a: Any) -> Any:
        return a.triu()


class Doubled(rl.nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2


def symmetric() -> Any:
    return parametrize.register_parametrization(rl.nn.Linear(3, 3), "weight", Symmetric())


def test_register_twice_assign_and_remove() -> None:
    layer = symmetric()
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(rl.nn.Linear(1, 1))
    assert parametrize.type_before_parametrizations(layer) is rl.nn.Linear
    original = layer.parametrizations.weight.original
    value = rl.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    layer.weight = value
    assert rl.equal(layer.weight, value) and layer.parametrizations.weight.original is original
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert rl.equal(layer.weight, value * 2)
    with pytest.raises(RuntimeError, match="Doubled without a right_inverse"):
        layer.weight = value
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is rl.nn.Linear and layer.weight is original and rl.equal(layer.weight, value * 2)
    assert not hasattr(layer, "parametrizations") and list(layer.state_dict()) == ["bias", "weight"]


def test_remove_without_the_value_and_of_several_originals() -> None:
    layer = symmetric()
    original = layer.parametrizations.weight.original.detach().clone()
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert rl.equal(layer.weight, original)
    normed = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 2))
    weight = normed.weight.detach()
    with pytest.raises(ValueError, match="2 originals"):
        parametrize.remove_parametrizations(normed, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(normed, "weight")
    assert isinstance(normed.weight, rl.nn.Parameter) and rl.equal(normed.weight, weight)
    with pytest.raises(ValueError, match="a parametrized tensor"):
        parametrize.remove_parametrizations(normed, "weight")


def test_buffers_can_be_parametrized_too() -> None:
    module = rl.nn.BatchNorm1d(3)
    parametrize.register_parametrization(module, "running_mean", Doubled())
    assert "parametrizations.running_mean.original" in module.state_dict()
    assert module.running_mean.tolist() == [0, 0, 0] and len(list(module.parameters())) == 2


def test_cached_computes_once() -> None:
    layer = symmetric()
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert layer.weight is not first


def test_copies_and_files() -> None:
    layer = symmetric()
    other = copy.deepcopy(layer)
    assert rl.equal(other.weight, layer.weight)
    parametrize.remove_parametrizations(other, "weight")
    assert rl.equal(layer.weight, layer.weight.T)  # the copy's class was its own
    with pytest.raises(RuntimeError, match="state_dict"):
        copy.copy(layer)
    with pytest.raises(pickle.PicklingError):
        rl.save(layer, io.BytesIO())
    again = symmetric()
    again.load_state_dict(layer.state_dict())
    assert rl.equal(again.weight, layer.weight)


def test_checkpoints_of_the_old_weight_norm_are_read() -> None:
    before = old(rl, "weight_norm")(rl.nn.Linear(2, 3))
    after = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 3))
    after.load_state_dict(before.state_dict())
    assert rl.equal(before.weight, after.weight)


def test_transfer_shares_the_originals() -> None:
    layer, target = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(2, 3)), rl.nn.Linear(2, 3)
    assert parametrize.transfer_parametrizations_and_params(layer, target, "weight") is target
    assert target.parametrizations.weight.original0 is layer.parametrizations.weight.original0
    assert rl.equal(target.weight, layer.weight)
    assert parametrize.transfer_parametrizations_and_params(rl.nn.Linear(1, 1), target) is target


class Row(rl.nn.Module):
    def forward(self, x: Any) -> Any:
        return x[:1]


class Wide(rl.nn.Module):
    def forward(self, x: Any) -> Any:
        return x.double()


class Nothing(rl.nn.Module):
    def forward(self, x: Any) -> Any:
        return None


@pytest.mark.parametrize(
    "module, words", [(Row(), r"shape \[1, 3\]"), (Wide(), "float64"), (Nothing(), "NoneType from the parametrization")]
)
def test_what_changes_the_tensor_is_refused_unless_unsafe(module: Any, words: str) -> None:
    layer = rl.nn.Linear(3, 3)
    with pytest.raises(ValueError, match=words):
        parametrize.register_parametrization(layer, "weight", module)
    assert type(layer) is rl.nn.Linear and rl.isfinite(layer(rl.ones(1, 3))).all()
    parametrize.register_parametrization(layer, "weight", module, unsafe=True)
    with pytest.raises(ValueError, match=r"tensor_name='foo'.*bias"):
        parametrize.register_parametrization(layer, "foo", module)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t, m: t.nn.utils.parametrizations.orthogonal(m, "bias"), ValueError),
        (lambda t, m: t.nn.utils.parametrizations.orthogonal(m, orthogonal_map="qr"), ValueError),
        (lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=0), ValueError),
        (lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, dim=2), IndexError),
        (lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, "foo"), ValueError),
        (lambda t, m: old(t, "spectral_norm")(m, n_power_iterations=0), ValueError),
        (lambda t, m: t.nn.utils.remove_spectral_norm(m), ValueError),
        (lambda t, m: t.nn.utils.remove_weight_norm(m), ValueError),
        (lambda t, m: old(t, "weight_norm")(old(t, "weight_norm")(m)), RuntimeError),
        (lambda t, m: old(t, "spectral_norm")(old(t, "spectral_norm")(m)), RuntimeError),
        (lambda t, m: old(t, "weight_norm")(t.nn.LazyLinear(3)), ValueError),
    ],
)
def test_mistakes(call: Any, error: type) -> None:
    for library in (rl, torch):
        with pytest.raises(error):
            call(library, library.nn.Linear(2, 3))


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_removing_the_old_ones(kind: str) -> None:
    found = []
    for library in (rl, torch):
        module, _ = trained(library, lambda t, m: old(t, kind)(m), "Linear(4, 3)", (5, 4))
        getattr(library.nn.utils, "remove_" + kind)(module)
        assert isinstance(module.weight, library.nn.Parameter) and not module._forward_pre_hooks
        found.append(module)
    same_state(*found)


def test_assigning_an_orthogonal_weight() -> None:
    for shape in ((4, 3), (3, 4), (3, 3)):
        rl.manual_seed(0)
        q = rl.linalg.qr(rl.randn(max(shape), min(shape), dtype=rl.float64))[0]
        q = q if shape[0] >= shape[1] else q.T
        for options in (
            {},
            {"orthogonal_map": "cayley"},
            {"orthogonal_map": "householder", "use_trivialization": False},
        ):
            layer = rl.nn.utils.parametrizations.orthogonal(
                rl.nn.Linear(shape[1], shape[0], dtype=rl.float64), **options
            )
            layer.weight = q
            close(layer.weight, q, 1e-10)
    with pytest.raises(NotImplementedError, match="use_trivialization=True"):
        plain = rl.nn.utils.parametrizations.orthogonal(
            rl.nn.Linear(3, 3), orthogonal_map="cayley", use_trivialization=False
        )
        plain.weight = rl.eye(3)


def test_a_complex_weight_stays_unitary() -> None:
    module = rl.nn.Module()
    module.w = rl.nn.Parameter(rl.randn(3, 3, dtype=rl.complex64))
    rl.nn.utils.parametrizations.orthogonal(module, "w")
    close(module.w.mH @ module.w, rl.eye(3, dtype=rl.complex64))
    with pytest.raises(ValueError, match="a real tensor"):
        rl.nn.utils.parametrizations.orthogonal(module, "w", "householder")


def test_memory_formats() -> None:
    net = rl.nn.Sequential(rl.nn.Conv2d(1, 2, 3), rl.nn.Conv3d(1, 2, 3))
    before = [p.detach().clone() for p in net.parameters()]
    for convert in (rl.nn.utils.convert_conv2d_weight_memory_format, rl.nn.utils.convert_conv3d_weight_memory_format):
        assert convert(net, torch.contiguous_format) is net
        with pytest.raises(NotImplementedError, match="channels outermost"):
            convert(net, torch.channels_last)
    assert all(rl.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
