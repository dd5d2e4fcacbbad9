"""Tracing: a module's `forward` is called with proxies, and what it does with them is written down."""

from __future__ import annotations

import builtins
import collections
import inspect
import math
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.func import tree
from rushlight.fx._catching import borrow, give_back
from rushlight.fx._patching import GENERATED, WRAPPED, Patches, recording, wrap
from rushlight.fx._pytree_codegen import PyTreeCodeGen
from rushlight.fx.graph import Graph
from rushlight.fx.graph_module import GraphModule
from rushlight.fx.proxy import ParameterProxy, TracerBase, tracer_in
from rushlight.nn import Module, Parameter, Sequential
from rushlight.nn.modules.module import Registered

__all__ = ["PH", "ProxyableClassMeta", "Tracer", "symbolic_trace", "wrap"]


class PHBase:
    """See `PH`."""

    def __repr__(self) -> str:
        return "PH"


PH = PHBase()
"""In `concrete_args`: this part of the argument is an input of the graph."""


class Tracer(TracerBase):
    """Makes a `Graph` of a module or function. Subclasses say what a leaf is (`is_leaf_module`), and what becomes of calls.

    autowrap_modules      modules of Python, such as `math`, whose functions record calls with proxies
    autowrap_functions    functions that do so, under every name they have in the traced files
    param_shapes_constant  the shape of a parameter is its numbers, not nodes

    >>> import rushlight as torch
    >>> class Shallow(torch.fx.Tracer):
    ...     def is_leaf_module(self, m, module_qualified_name):
    ...         return True
    >>> net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), torch.nn.Linear(2, 1))
    >>> [node.target for node in Shallow().trace(net).nodes]
    ['input', '0', '1', 'output']
    """

    def __init__(
        self, autowrap_modules: tuple[ModuleType, ...] = (math,), autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:  # fmt: skip
        self._autowrapped = {
            id(value) for module in autowrap_modules for name, value in vars(module).items()
            if not name.startswith("_") and callable(value)
        } | {id(function) for function in autowrap_functions}  # fmt: skip
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.module_stack = collections.OrderedDict()
        self.tensor_attrs: dict[Any, str] = {}

    # -- what subclasses change ---------------------------------------------------------------------------------------

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether calls of a module are recorded as they are, without looking inside: the library's own, but for Sequential."""
        home = m.__module__
        return home.startswith(("rushlight.nn", "torch.nn")) and not isinstance(m, Sequential)

    def call_module(self, m: Module, forward: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """What a call of a module is while tracing: a node for a leaf, else `forward(*args, **kwargs)`."""
        path = self.path_of_module(m)
        before = self.module_stack.copy()
        self.module_stack[path] = (path, type(m))
        try:
            if self.is_leaf_module(m, path):
                return self.create_proxy("call_module", path, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self.module_stack = before

    def path_of_module(self, mod: Module) -> str:
        """The path of a module below the root. NameError if it is not there."""
        if self.submodule_paths:
            path = self.submodule_paths.get(mod)
        else:
            path = next((name for name, m in self.root.named_modules() if m is mod), None)
        if path is None:
            raise NameError(
                explain_error(
                    "path_of_module", got=f"a {type(mod).__name__} that is called, and no child of the traced module",
                    expected="one of its children", fix="assign it to an attribute in __init__, or add_module(name, module)",
                )
            )  # fmt: skip
        return path

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What reading a parameter or buffer yields while tracing: a proxy of a parameter, and a buffer itself."""
        if isinstance(attr_val, Parameter):
            pairs = self.root.named_parameters
        elif isinstance(attr_val, rushlight.Tensor) and self.proxy_buffer_attributes:
            pairs = self.root.named_buffers
        else:
            return attr_val
        name = next((name for name, value in pairs() if value is attr_val), None)
        if name is None:
            return attr_val
        if name not in parameter_proxy_cache:
            factory = (lambda node: ParameterProxy(self, node, name, attr_val)) if self.param_shapes_constant else None
            parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {}, proxy_factory_fn=factory)
        return parameter_proxy_cache[name]

    def create_arg(self, a: Any) -> Any:
        """As `TracerBase.create_arg`; tensors and modules become attributes, a named tuple a call of its class."""
        if isinstance(a, rushlight.Tensor):
            return self.create_node("get_attr", self._path_of_tensor(a), (), {})
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return self.create_node("call_function", type(a), tuple([self.create_arg(x) for x in a]), {})
        return super().create_arg(a)

    def _path_of_tensor(self, tensor: Any) -> str:
        pairs = self.root.named_parameters if isinstance(tensor, Parameter) else self.root.named_buffers
        path = next((name for name, value in pairs() if value is tensor), None) or self.tensor_attrs.get(tensor)
        if path is None:
            if isinstance(tensor, Parameter):
                raise NameError(
                    explain_error(
                        "symbolic_trace", got="a parameter that is no parameter of the traced module",
                        expected="one that is registered", fix="assign it to an attribute in __init__",
                    )
                )  # fmt: skip
            path = self.tensor_attrs[tensor] = self.get_fresh_qualname("_tensor_constant")
            setattr(self.root, path, tensor)
        return path

    def get_fresh_qualname(self, prefix: str) -> str:
        """`prefix` with the first number that makes it a name the root has not got."""
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        return f"{prefix}{number}"

    # -- tracing ------------------------------------------------------------------------------------------------------

    def trace(self, root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module or function. `concrete_args` gives arguments a value, and nested ones a structure (`PH`)."""
        if isinstance(root, Module):
            self.root, fn = root, type(root).forward
            self.submodule_paths = {m: path for path, m in root.named_modules()}
            self.root_module_name = type(root).__name__
        else:
            self.root, fn = Module(), root
        self.graph = Graph(tracer_cls=getattr(self, "__class__", None))
        self.tensor_attrs, self.module_stack = dict(_tensor_attributes(self.root)), collections.OrderedDict()
        if not isinstance(fn, FunctionType):
            raise AssertionError(
                explain_error(
                    "trace", got=f"{fn!r}, a {type(fn).__name__}", expected="a module, or a function written in Python",
                    fix="lambda x: function(x)",
                )
            )  # fmt: skip
        if self.trace_asserts:
            raise NotImplementedError(
                explain_error(
                    "trace", got="trace_asserts=True", expected="False", fix="torch._assert(condition, message), which is recorded"
                )
            )  # fmt: skip
        patches = Patches()
        borrow()
        try:
            fn, args = self.create_args_for_root(fn, isinstance(root, Module), concrete_args)
            self._patch(patches, fn)
            result = fn(*args)
            kind = _annotations(fn).get("return")
            self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=kind)
        finally:
            patches.end()
            give_back(True)
            self.submodule_paths = None
        return self.graph

    def _patch(self, patches: Patches, fn: Any) -> None:
        call, lookup, read, thread = Module.__call__, Module.__getattr__, Registered.__get__, threading.get_ident()
        cache: dict[str, Any] = {}

        def traced_call(module: Any, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return call(module, *args, **kwargs)
            self._wrap_names_of(patches, type(module).forward)
            return self.call_module(module, lambda *a, **k: call(module, *a, **k), args, kwargs)

        def traced_lookup(module: Any, name: str) -> Any:
            value = lookup(module, name)
            return self.getattr(name, value, cache) if threading.get_ident() == thread else value

        def traced_field(field: Any, module: Any, owner: Any = None) -> Any:
            value = read(field, module, owner)
            return self.getattr(field.name, value, cache) if threading.get_ident() == thread else value

        patches.attribute(Module, "__call__", traced_call)
        patches.attribute(Module, "__getattr__", traced_lookup)
        patches.attribute(Registered, "__get__", traced_field)
        for (_, name), space in list(WRAPPED.items()):
            if name in space or hasattr(builtins, name):
                patches.item(space, name, recording(space.get(name, getattr(builtins, name, None))))
        for module in self._autowrap_search:
            self._wrap_names_in(patches, vars(module))
        self._wrap_names_of(patches, fn)

    def _wrap_names_of(self, patches: Patches, function: Any) -> None:
        space = getattr(inspect.unwrap(function), "__globals__", None)
        if space is not None:
            self._wrap_names_in(patches, space)

    def _wrap_names_in(self, patches: Patches, space: dict[str, Any]) -> None:
        if id(space) in patches.seen:
            return
        patches.seen.add(id(space))
        generated = space.get(GENERATED, ())
        for name, value in list(space.items()):
            if callable(value) and (id(value) in self._autowrapped or name in generated):
                patches.item(space, name, recording(value))

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: dict[str, Any] | None = None
    ) -> tuple[Any, list[Any]]:
        """The function to call, and its arguments: a placeholder for each parameter, or what `concrete_args` says."""
        plain = inspect.unwrap(root_fn)
        parameters = list(inspect.signature(plain).parameters.values())
        args: list[Any] = [self.root] if is_module else []
        if is_module:
            if not parameters:
                raise RuntimeError(explain_error("trace", got="a forward without `self`", expected="a method"))
            parameters = parameters[1:]
        if isinstance(concrete_args, tuple):
            concrete_args = {p.name: value for p, value in zip(parameters, concrete_args, strict=True)}
        concrete = concrete_args or {}
        starred = sorted(
            (p for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)), key=lambda p: p.kind
        )  # fmt: skip
        single = [p for p in parameters if p not in starred]
        values = [self._argument(p, plain, concrete) for p in single]
        nested = any(
            isinstance(concrete.get(p.name), (tuple, list, dict)) or concrete.get(p.name) is PH for p in single
        )
        if nested:
            return self._nested_arguments(root_fn, single, args, values)
        stars = [
            self.create_proxy("placeholder", "*" * (1 if p.kind is p.VAR_POSITIONAL else 2) + p.name, (), {}) for p in starred
        ]  # fmt: skip
        if starred or any(p.kind is p.KEYWORD_ONLY for p in single):
            return _with_all_positional(root_fn, single, starred), [*args, *values, *stars]
        return root_fn, [*args, *values]

    def _argument(self, parameter: inspect.Parameter, fn: Any, concrete: dict[str, Any]) -> Any:
        name = parameter.name
        if name not in concrete or concrete[name] is PH:
            default = () if parameter.default is parameter.empty else (parameter.default,)
            kind = _annotations(fn).get(name)
            return self.create_proxy("placeholder", name, default, {}, type_expr=kind)
        number = 0

        def part(value: Any) -> Any:
            nonlocal number
            number += 1
            proxy = self.create_proxy("placeholder", f"{name}_{number}", (), {})
            if value is PH:
                return proxy
            message = f"{name} has been specialized to have value {value} but got another value"
            if isinstance(value, (bool, int, float)):
                rushlight._assert(proxy == value, message)
            elif value is None:
                self.create_proxy("call_function", _assert_is_none, (proxy, message), {})
            elif isinstance(value, (str, *_COMPARED)):
                rushlight._assert(proxy == value, message)
            else:
                raise NotImplementedError(
                    explain_error(
                        "concrete_args", got=f"{name}, a {type(value).__name__}",
                        expected="numbers, text, None, PH, and tuples, lists and dicts of them",
                    )
                )  # fmt: skip
            return value

        return tree.tree_map(part, concrete[name])

    def _nested_arguments(self, fn: Any, parameters: list[Any], first: list[Any], values: list[Any]) -> Any:
        leaves, spec = tree.flatten(values)
        codegen = PyTreeCodeGen([p.name for p in parameters], spec)
        self.graph._codegen = codegen

        def flat(*args: Any) -> Any:
            result = fn(*args[: len(first)], *tree.unflatten(args[len(first) :], spec))
            found, codegen.out_spec = tree.flatten(result)
            return found

        flat.__annotations__ = {}
        flat.__wrapped__ = fn  # type: ignore[attr-defined]  # whose file's names are wrapped
        return flat, [*first, *leaves]


_COMPARED = (rushlight.dtype,)


def _annotations(fn: Any) -> dict[str, Any]:
    """What a function of the user's says of its arguments: our own layers' forwards say more than PyTorch's."""
    return {} if (fn.__module__ or "").startswith("rushlight.") else getattr(fn, "__annotations__", {})


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


def _with_all_positional(fn: Any, single: list[inspect.Parameter], starred: list[inspect.Parameter]) -> Any:
    """A function that takes all of `fn`'s arguments by position, those with stars as one value each."""
    named = [p.name for p in single if p.kind is p.KEYWORD_ONLY]
    code: CodeType = fn.__code__
    flags = code.co_flags & ~inspect.CO_VARARGS & ~inspect.CO_VARKEYWORDS
    wanted = code.co_argcount + len(named) + len(starred)
    changed = code.replace(co_argcount=wanted, co_kwonlyargcount=0, co_posonlyargcount=0, co_flags=flags)
    function = FunctionType(changed, fn.__globals__, fn.__name__, None, fn.__closure__)
    function.__annotations__ = {}
    return function


def _tensor_attributes(module: Module, path: str = "") -> Iterator[tuple[Any, str]]:
    """Tensors that are plain attributes of a module or its children, with their paths."""
    for name, value in vars(module).items():
        if isinstance(value, rushlight.Tensor):
            yield value, f"{path}{name}"
    for name, child in module.named_children():
        yield from _tensor_attributes(child, f"{path}{name}.")


class ProxyableClassMeta(type):
    """Metaclass of classes that may be made inside of traced code: a call with proxies becomes a node."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        instance = cls.__new__(cls)
        try:
            tracer = tracer_in(args, kwargs)
        except IndexError:
            cls.__init__(instance, *args, **kwargs)
            return instance
        return tracer.create_proxy("call_function", cls, args, kwargs)


def symbolic_trace(root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A `GraphModule` that does what a module or function does, with a graph that can be looked at and changed.

    It is called once, with proxies in place of its inputs. What depends on their values, such as `if x.sum() > 0`,
    cannot be traced: TraceError names the line and the ways out.

    >>> import rushlight as torch
    >>> gm = symbolic_trace(lambda x: torch.relu(x) + 1)
    >>> print(gm.code.strip())
    def forward(self, x):
        relu = torch.relu(x);  x = None
        add = relu + 1;  relu = None
        return add
    >>> gm(torch.tensor([-2.0, 2.0]))
    tensor([1., 3.])
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
