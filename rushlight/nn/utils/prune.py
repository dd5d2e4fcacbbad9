"""Pruning: weights of a module set to zero by a mask, by their size or at random.

`module.weight` becomes `weight_orig * weight_mask`, computed before each forward pass: the parameter `weight_orig` is learned, the buffer
`weight_mask` says what is left. `remove` makes it one parameter again. The weights stay dense: pruning alone makes nothing faster.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import warn
from rushlight.nn.modules.module import Module
from rushlight.nn.utils._pruning import BasePruningMethod, PruningContainer, hook_of

Tensor = rushlight.Tensor


class Identity(BasePruningMethod):
    """Prunes nothing: parameters get their names and masks of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Any:  # type: ignore[override]
        return super().apply(module, name)


class _Amount(BasePruningMethod):
    """A method that prunes `amount`: a number of units, or a fraction of them."""

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def _count(self, size: int) -> int:
        """How many of `size` units go."""
        if isinstance(self.amount, numbers.Integral):
            if self.amount > size:
                raise ValueError(
                    explain_error(
                        type(self).__name__, got=f"amount={self.amount}", expected=f"at most {size}, all there are"
                    )
                )
            return int(self.amount)
        return round(self.amount * size)


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(explain_error("prune", got=f"amount of type {type(amount).__name__}", expected="a number"))
    whole = isinstance(amount, numbers.Integral)
    if amount < 0 or not whole and amount > 1:
        raise ValueError(
            explain_error(
                "prune", got=f"amount={amount}", expected="a whole number >= 0, or a fraction between 0.0 and 1.0"
            )
        )


class RandomUnstructured(_Amount):
    """Prunes elements at random."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without(default_mask, rushlight.rand_like(t), self._count(t.numel()), largest=True)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> Any:  # type: ignore[override]
        return super().apply(module, name, amount=amount)


class L1Unstructured(_Amount):
    """Prunes the elements nearest to zero."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without(default_mask, t.abs(), self._count(t.numel()), largest=False)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float, importance_scores: Any = None) -> Any:  # type: ignore[override]
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


def _without(mask: Tensor, scores: Tensor, count: int, largest: bool) -> Tensor:
    """The mask with zeros at the `count` largest (or smallest) scores."""
    mask = mask.clone()
    if count:
        mask.view(-1)[scores.reshape(-1).topk(count, largest=largest).indices] = 0
    return mask


class _Channels(_Amount):
    """A method that prunes whole channels along `dim`."""

    PRUNING_TYPE = "structured"
    dim: int

    def _channels(self, t: Tensor) -> int:
        name = type(self).__name__
        if t.dim() < 2:
            raise ValueError(
                explain_error(name, got=f"a tensor of shape {list(t.shape)}", expected="two dimensions or more",
                              fix="prune single elements: an …Unstructured method")
            )  # fmt: skip
        if self.dim >= t.dim():
            raise IndexError(explain_error(name, got=f"dim={self.dim}", expected=f"a dimension of {list(t.shape)}"))
        return t.shape[self.dim]

    def _only(self, t: Tensor, default_mask: Tensor, kept: Tensor) -> Tensor:
        """Ones in the kept channels (bool (C,)), where the mask before has them."""
        shape = [1] * t.dim()
        shape[self.dim] = -1
        return default_mask * kept.reshape(shape).to(default_mask.dtype).expand(t.shape)


