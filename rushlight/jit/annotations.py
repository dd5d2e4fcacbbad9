"""`torch.jit.annotations`: the names of `typing` that annotations for TorchScript were written with, and its own for lists
in whose place a single number may stand."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  the names that are asked for

BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = List  # noqa: UP006
BroadcastingList4 = BroadcastingList5 = BroadcastingList6 = List  # noqa: UP006

__all__ = [
    *(f"BroadcastingList{n}" for n in range(1, 7)),
    "Any", "Dict", "List", "Optional", "Tuple", "Union",
]  # fmt: skip
