"""Writes the stubs (`.pyi`) of modules whose names are made at run time, so that editors and mypy see them: `make stubs`.

Where the source says it all there is no stub: a stub hides its module from type checkers. Signatures are `definitions.py`'s.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import rushlight
from rushlight.functional import FUNCTIONS, METHODS
from rushlight.functional.fast import DUNDERS
from rushlight.functional.results import FIELDS
from rushlight.surface import ELSEWHERE
from rushlight.tensor import Tensor
from tools.definitions import SIGNATURES, as_text, copy_of, definitions, expanded, from_inspection, parse

TOP = Path(__file__).parents[1]
HEAD = "# Made by `make stubs` (tools/stubs.py).\n# ruff: noqa\n"
FUNCTION_ROOMS = ("nn.functional", "linalg", "fft", "special", "masked")
LAZY_ROOMS = {
    "nn": (),
    "optim": (),
    "autograd": ("Variable", "anomaly_mode", "forward_ad", "profiler", "variable"),
    "utils": (),
    "vision": (),
}

# Inside `class Tensor`, and beside torch.int and torch.float, the plain names mean something else.
PLAIN = {
    **{name: f"_{name}" for name in ("int", "float", "bool", "complex", "dtype", "layout", "memory_format")},
    "type": "_builtins.type", "Scalar": "_Scalar", "Device": "_Device", "ndarray": "_ndarray", "TypeIs": "_TypeIs",
    **{name: f"_{name}" for name in ("Any", "Callable", "Iterable", "Iterator", "Literal", "Sequence", "Self", "return_types")},
}  # fmt: skip
IMPORTS = """\
import builtins as _builtins
from collections.abc import Callable as _Callable, Iterable as _Iterable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any as _Any, Literal as _Literal, Self as _Self, TypeVar as _TypeVar, overload as _overload
from numpy import ndarray as _ndarray
from typing_extensions import TypeIs as _TypeIs
from rushlight import return_types as _return_types
from rushlight.types import Device as _Device, Scalar as _Scalar, _bool, _complex, _dtype, _float, _int, _layout, _memory_format
"""


class _Names(ast.NodeTransformer):
    """The plain names of types, as the stubs import them."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(PLAIN.get(node.id, node.id))


# Classes made in a loop, such as FloatTensor, by their metaclass: what an instance is to a type checker.
MADE = {"TensorType": "Tensor", "StorageType": "TypedStorage"}
ROOMS: tuple[str, ...] = vars(rushlight)["_ROOMS"]


def written(found: list[ast.FunctionDef], indent: str = "") -> str:
    """As the stub has it; several definitions are overloads."""
    lines = []
    for definition in found:
        text = ast.unparse(_Names().visit(ast.parse(ast.unparse(definition)))).replace(":\n    ...", ": ...")
        overloaded = len(found) > 1 and not definition.decorator_list
        lines += [f"{indent}@_overload\n"] * overloaded + [indent + text.replace("\n", "\n" + indent) + "\n"]
    return "".join(lines)


# --- the stubs, one function each --------------------------------------------------------------------------------------------


def top() -> str:
    """rushlight/__init__.pyi"""
    out = [HEAD, IMPORTS]
    out += [f"from rushlight import {room} as {room}\n" for room in sorted({*ROOMS, "config", "errors"})]
    functions, values = [], []
    for name in sorted({*vars(rushlight), *ELSEWHERE}):
        value = getattr(rushlight, name)
        if name in FUNCTIONS and value is FUNCTIONS[name]:
            functions.append(written(definitions(name, value)))
        elif name.startswith("_") or isinstance(value, ModuleType) or name in ROOMS or name in ("Any", "annotations"):
            continue
        elif type(value).__name__ in MADE:
            values.append(f"class {name}({MADE[type(value).__name__]}): ...\n")
        elif name in ELSEWHERE:
            out.append("from {} import {} as {}\n".format(*ELSEWHERE[name], name))
        elif isinstance(value, type) or inspect.isfunction(value):
            out.append(import_of(name, value))
        else:
            kind = "None" if value is None else type(value).__name__
            values.append(f"{name}: {PLAIN.get(kind, kind)}\n")
    return "".join([*out, "\n__version__: str\n", *values, "\n", *functions])


