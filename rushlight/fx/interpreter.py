"""Run a graph node by node: `Interpreter` on values, `Transformer` into another graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rushlight.fx._catching import borrow, give_back
from rushlight.fx._codegen import last_uses
from rushlight.fx.graph import Graph
from rushlight.fx.graph_module import GraphModule
from rushlight.fx.node import Node, Target, map_aggregate, map_arg
from rushlight.fx.proxy import Proxy, TracerBase
from rushlight.nn import Module

__all__ = ["Interpreter", "Transformer"]


class Interpreter:
    """Run a GraphModule node by node; subclasses change what a kind of node does, or look at each (`run_node`).

    module                  the GraphModule (or, with `graph`, a module that has what it names)
    garbage_collect_values  forget each value after its last use

    >>> import rushlight as torch
    >>> class Shout(torch.fx.Interpreter):
    ...     def run_node(self, n):
    ...         result = super().run_node(n)
    ...         print(n.name, result)
    ...         return result
    >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    >>> y = Shout(gm).run(torch.tensor([-1.0, 2.0]))
    x tensor([-1.,  2.])
    relu tensor([0., 2.])
    add tensor([1., 3.])
    output tensor([1., 3.])
    """

    def __init__(self, module: Module, garbage_collect_values: bool = True, graph: Graph | None = None) -> None:
        self.module = module
        self.submodules = dict(module.named_modules())
        self.graph = graph if graph is not None else module.graph
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.user_to_last_uses = last_uses(self.graph.nodes) if garbage_collect_values else {}
        self.args_iter: Iterator[Any] = iter(())

    def run(self, *args: Any, initial_env: dict[Node, Any] | None = None, enable_io_processing: bool = True) -> Any:
        """The result for these arguments. `initial_env` holds values of nodes that need not be run."""
        self.env = {} if initial_env is None else initial_env
        if enable_io_processing:
            args = self.graph.process_inputs(*args)
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            try:
                value = self.env[node] = self.run_node(node)
            except Exception as error:
                if self.extra_traceback:
                    _say_where(error, node)
                raise
            for used in self.user_to_last_uses.get(node, ()):
                del self.env[used]
            if node.op == "output":
                return self.graph.process_outputs(value) if enable_io_processing else value
        return None

    def boxed_run(self, args_list: list[Any]) -> Any:
        """As `run`, with the arguments in a list, which is emptied: they can be forgotten after their last use."""
        args, args_list[:] = list(args_list), []
        return self.run(*args)

    def run_node(self, n: Node) -> Any:
        """The value of one node, whose inputs have been run."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    # -- a method for each op -----------------------------------------------------------------------------------------

    def placeholder(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The next argument, or its default."""
        if str(target).startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration:
            if args:
                return args[0]
            raise RuntimeError(
                f"{self.name}: got no argument for {target!r}; expected one for each placeholder without a default."
            ) from None

    def get_attr(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """An attribute of the module, by its path."""
        return self.fetch_attr(str(target))

    def call_function(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A function's result."""
        return target(*args, **kwargs)  # type: ignore[operator]

    def call_method(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A method's result."""
        self_object, *rest = args
        return getattr(self_object, str(target))(*rest, **kwargs)

    def call_module(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A child module's result."""
        return self.fetch_attr(str(target))(*args, **kwargs)

    def output(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What is returned."""
        return args[0]

    # -- helpers ------------------------------------------------------------------------------------------------------

    def fetch_attr(self, target: str) -> Any:
        """What the module has at a path. RuntimeError if that ends early."""
        found: Any = self.module
        parts = target.split(".")
        for n, part in enumerate(parts):
            if not hasattr(found, part):
                raise RuntimeError(
                    f"{self.name}: got the path {target!r}, which ends at {'.'.join(parts[: n + 1])!r}; expected an attribute "
                    f"of {type(found).__name__}. Fix: gm.add_submodule, or correct node.target."
                )
            found = getattr(found, part)
        return found

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple, dict[str, Any]]:
        """A node's arguments, as values."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """Arguments of node `n` with values in place of nodes."""

        def value(node: Node) -> Any:
            if node not in self.env:
                raise RuntimeError(
                    f"{self.name}: {n} uses {node}, which has not been run or is forgotten; expected nodes before their users. "
                    f"Fix: gm.graph.lint() says what is out of order."
                )
            return self.env[node]

        return _plain(map_arg(args, value))


def _plain(args: Any) -> Any:
    """Arguments in ordinary lists and dicts."""
    if isinstance(args, tuple):
        items = [_plain(x) for x in args]
        return type(args)(*items) if hasattr(args, "_fields") else type(args)(items)
    if isinstance(args, list):
        return [_plain(x) for x in args]
    if isinstance(args, dict):
        return {k: _plain(v) for k, v in args.items()}
    return args


def _say_where(error: Exception, node: Node) -> None:
    """Add to a message which node was being run."""
    text = f"While executing {node.format_node()}"
    if node.stack_trace:
        text += f"\nIt was recorded at\n{node.stack_trace.rstrip()}"
    if error.args and isinstance(error.args[0], str):
        if "While executing %" not in error.args[0]:
            error.args = (f"{error.args[0]}\n\n{text}", *error.args[1:])
    else:
        error.add_note(text)


class _TransformerTracer(TracerBase):
    def __init__(self, graph: Graph) -> None:
        self.graph, self.tensor_attrs, self.module_stack = graph, {}, {}


class Transformer(Interpreter):
    """Run a GraphModule into a new graph: methods return proxies of what is to stand for a node.

    >>> import rushlight as torch
    >>> class Smooth(torch.fx.Transformer):
    ...     def call_function(self, target, args, kwargs):
    ...         if target is torch.relu:
    ...             target = torch.sigmoid
    ...         return super().call_function(target, args, kwargs)
    >>> gm = Smooth(torch.fx.symbolic_trace(lambda x: torch.relu(x))).transform()
    >>> gm(torch.zeros(1))
    tensor([0.5000])
    """

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.new_graph = Graph()
        self.new_graph.set_codegen(module.graph._codegen)
        self.tracer = _TransformerTracer(self.new_graph)
        self.tracer.root = module

    def placeholder(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A placeholder of the new graph."""
        default = (args[0],) if args else ()
        return Proxy(self.new_graph.create_node("placeholder", target, default), self.tracer)

    def get_attr(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The same attribute in the new graph."""
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call of the same child in the new graph."""
        return self.tracer.create_proxy("call_module", target, args, kwargs)

    def call_function(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call of a function in the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def call_method(self, target: Target, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call of a method in the new graph."""
        return self.tracer.create_proxy("call_method", target, args, kwargs)

    def run_node(self, n: Node) -> Any:
        """What stands for the node; its meta is kept."""
        result = super().run_node(n)
        if isinstance(result, Proxy) and not result.node.meta:
            result.node.meta = n.meta.copy()
        return result

    def transform(self) -> GraphModule:
        """The new GraphModule."""
        borrow()
        try:
            result = self.run(enable_io_processing=False)
            if result is not None:
                node_of = lambda x: x.node if isinstance(x, Proxy) else x  # noqa: E731
                end = self.new_graph.output(map_aggregate(result, node_of))
                end.type = self.graph.output_node().type
        finally:
            give_back(True)
        return GraphModule(self.module, self.new_graph, type(self.module).__name__)
