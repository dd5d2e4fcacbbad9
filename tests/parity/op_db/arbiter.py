"""Who is right where PyTorch in double precision contradicts itself or the definition: finite differences, and mpmath."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import torch

DOUBLE = {kind: torch.float64 for kind in (torch.float32, torch.float64)}
DOUBLE |= {kind: torch.complex128 for kind in (torch.complex64, torch.complex128)}

# PyTorch's double precision is 2e-7 away from these beyond |x| = 5.
FORMULAS: dict[str, Callable] = {
    "special.bessel_j0": lambda x: mpmath.besselj(0, x),
    "special.bessel_y1": lambda x: mpmath.bessely(1, x) if x > 0 else -mpmath.inf if x == 0 else mpmath.nan,
}


def exact(name: str, x: torch.Tensor) -> torch.Tensor:
    """The function of the entry, of each element, in the dtype that PyTorch gives."""
    kind = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    values = [float(FORMULAS[name](mpmath.mpf(value))) for value in x.detach().flatten().tolist()]
    return torch.tensor(values, dtype=kind).reshape(x.shape)


def sides_with(ours: torch.Tensor, theirs: torch.Tensor, along: Callable, step: float = 1e-6) -> bool:
    """Whether finite differences of PyTorch's own function, in several directions, refute its gradient and confirm ours.

    A step of 1e-6 in double precision leaves an error of about 1e-9 of the values; a gradient in single precision has
    one of 1e-6 of the largest of its elements.
    """
    wide = DOUBLE[theirs.dtype]
    source = torch.Generator().manual_seed(0)
    refuted = False
    for _ in range(3):
        direction = torch.randn(theirs.shape, dtype=wide, generator=source)
        measured = (along(direction, step) - along(direction, -step)) / (2 * step)
        slopes = [float((side.to(wide).conj() * direction).real.sum()) for side in (ours, theirs)]
        near = 1e-5 * (1e-6 + abs(measured) + float((ours.abs() * direction.abs()).sum()))
        if not abs(slopes[0] - measured) <= near:
            return False
        refuted = refuted or not abs(slopes[1] - measured) <= near
    return refuted
