"""When a result of Rushlight's agrees with PyTorch's."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import torch

import rushlight

from .translate import to_torch

# assert_close's defaults: (relative, absolute).
TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.complex64: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex128: (1e-7, 1e-7),
}
_SLACK = 4  # where the same formula in double precision says who is right: how much worse than PyTorch is still as good
_ROUNDINGS = 64  # of the largest element of a gradient


class Difference(Exception):
    """Where and how results differ; `kind` is the group that it is reported in."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


def agree(
    ours: Any,
    theirs: Any,
    *,
    exact: Any = None,
    kind: str = "value",
    values: bool = True,
    inputs: Iterable[torch.dtype] = (),
    at: str = "",
) -> None:
    """Raise `Difference` unless structure, shapes, dtypes and values are the same.

    `exact` is PyTorch's result in double precision, if there is one. The coarsest of the dtypes of result and `inputs`
    sets the tolerance. `values=False` compares layouts in their place, for results that nobody has initialised.
    """
    if isinstance(theirs, (tuple, list)) and not isinstance(theirs, torch.Size):
        if not isinstance(ours, (tuple, list)) or len(ours) != len(theirs):
            raise Difference(kind, f"result{at}: {_brief(ours)} instead of {_brief(theirs)}")
        if isinstance(theirs, list) != isinstance(ours, list):
            raise Difference(kind, f"result{at}: {type(ours).__name__} instead of {type(theirs).__name__}")
        for i, (left, right) in enumerate(zip(ours, theirs)):
            right_exact = exact[i] if isinstance(exact, (tuple, list)) and len(exact) == len(theirs) else None
            agree(left, right, exact=right_exact, kind=kind, values=values, inputs=inputs, at=f"{at}[{i}]")
        return
    if not isinstance(theirs, torch.Tensor):
        return _agree_plain(ours, theirs, kind, at)
    if not isinstance(ours, rushlight.Tensor):
        raise Difference(kind, f"result{at}: {_brief(ours)} instead of {_brief(theirs)}")
    if tuple(ours.shape) != tuple(theirs.shape):
        raise Difference("shape", f"result{at}: shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}")
    if str(ours.dtype) != str(theirs.dtype):
        raise Difference("dtype", f"result{at}: {ours.dtype} instead of {theirs.dtype}")
    if not values:
        if ours.stride() != theirs.stride():
            raise Difference("stride", f"result{at}: strides {ours.stride()} instead of {theirs.stride()}")
        return
    worst = _worst(to_torch(ours), theirs.detach(), exact, inputs, kind == "grad")
    if worst:
        raise Difference(kind, f"result{at}: {worst}")


def _agree_plain(ours: Any, theirs: Any, kind: str, at: str) -> None:
    if isinstance(theirs, (torch.Size, torch.dtype, torch.device)):
        same = str(ours) == str(theirs)
    elif isinstance(theirs, numbers.Number):
        same = type(ours) is type(theirs) and (ours == theirs or ours != ours and theirs != theirs)
        if isinstance(theirs, (float, complex)) and isinstance(ours, (float, complex)):
            same = type(ours) is type(theirs) and torch.isclose(
                torch.tensor(ours), torch.tensor(theirs), rtol=1.3e-6, atol=1e-7, equal_nan=True
            )
    else:
        same = type(ours).__name__ == type(theirs).__name__ and (theirs is not None or ours is None)
    if not same:
        raise Difference(kind, f"result{at}: {_brief(ours)} instead of {_brief(theirs)}")


def _worst(ours: torch.Tensor, theirs: torch.Tensor, exact: Any, inputs: Iterable[torch.dtype], norm: bool) -> str:
    """The element that differs most, in words; empty where all are close."""
    theirs = theirs.resolve_conj().resolve_neg()
    if not theirs.is_floating_point() and not theirs.is_complex():
        wrong = ours != theirs
    else:
        relative, absolute = max(TOLERANCES.get(kind, (0.0, 0.0)) for kind in (theirs.dtype, *inputs))
        wrong = ~torch.isclose(ours, theirs, rtol=relative, atol=absolute, equal_nan=True)
    if not wrong.any():
        return ""
    if isinstance(exact, torch.Tensor) and exact.shape == theirs.shape and _as_good(ours, theirs, exact, norm):
        return ""
    where = wrong.nonzero()[0].tolist()
    left, right = ours[tuple(where)].item(), theirs[tuple(where)].item()
    return f"{int(wrong.sum())} of {wrong.numel()} differ, {_number(left)} instead of {_number(right)} at {where}"


def _as_good(ours: torch.Tensor, theirs: torch.Tensor, exact: torch.Tensor, norm: bool) -> bool:
    """Whether our error, against double precision, is of the size of PyTorch's.

    With `norm` it may also be some roundings of the largest element: the order of a gradient's sums is free.
    """
    exact = exact.detach().resolve_conj().resolve_neg()
    if not (exact.is_floating_point() or exact.is_complex()):
        return False
    finite = theirs.isfinite() & exact.isfinite()
    if not torch.equal(ours.isfinite() & exact.isfinite(), finite) or not finite.any():
        return False
    if not torch.isclose(ours[~finite], theirs[~finite], equal_nan=True).all():
        return False
    exact = exact[finite]
    mine, other = ((side.to(exact.dtype)[finite] - exact).abs() for side in (ours, theirs))
    allowed = _SLACK * other.max() + TOLERANCES[theirs.dtype][1]
    if norm:
        allowed = max(allowed, _ROUNDINGS * torch.finfo(theirs.dtype).eps * exact.abs().max())
    return bool(mine.max() <= allowed)


def _number(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, (float, complex)) else str(value)


def _brief(value: Any) -> str:
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {str(value)[:60]}"