def import_of(name: str, value: Any) -> str:
    return f"from {value.__module__} import {value.__name__} as {name}\n"


def tensor() -> str:
    """rushlight/tensor.pyi"""
    out = [
        HEAD, IMPORTS,
        "from rushlight.autograd.hooks import RemovableHandle as RemovableHandle\n",
        "from rushlight.device import device as _device\n",
        "from rushlight.ir.meta import Size as Size\n",
        "from rushlight.lazy.handle import Handle as Handle\n",
        "from rushlight.random import Generator as Generator\n",
        "from rushlight.storage import TypedStorage as TypedStorage, UntypedStorage as UntypedStorage\n",
        '\n_T = _TypeVar("_T")\n\nclass Tensor(Handle):\n',
    ]  # fmt: skip
    for name, value in {**vars(Tensor)}.items():
        if type(value).__name__ == "_Elsewhere" or name in ("__module__", "__doc__", "__annotations__", "__hash__"):
            continue
        out.append(member(name, value))
    return "".join(out + list(module_functions("rushlight.tensor")))


def member(name: str, value: Any) -> str:
    """One line of `class Tensor` (an overload: two)."""
    if name in SIGNATURES["Tensor"]:
        known = SIGNATURES["Tensor"][name]
        if isinstance(known[0], ast.AnnAssign):
            text = ast.unparse(_Names().visit(ast.parse(ast.unparse(known[0].annotation))))
            setter = not isinstance(value, property) or value.fset is not None
            return f"    {name}: {text}\n" if setter else f"    @property\n    def {name}(self) -> {text}: ...\n"
        return (
            written([expanded(copy_of(d)) for d in known if isinstance(d, ast.FunctionDef)], "    ")
            .replace(
                "def __eq__(self, other: _Any) -> Tensor: ...",
                "def __eq__(self, other: _Any) -> Tensor: ...  # type: ignore[override]",
            )
            .replace(
                "def __ne__(self, other: _Any) -> Tensor: ...",
                "def __ne__(self, other: _Any) -> Tensor: ...  # type: ignore[override]",
            )
        )
    if isinstance(value, property):
        given = inspect.signature(value.fget).return_annotation  # type: ignore[arg-type]
        returned = "Any" if given is inspect.Signature.empty else as_text(given)
        return "    @property\n" + written([parse(f"def {name}(self) -> {returned}: ...")], "    ")
    if name in DUNDERS:
        if name in ("__neg__", "__pos__", "__abs__", "__invert__"):
            return f"    def {name}(self) -> Tensor: ...\n"
        returned = "_Self" if name.startswith("__i") else "Tensor"
        return f"    def {name}(self, other: Tensor | _Scalar | _ndarray) -> {returned}: ...\n"
    if isinstance(value, (staticmethod, classmethod)):
        decorator = "@staticmethod" if isinstance(value, staticmethod) else "@classmethod"
        if not hasattr(value.__func__, "__code__"):
            return f"    {name}: _Any\n"
        return f"    {decorator}\n" + written([from_inspection(name, value.__func__, "Tensor")], "    ")
    if callable(value):
        own = METHODS.get(name) is not value
        found = [from_inspection(name, value, "Tensor")] if own else definitions(name, value)
        return written([as_method(definition) for definition in found], "    ")
    return f"    {name}: _Any\n"


def as_method(definition: ast.FunctionDef) -> ast.FunctionDef:
    """The first argument is the tensor itself; a method has no `out`."""
    given = definition.args
    first = (given.posonlyargs or given.args)[0]
    first.arg, first.annotation = "self", None
    keep = [i for i, arg in enumerate(given.kwonlyargs) if arg.arg != "out"]
    given.kwonlyargs = [given.kwonlyargs[i] for i in keep]
    given.kw_defaults = [given.kw_defaults[i] for i in keep]
    return definition


