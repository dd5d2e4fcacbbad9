"""`Node`: one line of a graph, an operation with its arguments and who uses it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.errors import explain_error
from rushlight.fx._names import qualified_name, target_name, type_name
from rushlight.fx.immutable_collections import immutable_dict, immutable_list

if TYPE_CHECKING:
    from rushlight.fx.graph import Graph

__all__ = ["Argument", "Node", "Target", "base_types", "has_side_effect", "map_aggregate", "map_arg"]

Target = str | Callable[..., Any]
Argument = Any
LEGAL_OPS = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root")
base_types = (
    str, int, float, bool, complex, type(None), type(...), rushlight.dtype, rushlight.Tensor, rushlight.device,
    rushlight.memory_format,
)  # fmt: skip
_get_qualified_name = qualified_name

_side_effectful: set[Any] = {operator.setitem, rushlight._assert}


def has_side_effect(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Calls of this function are not dead code, even if nobody uses their results. A decorator too."""
    _side_effectful.add(fn)
    return fn


def map_arg(a: Argument, fn: Callable[[Node], Any]) -> Argument:
    """`a` with `fn(node)` for every node in it, in tuples, lists, dicts and slices too.

    >>> import rushlight as torch
    >>> x = torch.fx.Graph().placeholder("x")
    >>> map_arg((x, [1, x]), lambda node: node.name)
    ('x', [1, 'x'])
    """
    if not callable(fn):
        raise AssertionError(explain_error("map_arg", got=f"fn={fn!r}", expected="a function of a node"))
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def map_aggregate(a: Argument, fn: Callable[[Any], Any]) -> Argument:
    """`a` with `fn(leaf)` for everything in it that is not a tuple, list, dict or slice."""
    if isinstance(a, tuple):
        items = [map_aggregate(x, fn) for x in a]
        return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
    if isinstance(a, list):
        return immutable_list([map_aggregate(x, fn) for x in a])
    if isinstance(a, dict):
        return immutable_dict((k, map_aggregate(v, fn)) for k, v in a.items())
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def format_arg(arg: Any) -> str:
    """An argument in a listing: nodes with a `%`."""
    if isinstance(arg, list):
        return f"[{', '.join(map(format_arg, arg))}]"
    if isinstance(arg, tuple):
        return f"({', '.join(map(format_arg, arg))}{',' * (len(arg) == 1)})"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k}: {format_arg(v)}" for k, v in arg.items()) + "}"
    return f"%{arg}" if isinstance(arg, Node) else str(arg)


