"""`torch._foreach_*`: one function over lists of tensors, a result for each place.

>>> import rushlight as torch
>>> torch._foreach_add([torch.ones(2), torch.zeros(1)], 1)
(tensor([2., 2.]), tensor([1.]))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight.errors import MissingNameError, explain_error

PREFIX = "_foreach_"
_NAMES = (
    "abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min copy cos cosh div erf erfc exp expm1 floor frac lerp lgamma "
    "log log10 log1p log2 max maximum minimum mul neg norm pow reciprocal round rsqrt sigmoid sign sin sinh sqrt sub tan tanh "
    "trunc zero"
).split()


def find(name: str) -> Callable[..., Any]:
    """The function of this name. Errors: AttributeError when there is none."""
    inplace = name.endswith("_")
    short = name.removeprefix(PREFIX).removesuffix("_")
    if short not in _NAMES or inplace and short in ("max", "norm") or not inplace and short in ("copy", "zero"):
        raise MissingNameError("module 'rushlight'", name, lambda: [PREFIX + n for n in _NAMES])

    def function(self: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        lists = [a for a in args if isinstance(a, (list, tuple))]
        if any(len(found) != len(self) for found in lists):
            raise RuntimeError(
                explain_error(
                    name, got=f"lists of {[len(self), *map(len, lists)]} elements", expected="lists of one length"
                )
            )
        results = [
            _one(short, tensor, [a[n] if isinstance(a, (list, tuple)) else a for a in args], kwargs)
            for n, tensor in enumerate(self)
        ]
        if not inplace:
            return tuple(results)
        with rushlight.no_grad():
            for tensor, result in zip(self, results, strict=True):
                tensor.copy_(result)
        return list(self)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{short}` of each tensor" + (", in place." if inplace else ", as a tuple.")
    return function


def _one(short: str, tensor: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if short == "copy":
        return args[0]
    if short == "zero":
        return tensor.new_zeros(())
    if short in ("addcmul", "addcdiv"):
        first, second, *value = args
        return getattr(rushlight, short)(tensor, first, second, value=value[0] if value else kwargs.get("value", 1))
    if short in ("maximum", "minimum", "clamp_max", "clamp_min"):
        low = short in ("maximum", "clamp_min")
        return rushlight.clamp(tensor, **{"min" if low else "max": args[0]})
    if short == "norm":
        return rushlight.linalg.vector_norm(tensor, *args, **kwargs)
    return getattr(rushlight, short)(tensor, *args, **kwargs)
