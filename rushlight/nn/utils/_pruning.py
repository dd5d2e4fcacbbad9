"""How pruning works: a method chooses a mask, and a hook applies it before each forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.nn.modules.module import Module

Tensor = rushlight.Tensor


class BasePruningMethod(ABC):
    """A way to choose what is pruned: subclasses write `compute_mask(t, default_mask)` and name their `PRUNING_TYPE`.

    That is 'unstructured' (they see the elements left by methods before), 'structured' (the channels left along `dim`) or 'global' (all).
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        """The hook before each forward pass."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """A mask of zeros and ones for the scores `t`, in which what `default_mask` prunes is pruned too."""

    def apply_mask(self, module: Module) -> Tensor:
        """The pruned tensor: the original times the mask."""
        if not hasattr(self, "_tensor_name"):
            raise AssertionError(
                explain_error(
                    f"{type(self).__name__}.apply_mask", got="a method that prunes nothing yet", fix="call apply"
                )
            )
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune `module.name` by cls(*args, **kwargs), on top of what is pruned already; returns the method that acts now."""
        key, old = hook_of(module, name)
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        original = getattr(module, name)
        if importance_scores is None:
            importance_scores = original
        elif importance_scores.shape != original.shape:
            raise AssertionError(
                explain_error(
                    f"{cls.__name__}.apply",
                    got=f"importance_scores of shape {list(importance_scores.shape)}",
                    expected=f"the shape of {name!r}, {list(original.shape)}",
                )
            )
        if old is None:
            mask = rushlight.ones_like(original)
            acting = method
        else:
            mask = getattr(module, name + "_mask").detach().clone()
            acting = old if isinstance(old, PruningContainer) else PruningContainer(old)
            acting.add_pruning_method(method)
        mask = acting.compute_mask(importance_scores, default_mask=mask)  # may refuse: nothing has changed until here
        if old is None:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
        else:
            del module._forward_pre_hooks[key]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, acting.apply_mask(module))
        module.register_forward_pre_hook(acting)
        return acting

    def prune(self, t: Tensor, default_mask: Any = None, importance_scores: Any = None) -> Tensor:
        """`t`, pruned, without a module."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(
                explain_error(
                    f"{type(self).__name__}.prune",
                    got=f"importance_scores of shape {list(scores.shape)}",
                    expected=f"the shape of the tensor, {list(t.shape)}",
                )
            )
        default_mask = rushlight.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=default_mask)

    def remove(self, module: Module) -> None:
        """Make the pruned tensor an ordinary parameter, and forget the mask."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = weight.detach().clone()
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def hook_of(module: Module, name: str) -> tuple[Any, Any]:
    """(key, method) of what prunes `module.name`, or (None, None)."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


class PruningContainer(BasePruningMethod):
    """Several methods on one tensor, one after the other; each sees what those before have left."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:  # it may be for a tensor already
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add one more. Errors: TypeError if it is none, ValueError if it is for another tensor."""
        op = "PruningContainer.add_pruning_method"
        if not isinstance(method, BasePruningMethod):
            raise TypeError(explain_error(op, got=type(method).__name__, expected="a BasePruningMethod"))
        mine, theirs = (getattr(each, "_tensor_name", None) for each in (self, method))
        if mine != theirs:
            raise ValueError(explain_error(op, got=f"a method for {theirs!r}", expected=f"one for {mine!r}"))
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The last method's mask on what the others left."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype).clone()
        if method.PRUNING_TYPE == "unstructured":
            left: Any = mask == 1
        elif method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    explain_error(
                        "PruningContainer",
                        got=f"{type(method).__name__} without `dim`",
                        expected="the dimension of channels",
                    )
                )
            dim = method.dim % t.dim()
            others = [d for d in range(t.dim()) if d != dim]
            left = (slice(None),) * dim + (mask.sum(dim=others) != 0,)
        elif method.PRUNING_TYPE == "global":
            left = (slice(None),) * t.dim()
        else:
            raise ValueError(
                explain_error(
                    "PruningContainer",
                    got=f"PRUNING_TYPE={method.PRUNING_TYPE!r}",
                    expected="'unstructured', 'structured' or 'global'",
                )
            )
        mask[left] = method.compute_mask(t[left], default_mask=mask[left]).to(mask.dtype)
        return mask