class Node:
    """One operation of a `Graph`.

    op      what `target` means: "placeholder" (an argument's name), "get_attr" (a parameter's or buffer's path),
            "call_function" (a function), "call_method" (a method's name; the first argument is its object),
            "call_module" (a module's path), "output" (`args[0]` is what is returned)
    args    nodes and constants, in tuples, lists, dicts, slices; to change them, assign new ones
    users   the nodes that use this one, as the keys of a dict
    meta    a dict of one's own; `Transformer`, copies and pickles keep it

    >>> import rushlight as torch
    >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    >>> [node.name for node in gm.graph.nodes]
    ['x', 'relu', 'add', 'output']
    >>> relu = gm.graph.find_nodes(op="call_function", target=torch.relu)[0]
    >>> relu.args, list(relu.users), relu.prev, relu.next
    ((x,), [add], x, add)
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Target, args: tuple[Argument, ...], kwargs: dict[str, Argument],
        return_type: Any = None,
    ) -> None:  # fmt: skip
        if op not in LEGAL_OPS:
            raise AssertionError(explain_error("Node", got=f"op {op!r}", expected=f"one of {', '.join(LEGAL_OPS)}"))
        if op == "call_function" and not callable(target):
            raise ValueError(explain_error(f"Node {name}", got=f"target {target!r}", expected="a function"))
        if op != "call_function" and not isinstance(target, str):
            raise ValueError(
                explain_error(f"Node {name}", got=f"op {op!r} with target {target!r}", expected="a name (str)")
            )
        self.graph = graph
        self.name = name
        self.op = op
        self.target = target
        self.users: dict[Node, None] = {}
        self.type = return_type
        self.meta: dict[str, Any] = {}
        self._inputs: dict[Node, None] = {}
        self._args: tuple[Argument, ...] = ()
        self._kwargs: dict[str, Argument] = immutable_dict()
        self._prev = self._next = self
        self._erased = False
        self._set_arguments(args, kwargs)

    # -- arguments ----------------------------------------------------------------------------------------------------

    def _set_arguments(self, args: Any, kwargs: Any) -> None:
        for node in self._inputs:
            node.users.pop(self, None)
        self._inputs = {}

        def note(node: Node) -> Node:
            self._inputs[node] = node.users[self] = None
            return node

        self._args, self._kwargs = map_arg(tuple(args), note), map_arg(dict(kwargs), note)

    @property
    def args(self) -> tuple[Argument, ...]:
        """The positional arguments."""
        return self._args

    @args.setter
    def args(self, args: tuple[Argument, ...]) -> None:
        self._set_arguments(args, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Argument]:
        """The arguments by keyword."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Argument]) -> None:
        self._set_arguments(self._args, kwargs)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._inputs)

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Set one positional argument."""
        args = list(self._args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Put a positional argument before the one at `idx`."""
        if not 0 <= idx <= len(self._args):
            raise AssertionError(
                explain_error(
                    "insert_arg", got=f"index {idx}", expected=f"0 to {len(self._args)}, the number of arguments"
                )
            )
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Set one argument by keyword."""
        self.kwargs = {**self._kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Use `new_input` wherever this node uses `old_input`."""

        def other(node: Node) -> Node:
            return new_input if node is old_input else node

        self._set_arguments(map_arg(self._args, other), map_arg(self._kwargs, other))

    def replace_all_uses_with(
        self, replace_with: Node, delete_user_cb: Callable[[Node], bool] = lambda user: True, *,
        propagate_meta: bool = False,
    ) -> list[Node]:  # fmt: skip
        """Let the users of this node use `replace_with`, but for those of which `delete_user_cb` is False. Returns the others.

        propagate_meta  give `replace_with`, whose meta must be empty, this node's meta
        """
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    explain_error(
                        "replace_all_uses_with", got=f"propagate_meta=True and {replace_with} with meta of its own",
                        expected="an empty meta",
                    )
                )  # fmt: skip
            replace_with.meta.update(self.meta)
        users = [user for user in list(self.users) if delete_user_cb(user)]
        for user in users:
            user.replace_input_with(self, replace_with)
        return users

    # -- place in the graph -------------------------------------------------------------------------------------------

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Move `x` to the place before this node."""
        if x.graph is not self.graph:
            raise AssertionError(
                explain_error("prepend", got=f"{x}, a node of another graph", expected=f"one of the graph of {self}")
            )
        if x is self:
            return
        x._unlink()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x

    def append(self, x: Node) -> None:
        """Move `x` to the place after this node."""
        self._next.prepend(x)

    def _comes_before(self, other: Node) -> bool:
        node = self._next
        while node.op != "root":
            if node is other:
                return True
            node = node._next
        return False

    _pretty_print_target = staticmethod(target_name)

    # -- questions ----------------------------------------------------------------------------------------------------

    @property
    def stack_trace(self) -> str | None:
        """Where the operation was recorded, if the tracer was asked to note that (`record_stack_traces`)."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it must stay although nobody uses its result: arguments, the output, and calls with side effects."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _side_effectful
        if self.op == "call_module":
            owner = self.graph.owning_module
            if owner is None:
                raise AssertionError(
                    explain_error(
                        "is_impure", got=f"{self}, a module of a graph that belongs to no GraphModule",
                        expected="a graph of a GraphModule: only the module knows",
                    )
                )  # fmt: skip
            return getattr(owner.get_submodule(self.target), "_is_impure", False)
        return False

    def format_node(
        self, placeholder_names: list[str] | None = None, maybe_return_typename: list[str] | None = None, *,
        include_tensor_metadata: bool = False,
    ) -> str | None:  # fmt: skip
        """The node's line in a listing.

        >>> import rushlight as torch
        >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x))
        >>> list(gm.graph.nodes)[1].format_node()
        '%relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})'
        """
        if self.op == "output":
            if self.type is not None and maybe_return_typename:
                maybe_return_typename[0] = f" -> {type_name(self.type)}"
            return f"return {self.args[0]}"
        kind = f"{type_name(self.type)} " if self.type is not None else ""
        start = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}[target={target_name(self.target)}]"
        if self.op == "placeholder":
            if placeholder_names is not None:
                placeholder_names.append(f"{self.target}: {type_name(self.type)}" if self.type else str(self.target))
                return None
            return start + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return start
        return f"{start}(args = {format_arg(self.args)}, kwargs = {format_arg(self.kwargs)})"

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple:
        raise TypeError(
            explain_error(
                "pickle", got=f"the node {self.name} by itself", expected="its graph, or the GraphModule",
                fix="pickle node.graph or node.name",
            )
        )  # fmt: skip

    def _rename(self, candidate: str) -> None:
        if candidate != self.name:
            self.name = self.graph._names.create_name(candidate, self)


def nodes_in(*arguments: Any) -> Iterable[Node]:
    """The nodes in some arguments, in order, each as often as it occurs."""
    found: list[Node] = []
    for argument in arguments:
        map_arg(argument, lambda node: found.append(node))
    return found
