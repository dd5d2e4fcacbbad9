"""Tracing with example values: what `torch.jit.trace` does. Proxies know what they stand for, so nothing stops the trace.

A condition or a Python number is answered from the example's value, with a warning that names the line: the graph holds
that answer for all inputs.
"""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import rushlight
from rushlight.errors import show_line, user_line
from rushlight.fx._codegen import inplace_methods
from rushlight.fx._symbolic_trace import Tracer
from rushlight.fx.graph import Graph
from rushlight.fx.node import Node, map_aggregate
from rushlight.fx.proxy import Proxy
from rushlight.nn import Module

__all__ = ["TracerWarning", "ValueTracer"]

# Results of these are known for good: the graph holds for inputs of one dtype and one number of dimensions.
_FIXED = ("dim", "ndimension", "element_size", "get_device")
_FIXED_TYPES = (bool, str, type(None), rushlight.dtype, rushlight.device)


class TracerWarning(Warning):
    """The trace may not hold for other inputs."""


def _warn(what: str) -> None:
    warnings.warn(
        f"torch.jit.trace: {what}, at {show_line(user_line())}. The trace keeps this example's answer for all inputs. Fix: "
        "torch.where for a choice by value; or keep such code out of what is traced.",
        TracerWarning,
        stacklevel=2,
    )


class _ValueProxy(Proxy):
    def __init__(self, node: Node, tracer: ValueTracer, value: Any) -> None:
        super().__init__(node, tracer)
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return rushlight.Tensor if isinstance(self.value, rushlight.Tensor) else type(self)

    def __getattr__(self, name: str) -> Any:
        if name in ("node", "tracer", "value"):
            raise AttributeError(name)
        found = getattr(self.value, name)
        if callable(found) and not isinstance(found, rushlight.Tensor):
            if name in ("item", "tolist", "numpy"):
                _warn(f"{self.node}.{name}() made a Python value of a tensor")
                return found
            return lambda *args, **kwargs: self.tracer.create_proxy("call_method", name, (self, *args), kwargs)
        if isinstance(found, (rushlight.Tensor, tuple)):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return found

    def __bool__(self) -> bool:
        _warn(f"{self.node} was used as a condition")
        return bool(self.value)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.value, dict):
            return iter(self.value)
        if isinstance(self.value, rushlight.Tensor):
            _warn(f"a loop over {self.node} went on for {len(self.value)} rounds")
        return (self[n] for n in range(len(self.value)))  # type: ignore[index]

    def __len__(self) -> int:
        if isinstance(self.value, rushlight.Tensor):
            _warn(f"len({self.node}) made a Python number")
        return len(self.value)

    def __contains__(self, item: Any) -> bool:
        return item in self.value

    def keys(self) -> Any:
        return self.value.keys()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})

    def _number(self, kind: type) -> Any:
        _warn(f"{self.node} was made a Python number")
        return kind(self.value)

    def __int__(self) -> int:
        return self._number(int)

    def __float__(self) -> float:
        return self._number(float)

    def __complex__(self) -> complex:
        return self._number(complex)

    def __index__(self) -> int:
        return operator.index(self._number(int))


def _in_place(name: str) -> Callable[..., Any]:
    write, plain = getattr(operator, name), getattr(operator, name[1:] + "_" * (name[1:] in ("and", "or")))

    def method(self: Any, other: Any) -> Any:
        function = write if isinstance(self.value, rushlight.Tensor) else plain  # numbers have other holders
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return method


_WRITES = tuple(name for name in inplace_methods if name != "setitem")
for _name in _WRITES:
    setattr(_ValueProxy, f"__{_name}__", _in_place(_name))