def module_functions(module: str) -> Iterator[str]:
    """The functions that a module defines beside its classes."""
    for name, value in vars(importlib.import_module(module)).items():
        if inspect.isfunction(value) and value.__module__ == module:
            yield written([from_inspection(name, value, module)])


def function_room(room: str) -> str:
    """The stub of a room of functions, such as rushlight/linalg/__init__.pyi."""
    module = importlib.import_module(f"rushlight.{room}")
    out = [
        HEAD,
        IMPORTS,
        "from rushlight.ir.meta import Size as Size\n",
        "from rushlight.random import Generator as Generator\n",
    ]
    out += ["from rushlight.tensor import Tensor as Tensor\n"]
    lines = []
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type):
            out.append(import_of(name, value))
        elif inspect.isfunction(value) and all_annotated(value):
            out.append(import_of(name, value))
        else:
            lines.append(written(definitions(name, value, room)))
    return "".join([*out, "\n__all__: list[str]\n\n", *lines])


def all_annotated(function: Callable[..., Any]) -> bool:
    """Whether the source's own annotations say everything."""
    signature = inspect.signature(function)
    given = [p.annotation for p in signature.parameters.values()] + [signature.return_annotation]
    return all(a is not inspect.Parameter.empty and "Any" not in str(a) and a != "tuple" for a in given)


def lazy_room(room: str) -> str:
    """The stub of a room that loads its parts when they are named: what it has, and from where."""
    module = importlib.import_module(f"rushlight.{room}")
    folder = Path(str(module.__file__)).parent
    parts = {p.stem for p in folder.iterdir() if p.suffix in ("", ".py") and not p.stem.startswith("_")}
    out = [HEAD]
    for name in sorted({*getattr(module, "__all__", parts), *LAZY_ROOMS[room]}):
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            parent, _, last = value.__name__.rpartition(".")
            out.append(f"from {parent} import {last} as {name}\n")
        else:
            out.append(import_of(name, value))
    return "".join([*out, "\n__all__: list[str]\n"])


def return_types() -> str:
    """rushlight/return_types.pyi"""
    out = [HEAD, "from typing import NamedTuple\nfrom rushlight.tensor import Tensor\n"]
    for name, fields in sorted(FIELDS.items()):
        kinds = {"bin_edges": "tuple[Tensor, ...]"} if name == "histogramdd" else {}
        lines = "".join(f"    {field}: {kinds.get(field, 'Tensor')}\n" for field in fields.split())
        out.append(f"\nclass {name}(NamedTuple):\n{lines}")
    return "".join(out)


def all_stubs() -> dict[Path, str]:
    """By path inside the package: the text of every stub."""
    found = {Path("__init__.pyi"): top(), Path("tensor.pyi"): tensor(), Path("return_types.pyi"): return_types()}
    for room in (*FUNCTION_ROOMS, *LAZY_ROOMS):
        file = Path(str(importlib.import_module(f"rushlight.{room}").__file__)).relative_to(TOP / "rushlight")
        found[file.with_suffix(".pyi")] = (function_room if room in FUNCTION_ROOMS else lazy_room)(room)
    return found


def main(arguments: list[str]) -> str | None:
    """Write the stubs; with --check, only say which are stale."""
    stale = []
    for path, text in all_stubs().items():
        file = TOP / "rushlight" / path
        if not file.exists() or file.read_text() != text:
            stale.append(str(path))
            if "--check" not in arguments:
                file.write_text(text)
    if "--check" in arguments:
        return f"stale: {', '.join(stale)}. Fix: make stubs" if stale else None
    print(f"stubs written: {', '.join(stale) or 'none, all were fresh'}")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
