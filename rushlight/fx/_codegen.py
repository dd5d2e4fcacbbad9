"""A graph as Python source: `CodeGen`, and the form in which arguments come in and results go out."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FunctionType, GenericAlias
from typing import Any

import rushlight
from rushlight.fx import _names
from rushlight.fx._names import CUSTOM_GLOBALS, Namespace, qualified_name, type_name
from rushlight.fx.node import Node, nodes_in

__all__ = ["CodeGen", "PythonCode"]

magic_methods = {
    "eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "gt": "{} > {}", "le": "{} <= {}", "ge": "{} >= {}", "pos": "+{}",
    "neg": "-{}", "invert": "~{}", "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "floordiv": "{} // {}",
    "truediv": "{} / {}", "mod": "{} % {}", "pow": "{} ** {}", "lshift": "{} << {}", "rshift": "{} >> {}",
    "and_": "{} & {}", "or_": "{} | {}", "xor": "{} ^ {}", "getitem": "{}[{}]", "matmul": "{} @ {}",
}  # fmt: skip
inplace_methods = {
    "iadd": "{} += {}", "iand": "{} &= {}", "ifloordiv": "{} //= {}", "ilshift": "{} <<= {}", "imod": "{} %= {}",
    "imul": "{} *= {}", "imatmul": "{} @= {}", "ior": "{} |= {}", "ipow": "{} **= {}", "irshift": "{} >>= {}",
    "isub": "{} -= {}", "itruediv": "{} /= {}", "ixor": "{} ^= {}", "setitem": "{}[{}] = {}",
}  # fmt: skip
_TYPING = {list: typing.List, dict: typing.Dict, set: typing.Set, frozenset: typing.FrozenSet, tuple: typing.Tuple}  # noqa: UP006
_SHORT = {
    "bool": "b8", "uint8": "u8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "float16": "f16", "bfloat16": "bf16",
    "float32": "f32", "float64": "f64", "complex64": "c64", "complex128": "c128",
}  # fmt: skip


@dataclass
class PythonCode:
    """Source of a `forward`, and the globals that it needs."""

    src: str
    globals: dict[str, Any] = field(repr=False)


class _Writer:
    """The text of one graph's code while it is written."""

    def __init__(self, codegen: CodeGen, root: str, namespace: Namespace, verbose: bool) -> None:
        self.codegen, self.root, self.namespace, self.verbose = codegen, root, namespace, verbose
        self.globals: dict[str, Any] = {}
        self.names: dict[Node, str] = {}
        self.parameters: list[str] = []
        self.wrapped: dict[str, None] = {}
        self.returns = ""
        for name, value in codegen.additional_globals():
            namespace.associate_name_with_obj(name, value)
            self.globals[name] = value

    # -- expressions --------------------------------------------------------------------------------------------------

    def add_global(self, hint: str, value: Any) -> str:
        """The name by which code finds a value that is no literal."""
        if callable(value) and _names.is_of_torch(value):
            self.globals.setdefault("torch", rushlight)
            return qualified_name(value)
        name = self.namespace.create_name(hint, value)
        self.globals[name] = value
        return name

    def annotation(self, kind: Any) -> str:
        if kind == ():
            return "()"
        origin, args = typing.get_origin(kind), typing.get_args(kind)
        if origin is None or not args:
            return self.add_global(type_name(kind), kind)
        alias = origin if isinstance(kind, GenericAlias) else _TYPING.get(origin, origin)
        home = self.add_global(
            repr(alias) if alias is not origin or origin is typing.Union else type_name(alias), alias
        )
        return f"{home}[{','.join(map(self.annotation, args))}]"

    def show(self, arg: Any) -> str:
        if isinstance(arg, Node):
            return self.names[arg]
        if isinstance(arg, tuple) and hasattr(arg, "_fields"):
            kind = type(arg)
            return f"{self.add_global(qualified_name(kind), kind)}({', '.join(map(self.show, arg))})"
        if type(arg) is rushlight.Size:
            return f"torch.Size([{', '.join(map(self.show, arg))}])"
        if isinstance(arg, tuple):
            return f"({', '.join(map(self.show, arg))}{',' * (len(arg) == 1)})"
        if isinstance(arg, list):
            return f"[{', '.join(map(self.show, arg))}]"
        if isinstance(arg, dict):
            return "{" + ", ".join(f"{k!r}: {self.show(v)}" for k, v in arg.items()) + "}"
        if isinstance(arg, slice):
            return f"slice({self.show(arg.start)}, {self.show(arg.stop)}, {self.show(arg.step)})"
        if isinstance(arg, (type, FunctionType)) or callable(arg) and hasattr(arg, "__name__"):
            return self.add_global(qualified_name(arg), arg)
        return repr(arg)

    def call(self, args: Iterable[Any], kwargs: dict[str, Any]) -> str:
        return ", ".join([*map(self.show, args), *(f"{k} = {self.show(v)}" for k, v in kwargs.items())])

    @staticmethod
    def path(base: str, target: str) -> str:
        for part in target.split("."):
            base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
        return base

    # -- lines --------------------------------------------------------------------------------------------------------

    def line(self, node: Node) -> str:
        """The statement of a node, without its line's end; nothing for most arguments."""
        name = self.names[node] = self.namespace.create_name(node.name, node)
        kind = "" if node.type is None or node.op == "output" else f" : {self.annotation(node.type)}"
        if self.verbose:
            kind = _with_shape(node) or kind
        if node.op == "placeholder":
            default = f" = {self.show(node.args[0])}" if node.args else ""
            self.parameters.append(f"{node.target}{kind}{default}")
            plain = node.target.replace("*", "")
            return "" if plain == name else f"{name} = {plain}\n"
        if node.op == "output":
            if node.type is not None:
                self.returns = f" -> {self.annotation(node.type)}"
            return self.codegen.generate_output(node.args[0], repr_fn=self.show)
        return f"{name}{kind} = {self.expression(node)}" if not self._in_place(node) else self._write(node)

    def _in_place(self, node: Node) -> bool:
        return (
            node.op == "call_function"
            and _operator(node.target) in inplace_methods
            and all(map(_literal_or_node, node.args))
        )

    def _write(self, node: Node) -> str:
        statement = inplace_methods[_operator(node.target)].format(*map(self.show, node.args))
        return f"{statement};  {self.names[node]} = {self.show(node.args[0])}"

    def expression(self, node: Node) -> str:
        args, kwargs = node.args, node.kwargs
        if node.op == "call_method":
            return f"{self.path(self.show(args[0]), node.target)}({self.call(args[1:], kwargs)})"
        if node.op == "get_attr":
            return self.path(self.root, node.target)
        if node.op == "call_module":
            return f"{self.path(self.root, node.target)}({self.call(args, kwargs)})"
        operator_name = _operator(node.target)
        if operator_name in magic_methods:
            return magic_methods[operator_name].format(*map(self.show, args))
        function = self.add_global(qualified_name(node.target), node.target)
        if function == "getattr" and len(args) == 2 and isinstance(args[1], str) and args[1].isidentifier():
            return self.path(self.show(args[0]), args[1])
        if node.meta.get("is_wrapped", False):
            self.wrapped[function] = None
        return f"{function}({self.call(args, kwargs)})"


