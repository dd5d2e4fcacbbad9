"""Gamma and Dirichlet samples with a concentration for each element, and their implicit derivatives."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.backend.numpy import gamma
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like
from rushlight.ops.tensor_code import T, no_second_derivative


def _like_concentration(name: str, concentration: Meta) -> Meta:
    if concentration.dtype not in (dtypes.float32, dtypes.float64):
        got = f"a concentration of {concentration.dtype}"
        raise NotImplementedError(
            explain_error(name, got=got, expected="float32 or float64", fix="concentration.float()")
        )
    return like(concentration)


def _dirichlet_infer(concentration: Meta, generator: int) -> Meta:
    if concentration.ndim == 0:
        raise RuntimeError(
            explain_error(
                "_sample_dirichlet",
                got="a concentration of shape []",
                expected="a dimension of classes",
                fix="unsqueeze(0)",
            )
        )
    return _like_concentration("_sample_dirichlet", concentration)


def _dirichlet_rule(g: Any, out: Any, concentration: Any, generator: int) -> Any:
    slope = T._dirichlet_grad(out, concentration, concentration.sum(-1, keepdim=True).expand_as(concentration))
    return slope * (g - (out * g).sum(-1, keepdim=True))


declare(
    "standard_gamma_op(Tensor concentration, int generator)", random=True,
    infer=lambda concentration, generator: _like_concentration("_standard_gamma", concentration),
    reference=lambda e, concentration: gamma.standard_gamma(e, concentration),
    vjp=(lambda g, out, concentration, generator: g * T._standard_gamma_grad(concentration, out),),
    grad_name="StandardGammaBackward0", doc="gamma samples of rate 1",
)  # fmt: skip

declare(
    "sample_dirichlet_op(Tensor concentration, int generator)", random=True, infer=_dirichlet_infer,
    reference=lambda e, concentration: gamma.dirichlet(e, concentration), vjp=(_dirichlet_rule,),
    grad_name="SampleDirichletBackward0", doc="Dirichlet samples along the last dimension",
)  # fmt: skip

declare(
    "_standard_gamma_grad(Tensor input, Tensor output)",
    infer=lambda concentration, sample: _like_concentration("_standard_gamma_grad", concentration),
    reference=gamma.standard_gamma_grad, vjp=no_second_derivative("_standard_gamma_grad"), public="function",
    doc="d output / d input of a gamma sample `output` with concentration `input`",
)  # fmt: skip

declare(
    "_dirichlet_grad(Tensor x, Tensor alpha, Tensor total)",
    infer=lambda x, alpha, total: _like_concentration("_dirichlet_grad", x),
    reference=gamma.dirichlet_grad, vjp=no_second_derivative("_dirichlet_grad"), public="function",
    doc="(d x / d alpha) / (1 - x) of one share x of a Dirichlet sample whose concentrations sum to `total`",
)  # fmt: skip
