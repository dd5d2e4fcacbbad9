"""What lazy layers share: parameters without a shape until the first batch, then an ordinary layer."""

from __future__ import annotations

from typing import Any

from rushlight.nn.parameter import is_lazy


class LazyModuleMixin:
    """Put before the layer's class: the first call runs `initialize_parameters(*args)` and makes it a `cls_to_become`.

    Until then its parameters are `UninitializedParameter`s; loading a state_dict gives them their shapes too.
    """

    cls_to_become: type | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(_materialize_from, with_module=True)
        self._initialize_hook = self.register_forward_pre_hook(_infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialise the parameters from the shapes of the first inputs; every lazy layer writes its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define initialize_parameters()")

    def has_uninitialized_params(self) -> bool:
        """True while a parameter or buffer of this layer has no shape."""
        return any(is_lazy(tensor) for tensor in (*self._parameters.values(), *self._buffers.values()))


def _infer_parameters(module: Any, args: Any, kwargs: Any = None) -> None:
    module.initialize_parameters(*args, **(kwargs or {}))
    if module.has_uninitialized_params():
        raise RuntimeError(f"{type(module).__name__}.initialize_parameters left parameters without a shape")
    module._initialize_hook.remove()
    module._load_hook.remove()
    del module._initialize_hook, module._load_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


def _materialize_from(module: Any, state_dict: Any, prefix: str, *unused: Any) -> None:
    """Before loading: take the shapes from the checkpoint."""
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        key = prefix + name
        if key in state_dict and is_lazy(tensor) and not is_lazy(state_dict[key]):
            tensor.materialize(state_dict[key].shape)