class ValueTracer(Tracer):
    """Traces a module or function on example inputs."""

    def __init__(self) -> None:
        super().__init__()
        self._running = False
        self._inputs: dict[str, Any] = {}

    def record(self, root: Module | Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Graph:
        """The graph for these inputs, which become its arguments."""
        self._args, self._kwargs = args, kwargs
        graph = self.trace(root)
        graph.eliminate_dead_code(lambda node: _changes_something(node) or node.op in ("placeholder", "output"))
        return graph

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """Placeholders for what examples are given of; the rest keeps its defaults."""
        first = [self.root] if is_module else []
        bound = inspect.signature(inspect.unwrap(root_fn)).bind(*first, *self._args, **self._kwargs)
        names = list(bound.arguments)[len(first) :]
        positional, named = list(first), {}
        for name in names:
            kind = bound.signature.parameters[name].kind
            value = bound.arguments[name]
            if kind is inspect.Parameter.VAR_POSITIONAL:
                positional += [self._placeholder(f"{name}_{n}", v) for n, v in enumerate(value)]
            elif kind is inspect.Parameter.VAR_KEYWORD:
                named.update({n: self._placeholder(n, v) for n, v in value.items()})
            elif kind is inspect.Parameter.KEYWORD_ONLY or len(positional) < len(first) + names.index(name):
                named[name] = self._placeholder(name, value)
            else:
                positional.append(self._placeholder(name, value))

        def call(*values: Any) -> Any:
            return root_fn(*values, **named)

        call.__annotations__ = {}
        call.__wrapped__ = root_fn  # type: ignore[attr-defined]  # whose file's names are wrapped
        return call, positional

    def _placeholder(self, name: str, value: Any) -> Any:
        self._inputs[name] = value
        return self.create_proxy("placeholder", name, (), {})

    def create_proxy(
        self, kind: str, target: Any, args: tuple, kwargs: dict[str, Any], name: str | None = None, type_expr: Any = None,
        proxy_factory_fn: Any = None,
    ) -> Any:  # fmt: skip
        """A node and its value; what cannot be another value for another input is that value itself."""
        value = self._value(kind, target, args, kwargs)
        if _is_fixed(kind, target, value):
            return value
        return super().create_proxy(
            kind, target, args, kwargs, name, type_expr, lambda node: _ValueProxy(node, self, value)
        )

    def _value(self, kind: str, target: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        args, kwargs = _values(args), _values(kwargs)
        before, self._running = self._running, True
        try:
            if kind == "placeholder":
                return self._inputs[target]
            if kind == "get_attr":
                return operator.attrgetter(target)(self.root)
            if kind == "call_module":
                return self.root.get_submodule(target)(*args, **kwargs)
            if kind == "call_method":
                return getattr(args[0], target)(*args[1:], **kwargs)
            return target(*args, **kwargs)
        finally:
            self._running = before

    def call_module(self, m: Module, forward: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """As other tracers; a module that runs on values runs."""
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """As other tracers; while something runs on values, the tensor."""
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_arg(self, a: Any) -> Any:
        """As other tracers; these proxies look like tensors."""
        return a.node if type(a) is _ValueProxy else super().create_arg(a)


def _values(args: Any) -> Any:
    def plain(x: Any) -> Any:
        if isinstance(x, tuple):
            items = [plain(v) for v in x]
            return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
        if isinstance(x, list):
            return [plain(v) for v in x]
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, slice):
            return slice(plain(x.start), plain(x.stop), plain(x.step))
        return x.value if type(x) is _ValueProxy else x

    return plain(args)


def _is_fixed(kind: str, target: Any, value: Any) -> bool:
    if kind == "call_method" and target in _FIXED:
        return True
    compared = kind == "call_function" and getattr(target, "__module__", "") == "_operator"
    return kind not in ("placeholder", "get_attr") and isinstance(value, _FIXED_TYPES) and not compared


def _changes_something(node: Node) -> bool:
    if node.op == "call_method":
        return node.target.endswith("_") and not node.target.endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        return name == "setitem" or name in _WRITES or name.endswith("_") or bool(node.kwargs.get("inplace"))
    return node.op == "call_module"


def example_values(tree: Any) -> Any:
    """Example inputs that may be written to: tensors are copied."""
    return map_aggregate(tree, lambda x: x.detach().clone() if isinstance(x, rushlight.Tensor) else x)
