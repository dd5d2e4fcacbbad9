"""`Proxy`: a value that is not there yet; what is done with it becomes nodes of a graph."""

from __future__ import annotations

import dis
import operator
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import rushlight
from rushlight.errors import explain_error, show_line, user_frame, user_line
from rushlight.fx._catching import borrow, give_back
from rushlight.fx._codegen import magic_methods
from rushlight.fx._written import as_written
from rushlight.fx.graph import Graph
from rushlight.fx.immutable_collections import immutable_dict, immutable_list
from rushlight.fx.node import Node, Target, base_types, map_aggregate

__all__ = ["Attribute", "GraphAppendingTracer", "ParameterProxy", "Proxy", "TraceError", "TracerBase"]


class TraceError(ValueError):
    """Something was asked of a `Proxy` that only a value can answer."""


class TracerBase:
    """What makes nodes of calls on proxies; subclasses change what becomes of arguments, conditions and iteration.

    record_stack_traces  note in `node.meta["stack_trace"]` where each operation was recorded
    """

    graph: Graph
    record_stack_traces: bool = False
    trace_asserts: bool = False
    proxy_buffer_attributes: bool = False
    module_stack: dict[str, Any] = {}

    def create_node(
        self,
        kind: str,
        target: Target,
        args: tuple,
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node in the graph; a subclass may look at it, or change it."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if self.module_stack:
            node.meta["nn_module_stack"] = self.module_stack.copy()
        return node

    def proxy(self, node: Node) -> Proxy:
        """The value of a node."""
        return Proxy(node, self)

    def create_proxy(
        self, kind: str, target: Target, args: tuple, kwargs: dict[str, Any], name: str | None = None, type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:  # fmt: skip
        """A new node for a call with these arguments, proxies among them, and its value."""
        args_, kwargs_ = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, tuple(args_), dict(kwargs_), name, type_expr)
        if self.record_stack_traces:
            node.stack_trace = "".join(traceback.StackSummary.from_list(_user_stack()).format())
        return proxy_factory_fn(node) if proxy_factory_fn else self.proxy(node)

    def create_arg(self, a: Any) -> Any:
        """A value as a node's argument: proxies are nodes there. NotImplementedError for what a graph cannot hold."""
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, tuple):
            if hasattr(a, "_fields"):
                return type(a)(*[self.create_arg(x) for x in a])
            items = tuple([self.create_arg(x) for x in a])
            return rushlight.Size(items) if type(a) is rushlight.Size and not _holds_node(items) else items
        if isinstance(a, list):
            return immutable_list([self.create_arg(x) for x in a])
        if isinstance(a, dict):
            for key in a:
                if isinstance(key, Proxy):
                    raise RuntimeError(
                        explain_error(
                            "create_arg",
                            got=f"a dict whose key is {key!r}",
                            expected="keys that are known while tracing",
                        )
                    )
            return immutable_dict((k, self.create_arg(v)) for k, v in a.items())
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, base_types) or a is None or isinstance(a, Node) or callable(a):
            return a
        raise NotImplementedError(
            explain_error(
                "create_arg", got=f"an argument of {type(a)}, at {show_line(user_line())}",
                expected="numbers, text, tensors, functions, and tuples, lists, dicts and slices of them",
                fix="make it a module's attribute, or torch.fx.wrap the function that takes it",
            )
        )  # fmt: skip

    def to_bool(self, obj: Proxy) -> bool:
        """What `if proxy:` does: TraceError."""
        raise TraceError(
            explain_error(
                "symbolic_trace", got=f"{_said(obj)} as a condition, at {show_line(user_line())}",
                expected="control flow that does not depend on the inputs' values: the trace would hold one branch only",
                fix="compute both sides and choose by torch.where, pass a flag by concrete_args={name: value}, or keep the "
                "branch in a module that is a leaf (Tracer.is_leaf_module) or a function under torch.fx.wrap",
            )
        )  # fmt: skip

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """What `for x in proxy:` does: TraceError."""
        raise TraceError(
            explain_error(
                "symbolic_trace", got=f"a loop over {_said(obj)}, or its use as *args, at {show_line(user_line())}",
                expected="loops whose number of rounds is known while tracing",
                fix="index it, `x[0]`, unpack it into a fixed number of names, `a, b = x`, or loop over range(n) with n a number",
            )
        )  # fmt: skip

    def keys(self, obj: Proxy) -> Any:
        """What `**proxy` does: a call of its `keys`, which cannot be looped over."""
        return Attribute(obj, "keys")()


def _said(obj: Proxy) -> str:
    node = obj.node
    made = f" ({node.format_node()})" if node.op != "placeholder" else ""
    return f"{obj!r}, a value that is not known while tracing{made}"


def _holds_node(items: Any) -> bool:
    return any(isinstance(x, Node) for x in items)


