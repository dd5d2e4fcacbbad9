"""The older weight normalisation: a hook before each forward pass computes the weight from two parameters."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from rushlight.errors import explain_error
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter, UninitializedParameter
from rushlight.nn.utils.parametrizations import norm_except_dim, weight_of

M = TypeVar("M", bound=Module)


class WeightNorm:
    """The hook."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """g · v / ‖v‖."""
        return weight_of(getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v"), self.dim)

    def remove(self, module: Module) -> None:
        """Put one parameter with the present value in place of the two."""
        weight = self.compute_weight(module).detach().clone()
        for name in (self.name, f"{self.name}_g", f"{self.name}_v"):
            delattr(module, name)
        setattr(module, self.name, Parameter(weight))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def hooked(module: Module, kind: type, name: str) -> Any:
    """(key, hook) of the hook of this kind on `module.name`, or (None, None)."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key, hook
    return None, None


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Learn length and direction of a weight apart: weight = g · v / ‖v‖; `nn.utils.parametrizations.weight_norm` is the newer form.

    The parameters are `weight_g` and `weight_v`; a norm for each index of `dim`, or one for the whole tensor with dim=None.

    Errors: RuntimeError if it is normalised already, ValueError if its shape is not known yet.

    >>> import rushlight as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> list(torch.nn.utils.weight_norm(torch.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    warnings.warn(
        "nn.utils.weight_norm is the older form. Fix: nn.utils.parametrizations.weight_norm, which reads its checkpoints too.",
        FutureWarning,
        stacklevel=2,
    )
    if hooked(module, WeightNorm, name)[1] is not None:
        raise RuntimeError(
            explain_error("weight_norm", got=f"{name!r}, which has weight norm already", expected="a plain parameter")
        )
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    if isinstance(weight, UninitializedParameter):
        raise ValueError(
            explain_error(
                "weight_norm",
                got="a parameter whose shape is not known yet",
                expected="an ordinary one",
                fix="run one batch through the lazy module first",
            )
        )
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight, hook.dim).detach().clone()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach().clone()))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight one parameter again. Errors: ValueError if it has no weight norm."""
    key, hook = hooked(module, WeightNorm, name)
    if hook is None:
        raise ValueError(
            explain_error(
                "remove_weight_norm", got=f"{name!r} of {type(module).__name__}", expected="weight norm on it"
            )
        )
    hook.remove(module)
    del module._forward_pre_hooks[key]
    return module
