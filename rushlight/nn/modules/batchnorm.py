"""Batch normalisation: per channel, over the batch and all positions, with running statistics for eval mode."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.lazy import LazyModuleMixin
from rushlight.nn.modules.module import Module, Registered
from rushlight.nn.modules.sizes import check_counts
from rushlight.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter


class _NormBase(Module):
    """Arguments, parameters and buffers that batch and instance normalisation share."""

    _version = 2
    _input_dims: tuple[int, ...] = ()
    weight, bias = Registered(), Registered()
    running_mean, running_var = Registered("_buffers"), Registered("_buffers")
    num_batches_tracked = Registered("_buffers")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_counts(type(self).__name__, num_features=num_features)
        options = {"device": device, "dtype": dtype}
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.register_parameter("weight", Parameter(rushlight.empty(num_features, **options)) if affine else None)
        has_bias = affine and bias
        self.register_parameter("bias", Parameter(rushlight.empty(num_features, **options)) if has_bias else None)
        if track_running_stats:
            self.register_buffer("running_mean", rushlight.zeros(num_features, **options))
            self.register_buffer("running_var", rushlight.ones(num_features, **options))
            count = rushlight.tensor(0, dtype=rushlight.int64, device=device)
            self.register_buffer("num_batches_tracked", count)
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: rushlight.Tensor) -> None:
        if self._input_dims and input.dim() not in self._input_dims:
            expected = " or ".join(f"{dims}-D" for dims in self._input_dims)
            raise ValueError(
                f"{type(self).__name__}({self.num_features}): got an input of shape {tuple(input.shape)} "
                f"({input.dim()}-D); "
                f"expected {expected}"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        key = prefix + "num_batches_tracked"
        if (local_metadata.get("version") or 1) < 2 and self.track_running_stats and key not in state_dict:
            # Version 1 did not count batches.
            state_dict[key] = self.num_batches_tracked.detach().clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    """y = (x − mean) / √(var + eps) · weight + bias, statistics of the batch in training, running ones in eval mode."""

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        self._check_input_dim(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # a plain average over all batches
                factor = 1.0 / float(self.num_batches_tracked)
        no_statistics = self.running_mean is None and self.running_var is None
        update = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if update else None,
            self.running_var if update else None,
            self.weight,
            self.bias,
            self.training or no_statistics,
            factor,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L).

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm1d(2)(torch.ones(4, 2)).shape
    torch.Size([4, 2])
    """

    _input_dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W).

    In training, the mean and variance of the batch over (N, H, W), which also move the running ones by `momentum`;
    after eval(), the running ones. ValueError for another number of dimensions.

    >>> import rushlight as torch
    >>> m = torch.nn.BatchNorm2d(3)
    >>> m(torch.ones(2, 3, 4, 4)).abs().max().item() < 1e-6
    True
    """

    _input_dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W)."""

    _input_dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation meant for several processes; in one process the same as BatchNorm."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: rushlight.Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(
                f"SyncBatchNorm: got an input of shape {tuple(input.shape)}; expected at least 2 dimensions"
            )

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        distributed = rushlight.distributed if hasattr(rushlight, "distributed") else None
        if self.training and distributed is not None and distributed.is_available() and distributed.is_initialized():
            if distributed.get_world_size(self.process_group) > 1:
                raise NotImplementedError("SyncBatchNorm: statistics over more than one process are not implemented")
        return super().forward(input)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """`module` with every BatchNorm in it replaced by a SyncBatchNorm that shares its tensors."""
        converted: Any = module
        if isinstance(module, _BatchNorm):
            arguments = (module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
            converted = cls(*arguments, process_group, bias=module.bias is not None)
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                setattr(converted, name, tensor)
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


class _LazyNormBase(LazyModuleMixin):
    """Take num_features from the channel dimension of the first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=bias)
        options = {"device": device, "dtype": dtype}
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(**options)
            if bias:
                self.bias = UninitializedParameter(**options)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**options)
            self.running_var = UninitializedBuffer(**options)
            self.num_batches_tracked = rushlight.tensor(0, dtype=rushlight.int64, device=device)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: rushlight.Tensor) -> None:
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                if tensor is not None:
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """A BatchNorm1d that takes num_features from the first batch."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """A BatchNorm2d that takes num_features from the first batch."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """A BatchNorm3d that takes num_features from the first batch."""

    cls_to_become = BatchNorm3d
