"""The base class: shapes, checks of arguments and values, and what is the same in every family."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.utils import lazy_property
from rushlight.errors import explain_error

__all__ = ["Distribution"]

Size = torch.Size


def _missing(instance: Any, name: str) -> NotImplementedError:
    return NotImplementedError(f"{type(instance).__name__}: {name} is not defined for this distribution.")


class Distribution:
    """A distribution over events of shape `event_shape`, one for each place of `batch_shape`.

    `sample((n,))` has shape (n, *batch_shape, *event_shape); `log_prob(value)` has value's shape less the event's.
    Arguments are checked against `arg_constraints` and values against `support` unless `validate_args=False`; ValueError.

    A family says in `_parameters` which attributes `expand` has to expand: name -> number of event dimensions at its
    end (a distribution counts as 0), None where it is kept as it is.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args = __debug__
    _parameters: ClassVar[dict[str, int | None]]

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether arguments are checked where `validate_args` is not passed."""
        if value not in (True, False):
            raise ValueError(explain_error("set_default_validate_args", got=repr(value), expected="True or False"))
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_arguments()
        super().__init__()

    def _check_arguments(self) -> None:
        try:
            known = self.arg_constraints
        except NotImplementedError:
            text = f"{type(self).__name__} has no arg_constraints, so its arguments are not checked. Fix: define them, or pass validate_args=False."
            warnings.warn(text, stacklevel=4)
            return
        for name, constraint in known.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property):
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    explain_error(
                        type(self).__name__, got=f"{name}={value}", expected=f"{name} to satisfy {constraint!r}",
                        fix="pass other values, or validate_args=False to go on unchecked",
                    )
                )  # fmt: skip

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with its batch expanded; nothing is copied. Fills `_instance` if a subclass passes one."""
        owner: Any = next((c for c in type(self).__mro__ if "_parameters" in vars(c)), None)
        if owner is None:
            raise _missing(self, "expand()")
        new = self._get_checked_instance(owner, _instance)
        batch_shape = Size(batch_shape)
        for name, dims in owner._parameters.items():
            if name not in self.__dict__:
                continue
            value = self.__dict__[name]
            if isinstance(value, Distribution):
                value = value.expand(batch_shape)
            elif dims is not None:
                value = value.expand(batch_shape + value.shape[value.dim() - dims :])
            new.__dict__[name] = value
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ is not cls.__init__:
            name = type(self).__name__
            raise NotImplementedError(
                f"{name}: defines __init__ and so must define expand() too. Fix: see {cls.__name__}.expand."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Any:
        """The shape over which parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """The shape of one event."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """Name of an argument -> the constraint that it must satisfy."""
        raise _missing(self, "arg_constraints")

    @property
    def support(self) -> Any:
        """The constraint that events satisfy."""
        raise _missing(self, "support")

    @property
    def mean(self) -> Any:
        """The expected event."""
        raise _missing(self, "mean")

    @property
    def mode(self) -> Any:
        """The event of highest density."""
        raise _missing(self, "mode")

    @property
    def variance(self) -> Any:
        """The variance of each element."""
        raise _missing(self, "variance")

    @property
    def stddev(self) -> Any:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Samples through which no gradient flows."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Samples that are differentiable functions of the parameters."""
        raise _missing(self, "rsample()")

    def sample_n(self, n: int) -> Any:
        """`sample((n,))`, PyTorch's older name."""
        warnings.warn("sample_n(n) is deprecated. Fix: use sample((n,)).", FutureWarning, stacklevel=2)
        return self.sample(Size((n,)))

    def log_prob(self, value: Any) -> Any:
        """The log of the density (or probability) at `value`."""
        raise _missing(self, "log_prob()")

    def cdf(self, value: Any) -> Any:
        """The probability of an event of at most `value`."""
        raise _missing(self, "cdf()")

    def icdf(self, value: Any) -> Any:
        """The inverse of cdf."""
        raise _missing(self, "icdf()")

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution along the first dimension; expanded over the batch if `expand`."""
        raise _missing(self, "enumerate_support()")

    def entropy(self) -> Any:
        """-E log p, in nats."""
        raise _missing(self, "entropy()")

    def perplexity(self) -> Any:
        """exp(entropy)."""
        return torch.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> Any:
        """sample_shape, batch_shape and event_shape together."""
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def _enumerated(self, values: Any, expand: bool) -> Any:
        """`values`, a vector of all values, along a first dimension in front of the batch."""
        values = values.view(-1, *(1,) * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    def _validate_sample(self, value: Any) -> None:
        name = type(self).__name__
        if not isinstance(value, torch.Tensor):
            raise ValueError(
                explain_error(
                    name,
                    got=f"a value of class {type(value).__name__}",
                    expected="a tensor",
                    fix="torch.as_tensor(...)",
                )
            )
        start = len(value.size()) - len(self._event_shape)
        if tuple(value.size()[start:]) != tuple(self._event_shape):
            raise ValueError(
                explain_error(
                    name,
                    got=f"a value of shape {list(value.size())}",
                    expected=f"a shape that ends in {list(self._event_shape)}, the event's",
                )
            )
        for i, j in zip(reversed(value.size()), reversed(self._batch_shape + self._event_shape), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    explain_error(
                        name, got=f"a value of shape {list(value.size())}",
                        expected=f"a shape that broadcasts with {list(self._batch_shape + self._event_shape)}",
                    )
                )  # fmt: skip
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{name} has no support, so values are not checked. Fix: define it, or pass validate_args=False.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                explain_error(
                    name, got=f"value={value}", expected=f"values within the support {support!r}",
                    fix="pass other values, or make the distribution with validate_args=False",
                )
            )  # fmt: skip

    def __repr__(self) -> str:
        shown = [name for name in self.arg_constraints if name in self.__dict__]
        values = [(name, self.__dict__[name]) for name in shown]
        text = ", ".join(f"{name}: {value if value.numel() == 1 else value.size()}" for name, value in values)
        return f"{type(self).__name__}({text})"
