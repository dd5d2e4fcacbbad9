"""Saving and loading: `state_dict`, `load_state_dict`, and the report when a checkpoint does not fit the model."""

from __future__ import annotations

import difflib
import unicodedata
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import rushlight
from rushlight.autograd.hooks import RemovableHandle, add_hook
from rushlight.lessons import say
from rushlight.nn.parameter import Parameter, is_lazy

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"

    __str__ = __repr__


class ShapeDiffers(str):
    """A load error of one key whose shapes differ; the report shows it as a row of its table."""

    row: tuple[str, str, str]

    @classmethod
    def of(cls, key: str, model: Any, checkpoint: Any) -> ShapeDiffers:
        model, checkpoint = str(tuple(model)), str(tuple(checkpoint))
        message = cls(f"shape differs for {key!r}: {model} in the model, {checkpoint} in the checkpoint")
        message.row = (key, model, checkpoint)
        return message


class _WithModule:
    """Marks a load hook that also wants the module: the one being loaded, so that a deep copy passes itself."""

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args)


class StateMixin:
    """The part of Module that turns it into a dict of tensors and back."""

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers by dotted name (detached, sharing memory, unless `keep_vars`).

        >>> import rushlight as torch
        >>> list(torch.nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        if args:
            warnings.warn(
                "state_dict: positional arguments are deprecated. Fix: write destination=, prefix=, keep_vars=.",
                FutureWarning,
                stacklevel=2,
            )
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = dict(version=self._version)
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if result is not None:
                    raise RuntimeError("a state_dict post-hook must change the dict in place and return None")
            elif result is not None:
                destination = result
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._own_state().items():
            if tensor is not None:
                destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        if type(self).get_extra_state is not StateMixin.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _own_state(self) -> dict[str, Any]:
        """This module's own parameters and persistent buffers, None included."""
        buffers = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        return {**self._parameters, **buffers}

    def get_extra_state(self) -> Any:
        """Anything more to put in the state_dict; a class that writes this also writes `set_extra_state`."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: it does not define get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError(
            f"the state_dict holds extra state for {type(self).__name__}, which does not define set_extra_state()"
        )

    # -- loading ------------------------------------------------------------------------------------------------------

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copy the tensors of `state_dict` into this module (`assign`: take them over instead).

        Returns (missing_keys, unexpected_keys). RuntimeError when shapes differ, or, if `strict`, keys do: the message
        is a table of them with the nearest names.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: got {type(state_dict).__name__}; expected a dict of tensors. "
                f"Fix: pass what model.state_dict() returned"
                + (": add .state_dict()." if isinstance(state_dict, StateMixin) else ".")
            )
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata

        def load(module: Any, own_state: Any, prefix: str) -> None:
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata = {**local_metadata, "assign_to_params_buffers": True}
            module._load_from_state_dict(own_state, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    start = f"{prefix}{name}."
                    load(child, {k: v for k, v in own_state.items() if k.startswith(start)}, start)
            report = _IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, report) is not None:
                    raise RuntimeError("a load_state_dict post-hook must change the report in place and return None")

        load(self, state_dict, "")
        if errors or (strict and (missing or unexpected)):
            raise RuntimeError(_explain_misfit(self, state_dict, missing, unexpected, errors, strict))
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors; classes whose saved form has changed override this."""
        for hook in self._load_state_dict_pre_hooks.values():
            target = (self,) if isinstance(hook, _WithModule) else ()
            hook(*target, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = self._own_state()
        for name, tensor in own.items():
            if tensor is None:
                continue
            key = prefix + name
            if key in state_dict:
                error = self._load_tensor(name, tensor, key, state_dict[key], assign)
                if error:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        has_extra = type(self).set_extra_state is not StateMixin.set_extra_state
        if prefix + EXTRA_STATE in state_dict and has_extra:
            self.set_extra_state(state_dict[prefix + EXTRA_STATE])
        elif strict and has_extra:
            missing_keys.append(prefix + EXTRA_STATE)
        if strict:
            for key in state_dict:
                name, _, below = key[len(prefix) :].partition(".")
                if not key.startswith(prefix) or (name == EXTRA_STATE and has_extra):
                    continue
                if (name not in self._modules) if below else own.get(name) is None:
                    unexpected_keys.append(key)

    def _load_tensor(self, name: str, tensor: Any, key: str, value: Any, assign: bool) -> str | None:
        """Load one value; returns what went wrong."""
        if not isinstance(value, rushlight.Tensor):
            return f"{key!r} holds {type(value).__name__} in the checkpoint; expected a Tensor"
        if not is_lazy(tensor):
            if tensor.dim() == 0 and tuple(value.shape) == (1,):
                value = value[0]  # old checkpoints hold scalars as one-element vectors
            if tuple(value.shape) != tuple(tensor.shape):
                return ShapeDiffers.of(key, tensor.shape, value.shape)
        try:
            with rushlight.no_grad():
                if not assign:
                    tensor.copy_(value)
                elif isinstance(tensor, Parameter):
                    keep = isinstance(value, Parameter) and value.requires_grad == tensor.requires_grad
                    setattr(self, name, value if keep else Parameter(value, requires_grad=tensor.requires_grad))
                else:
                    setattr(self, name, value)
        except Exception as error:
            return f"{key!r} could not be copied ({tuple(tensor.shape)} from {tuple(value.shape)}): {error}"
        return None

    # -- hooks --------------------------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, prefix, keep_vars)` before `state_dict` collects this module."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, state_dict, prefix, local_metadata)` afterwards; it changes the dict in place."""
        hook._from_public_api = True
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)` before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, _WithModule(hook) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, incompatible_keys)` after loading; it may edit the two lists in place."""
        return add_hook(self._load_state_dict_post_hooks, hook)


def _explain_misfit(
    module: Any, state_dict: Any, missing: list[str], unexpected: list[str], errors: list[str], strict: bool
) -> str:
    """The table of everything that does not fit, and the likeliest fix."""
    own = {key: value for key, value in module.state_dict(keep_vars=True).items()}

    def shape(value: Any) -> str:
        return str(tuple(value.shape)) if isinstance(value, rushlight.Tensor) and not is_lazy(value) else "?"

    gone, extra, other = (say(f"state/{what}") for what in ("missing", "unexpected", "shape-differs"))
    rows = []
    if strict:
        rows += [(gone, key, shape(own.get(key)), "-", _nearest(key, unexpected or state_dict)) for key in missing]
        rows += [(extra, key, "-", shape(state_dict[key]), _nearest(key, missing or own)) for key in unexpected]
    differing = [error for error in errors if isinstance(error, ShapeDiffers)]
    rows += [(other, *error.row, "") for error in differing]
    lines = _table(rows) if rows else []
    lines += ["  " + error for error in errors if not isinstance(error, ShapeDiffers)]
    return say(
        "state-does-not-fit", module=type(module).__name__, missing=len(missing), unexpected=len(unexpected), differing=len(differing),
        table="\n".join(lines), fix=_likely_fix(own, state_dict, bool(differing)),
    )  # fmt: skip


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines with the cells below each other; a Chinese character is two columns wide."""
    heads = ("problem", "key", "model", "checkpoint", "nearest")
    rows = [tuple(say(f"state/{head}") for head in heads), *rows]

    def columns(cell: str) -> int:
        return len(cell) + sum(unicodedata.east_asian_width(character) in "WF" for character in cell)

    widths = [max(columns(row[i]) for row in rows) for i in range(len(heads))]
    padded = [[cell + " " * (width - columns(cell)) for cell, width in zip(row, widths)] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in padded]


def _nearest(key: str, names: Any) -> str:
    """The name most like `key`: first one with the same last part, then any."""
    last = key.rpartition(".")[2]
    same = [name for name in names if name.rpartition(".")[2] == last]
    near = difflib.get_close_matches(key, same, n=1, cutoff=0.3) or difflib.get_close_matches(key, list(names), n=1)
    return near[0] if near else ""


def _likely_fix(own: Any, state_dict: Any, shapes_differ: bool) -> str:
    prefix = "module."
    if (
        state_dict
        and all(key.startswith(prefix) for key in state_dict)
        and not any(key.startswith(prefix) for key in own)
    ):
        return say("state/data-parallel")
    if (
        state_dict
        and not any(isinstance(value, rushlight.Tensor) for value in state_dict.values())
        or (any(isinstance(value, Mapping) for value in state_dict.values()))
    ):
        nested = [key for key, value in state_dict.items() if isinstance(value, Mapping)]
        if nested:
            return say("state/whole-checkpoint", entry=nested[0])
    return say("state/sizes" if shapes_differ else "state/rename")
