"""Instance normalisation: per sample and channel, over all positions."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.nn import functional as F
from rushlight.nn.modules.batchnorm import _LazyNormBase, _NormBase


class _InstanceNorm(_NormBase):
    _dims: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        dims = self._dims
        if input.dim() not in (dims + 1, dims + 2):
            raise ValueError(
                f"{type(self).__name__}({self.num_features}): got an input of shape {tuple(input.shape)}; expected "
                f"{dims + 1}-D (one sample) or {dims + 2}-D (a batch)"
            )
        if self.affine and input.shape[-dims - 1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}({self.num_features}): got {input.shape[-dims - 1]} channels in an input "
                "of shape "
                f"{tuple(input.shape)}; expected {self.num_features}"
            )
        single = input.dim() == dims + 1
        output = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return output.squeeze(0) if single else output


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L)."""

    _dims = 1


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W).

    >>> import rushlight as torch
    >>> torch.nn.InstanceNorm2d(3)(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 3, 4, 4])
    """

    _dims = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W)."""

    _dims = 3


class _LazyInstanceNorm(_LazyNormBase):
    def initialize_parameters(self, input: rushlight.Tensor) -> None:
        super().initialize_parameters(input if input.dim() == self._dims + 2 else input.unsqueeze(0))


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An InstanceNorm1d that takes num_features from the first batch."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An InstanceNorm2d that takes num_features from the first batch."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An InstanceNorm3d that takes num_features from the first batch."""

    cls_to_become = InstanceNorm3d
