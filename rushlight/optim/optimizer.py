"""The base of every optimiser: parameter groups, state dictionaries, hooks."""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import say
from rushlight.optim._checks import caller_depth
from rushlight.optim._hooks import (
    Hooked,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

Params = Iterable[Any]  # of tensors, of (name, tensor) pairs, or of group dictionaries


class _RequiredParameter:
    """The default of an option that every parameter group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


class Optimizer(Hooked):
    """Base class of all optimisers.

    `params` is an iterable of tensors, of `(name, tensor)` pairs, or of dictionaries (parameter groups) with the key
    `"params"` and options that override `defaults` for that group. A subclass writes `step(closure=None)`.

    Errors: TypeError for anything that is not an ordered collection of tensors, ValueError for an empty list, for
    tensors that are results of operations (not leaves) and for a tensor in two groups.

    >>> import rushlight as torch
    >>> class SignDescent(torch.optim.Optimizer):
    ...     @torch.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p.sub_(p.grad.sign(), alpha=group["lr"])
    >>> w = torch.tensor([1.0, -1.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w], dict(lr=0.5)).step()
    >>> w
    tensor([ 0.5000, -0.5000], requires_grad=True)
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = self._listed(params)
        if not groups:
            raise ValueError(say("no-parameters", op=type(self).__name__))
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _listed(self, params: Any) -> list[Any]:
        """`params` as a list, or a TypeError that says what to write instead."""
        name = type(self).__name__
        if isinstance(params, rushlight.Tensor):
            raise TypeError(
                explain_error(
                    name,
                    got=f"one tensor of shape {tuple(params.shape)} as params",
                    expected="an iterable of tensors or of dictionaries",
                    fix="put it into a list: [tensor]",
                )
            )
        if not hasattr(params, "__iter__") and not hasattr(params, "__getitem__"):
            if callable(getattr(params, "parameters", None)):
                what, fix = "module", "pass"
            elif callable(params):
                what, fix = "method", "call"
            else:
                what, fix = "other", "pass"
            method = getattr(params, "__name__", "parameters")
            got = say(f"parameters-not-iterable/{what}", kind=type(params).__name__, name=method)
            fix = say(f"parameters-not-iterable/{fix}", name=method)
            raise TypeError(say("parameters-not-iterable", op=name, got=got, fix=fix))
        return list(params)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state; options that an older state lacks get their defaults."""
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:  # pickles of protocol 0 and 1 do without __new__
            self._make_hooks()
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            if index:
                lines.append("")
            lines.append(f"Parameter Group {index}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])

    # -- parameter groups ------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: `{"params": tensors, option: value, ...}`; options left out take the optimiser's defaults."""
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(
                explain_error(
                    f"{name}.add_param_group",
                    got=type(param_group).__name__,
                    expected="a dict with the key 'params'",
                    fix="write {'params': [...]}",
                )
            )
        self._read_params(param_group)
        for option, default in self.defaults.items():
            if default is required and option not in param_group:
                raise ValueError(
                    explain_error(
                        f"{name}.add_param_group",
                        got=f"a group without {option!r}",
                        expected="every group to give it",
                        fix=f"write {{'params': ..., {option!r}: ...}}",
                    )
                )
            param_group.setdefault(option, default)
        params = param_group["params"]
        if len(params) != len(set(params)):
            warnings.warn(
                explain_error(
                    name,
                    got="the same parameter more than once in one group, so a step updates it more than once",
                    fix="list each parameter once",
                ),
                UserWarning,
                stacklevel=caller_depth(),
            )
        known = set(itertools.chain.from_iterable(group["params"] for group in self.param_groups))
        shared = [index for index, param in enumerate(params) if param in known]
        if shared:
            raise ValueError(
                explain_error(
                    name,
                    got=f"parameters in more than one group (positions {shared} of the new group)",
                    expected="each parameter in exactly one group",
                    fix="leave the shared ones out of one group",
                )
            )
        self.param_groups.append(param_group)

    def _read_params(self, group: dict[str, Any]) -> None:
        """Turn `group["params"]` into a list of checked tensors; given names go to `group["param_names"]`."""
        name, params = type(self).__name__, group["params"]
        if isinstance(params, set):
            raise TypeError(
                explain_error(
                    name,
                    got="a set of parameters",
                    expected="an ordered collection",
                    fix="use a list: the order of a set changes from run to run, and state is saved by position",
                )
            )
        items = [params] if isinstance(params, rushlight.Tensor) else self._listed(params)
        named = [isinstance(item, tuple) for item in items]
        if any(named) and not all(named):
            raise ValueError(
                explain_error(
                    name,
                    got="some parameters with and some without names",
                    expected="(name, tensor) for all or for none",
                    fix="pass model.named_parameters() or model.parameters()",
                )
            )
        if any(named):
            group["param_names"] = [item[0] for item in items]
            items = [item[1] for item in items]
        if self.param_groups and items and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ValueError(
                explain_error(
                    name,
                    got="a group with names and one without",
                    expected="(name, tensor) in all groups or in none",
                    fix="pass model.named_parameters() or model.parameters() everywhere",
                )
            )
        for index, item in enumerate(items):
            if not isinstance(item, rushlight.Tensor):
                is_module = callable(getattr(item, "parameters", None))
                raise TypeError(
                    explain_error(
                        name,
                        got=f"{type(item).__name__} at position {index} of params",
                        expected="tensors only" if self.param_groups or index else "tensors or dictionaries",
                        fix="pass its parameters: module.parameters()" if is_module else "pass model.parameters()",
                    )
                )
            if not self.defaults.get("differentiable") and not (item.is_leaf or item.retains_grad):
                raise ValueError(say("parameter-not-leaf", op=name, shape=tuple(item.shape), index=index))
        group["params"] = items

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: `grad` becomes None, or zeros with `set_to_none=False`."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    if param.grad.grad_fn is not None:
                        param.grad.detach_()
                    else:
                        param.grad.requires_grad_(False)
                    param.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once; `closure`, if given, evaluates the loss again and returns it."""
        raise NotImplementedError(
            explain_error(type(self).__name__, got="step()", expected="a subclass with its own step", fix="define step")
        )

    # -- state dictionaries ----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """`{"state": {position: values}, "param_groups": [...]}`, with positions in place of the parameters."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        positions: dict[Any, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            positions.update({p: i for i, p in enumerate(group["params"], start) if p not in positions})
            start += len(group["params"])
            packed = {name: value for name, value in group.items() if name != "params"}
            packed["params"] = [positions[param] for param in group["params"]]
            groups.append(packed)
        state = {
            positions[key] if isinstance(key, rushlight.Tensor) else key: value for key, value in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned; tensors are copied, to the dtype and device of their parameter.

        Errors: ValueError when the number of groups or the number of parameters of a group differs.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        saved = deepcopy(state_dict["param_groups"])
        self._check_groups([len(group["params"]) for group in saved])
        by_position: dict[Hashable, Any] = {}
        for ours, theirs in zip(self.param_groups, saved):
            by_position.update(zip(theirs["params"], ours["params"]))
            theirs["params"] = ours["params"]
            if "param_names" in ours:
                theirs.setdefault("param_names", ours["param_names"])
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_position:
                state[by_position[key]] = _copied(value, by_position[key])
            else:
                state[key] = value
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _check_groups(self, saved: list[int]) -> None:
        ours = [len(group["params"]) for group in self.param_groups]
        if saved != ours:
            raise ValueError(
                explain_error(
                    f"{type(self).__name__}.load_state_dict",
                    got=f"{len(saved)} parameter group(s) of sizes {saved}",
                    expected=f"{len(ours)} group(s) of sizes {ours}",
                    fix="build the optimiser over the same model and groups as when it was saved",
                )
            )


def _copied(value: Any, param: Any, name: str = "") -> Any:
    """A copy of saved state that fits `param`: two optimisers that loaded one dictionary must not share buffers."""
    if isinstance(value, rushlight.Tensor):
        value = value.detach().clone()
        if name == "step":  # counts keep their float32: bfloat16 would stop at 256
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)
    if isinstance(value, dict):
        return {key: _copied(item, param, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item, param) for item in value)
    return value
