"""Orthogonal polynomials, which have no gradients in PyTorch either."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.backend.numpy import polynomials
from rushlight.dtype import BOOL, FLOATING, INTEGER
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops.rules import floating, only, promote_float
from rushlight.ops.samples import Sample, values


def _samples() -> list[Sample]:
    degrees = np.array([0, 1, 2, 5, 9, 30])
    return [((values(2, 6), degrees), {}), ((values(3), 3), {}), ((values(2, 3) * 2, 7.0), {}), ((0.5, degrees), {})]


def _infer(name: str) -> Any:
    rule = only(name, floating(name), BOOL, INTEGER, FLOATING)

    def infer(x: Meta, n: Meta) -> Meta:
        if x.weak and n.weak:
            raise TypeError(explain_error(name, got="two Python numbers", expected="a tensor", fix="torch.tensor(x)"))
        return rule(x, n)

    return infer


def _polynomial(name: str, reference: Any, doc: str) -> Op:
    return declare(
        f"{name}(Operand input, Operand n)", infer=_infer(name), promote=promote_float, reference=reference,
        pointwise=True, samples=_samples, doc=f"{doc}, of degree n", public="",
    )  # fmt: skip


hermite_polynomial_h = _polynomial("hermite_polynomial_h", polynomials.hermite_h, "physicists' Hermite polynomial")
hermite_polynomial_he = _polynomial("hermite_polynomial_he", polynomials.hermite_he, "probabilists' Hermite polynomial")
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", polynomials.laguerre, "Laguerre polynomial")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", polynomials.legendre, "Legendre polynomial")

for _kind, _which in zip("tuvw", ("first", "second", "third", "fourth"), strict=True):
    _name = f"chebyshev_polynomial_{_kind}"
    _polynomial(_name, polynomials.chebyshev(_kind), f"Chebyshev polynomial of the {_which} kind")
    _polynomial(
        f"shifted_{_name}", polynomials.chebyshev(_kind, shifted=True),
        f"Chebyshev polynomial of the {_which} kind at 2 input - 1",
    )  # fmt: skip
