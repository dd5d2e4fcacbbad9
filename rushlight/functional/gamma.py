"""Gamma and Dirichlet samples, differentiable with respect to the concentration. Bit-equal to PyTorch's."""

from __future__ import annotations

from typing import Any

from rushlight import random as rng
from rushlight.functional.registry import public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


@public()
def _standard_gamma(input: Any, generator: Any = None) -> Any:
    """Gamma samples of rate 1 with the concentrations in `input`, which gets the implicit gradient.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch._standard_gamma(torch.tensor([0.5, 3.0]))
    tensor([7.8936e-04, 1.2728e+00])
    """
    return record(TABLE["standard_gamma_op"], (input,), (rng.enter_generator(generator),))


@public()
def _sample_dirichlet(input: Any, generator: Any = None) -> Any:
    """Samples that sum to 1 along the last dimension, with the concentrations in `input`."""
    return record(TABLE["sample_dirichlet_op"], (input,), (rng.enter_generator(generator),))
