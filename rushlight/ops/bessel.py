"""Bessel functions of orders 0 and 1, Airy's Ai, and the normal quantiles. As in PyTorch, only the last differentiates.

Native code sums Chebyshev series of the functions that the reference's formulas are made of, in f64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.backend.numpy import bessel
from rushlight.backend.numpy import ndtri as quantiles
from rushlight.dtype import BOOL, FLOATING, INTEGER
from rushlight.ir import scalar as L
from rushlight.ir.op import Op, declare
from rushlight.ir.scalar import Expr
from rushlight.ops.formulas import in_double
from rushlight.ops.rules import floating, only, promote_float
from rushlight.ops.samples import Sample, positive, unary, values
from rushlight.ops.series import chebyshev
from rushlight.ops.tensor_code import T

Array = np.ndarray


def special_function(
    name: str, reference: Any, lower: Any, doc: str, samples: Any = unary, vjp: Any = None, **more: Any
) -> Op:
    """A function of one real element, of which PyTorch has no in-place form, in the namespace `special` alone."""
    return declare(
        f"{name}(Tensor input)", infer=only(name, floating(name), BOOL, INTEGER, FLOATING), promote=promote_float,
        reference=reference, lower=lower, vjp=vjp, pointwise=True, samples=samples, doc=doc, public="", **more,
    )  # fmt: skip


def beyond_zero() -> list[Sample]:
    """Values on both sides of the places where one formula gives way to another."""
    return [*positive(), ((values(2, 8, low=0.5, high=9.0),), {})]


# --- J and Y ----------------------------------------------------------------------------------------------------------


def _sum(order: int, part: int, sign: int, scale: float) -> Callable[[Array], Array]:
    """A power series of `bessel` for x^2 / 4 in [0, 2 scale]; part 1 is the one beside the logarithm."""
    return lambda t: bessel.power_series(order, scale * (t + 1), sign)[part]


def _phase(order: int, part: int) -> Callable[[Array], Array]:
    """P, or Q x, of `hankel` for (4 / x)^2 = (t + 1) / 2."""

    def run(t: Array) -> Array:
        x = 4 / np.sqrt((t + 1) / 2)
        found = bessel.hankel(order, x)[part]
        return found * x if part else found

    return run


# Made once: coefficients are kept for each function.
_J_SUMS = [[_sum(order, part, -1, 2.0) for part in (0, 1)] for order in (0, 1)]
_PHASES = [[_phase(order, part) for part in (0, 1)] for order in (0, 1)]
_K_SUMS = [[_sum(order, part, 1, 0.5) for part in (0, 1)] for order in (0, 1)]
_K_FAR = [lambda t, order=order: bessel.scaled_k_far(order, 4 / (t + 1)) for order in (0, 1)]


def _j_near(order: int, part: int, x: Expr) -> Expr:
    return chebyshev(_J_SUMS[order][part], 14, x * x / 8 - 1)


def _oscillating(order: int, second: bool, x: Expr) -> Expr:
    """J or Y for x > 4."""
    x = L.maximum(x, 4)
    t = 32 / (x * x) - 1
    p, q = chebyshev(_PHASES[order][0], 20, t), chebyshev(_PHASES[order][1], 24, t) / x
    c, s = L.cos(x), L.sin(x)
    c, s = (c + s, s - c) if order == 0 else (s - c, -(s + c))
    return (p * s + q * c if second else p * c - q * s) / L.sqrt(math.pi * x)


def _first_kind(order: int) -> Callable[[Expr], Expr]:
    @in_double
    def run(x: Expr) -> Expr:
        y = L.absolute(x)
        inner = L.minimum(y, 4)
        near = _j_near(order, 0, inner)
        found = L.select(y <= 4, near * inner / 2 if order else near, _oscillating(order, False, y))
        return L.select(x < 0, -found, L.select(L.eq(x, 0), x, found)) if order else found

    return run


def _second_kind(order: int) -> Callable[[Expr], Expr]:
    @in_double
    def run(x: Expr) -> Expr:
        inner = L.minimum(x, 4)
        total, weighted = _j_near(order, 0, inner), _j_near(order, 1, inner)
        near = 2 * (L.log(inner / 2) + bessel.EULER) * total - weighted
        near = (near * (inner / 2) - 2 / inner if order else near) / math.pi
        found = L.select(x <= 4, near, _oscillating(order, True, x))
        edge = L.select(L.eq(x, 0), L.const(-math.inf, "f64"), math.nan)
        return L.select(x > 0, found, edge)

    return run


bessel_j0 = special_function("bessel_j0", bessel.j0, _first_kind(0), "Bessel function of the first kind, order 0")
bessel_j1 = special_function("bessel_j1", bessel.j1, _first_kind(1), "Bessel function of the first kind, order 1")
bessel_y0 = special_function(
    "bessel_y0", bessel.y0, _second_kind(0), "Bessel function of the second kind, order 0", beyond_zero
)
bessel_y1 = special_function(
    "bessel_y1", bessel.y1, _second_kind(1), "Bessel function of the second kind, order 1", beyond_zero
)


@in_double
def _spherical(x: Expr) -> Expr:
    """sin(x) / x; 1 at 0, and 0 at infinity."""
    found = L.select(L.eq(L.absolute(x), math.inf), L.const(0.0, "f64"), L.sin(x) / x)
    return L.select(L.eq(x, 0), L.const(1.0, "f64"), found)


def _spherical_reference(x: Array) -> Array:
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        ratio = np.sin(wide) / np.where(x == 0, 1.0, wide)
    return np.where(x == 0, 1.0, np.where(np.isinf(wide), 0.0, ratio)).astype(x.dtype)


spherical_bessel_j0 = special_function("spherical_bessel_j0", _spherical_reference, _spherical, "sin(input) / input")


# --- K ----------------------------------------------------------------------------------------------------------------


def _modified(order: int, scaled: bool) -> Callable[[Expr], Expr]:
    @in_double
    def run(x: Expr) -> Expr:
        inner = L.minimum(x, 2)
        t = inner * inner * 0.5 - 1
        total, weighted = (chebyshev(part, 12, t) for part in _K_SUMS[order])
        near = weighted / 2 - (L.log(inner / 2) + bessel.EULER) * total
        near = 1 / inner - near * inner / 2 if order else near
        outer = L.maximum(x, 2)
        far = chebyshev(_K_FAR[order], 22, 4 / outer - 1) / L.sqrt(outer)
        found = L.select(x <= 2, near * L.exp(inner), far) if scaled else L.select(x <= 2, near, far * L.exp(-outer))
        return L.select(x > 0, found, L.select(L.eq(x, 0), L.const(math.inf, "f64"), math.nan))

    return run


for _order, _plain, _scaled in ((0, bessel.k0, bessel.k0e), (1, bessel.k1, bessel.k1e)):
    special_function(
        f"modified_bessel_k{_order}", _plain, _modified(_order, False),
        f"modified Bessel function of the second kind, order {_order}", beyond_zero,
    )  # fmt: skip
    special_function(
        f"scaled_modified_bessel_k{_order}", _scaled, _modified(_order, True),
        f"exp(input) * modified_bessel_k{_order}(input)", beyond_zero,
    )  # fmt: skip


# --- Airy -------------------------------------------------------------------------------------------------------------


def _airy_near(t: Array) -> Array:
    low, high = bessel.AIRY
    return bessel.airy_near(low + (high - low) * (t + 1) / 2)


def _airy_far(t: Array) -> Array:
    """For (1.5 / x)^(3/2) = (t + 1) / 2."""
    return bessel.airy_far(1.5 * (2 / (t + 1)) ** (2 / 3))


def _airy_cosine(t: Array) -> Array:
    """For (3 / x)^(3/2) = (t + 1) / 2."""
    return bessel.airy_waves(3 * (2 / (t + 1)) ** (2 / 3))[0]


def _airy_sine(t: Array) -> Array:
    return bessel.airy_waves(3 * (2 / (t + 1)) ** (2 / 3))[1]


@in_double
def _airy(x: Expr) -> Expr:
    low, high = bessel.AIRY
    inner = L.minimum(L.maximum(x, low), high)
    near = chebyshev(_airy_near, 27, (inner - low) * (2 / (high - low)) - 1)

    def powers(y: Expr) -> tuple[Expr, Expr]:
        root = L.sqrt(y)
        return y * root, L.sqrt(root)

    cube, quarter = powers(L.maximum(x, high))
    right = chebyshev(_airy_far, 25, (2 * high**1.5) / cube - 1) * L.exp(cube * (-2 / 3)) / quarter
    cube, quarter = powers(L.maximum(-x, -low))
    t, z = (2 * (-low) ** 1.5) / cube - 1, cube * (2 / 3)
    left = (chebyshev(_airy_cosine, 20, t) * L.cos(z) + chebyshev(_airy_sine, 20, t) * L.sin(z)) / quarter
    return L.select(x > high, right, L.select(x < low, left, near))


airy_ai = special_function(
    "airy_ai", bessel.airy_ai, _airy, "Airy's function Ai",
    lambda: [*unary(), ((values(3, 8, low=-9.0, high=9.0),), {})],
)  # fmt: skip


# --- the normal distribution ------------------------------------------------------------------------------------------


@in_double
def _ndtri(p: Expr) -> Expr:
    from_half = p - 0.5
    inside = (p > 0) & (p < 1)
    distance = L.select(inside, L.minimum(p, 1 - p), 0.5)
    r = L.sqrt(-L.log(distance))
    centre = from_half * quantiles.ratio(quantiles.CENTRE, 0.180625 - from_half * from_half)
    outer = L.select(r <= 5, quantiles.ratio(quantiles.MIDDLE, r - 1.6), quantiles.ratio(quantiles.TAIL, r - 5))
    found = L.select(L.absolute(from_half) <= 0.425, centre, L.copysign(outer, from_half))
    ends = L.select(L.eq(p, 0) | L.eq(p, 1), L.copysign(L.const(math.inf, "f64"), from_half), math.nan)
    return L.select(inside, found, ends)


ndtri = special_function(
    "ndtri", quantiles.ndtri, _ndtri, "the number below which a share `input` of the normal distribution lies",
    lambda: [((np.asarray(0.3),), {}), ((values(2, 3, low=0.03, high=0.97),), {})],
    (lambda g, out, p: g * math.sqrt(2 * math.pi) * T.exp(0.5 * out * out),), grad_name="SpecialNdtriBackward0",
)  # fmt: skip
