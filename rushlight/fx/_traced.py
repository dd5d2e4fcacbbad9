"""What `torch.jit.trace` returns, and its file: the graph as data, with the layers and tensors that it names."""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import rushlight
from rushlight.errors import FileFormatError, explain_error
from rushlight.fx import _names
from rushlight.fx._value_trace import TracerWarning, ValueTracer, example_values
from rushlight.fx.graph import Graph
from rushlight.fx.graph_module import GraphModule
from rushlight.fx.node import Node
from rushlight.jit import ScriptModule
from rushlight.nn import Module

__all__ = ["TracedModule", "load", "save", "trace"]

_FORMAT = "rushlight.jit 1"


class TracedModule(GraphModule, ScriptModule):
    """A module that does what was traced; `code` is Python, `graph` a torch.fx.Graph, and `save` writes both with the weights."""

    _instead_of_saving = "torch.jit.save(traced, path), or traced.save(path)"
    original_name = ""

    def save(self, f: Any) -> None:
        """See `torch.jit.save`."""
        save(self, f)


def trace(
    func: Module | Callable[..., Any], example_inputs: Any = None, check_trace: bool = True, check_inputs: Any = None,
    check_tolerance: float = 1e-5, example_kwarg_inputs: dict[str, Any] | None = None,
) -> TracedModule:  # fmt: skip
    """See `torch.jit.trace`."""
    args = example_inputs if isinstance(example_inputs, tuple) else () if example_inputs is None else (example_inputs,)
    if isinstance(example_inputs, list):
        args = tuple(example_inputs)
    kwargs = example_kwarg_inputs or {}
    if not args and not kwargs:
        raise RuntimeError(
            explain_error(
                "torch.jit.trace", got="no example inputs", expected="what the function is called with",
                fix="torch.jit.trace(model, (x,))",
            )
        )  # fmt: skip
    if isinstance(func, Module):
        _warn_of_training(func)
    tracer = ValueTracer()
    graph = tracer.record(func, example_values(args), example_values(kwargs))
    name = type(func).__name__ if isinstance(func, Module) else func.__name__
    traced = TracedModule(tracer.root, graph, name)
    traced.original_name = name
    if check_trace:
        given = [(args, kwargs)] + [(x if isinstance(x, tuple) else (x,), {}) for x in check_inputs or ()]
        for some_args, some_kwargs in given:
            _compare(func, traced, some_args, some_kwargs, check_tolerance)
    return traced


def _warn_of_training(module: Module) -> None:
    unlike = (rushlight.nn.Dropout, rushlight.nn.modules.batchnorm._BatchNorm)
    found = next(
        (n or type(m).__name__ for n, m in module.named_modules() if isinstance(m, unlike) and m.training), None
    )
    if found is not None:
        warnings.warn(
            f"torch.jit.trace: got a model in training mode, in which {found} does something else than in use. "
            "Fix: model.eval() first.",
            TracerWarning,
            stacklevel=3,
        )


def _compare(func: Any, traced: TracedModule, args: tuple, kwargs: dict[str, Any], tolerance: float) -> None:
    with rushlight.no_grad():
        expected, got = (_leaves(f(*example_values(args), **example_values(kwargs))) for f in (func, traced))
    same = len(expected) == len(got) and all(
        a.shape == b.shape
        and rushlight.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
        if isinstance(a, rushlight.Tensor) and isinstance(b, rushlight.Tensor)
        else a == b
        for a, b in zip(expected, got)
    )
    if not same:
        warnings.warn(
            "torch.jit.trace: got another result from the trace than from the function, for the same inputs; expected the "
            "same. Fix: model.eval() if Dropout is at work; take values that depend on the data out of what is traced.",
            TracerWarning,
            stacklevel=3,
        )


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [x for v in value for x in _leaves(v)] if isinstance(value, (tuple, list)) else [value]


# --- files -----------------------------------------------------------------------------------------------------------


# What changes more than its result, or makes a call of what it is given.
_REFUSED = ("attrgetter", "call", "compile", "explain", "from_file", "itemgetter", "methodcaller", "seed")
_SPECIAL_METHODS = ("__and__", "__floordiv__", "__getitem__", "__invert__", "__or__", "__xor__")
_PLAIN = (bool, int, float, complex, str, type(None), rushlight.dtype, rushlight.device)


@functools.cache
def _functions() -> dict[str, Callable[..., Any]]:
    """What a file may name: public functions, operators, functions of math, and a few of Python's own."""
    found = {name: f for f, name in _names.all_functions().items() if not isinstance(f, type)}
    for prefix, module in (("operator", operator), ("math", math)):
        found.update({f"{prefix}.{name}": f for name, f in vars(module).items() if callable(f)})
    found |= {"builtins.getattr": getattr, "builtins.len": len, "builtins.abs": abs}

    def harmless(name: str) -> bool:
        last = name.rpartition(".")[2]
        return last not in _REFUSED and not last.startswith(("__", "set_", "manual_seed", "_set"))

    return {name: f for name, f in found.items() if harmless(name)}


def _refuse(got: str, expected: str) -> NoReturn:
    raise FileFormatError(explain_error("torch.jit.load", got=got, expected=expected))


