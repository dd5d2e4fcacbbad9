"""The gradient of every differentiable op of the table (R10), with the count.

`test_table.py` compares whole Jacobians with finite differences in float64. Here every op is differentiated along a random
direction: in float32 (against a difference taken in float64), and twice in float64. Ops without samples are met through
functions that record them. `python -m pytest -s tests/ops/test_every_gradient.py -k count` prints how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")  # as test_table.py, whose cases these are

import rushlight as rl
from rushlight.lazy import step

from test_table import DIFFERENTIABLE, FIRST_ORDER, NOT_CHECKED, OPS, gradient_case  # isort: skip

F = rl.nn.functional
STEP = 1e-6


def _put(view: Callable[[Any], Any]) -> Callable[..., Any]:
    """A write to a view, and what the base is afterwards."""

    def function(x: Any, y: Any) -> Any:
        base = x * 1.5
        view(base).mul_(y)
        return base * base

    return function


def _drawn(draw: Callable[[Any], Any]) -> Callable[..., Any]:
    """What is drawn is the same each time, so that differences are those of the arguments."""

    def function(x: Any) -> Any:
        rl.manual_seed(0)
        return draw(x.abs() + 0.3) + x * 0.0

    return function


def _gradient_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """So that ops which only gradients record are differentiated themselves."""

    def gradient(*inputs: Any) -> Any:
        found = function(*inputs)
        return rl.autograd.grad((found * found).sum(), [x for x in inputs if x.requires_grad], create_graph=True)

    return gradient


def _norms(x: Any) -> Any:
    """Of vectors that belong to eigenvalues: free of signs, and of the order of equal ones."""
    return x.abs() ** 2


M, V, C = (3, 4), (4,), (2, 4, 3)
_INDEX = rl.tensor([0, 2, 1, 2])
# op: (a function that records it, the shapes of its float inputs)
THROUGH: dict[str, tuple[Callable[..., Any], tuple]] = {
    "select_write": (_put(lambda b: b[1]), (M, V)),
    "slice_write": (_put(lambda b: b[1:3]), (M, (2, 4))),
    "diagonal_write": (_put(lambda b: b.diagonal()), (M, (3,))),
    "unfold_write": (_put(lambda b: b.unfold(1, 2, 2)), (M, (3, 2, 2))),
    "as_strided_write": (_put(lambda b: b.as_strided((2, 2), (4, 1), 1)), (M, (2, 2))),
    "view_write": (_put(lambda b: b.view(2, 6)), (M, (2, 6))),
    "permute_write": (_put(lambda b: b.permute(1, 0)), (M, (4, 3))),
    "transpose_write": (_put(lambda b: b.transpose(0, 1)), (M, (4, 3))),
    "expand_write": (_put(lambda b: b.expand(3, 4)), (M, M)),
    "unsqueeze_write": (_put(lambda b: b.unsqueeze(0)), (M, (1, 3, 4))),
    "squeeze_write": (_put(lambda b: b.squeeze(0)), ((1, 4), V)),
    "alias_write": (_put(lambda b: b.view(b.dtype)), (M, M)),
    "cofactor_op": (_gradient_of(rl.det), ((3, 3),)),
    "svd_op": (lambda x: (rl.linalg.svd(x, full_matrices=False)[1], *map(_norms, rl.linalg.svd(x, full_matrices=False)[::2])), ((3, 4),)),
    "eigh_op": (lambda x: (rl.linalg.eigh(x + x.mT)[0], _norms(rl.linalg.eigh(x + x.mT)[1])), ((3, 3),)),
    "eigvalsh_op": (lambda x: rl.linalg.eigvalsh(x + x.mT), ((3, 3),)),
    "eig_op": (lambda x: (rl.linalg.eig(x)[0].abs().sum(), _norms(rl.linalg.eig(x)[1]).sum(1)), ((3, 3),)),
    "embedding_backward": (_gradient_of(lambda w: F.embedding(_INDEX, w)), (M,)),
    "nll_loss_backward": (_gradient_of(lambda x: F.nll_loss(x, _INDEX[:3], reduction="none") ** 2), (M,)),
    "batch_norm_backward": (_gradient_of(lambda x, w, b: F.batch_norm(x, None, None, w, b, True) ** 3), (C, V, V)),
    "layer_norm_backward": (_gradient_of(lambda x, w, b: F.layer_norm(x, (4,), w, b) ** 3), (M, V, V)),
    "group_norm_backward": (_gradient_of(lambda x, w, b: F.group_norm(x, 2, w, b) ** 3), (C, V, V)),
    "resample_backward": (_gradient_of(lambda x: F.interpolate(x, scale_factor=2.0, mode="linear") ** 2), (C,)),
    "sparse_rows_part": (lambda x: (rl.eye(4, 3, dtype=x.dtype) * 2).to_sparse() @ x * x.sum(), (M,)),
    "real_part": (lambda x, y: rl.complex(x, y).real ** 2, (M, M)),
    "imag_part": (lambda x, y: rl.complex(x, y).imag ** 2, (M, M)),
    "view_as_real": (lambda x, y: rl.view_as_real(rl.complex(x, y) * rl.complex(y, x)), (M, M)),
    "fft_c2c_op": (lambda x, y: rl.view_as_real(rl.fft.fft(rl.complex(x, y))) ** 2, (M, M)),
    "fft_c2r_op": (lambda x, y: rl.fft.irfft(rl.complex(x, y)) ** 2, (M, M)),
    "trunc_divide": (lambda x, y: rl.div(x, y, rounding_mode="trunc") + x * 0, (M, M)),
    "mode_dim": (lambda x: x.mode(0).values ** 2, (M,)),
    "binomial_op": (_drawn(lambda x: rl.binomial(rl.full_like(x, 5.0), x.clamp(max=0.9))), (M,)),
    "poisson_op": (_drawn(rl.poisson), (M,)),
    "bernoulli_each_op": (_drawn(lambda x: rl.bernoulli(x.clamp(max=0.9))), (M,)),
    **{
        name + "_fill_op": (_drawn(lambda x, draw=draw: draw(x * 1.5)), (M,))
        for name, draw in {
            "uniform": lambda x: x.uniform_(), "normal": lambda x: x.normal_(), "randint": lambda x: x.random_(1, 9), "random_full": lambda x: x.random_(),
            "bernoulli": lambda x: x.bernoulli_(), "exponential": lambda x: x.exponential_(), "log_normal": lambda x: x.log_normal_(),
            "cauchy": lambda x: x.cauchy_(), "geometric": lambda x: x.geometric_(0.5),
        }.items()
    },
}  # fmt: skip

# A gradient is there, and no difference of values can say what it should be.
ELSEWHERE = {
    "standard_gamma_op": "values are drawn by rejection: tests/distributions compares with PyTorch",
    "sample_dirichlet_op": "values are drawn by rejection: tests/distributions compares with PyTorch",
    "_standard_gamma_grad": "says that there is no second gradient",
    "_dirichlet_grad": "says that there is no second gradient",
    "ctc_loss_backward": "says that there is no second gradient",
    "embedding_bag_backward": "says that there is no second gradient",
    "detach_write": "a write that no gradient is to see: tests/fuzz/test_programs.py compares with PyTorch",
    "data_write": "a write that no gradient is to see: tests/fuzz/test_programs.py compares with PyTorch",
    "normal_each_op": "a constant to gradients, as in PyTorch, though it moves with its arguments",
}
ONCE = set(FIRST_ORDER) | {
    "embedding_bag_op",
    "eig_op",
}  # the gradient of eigenvectors' norms is no smooth function where PyTorch fixes their phase


def case(name: str, kind: str) -> tuple[Callable[..., Any], list]:
    if name not in THROUGH:
        found = [gradient_case(OPS[name], *sample, kind) for sample in OPS[name].samples()]
        found = [(f, x) for f, x in found if x and any(t.requires_grad for t in f(*x))]
        return min(found, key=lambda case: sum(t.numel() for t in case[1]))
    function, shapes = THROUGH[name]
    numbers = np.random.default_rng(len(name))
    inputs = [rl.tensor(numbers.standard_normal(s).astype(kind)).requires_grad_() for s in shapes]
    return lambda *given: function(*given), inputs


def total(function: Callable[..., Any], inputs: list) -> Any:
    """One number of all results: a weighted sum."""
    found = function(*inputs)
    numbers = np.random.default_rng(1)
    value: Any = 0.0
    for t in found if isinstance(found, (tuple, list)) else (found,):
        value = value + (t * rl.tensor(np.asarray(numbers.standard_normal(tuple(t.shape))), dtype=t.dtype)).sum()
    return value


def directions(inputs: list) -> list:
    numbers = np.random.default_rng(2)
    return [rl.tensor(np.asarray(numbers.standard_normal(tuple(t.shape))), dtype=t.dtype) for t in inputs]


def along(gradients: Any, ways: list) -> tuple[Any, float]:
    """The gradient along a direction, and how large what it is a sum of is."""
    parts = [g * d for g, d in zip(gradients, ways) if g is not None]
    found: Any = 0.0
    for part in parts:
        found = found + part.sum()
    return found, sum(part.detach().abs().sum().item() for part in parts)


def difference(function: Callable[[list], Any], inputs: list, ways: list) -> float:
    values = []
    for sign in (1.0, -1.0):
        moved = [(t.detach() + sign * STEP * d).requires_grad_() for t, d in zip(inputs, ways)]
        values.append(float(function(moved)))
    return (values[0] - values[1]) / (2 * STEP)


CHECKED = sorted([n for n in DIFFERENTIABLE if n not in NOT_CHECKED and n not in THROUGH] + list(THROUGH))


@pytest.mark.parametrize("name", CHECKED)
def test_along_a_random_direction_in_float32(name: str) -> None:
    function, inputs = case(name, "float32")
    gradients = rl.autograd.grad(total(function, inputs), inputs, allow_unused=True)
    assert all(g is None or g.dtype is rl.float32 for g in gradients)
    found, size = along(gradients, directions(inputs))
    wide, exactly = case(name, "float64")
    exactly = [t.detach().double().requires_grad_() for t in inputs]  # the same numbers
    meant = difference(lambda x: total(wide, x), exactly, [d.double() for d in directions(inputs)])
    assert float(found) == pytest.approx(meant, rel=2e-3, abs=2e-4 * max(1.0, size))


def _twice(name: str) -> Any:
    """At every commit those whose samples are too large for `test_second_gradient`; nightly all."""
    small = name not in THROUGH and any(
        sum(t.numel() for t in gradient_case(OPS[name], *s)[1]) <= 12 for s in OPS[name].samples()
    )
    return pytest.param(name, marks=pytest.mark.nightly if small else ())


@pytest.mark.parametrize("name", [_twice(n) for n in CHECKED if n not in ONCE])
def test_twice_along_random_directions(name: str) -> None:
    function, inputs = case(name, "float64")
    ways = directions(inputs)

    def slope(given: list) -> Any:
        return along(rl.autograd.grad(total(function, given), given, create_graph=True, allow_unused=True), ways)[0]

    first = slope(inputs)
    turned = [d.flip(0) if d.dim() else d for d in ways]
    if isinstance(first, float) or not first.requires_grad:
        gradients: Any = [None for _ in inputs]  # linear, or constant: the second derivative is 0
    else:
        gradients = rl.autograd.grad(first, inputs, allow_unused=True)
    found, size = along(gradients, turned)
    meant = difference(slope, inputs, turned)
    assert float(found) == pytest.approx(meant, rel=1e-4, abs=1e-4 * max(1.0, size, abs(float(first))))


def ops_of(path: Any) -> set[str]:
    """The ops of a recorded path, and what its macros are made of."""
    found = set()
    for entry in path:
        found.add(getattr(entry.op, "name", "").removesuffix("_"))
        found |= ops_of(entry.expansion.path) if getattr(entry, "expansion", None) is not None else set()
    return found


@pytest.mark.parametrize("name", list(THROUGH))
def test_the_function_records_the_op(name: str, monkeypatch) -> None:
    seen = set()
    given = step._wanted

    def watched(trace: Any) -> Any:
        seen.update(ops_of(trace.path()))
        return given(trace)

    monkeypatch.setattr(step, "_wanted", watched)
    function, inputs = case(name, "float64")
    total(function, inputs).item()
    gradients = rl.autograd.grad(total(function, inputs), inputs, create_graph=True, allow_unused=True)
    float(along(gradients, directions(inputs))[0])
    assert name in seen, sorted(seen)


def test_every_differentiable_op_is_checked_count() -> None:
    differentiable = {n for n, op in OPS.items() if op.differentiable}
    assert differentiable == set(CHECKED) | set(ELSEWHERE)
    twice = len(CHECKED) - len(ONCE & set(CHECKED))
    print(
        f"R10 gradients: {len(differentiable)} differentiable ops, {len(CHECKED)} checked against finite differences in float64 and along random "
        f"directions in float32, {twice} twice; {len(ELSEWHERE)} elsewhere: {', '.join(ELSEWHERE)}"
    )
    assert math.isclose(len(CHECKED) + len(ELSEWHERE), len(differentiable))
