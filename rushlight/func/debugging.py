"""`debug_unwrap` and `replace_all_batch_norm_modules_`."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """The tensor behind one that a transform's function is given, to look at its value.

    Tensors here are the same inside and outside of `grad`, `vjp` and `jvp`. In `vmap`, whose function is recorded on
    stand-ins of one sample, there is no value to look at: NotImplementedError.

    >>> import rushlight as torch
    >>> from rushlight.func import debug_unwrap, grad
    >>> def cube(x):
    ...     print(debug_unwrap(x).item())
    ...     return x**3
    >>> grad(cube)(torch.tensor(2.0))
    2.0
    tensor(12.)
    """
    if not isinstance(tensor, Handle):
        raise TypeError(explain_error("debug_unwrap", got=f"a {type(tensor).__name__}", expected="a tensor"))
    if not local.trace.expandable:
        raise NotImplementedError(
            "debug_unwrap: in a function that vmap maps there is no value: it is recorded once for all samples. "
            "Fix: call the function on one sample."
        )
    return tensor.detach()


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let all batch normalisations in a module use the batch's statistics and keep none; `root`, changed in place.

    Running statistics are written in place, which a function that `vmap` maps cannot do.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    >>> torch.func.replace_all_batch_norm_modules_(net)[1].running_mean is None
    True
    """
    for module in root.modules():
        if getattr(module, "track_running_stats", False) and "num_batches_tracked" in module._buffers:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