def _user_stack() -> list[traceback.FrameSummary]:
    inner = user_frame()
    return [f for f in traceback.extract_stack(inner) if "/rushlight/fx/" not in f.filename and f.filename != "<fx>"]


class GraphAppendingTracer(TracerBase):
    """For proxies outside of a trace: operations on them become nodes at the graph's insertion point."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.module_stack = {}
        borrow()
        weakref.finalize(self, give_back, False).atexit = False


class Proxy:
    """The value of a node, before there is one: operators, methods and functions that are given it make new nodes.

    >>> import rushlight as torch
    >>> graph = torch.fx.Graph()
    >>> x = torch.fx.Proxy(graph.placeholder("x"))
    >>> y = torch.relu(x + 1).sum(dim=0)
    >>> y, y.node.prev
    (Proxy(sum_1), relu)
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{self!r} has no attribute {name!r}: it is a value that is not known while tracing")
        if name in ("node", "tracer"):  # not there yet: while it is copied
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        frame = sys._getframe(1)
        instruction = next((i for i in dis.get_instructions(frame.f_code) if i.offset == frame.f_lasti), None)
        if (
            instruction is not None and instruction.opname == "UNPACK_SEQUENCE"
        ):  # `a, b = proxy` says how many there are
            return (self[n] for n in range(instruction.argval))  # type: ignore[index]
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def keys(self) -> Any:
        """See `TracerBase.keys`."""
        return self.tracer.keys(self)

    def __contains__(self, item: Any) -> bool:
        return self.tracer.iter(self)  # type: ignore[return-value]

    def __len__(self) -> int:
        raise RuntimeError(
            explain_error(
                "len", got=f"{self!r}, at {show_line(user_line())}", expected="a value: the length is not known while tracing",
                fix="write torch.fx.wrap('len') at the top level of the file to have the call recorded, or x.shape[0]",
            )
        )  # fmt: skip

    def _refuse_number(self) -> Any:
        raise TypeError(
            explain_error(
                "symbolic_trace", got=f"{_said(self)} where a Python number is needed, at {show_line(user_line())}",
                expected="a number that is known while tracing",
                fix="torch.fx.wrap the function that needs it, or give it by concrete_args={name: value}",
            )
        )  # fmt: skip

    __int__ = __float__ = __index__ = __complex__ = _refuse_number

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            explain_error(
                "symbolic_trace", got=f"`{self.node}[...] = value`, at {show_line(user_line())}",
                expected="no assignment to elements: a graph names values",
                fix="torch.where, index_put, scatter, or operator.setitem in a node of its own",
            )
        )  # fmt: skip

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        tracer = tracer_in(args, kwargs)
        return tracer.create_proxy(*as_written(func, args, kwargs))


def tracer_in(args: tuple, kwargs: dict) -> TracerBase:
    """The tracer of the proxies among some arguments."""
    found: dict[TracerBase, None] = {}

    def look(x: Any) -> None:
        if isinstance(x, Proxy):
            found[x.tracer] = None

    map_aggregate(args, look)
    map_aggregate(kwargs, look)
    tracers = list(found)
    if any(t.graph is not tracers[0].graph for t in tracers):
        raise RuntimeError(
            explain_error("fx", got="proxies of several graphs in one call", expected="proxies of one graph")
        )
    return tracers[0]


class Attribute(Proxy):
    """`proxy.name`: a node of its own only if it is used other than as `proxy.name(...)`."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A parameter whose shape is known while tracing (`Tracer(param_shapes_constant=True)`)."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """The parameter's."""
        return self.param.shape

    def size(self, *dim: int) -> Any:
        """The parameter's."""
        return self.param.size(*dim)

    def dim(self) -> int:
        """The parameter's."""
        return self.param.dim()

    @property
    def ndim(self) -> int:
        """The parameter's."""
        return self.param.ndim

    def numel(self) -> int:
        """The parameter's."""
        return self.param.numel()


def _operator_method(name: str) -> Callable[..., Any]:
    function = getattr(operator, name)

    def method(*args: Any) -> Any:
        return tracer_in(args, {}).create_proxy("call_function", function, args, {})

    method.__name__ = f"__{name.strip('_')}__"
    return method


def _reflected(name: str) -> Callable[..., Any]:
    function = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", function, (other, self), {})

    method.__name__ = f"__r{name.strip('_')}__"
    return method


for _name, _form in magic_methods.items():
    setattr(Proxy, f"__{_name.strip('_')}__", _operator_method(_name))
    if _form.count("{}") == 2 and _name not in ("eq", "ne", "lt", "gt", "le", "ge", "getitem"):
        setattr(Proxy, f"__r{_name.strip('_')}__", _reflected(_name))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]  # by identity, whatever == records
