"""The printed form of tensors is PyTorch's, character for character."""

from __future__ import annotations

import importlib
import time

import numpy as np
import pytest

from rushlight.printing import set_printoptions, tensor_str

torch = pytest.importorskip("torch")
dtypes = importlib.import_module("rushlight.dtype")  # the attribute of the package is PyTorch's class

NAMES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
    "complex64", "complex128",
]  # fmt: skip


def ours(t, **extra):
    name = str(t.dtype).removeprefix("torch.")
    kind = getattr(dtypes, "bool_" if name == "bool" else name)
    plain = t.detach()
    array = (plain.float() if name == "bfloat16" else plain).numpy()
    return tensor_str(array, dtype=kind, requires_grad=t.requires_grad, **extra)


def same(t, **extra):
    assert ours(t, **extra) == repr(t)


@pytest.fixture
def options():
    """Sets the options of both libraries; the defaults come back afterwards."""

    def set_both(**given):
        set_printoptions(**given)
        torch.set_printoptions(**given)

    yield set_both
    set_both(profile="default")


def random_tensor(rng, name):
    shape = tuple(rng.integers(0, 7, rng.integers(0, 5)).tolist())
    if rng.random() < 0.25:
        shape = [(1001,), (30, 50), (2, 700), (700, 2), (3, 20, 30), (1, 1, 1200), (7, 6, 5, 8), (1000,), (2000, 1)][
            rng.integers(9)
        ]
    if name == "bool":
        return torch.from_numpy(np.array(rng.random(shape) < 0.5))
    if "int" in name:
        info = torch.iinfo(getattr(torch, name))
        limit = min(float(info.max), 10 ** rng.uniform(0, 19))
        return torch.from_numpy(np.array(rng.uniform(max(info.min, -limit), limit * 0.999, shape))).to(
            getattr(torch, name)
        )

    def reals():
        values = np.array(rng.standard_normal(shape) * 10 ** rng.uniform(-7, 10))
        style = rng.integers(6)
        if style == 0:
            values = np.asarray(np.round(values))
        elif style == 1:
            values = np.array(rng.integers(-50, 50, shape).astype(float))
        elif style == 2:
            values = np.array(10.0 ** rng.uniform(-6, 9, shape))
        elif style == 3:
            values = np.array(rng.random(shape))
        if rng.random() < 0.3 and values.size:
            flat = values.reshape(-1)
            flat[rng.integers(0, flat.size, 3)] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], 3)
        return np.asarray(values)

    if name.startswith("complex"):
        return torch.from_numpy(np.array(reals() + 1j * reals())).to(getattr(torch, name))
    return torch.from_numpy(reals()).to(getattr(torch, name))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_random_tensors(name):
    rng = np.random.default_rng(NAMES.index(name))
    for _ in range(60):
        same(random_tensor(rng, name))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "given",
    [
        {"precision": 2}, {"precision": 0}, {"precision": 8}, {"sci_mode": True}, {"sci_mode": False},
        {"linewidth": 30}, {"linewidth": 5}, {"linewidth": 200}, {"threshold": 5}, {"threshold": 3, "edgeitems": 1},
        {"threshold": 3, "edgeitems": 0}, {"profile": "short"}, {"profile": "full"},
        {"profile": "short", "precision": 6}, {"threshold": 10, "edgeitems": 2, "linewidth": 40, "sci_mode": True},
    ],
)  # fmt: skip
def test_options(options, given):
    options(**given)
    rng = np.random.default_rng(len(str(given)))
    for name in NAMES:
        for _ in range(8):
            t = random_tensor(rng, name)
            if given.get("threshold") or t.numel() < 1000:
                same(t)


def test_a_setting_stays_and_sci_mode_does_not(options):
    options(precision=2, sci_mode=True)
    options(linewidth=60)
    same(torch.tensor([1.2345, 2.0]))


def test_written_out():
    assert ours(torch.tensor([4.0])) == "tensor([4.])"
    assert ours(torch.tensor(1e-5)) == "tensor(1.0000e-05)"
    assert ours(torch.zeros(0, 3)) == "tensor([], size=(0, 3))"
    assert ours(torch.zeros(0, dtype=torch.bool)) == "tensor([], dtype=torch.bool)"
    assert ours(torch.tensor([[True], [False]])) == "tensor([[ True],\n        [False]])"
    assert ours(torch.zeros(1001)) == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"


def test_gradient_suffixes():
    for n in (0, 1, 9, 10, 11, 12):
        leaf = torch.full((n,), 1.5, dtype=torch.float64, requires_grad=True)
        same(leaf)
        same(leaf * 2, grad_fn_name="MulBackward0")
        same((leaf * 2).sum(), grad_fn_name="SumBackward0")


def test_default_dtype():
    before = dtypes.get_default_dtype()
    try:
        dtypes.set_default_dtype(dtypes.float64)
        torch.set_default_dtype(torch.float64)
        for name in NAMES:
            same(torch.ones(2, dtype=getattr(torch, name)))
            same(torch.ones(0, dtype=getattr(torch, name)))
    finally:
        dtypes.set_default_dtype(before)
        torch.set_default_dtype(torch.float32)


def test_other_kinds_devices_and_no_values():
    class Named(torch.Tensor):
        pass

    t = torch.linspace(0, 1, 30)
    assert ours(t, kind="Named") == repr(t.as_subclass(Named))
    half = torch.empty(2, 3, dtype=torch.float16, device="meta")
    text = tensor_str(None, dtype=dtypes.float16, device_suffix="meta", size=(2, 3))
    assert text == repr(half)
    text = tensor_str(np.zeros(2, np.float32), dtype=dtypes.float32, device_suffix="cuda:0", requires_grad=True)
    assert text == "tensor([0., 0.], device='cuda:0', requires_grad=True)"


def test_strided_arrays():
    t = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)[::2]
    same(t)


def test_unknown_profile():
    with pytest.raises(ValueError, match="profile='tiny'; expected one of 'default', 'short', 'full'"):
        set_printoptions(profile="tiny")


def test_a_big_array_costs_what_is_shown():
    big = np.zeros((4000, 5000), np.float32)
    start = time.perf_counter()
    tensor_str(big, dtype=dtypes.float32)
    assert time.perf_counter() - start < 0.05
