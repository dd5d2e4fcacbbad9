"""`torch.distributed.nn`: collectives that gradients flow through. With one member each gives what it was given."""

from __future__ import annotations

import sys
from typing import Any

from rushlight.distributed import ReduceOp, _one

__all__ = [
    "all_gather",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "broadcast",
    "gather",
    "reduce",
    "reduce_scatter",
    "scatter",
]

functional = sys.modules[__name__]  # torch.distributed.nn.functional


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The tensor: the sum, mean or extreme of itself."""
    _one(group, "all_reduce")
    return tensor.clone()


def reduce(tensor: Any, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """As `all_reduce`."""
    return all_reduce(tensor, op, group)


def broadcast(tensor: Any, src: int, group: Any = None) -> Any:
    """The tensor."""
    return all_reduce(tensor, group=group)


def all_gather(tensor: Any, group: Any = None) -> tuple[Any, ...]:
    """The tensor, alone in a tuple."""
    return (all_reduce(tensor, group=group),)


def gather(tensor: Any, dst: int = 0, group: Any = None) -> tuple[Any, ...]:
    """As `all_gather`."""
    return all_gather(tensor, group)


def scatter(tensors: Any, src: int = 0, group: Any = None) -> Any:
    """The only tensor of the list."""
    return all_reduce(tensors[0], group=group)


def reduce_scatter(output: Any, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The only tensor of the list."""
    return all_reduce(input_list[0], op, group)


def all_to_all(output_tensor_list: Any, input_tensor_list: Any, group: Any = None) -> tuple[Any, ...]:
    """The only tensor of the list, alone in a tuple."""
    return all_gather(input_tensor_list[0], group)


def all_to_all_single(
    output: Any, input: Any, output_split_sizes: Any = None, input_split_sizes: Any = None, group: Any = None
) -> Any:
    """The input."""
    return all_reduce(input, group=group)
