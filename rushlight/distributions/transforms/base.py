"""Transforms: invertible maps with log |det J|, their inverses, and chains of them."""

from __future__ import annotations

import weakref
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.utils import _sum_rightmost
from rushlight.errors import explain_error


class Transform:
    """y = T(x), where dy/dx is computable.

    A subclass defines `domain`, `codomain`, `_call`, `_inverse` and `log_abs_det_jacobian(x, y)`. With `cache_size=1` the
    latest (x, y) is remembered, so that inverting a value just made gives back the very same tensor.
    """

    bijective: Any = False
    domain: Any
    codomain: Any

    def __init__(self, cache_size: int = 0):
        self._cache_size, self._inv = cache_size, None
        if cache_size not in (0, 1):
            raise ValueError(explain_error("Transform", got=f"cache_size={cache_size}", expected="0 or 1"))
        self._cached_x_y: tuple[Any, Any] = (None, None)
        super().__init__()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_inv": None}  # a weak reference cannot be pickled

    @property
    def event_dim(self) -> int:
        """How many dimensions one value takes, where that is the same on both sides."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError(
                "event_dim: the domain's differs from the codomain's. Fix: ask transform.domain or .codomain."
            )
        return self.domain.event_dim

    @property
    def inv(self) -> Any:
        """The inverse transform; `t.inv.inv is t`."""
        inverse = None if self._inv is None else self._inv()
        if inverse is None:
            inverse = _InverseTransform(self)
            self._inv = weakref.ref(inverse)
        return inverse

    @property
    def sign(self) -> Any:
        """1 where it rises, -1 where it falls; of transforms of single numbers."""
        raise NotImplementedError(f"{type(self).__name__}: sign is not defined.")

    def _copy(self, cache_size: int) -> Any:
        """The same transform with another cache; transforms with arguments define it."""
        if type(self).__init__ is Transform.__init__:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self).__name__}: with_cache() is not defined.")

    def with_cache(self, cache_size: int = 1) -> Any:
        """This transform with a cache of that size; itself if it has one."""
        return self if self._cache_size == cache_size else self._copy(cache_size)

    def __eq__(self, other: Any) -> bool:
        return self is other

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__: Any = None

    def __call__(self, x: Any) -> Any:
        """T(x)."""
        if self._cache_size == 0:
            return self._call(x)
        x_old, y_old = self._cached_x_y
        if x is x_old:
            return y_old
        y = self._call(x)
        self._cached_x_y = x, y
        return y

    def _inv_call(self, y: Any) -> Any:
        if self._cache_size == 0:
            return self._inverse(y)
        x_old, y_old = self._cached_x_y
        if y is y_old:
            return x_old
        x = self._inverse(y)
        self._cached_x_y = x, y
        return x

    def _call(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: _call() is not defined.")

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: there is no inverse.")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |dy/dx|, of each value, given both."""
        raise NotImplementedError(f"{type(self).__name__}: log_abs_det_jacobian() is not defined.")

    def __repr__(self) -> str:
        return type(self).__name__ + "()"

    def forward_shape(self, shape: Any) -> Any:
        """The shape of T(x) for an x of this shape."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of the x behind a y of this shape."""
        return shape


class _InverseTransform(Transform):
    """The inverse of a transform; holds it, and is held by it weakly."""

    def __init__(self, transform: Transform):
        super().__init__(cache_size=transform._cache_size)
        self._inv: Any = transform

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return self._inv.codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return self._inv.domain

    @property
    def bijective(self) -> bool:
        return self._inv.bijective

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def inv(self) -> Any:
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Any:
        return self._inv.with_cache(cache_size).inv

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inv!r})"

    def __call__(self, x: Any) -> Any:
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> Any:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._inv.forward_shape(shape)


class ComposeTransform(Transform):
    """The first of `parts`, then the second, and so on."""

    def __init__(self, parts: list[Transform], cache_size: int = 0):
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else parts
        super().__init__(cache_size=cache_size)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    def _side(self, last: bool) -> Any:
        """The domain (or codomain, if `last`), widened to the event dimensions that the chain needs there."""
        if not self.parts:
            return constraints.real
        parts = self.parts if last else self.parts[::-1]
        ends = [(p.domain, p.codomain) if last else (p.codomain, p.domain) for p in parts]
        result = ends[-1][1]
        dims = ends[0][0].event_dim
        for before, after in ends:
            dims = max(dims, before.event_dim) + after.event_dim - before.event_dim
        return constraints.independent(result, dims - result.event_dim) if dims > result.event_dim else result

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return self._side(last=False)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return self._side(last=True)

    @property
    def bijective(self) -> bool:
        return all(p.bijective for p in self.parts)

    @property
    def sign(self) -> Any:
        sign: Any = 1
        for p in self.parts:
            sign = sign * p.sign
        return sign

    @property
    def inv(self) -> Any:
        inverse = None if self._inv is None else self._inv()
        if inverse is None:
            inverse = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inv, inverse._inv = weakref.ref(inverse), weakref.ref(self)
        return inverse

    def _copy(self, cache_size: int) -> ComposeTransform:
        return ComposeTransform(self.parts, cache_size=cache_size)

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """The sum over the parts, each over as many dimensions as the chain's value then has."""
        if not self.parts:
            return torch.zeros_like(x)
        values = [x]
        for part in self.parts[:-1]:
            values.append(part(values[-1]))
        values.append(y)
        total, dims = 0, self.domain.event_dim
        for part, before, after in zip(self.parts, values[:-1], values[1:], strict=True):
            total = total + _sum_rightmost(part.log_abs_det_jacobian(before, after), dims - part.domain.event_dim)
            dims += part.codomain.event_dim - part.domain.event_dim
        return total

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        parts = ",\n    ".join(map(repr, self.parts))
        return f"{type(self).__name__}(\n    {parts}\n)"


identity_transform = ComposeTransform([])
