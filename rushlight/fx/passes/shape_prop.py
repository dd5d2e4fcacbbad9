"""Note in each node what it computes for given inputs: shape, dtype, strides."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight
from rushlight.fx.interpreter import Interpreter
from rushlight.fx.node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor without its values."""

    shape: rushlight.Size
    dtype: rushlight.dtype
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _metadata(tensor: Any) -> TensorMetadata:
    formats = (rushlight.contiguous_format, rushlight.channels_last, rushlight.channels_last_3d)
    dims = {rushlight.channels_last: 4, rushlight.channels_last_3d: 5}
    found = next(
        (f for f in formats if tensor.dim() == dims.get(f, tensor.dim()) and tensor.is_contiguous(memory_format=f)),
        None,
    )
    return TensorMetadata(
        tensor.shape, tensor.dtype, tensor.requires_grad, tuple(tensor.stride()), found, False, {}
    )  # fmt: skip


class ShapeProp(Interpreter):
    """Run a GraphModule, and note in `node.meta["tensor_meta"]` what each node computed, in `node.meta["type"]` its class.

    >>> import rushlight as torch
    >>> gm = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU()))
    >>> y = ShapeProp(gm).propagate(torch.ones(3, 4))
    >>> [tuple(node.meta["tensor_meta"].shape) for node in gm.graph.nodes]
    [(3, 4), (3, 2), (3, 2), (3, 2)]
    """

    def run_node(self, n: Node) -> Any:
        """The node's value; its meta is noted."""
        result = super().run_node(n)
        seen = False

        def note(value: Any) -> Any:
            nonlocal seen
            if not isinstance(value, rushlight.Tensor):
                return value
            seen = True
            return _metadata(value)

        meta = map_aggregate(result, note)
        if seen:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """The result for these inputs."""
        return self.run(*args)