def _operator(function: Any) -> str:
    return function.__name__ if getattr(function, "__module__", None) == "_operator" else ""


def _literal_or_node(arg: Any) -> bool:
    return not callable(arg) or isinstance(arg, Node)


def _with_shape(node: Node) -> str:
    """The annotation `: "f32[2, 3]"`, if it is known what the node computes."""
    value = next((node.meta[key] for key in ("val", "tensor_meta", "example_value") if key in node.meta), None)
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return ""
    return f': "{_SHORT.get(str(value.dtype).partition(".")[2], str(value.dtype))}{list(value.shape)}"'


def last_uses(nodes: Any) -> dict[Node, list[Node]]:
    """For each node those that nothing later uses."""
    seen: set[Node] = set()
    after: dict[Node, list[Node]] = {}
    for user in reversed(nodes):
        for node in nodes_in(user.args, user.kwargs):
            if node not in seen:
                seen.add(node)
                after.setdefault(user, []).append(node)
    return after


class CodeGen:
    """How the code of a graph begins and ends; subclasses may take other arguments and return other results."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The line `def forward(self, ...):`."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def {self._func_name}({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any, *, repr_fn: Callable[[Any], str] = repr) -> str:
        """The `return` statement."""
        return f"return {repr_fn(output_args)}"

    def process_inputs(self, *args: Any) -> Any:
        """The arguments of the function as the arguments of the graph."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What the graph returns as what the function returns."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Further names that the code uses."""
        return []

    def write(self, nodes: Any, root: str, namespace: Namespace, verbose: bool = False) -> PythonCode:
        """The code of these nodes; `root` is what it calls the module."""
        writer, done = _Writer(self, root, namespace, verbose), last_uses(nodes)
        body: list[str] = []
        noted = None
        for node in nodes:
            if verbose and node.op not in ("placeholder", "output"):
                noted = _note_place(node, noted, body)
            line = writer.line(node)
            body.append(line if node.op == "placeholder" else line + _releases(node, done, writer))
        if not body:
            body.append("pass\n")
        if self._body_transformer is not None:
            body = self._body_transformer(body)
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in writer.wrapped)
        if writer.wrapped:
            writer.globals["torch"] = rushlight
        head = self.gen_fn_def(writer.parameters, writer.returns)
        text = "\n".join(f"    {line}" for line in "".join(body).lstrip("\n").split("\n"))
        writer.globals.update({name: value for name, value in CUSTOM_GLOBALS.items() if value is not None})
        return PythonCode(f"\n{wraps}\n\n{head}\n{text}", writer.globals)


def _releases(node: Node, done: dict[Node, list[Node]], writer: _Writer) -> str:
    if node.op == "output":
        return "\n"
    nodes = done.get(node, []) + ([] if node.users else [node])
    return f";  {' = '.join([writer.names[n] for n in nodes] + ['None'])}\n" if nodes else "\n"


def _note_place(node: Node, noted: str | None, body: list[str]) -> str:
    """Say in a comment where the node was recorded, if that differs from the last one."""
    place = _place(node.stack_trace)
    if place != noted:
        body.append(f"\n# {place}\n")
    return place


def _place(trace: str | None) -> str:
    if not trace:
        return "No stacktrace found for following nodes"
    lines = trace.strip().split("\n")
    at = max(n for n, line in enumerate(lines) if line.strip().startswith("File "))
    where = lines[at].strip().removeprefix("File ")
    file, line, function = (part.strip() for part in where.split(", "))
    code = lines[at + 1].strip() if at + 1 < len(lines) else ""
    return f"File: {file.strip(chr(34))}:{line.removeprefix('line ')} {function}, code: {code}"