def _encode(value: Any, numbers: dict[Node, int]) -> Any:
    if isinstance(value, Node):
        return {"node": numbers[value]}
    if isinstance(value, slice):
        return {"slice": [_encode(v, numbers) for v in (value.start, value.stop, value.step)]}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v, numbers) for v in value]}
    if isinstance(value, list):
        return [_encode(v, numbers) for v in value]
    if isinstance(value, dict):
        return {"dict": [[k, _encode(v, numbers)] for k, v in value.items()]}
    if value is ...:
        return {"ellipsis": True}
    if type(value) in _PLAIN:
        return value
    raise NotImplementedError(
        explain_error(
            "torch.jit.save", got=f"an argument of {type(value)}", expected="numbers, text, dtypes and tensors"
        )
    )


def _decode(value: Any, nodes: list[Node]) -> Any:
    """An argument of a file. Only plain values: they are written into code as text."""
    if type(value) is list:
        return [_decode(v, nodes) for v in value]
    if type(value) in _PLAIN:
        return value
    if type(value) is not dict or len(value) != 1:
        _refuse(f"an argument of {type(value)}", "numbers, text, dtypes and nodes")
    ((kind, content),) = value.items()
    if kind == "node":
        return nodes[content]
    if kind == "slice":
        return slice(*[_decode(v, nodes) for v in content])
    if kind == "tuple":
        return tuple([_decode(v, nodes) for v in content])
    if kind == "dict":
        return {_decode(k, nodes): _decode(v, nodes) for k, v in content}
    return ... if kind == "ellipsis" else _refuse(f"an argument {kind!r}", "one that torch.jit.save writes")


def _checked(op: str, target: Any, args: Any, kwargs: Any) -> Any:
    """What a node of a file calls or names, if it may."""
    for name in kwargs:
        if not (type(name) is str and name.isidentifier()):
            _refuse(f"the keyword {name!r}", "a name")
    if type(target) is not str:
        _refuse(f"a target of {type(target)}", "a name")
    if op == "call_function":
        if target not in _functions():
            _refuse(f"a call of {target}", "functions of torch, and operators")
        if target == "builtins.getattr" and (len(args) != 2 or not isinstance(args[1], str) or args[1].startswith("_")):
            _refuse(f"getattr with {args!r}", "a public attribute of a tensor")
        return _functions()[target]
    if op == "call_method" and not _is_method(target):
        _refuse(f"the method {target!r}", "a tensor's")
    parts = target.split(".") if op in ("call_module", "get_attr") else [target]
    if not all(part.isidentifier() or part.isdigit() for part in parts) or op not in _OPS:
        _refuse(f"the node {op} {target!r}", "one that torch.jit.save writes")
    return target


def _is_method(name: str) -> bool:
    """Whether it is a public method of tensors, or of the containers that functions return, which only computes."""
    if name.startswith("_"):
        return name in _SPECIAL_METHODS
    return name not in _NO_METHODS and any(hasattr(kind, name) for kind in (rushlight.Tensor, tuple, dict))


_NO_METHODS = ("apply_", "backward", "map_", "numpy", "register_hook", "share_memory_", "storage", "untyped_storage")
_OPS = ("placeholder", "get_attr", "call_method", "call_module", "output")


def save(m: Any, f: Any) -> None:
    """See `torch.jit.save`."""
    if not isinstance(m, TracedModule):
        raise NotImplementedError(
            explain_error(
                "torch.jit.save", got=f"a {type(m).__name__}", expected="what torch.jit.trace returned",
                fix="torch.jit.save(torch.jit.trace(model.eval(), (x,)), path)",
            )
        )  # fmt: skip
    numbers = {node: n for n, node in enumerate(m.graph.nodes)}
    allowed = _functions()
    lines = []
    for node in m.graph.nodes:
        target = _names.target_name(node.target) if node.op == "call_function" else node.target
        if node.op == "call_function" and target not in allowed:
            raise NotImplementedError(
                explain_error(
                    "torch.jit.save", got=f"a call of {target}, which a file cannot hold", expected="functions of torch, operators",
                )
            )  # fmt: skip
        lines.append([node.op, target, _encode(node.args, numbers), _encode(node.kwargs, numbers), node.name])
    paths = {op: {n.target for n in m.graph.nodes if n.op == op} for op in ("call_module", "get_attr")}
    content = {
        "format": _FORMAT, "name": m.original_name, "training": m.training, "nodes": lines,
        "modules": {path: m.get_submodule(path) for path in sorted(paths["call_module"])},
        "tensors": {path: operator.attrgetter(path)(m) for path in sorted(paths["get_attr"])},
    }  # fmt: skip
    rushlight.save(content, f)


def load(f: Any, map_location: Any = None) -> TracedModule:
    """See `torch.jit.load`."""
    content = rushlight.load(f, map_location=map_location, weights_only=False)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise FileFormatError(
            explain_error(
                "torch.jit.load", got="a file that torch.jit.save did not write here", expected=f"the format {_FORMAT!r}",
                fix="torch.load(path) for a state_dict",
            )
        )  # fmt: skip
    graph = Graph()
    nodes: list[Node] = []
    for op, target, args, kwargs, name in content["nodes"]:
        args, kwargs = _decode(args, nodes), {k: _decode(v, nodes) for k, v in kwargs["dict"]}
        nodes.append(graph.create_node(op, _checked(op, target, args, kwargs), args, kwargs, name))
    traced = TracedModule({**content["modules"], **content["tensors"]}, graph, content["name"])
    traced.original_name, traced.training = content["name"], content["training"]
    return traced
