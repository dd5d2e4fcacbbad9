"""Transforms made of others: more dimensions to a value, other shapes, pieces side by side."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.transforms.base import Transform
from rushlight.distributions.utils import _sum_rightmost
from rushlight.errors import explain_error


class IndependentTransform(Transform):
    """`base_transform`, with its last `reinterpreted_batch_ndims` batch dimensions taken as part of a value."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def _copy(self, cache_size: int) -> IndependentTransform:
        return IndependentTransform(self.base_transform, self.reinterpreted_batch_ndims, cache_size=cache_size)

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> bool:
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Any) -> Any:
        _need_dims(x, self.domain.event_dim)
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        _need_dims(y, self.codomain.event_dim)
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return _sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_transform!r}, {self.reinterpreted_batch_ndims})"

    def forward_shape(self, shape: Any) -> Any:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.base_transform.inverse_shape(shape)


def _need_dims(value: Any, dims: int) -> None:
    if value.dim() < dims:
        raise ValueError(
            explain_error(
                "IndependentTransform", got=f"shape {list(value.shape)}", expected=f"{dims} dimensions or more"
            )
        )


class ReshapeTransform(Transform):
    """The last dimensions `in_shape` become `out_shape`."""

    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0):
        self.in_shape, self.out_shape = torch.Size(in_shape), torch.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            got = f"{tuple(in_shape)} and {tuple(out_shape)}"
            raise ValueError(explain_error("ReshapeTransform", got=got, expected="shapes of as many elements"))
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self) -> Any:
        return constraints.independent(constraints.real, len(self.out_shape))

    def _copy(self, cache_size: int) -> ReshapeTransform:
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x: Any) -> Any:
        return x.reshape(tuple(x.shape[: x.dim() - len(self.in_shape)]) + tuple(self.out_shape))

    def _inverse(self, y: Any) -> Any:
        return y.reshape(tuple(y.shape[: y.dim() - len(self.out_shape)]) + tuple(self.in_shape))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return torch.zeros(x.shape[: x.dim() - len(self.in_shape)], dtype=x.dtype, device=x.device)

    def forward_shape(self, shape: Any) -> Any:
        return self._swapped(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._swapped(shape, self.out_shape, self.in_shape)

    def _swapped(self, shape: Any, old: Any, new: Any) -> Any:
        cut = len(shape) - len(old)
        if cut < 0 or tuple(shape[cut:]) != tuple(old):
            raise ValueError(
                explain_error(
                    "ReshapeTransform", got=f"shape {list(shape)}", expected=f"a shape that ends in {list(old)}"
                )
            )
        return tuple(shape[:cut]) + tuple(new)


class _SideBySide(Transform):
    """A transform for each piece along `dim`."""

    def __init__(self, tseq: Any, dim: int = 0, cache_size: int = 0):
        self.transforms = list(tseq)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise AssertionError(explain_error(type(self).__name__, got=f"{self.transforms}", expected="transforms"))
        super().__init__(cache_size=cache_size)
        if cache_size:
            self.transforms = [t.with_cache(cache_size) for t in self.transforms]
        self.dim = dim

    @property
    def bijective(self) -> bool:
        return all(t.bijective for t in self.transforms)

    def _cut(self, value: Any) -> list[Any]:
        raise NotImplementedError

    def _pieces(self, value: Any) -> list[Any]:
        if not -value.dim() <= self.dim < value.dim():
            raise AssertionError(
                explain_error(type(self).__name__, got=f"shape {list(value.shape)}", expected=f"a dimension {self.dim}")
            )
        pieces = self._cut(value)
        if len(pieces) != len(self.transforms):
            got = f"{len(pieces)} pieces along dimension {self.dim}"
            raise AssertionError(explain_error(type(self).__name__, got=got, expected=f"{len(self.transforms)}"))
        return pieces


class CatTransform(_SideBySide):
    """The i-th transform for the i-th piece, of `lengths[i]` elements, along `dim`."""

    def __init__(self, tseq: Any, dim: int = 0, lengths: Any = None, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                explain_error("CatTransform", got=f"lengths {self.lengths}", expected="a length for each transform")
            )

    @property
    def event_dim(self) -> int:
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """How many elements there are along `dim`."""
        return sum(self.lengths)

    def _copy(self, cache_size: int) -> CatTransform:
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _cut(self, value: Any) -> list[Any]:
        if value.size(self.dim) != self.length:
            raise AssertionError(
                explain_error(
                    "CatTransform",
                    got=f"shape {list(value.shape)}",
                    expected=f"{self.length} elements along {self.dim}",
                )
            )
        return list(value.split(self.lengths, self.dim))

    def _call(self, x: Any) -> Any:
        return torch.cat([t(piece) for t, piece in zip(self.transforms, self._pieces(x), strict=True)], dim=self.dim)

    def _inverse(self, y: Any) -> Any:
        return torch.cat(
            [t.inv(piece) for t, piece in zip(self.transforms, self._pieces(y), strict=True)], dim=self.dim
        )

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Side by side; summed, where `dim` is part of a value."""
        logs = []
        for t, before, after in zip(self.transforms, self._pieces(x), self._pieces(y), strict=True):
            each = t.log_abs_det_jacobian(before, after)
            logs.append(_sum_rightmost(each, self.event_dim - t.event_dim) if t.event_dim < self.event_dim else each)
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return torch.cat(logs, dim=dim) if dim < 0 else sum(logs)

    @constraints.dependent_property
    def domain(self) -> Any:
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_SideBySide):
    """The i-th transform for the i-th slice along `dim`."""

    def _copy(self, cache_size: int) -> StackTransform:
        return StackTransform(self.transforms, self.dim, cache_size)

    def _cut(self, value: Any) -> list[Any]:
        return list(value.unbind(self.dim))

    def _call(self, x: Any) -> Any:
        return torch.stack([t(piece) for t, piece in zip(self.transforms, self._pieces(x), strict=True)], dim=self.dim)

    def _inverse(self, y: Any) -> Any:
        return torch.stack(
            [t.inv(piece) for t, piece in zip(self.transforms, self._pieces(y), strict=True)], dim=self.dim
        )

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        triples = zip(self.transforms, self._pieces(x), self._pieces(y), strict=True)
        return torch.stack([t.log_abs_det_jacobian(before, after) for t, before, after in triples], dim=self.dim)

    @constraints.dependent_property
    def domain(self) -> Any:
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
