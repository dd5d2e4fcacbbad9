"""linear and bilinear: functions of neural networks that are plain matrix products."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record

_LINEAR = TABLE["linear"]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias over the last dimension.

    input (*, in_features), weight (out_features, in_features) or (in_features,), bias (out_features,). RuntimeError when
    sizes or dtypes differ.

    >>> import rushlight as torch
    >>> torch.nn.functional.linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5]))
    tensor([[11.5000]])
    """
    return record(_LINEAR, (input, weight, bias), ())


@public()
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """out[…, k] = Σ_ij input1[…, i] weight[k, i, j] input2[…, j] + bias[k]."""
    if (
        weight.ndim != 3
        or input1.shape[-1] != weight.shape[1]
        or input2.shape[-1] != weight.shape[2]
        or input1.shape[:-1] != input2.shape[:-1]
    ):
        raise RuntimeError(
            explain_error(
                "bilinear",
                got=f"inputs {list(input1.shape)} and {list(input2.shape)} for a weight of shape {list(weight.shape)}",
                expected="weight (out, features1, features2) and inputs that agree in all but the last dimension",
            )  # fmt: skip
        )
    out_features, first, second = weight.shape
    left = input1 @ weight.permute(1, 0, 2).reshape(first, out_features * second)
    left = left.reshape(*input1.shape[:-1], out_features, second)
    out = (left * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias
