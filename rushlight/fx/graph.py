"""`Graph`: the operations of a function in the order in which they run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rushlight.errors import explain_error, warn_user
from rushlight.fx._codegen import CodeGen, PythonCode, inplace_methods, magic_methods
from rushlight.fx._names import Namespace, base_name
from rushlight.fx._table import table
from rushlight.fx.node import Node, map_arg

__all__ = ["CodeGen", "Graph", "PythonCode", "inplace_methods", "magic_methods"]

_Namespace = Namespace
_MISSING = object()


class NodeList:
    """The nodes of a graph, first to last; it may be changed while somebody iterates over it."""

    def __init__(self, graph: Graph, backwards: bool = False) -> None:
        self.graph, self.backwards = graph, backwards

    def __len__(self) -> int:
        return self.graph._length

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = root._prev if self.backwards else root._next
        while node is not root:
            if not node._erased:
                yield node
            node = node._prev if self.backwards else node._next

    def __reversed__(self) -> NodeList:
        return NodeList(self.graph, not self.backwards)


class _InsertPoint:
    """Where new nodes go; as a context, until the end of the block."""

    def __init__(self, graph: Graph, insert: Callable[[Node], None]) -> None:
        self.graph, self.before = graph, graph._insert
        graph._insert = insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self.graph._insert = self.before


class Graph:
    """Operations in order, made by tracing, or node by node.

    New nodes go to the end, or where `inserting_before` and `inserting_after` say.

    >>> import rushlight as torch
    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> y = graph.call_function(torch.relu, (x,))
    >>> end = graph.output(y)
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    >>> torch.fx.GraphModule(torch.nn.Module(), graph)(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(
        self, owning_module: Any = None, tracer_cls: type | None = None, tracer_extras: dict[str, Any] | None = None
    ) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._insert = self._root.prepend
        self._length = 0
        self._names = Namespace()
        self._owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras
        self._codegen = CodeGen()

    @property
    def owning_module(self) -> Any:
        """The GraphModule that the graph belongs to, or None."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, module: Any) -> None:
        self._owning_module = module

    @property
    def nodes(self) -> NodeList:
        """All nodes, in order."""
        return NodeList(self)

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes with this op and, if given, this target. A function's calls are looked for with their target.

        >>> import rushlight as torch
        >>> gm = torch.fx.symbolic_trace(lambda x: x.relu() + x.sin().relu())
        >>> gm.graph.find_nodes(op="call_method", target="relu")
        [relu, relu_1]
        """
        if op == "call_function" and target is None:
            raise AssertionError(
                explain_error("find_nodes", got="op='call_function' alone", expected="target=, the function, as well")
            )
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def output_node(self) -> Node:
        """The output node."""
        found = self._root._prev
        if found.op != "output":
            raise AssertionError(
                explain_error("output_node", got="a graph without an output", fix="graph.output(node)")
            )
        return found

    # -- making nodes -------------------------------------------------------------------------------------------------

    def create_node(
        self, op: str, target: Any, args: tuple | None = None, kwargs: dict[str, Any] | None = None, name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A new node at the insertion point, named after its target unless `name` is given (made unique if it is taken)."""
        if not isinstance(args, (tuple, type(None))) or not isinstance(kwargs, (dict, type(None))):
            raise AssertionError(
                explain_error(
                    "create_node", got=f"args of {type(args).__name__} and kwargs of {type(kwargs).__name__}",
                    expected="a tuple and a dict",
                )
            )  # fmt: skip
        node = Node(self, "", op, target, args or (), kwargs or {}, type_expr)
        node.name = self._names.create_name(name if name is not None else base_name(target), node)
        self._insert(node)
        self._length += 1
        return node

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = _MISSING) -> Node:
        """An argument of the function; a name may begin with `*` or `**`."""
        args = () if default_value is _MISSING else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module, by its path."""
        self._warn_of_path("get_attr", qualified_name)
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: tuple | None = None, kwargs: dict[str, Any] | None = None, type_expr: Any = None
    ) -> Node:
        """A call of a child module, by its path."""
        self._warn_of_path("call_module", module_name)
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: tuple | None = None, kwargs: dict[str, Any] | None = None, type_expr: Any = None
    ) -> Node:
        """A call of a method of `args[0]`."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self, the_function: Callable[..., Any], args: tuple | None = None, kwargs: dict[str, Any] | None = None,
        type_expr: Any = None, name: str | None = None,
    ) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """The end: what is returned, nodes in tuples, lists and dicts if need be."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """A copy of another graph's node; `arg_transform` says which of this graph's nodes stand for its arguments."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        copy = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = node.meta.copy()
        return copy

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Copy all nodes of `g` that are not in `val_map` (which is filled); what `g` returns, in nodes of this graph."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                value = map_arg(node.args[0], lambda n: val_map[n])
                return (value, node) if return_output_node else value
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def _warn_of_path(self, name: str, path: str) -> None:
        if self._owning_module is None:
            return
        found = self._owning_module
        for part in path.split("."):
            if not hasattr(found, part):
                warn_user(
                    explain_error(
                        name, got=f"the path {path!r}, which ends at {part!r}", expected="something that the GraphModule has",
                        fix="gm.add_submodule(path, module), or gm.register_buffer(name, tensor)",
                    )
                )  # fmt: skip
                return
            found = getattr(found, part)

    # -- changing it --------------------------------------------------------------------------------------------------

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """New nodes go before `n` (or to the beginning): from now on, or as a context.

        >>> import rushlight as torch
        >>> gm = torch.fx.symbolic_trace(lambda x: x.relu())
        >>> with gm.graph.inserting_before(gm.graph.output_node()):
        ...     twice = gm.graph.call_function(torch.mul, (gm.graph.output_node().args[0], 2))
        >>> gm.graph.output_node().args = (twice,)
        >>> _ = gm.recompile()
        >>> gm(torch.tensor([3.0]))
        tensor([6.])
        """
        if n is None:
            return self.inserting_after(self._root)
        self._check_own(n, "inserting_before")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """New nodes go directly after `n` (or to the end): from now on, or as a context. Of several the last comes first."""
        if n is None:
            return self.inserting_before(self._root)
        self._check_own(n, "inserting_after")
        return _InsertPoint(self, n.append)

    def _check_own(self, n: Node, name: str) -> None:
        if n.graph is not self:
            raise AssertionError(explain_error(name, got=f"{n}, a node of another graph", expected="one of this graph"))

    def erase_node(self, to_erase: Node) -> None:
        """Take a node away. RuntimeError if another one uses it."""
        if to_erase.users:
            raise RuntimeError(
                explain_error(
                    "erase_node", got=f"{to_erase}, which {', '.join(map(str, to_erase.users))} still uses",
                    expected="a node without users", fix="node.replace_all_uses_with(other) first",
                )
            )  # fmt: skip
        if to_erase.graph is not self:
            raise RuntimeError(explain_error("erase_node", got=f"{to_erase}, a node of another graph"))
        if to_erase._erased:
            return
        to_erase._unlink()
        to_erase._erased = True
        self._length -= 1
        to_erase.args, to_erase.kwargs = (), {}

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Erase what nobody uses, but for arguments and side effects (see `Node.is_impure`); whether there was any.

        >>> import rushlight as torch
        >>> def f(x):
        ...     unused = x + 1
        ...     return x * 2
        >>> gm = torch.fx.symbolic_trace(f)
        >>> gm.graph.eliminate_dead_code(), len(gm.graph.nodes)
        (True, 3)
        """
        self.lint()
        impure = is_impure_node or Node.is_impure
        before = self._length
        for node in reversed(self.nodes):
            if not node.users and not impure(node):
                self.erase_node(node)
        return self._length < before

    def lint(self) -> None:
        """Check that names are unique, that nodes come before their users, and that paths lead to something."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            for used in node.all_input_nodes:
                if used.graph is not self or used not in seen:
                    where = "a node of another graph" if used.graph is not self else "which comes later or was erased"
                    raise RuntimeError(
                        explain_error(
                            "lint", got=f"{node}, which uses {used}, {where}", expected="nodes before their users",
                            fix=f"move it: {node}.prepend({used})",
                        )
                    )  # fmt: skip
            if node.name in names:
                raise RuntimeError(explain_error("lint", got=f"two nodes named {node.name}", expected="unique names"))
            names.add(node.name)
            seen.add(node)
            if node.op in ("get_attr", "call_module") and self._owning_module is not None:
                self._check_path(node)

    def _check_path(self, node: Node) -> None:
        found = self._owning_module
        for part in node.target.split("."):
            if not hasattr(found, part):
                raise RuntimeError(
                    explain_error(
                        "lint", got=f"{node}, whose path {node.target!r} ends at {part!r}",
                        expected=f"an attribute of {type(found).__name__}", fix="gm.add_submodule(path, module)",
                    )
                )  # fmt: skip
            found = getattr(found, part)

    # -- text ---------------------------------------------------------------------------------------------------------

    def python_code(self, root_module: str, *, verbose: bool = False) -> PythonCode:
        """The graph as a function's source; `root_module` is what it calls the module, usually "self"."""
        return self._codegen.write(self.nodes, root_module, Namespace(), verbose)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Have the code written by `codegen`."""
        self._codegen = codegen

    def process_inputs(self, *args: Any) -> Any:
        """The function's arguments as the graph's."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """The graph's result as the function's."""
        return self._codegen.process_outputs(out)

    def on_generate_code(self, make_transformer: Callable[[Any], Any]) -> contextlib.AbstractContextManager[None]:
        """Change lines of code while they are written: `make_transformer(before)` returns a function of the list of lines."""
        codegen = self._codegen
        before = codegen._body_transformer
        codegen._body_transformer = make_transformer(before)

        @contextlib.contextmanager
        def until_here() -> Iterator[None]:
            try:
                yield
            finally:
                codegen._body_transformer = before

        return until_here()

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *(str(node.format_node()) for node in self.nodes)])

    def print_tabular(self) -> None:
        """Print a row for each node.

        >>> import rushlight as torch
        >>> torch.fx.symbolic_trace(lambda x: x.relu()).graph.print_tabular()
        opcode       name    target    args     kwargs
        -----------  ------  --------  -------  --------
        placeholder  x       x         ()       {}
        call_method  relu    relu      (x,)     {}
        output       output  output    (relu,)  {}
        """
        rows = [[node.op, node.name, node.target, node.args, node.kwargs] for node in self.nodes]
        print(table(rows, ["opcode", "name", "target", "args", "kwargs"]))

    # -- copies -------------------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict | None = None) -> Graph:
        memo = {} if memo is None else memo
        copy = Graph(tracer_cls=self._tracer_cls)
        copy._codegen = self._codegen
        value = copy.graph_copy(self, (nodes := {}), return_output_node=True)
        memo.update({id(old): new for old, new in nodes.items()})
        if value is not None:
            result, end = value
            new = copy.output(result, end.type)
            new.meta, nodes[end] = end.meta.copy(), new
            new.name = end.name
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> tuple:
        number = {node: n for n, node in enumerate(self.nodes)}

        def stand_in(arguments: Any) -> Any:
            return map_arg(arguments, lambda node: _Reference(number[node]))

        lines = []
        for n in self.nodes:
            meta = {key: value for key, value in n.meta.items() if key != "nn_module_stack"}  # it holds classes
            lines.append((n.op, n.target, stand_in(n.args), stand_in(n.kwargs), n.name, n.type, meta))
        return _rebuild, (lines, self._tracer_cls, self._codegen)


class _Reference:
    """A node of a pickled graph, by its place."""

    def __init__(self, number: int) -> None:
        self.number = number


def _rebuild(lines: list[tuple], tracer_cls: type | None, codegen: CodeGen) -> Graph:
    from rushlight.fx.node import map_aggregate

    graph = Graph(tracer_cls=tracer_cls)
    graph._codegen = codegen
    nodes: list[Node] = []

    def resolve(value: Any) -> Any:
        return nodes[value.number] if isinstance(value, _Reference) else value

    for op, target, args, kwargs, name, kind, meta in lines:
        node = graph.create_node(op, target, map_aggregate(args, resolve), map_aggregate(kwargs, resolve), name, kind)
        node.name, node.meta = name, meta
        nodes.append(node)
    return graph
