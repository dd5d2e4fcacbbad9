"""Make a trained model quicker to run: batch norms folded into what comes before them, dropout taken out."""

from __future__ import annotations

import copy
from typing import Any

from rushlight import fx, nn
from rushlight.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]

_PATTERNS = [
    (nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d), (nn.Linear, nn.BatchNorm1d),
]  # fmt: skip


def matches_module_pattern(pattern: Any, node: fx.Node, modules: dict[str, Any]) -> bool:
    """Whether a node and what it is given are calls of modules of exactly these two classes, first the earlier one."""
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    return all(
        found.op == "call_module" and isinstance(found.target, str) and type(modules.get(found.target)) is kind
        for kind, found in zip(pattern, (node.args[0], node), strict=True)
    )


def replace_node_module(node: fx.Node, modules: dict[str, Any], new_module: nn.Module) -> None:
    """Put another module where the one is that a node calls."""
    parent, _, name = str(node.target).rpartition(".")
    modules[str(node.target)] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model: nn.Module, inplace: bool = False, no_trace: bool = False) -> nn.Module:
    """A model, in eval mode, without the batch norms that follow a convolution or linear layer directly.

    inplace   replace the layers in `model`, and not in a copy of it
    no_trace  `model` is a GraphModule already

    A batch norm stays if something else uses the layer's result as well, or if it has no running statistics.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU()).eval()
    >>> fused = fuse(net)
    >>> [name for name, _ in fused.named_children()]
    ['0', '2']
    >>> x = torch.randn(1, 1, 5, 5)
    >>> torch.allclose(fused(x), net(x), atol=1e-5)
    True
    """
    if not inplace:
        model = copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, fx.GraphModule) else fx.symbolic_trace(model)
    modules = dict(traced.named_modules())
    graph = copy.deepcopy(traced.graph)
    for pattern in _PATTERNS:
        for node in graph.nodes:
            if not matches_module_pattern(pattern, node, modules) or len(node.args[0].users) > 1:
                continue
            layer, norm = modules[node.args[0].target], modules[node.target]
            if not norm.track_running_stats:
                continue
            fold = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
            replace_node_module(node.args[0], modules, fold(layer, norm))
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return fx.GraphModule(traced, graph)


class _WithoutDropout(fx.Transformer):
    def call_module(self, target: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        if isinstance(self.submodules[target], nn.Dropout):
            return args[0]
        return super().call_module(target, args, kwargs)


def remove_dropout(model: nn.Module) -> nn.Module:
    """The model without its Dropout modules."""
    return _WithoutDropout(fx.symbolic_trace(model)).transform()