class RandomStructured(_Channels):
    """Prunes channels at random."""

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        size = self._channels(t)
        count = self._count(size)
        if not count:
            return default_mask
        scores = rushlight.rand(size)
        return self._only(t, default_mask, scores > scores.kthvalue(count).values)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float, dim: int = -1) -> Any:  # type: ignore[override]
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Channels):
    """Prunes the channels of the smallest n-norm."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.n = n
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        size = self._channels(t)
        count = self._count(size)
        if not count:
            return default_mask
        norms = rushlight.norm(t, p=self.n, dim=[d for d in range(t.dim()) if d != self.dim % t.dim()])
        kept = rushlight.zeros(size, dtype=rushlight.bool)
        kept[norms.topk(size - count, largest=True).indices] = True
        return self._only(t, default_mask, kept)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None
    ) -> Any:
        return super().apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                explain_error(
                    "CustomFromMask",
                    got=f"a mask of shape {list(self.mask.shape)}",
                    expected=f"the shape of the tensor, {list(default_mask.shape)}",
                )
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> Any:  # type: ignore[override]
        return super().apply(module, name, mask=mask)


def identity(module: Module, name: str) -> Module:
    """Prune nothing, but give the module the names that pruning gives it."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune `amount` (a number, or a fraction) of the elements of `module.name` at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Any = None) -> Module:
    """Prune the `amount` (a number, or a fraction) of the elements nearest to zero, or of the smallest scores.

    >>> import rushlight as torch
    >>> import rushlight.nn.utils.prune as prune
    >>> layer = prune.l1_unstructured(torch.nn.Linear(10, 2), name="weight", amount=0.3)
    >>> int((layer.weight == 0).sum()), list(layer.state_dict())
    (6, ['bias', 'weight_orig', 'weight_mask'])
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune `amount` of the channels along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None) -> Module:
    """Prune the `amount` of the channels along `dim` whose n-norm (n: a number, inf, 'fro', 'nuc') is smallest."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune an amount of all the named parameters together, as if they were one: pairs (module, name).

    >>> import rushlight as torch
    >>> import rushlight.nn.utils.prune as prune
    >>> a, b = torch.nn.Linear(5, 2), torch.nn.Linear(2, 5)
    >>> prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=10)
    >>> int(a.weight_mask.sum() + b.weight_mask.sum())
    10
    """
    op = "global_unstructured"
    if not isinstance(parameters, Iterable):
        raise TypeError(explain_error(op, got=type(parameters).__name__, expected="pairs (module, name)"))
    importance_scores = {} if importance_scores is None else importance_scores
    if not isinstance(importance_scores, dict):
        raise TypeError(
            explain_error(op, got=f"{type(importance_scores).__name__} as importance_scores", expected="a dict")
        )
    parameters = list(parameters)
    weights = [getattr(module, name) for module, name in parameters]
    scores = [importance_scores.get(pair, weight) for pair, weight in zip(parameters, weights, strict=True)]
    masks = [
        getattr(module, name + "_mask", rushlight.ones_like(weight))
        for (module, name), weight in zip(parameters, weights, strict=True)
    ]
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            explain_error(
                op, got=f"{pruning_method.__name__}, which is {method.PRUNING_TYPE}", expected="an unstructured method"
            )
        )
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "temp"
    container.add_pruning_method(method)
    every = rushlight.nn.utils.parameters_to_vector
    mask = container.compute_mask(every(scores), default_mask=every(masks))
    start = 0
    for (module, name), weight in zip(parameters, weights, strict=True):
        end = start + weight.numel()
        custom_from_mask(module, name, mask=mask[start:end].view_as(weight))
        start = end


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune where `mask` is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Make the pruned tensor an ordinary parameter: zeros stay until something writes to them.

    Warns that it is as large as before. Errors: ValueError if it is not pruned.
    """
    key, hook = hook_of(module, name)
    if hook is None:
        raise ValueError(
            explain_error("prune.remove", got=f"{name!r} of {type(module).__name__}, which is not pruned",
                          expected="what l1_unstructured or another method has pruned")
        )  # fmt: skip
    hook.remove(module)
    del module._forward_pre_hooks[key]
    tensor = getattr(module, name)
    zeros = round(100 * (tensor == 0).float().mean().item())
    warn("pruned-not-smaller", module=repr(module), name=name, shape=tuple(tensor.shape), zeros=zeros)
    return module


def is_pruned(module: Module) -> bool:
    """Whether anything in the module, or in one below it, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod) for each in module.modules() for hook in each._forward_pre_hooks.values()
    )
