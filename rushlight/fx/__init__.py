"""`torch.fx`: a module's operations as a graph that can be looked at, changed, and written as Python again.

>>> import rushlight as torch
>>> gm = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU()))
>>> print(gm.graph)
graph():
    %input_1 : [num_users=1] = placeholder[target=input]
    %_0 : [num_users=1] = call_module[target=0](args = (%input_1,), kwargs = {})
    %_1 : [num_users=1] = call_module[target=1](args = (%_0,), kwargs = {})
    return _1
"""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.fx import graph, graph_module, immutable_collections, interpreter, node, proxy, subgraph_rewriter
from rushlight.fx._symbolic_trace import PH, ProxyableClassMeta, Tracer, symbolic_trace, wrap
from rushlight.fx.graph import CodeGen, Graph
from rushlight.fx.graph_module import GraphModule
from rushlight.fx.interpreter import Interpreter, Transformer
from rushlight.fx.node import Node, has_side_effect, map_arg
from rushlight.fx.proxy import Proxy
from rushlight.fx.subgraph_rewriter import replace_pattern

__all__ = [
    "CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "PH", "Proxy", "ProxyableClassMeta", "Tracer", "Transformer",
    "graph", "graph_module", "has_side_effect", "immutable_collections", "interpreter", "map_arg", "node", "proxy",
    "replace_pattern", "subgraph_rewriter", "symbolic_trace", "wrap",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("passes", "experimental"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'rushlight.fx' has no attribute {name!r}")
