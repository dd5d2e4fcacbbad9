"""How a public function is called, as definitions in stub syntax (`ast.FunctionDef`): all its overloads.

They come from, in this order: `signatures.pyi`; the op table; `inspect`, with `conventions.py` for what the source leaves open.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rushlight.functional import FUNCTIONS, numpy_names
from rushlight.ir.op import REQUIRED, TABLE
from tools import conventions


def read_signatures() -> dict[str, dict[str, list[ast.stmt]]]:
    """signatures.pyi: by class ("" at the top), by name, the definitions."""
    found: dict[str, dict[str, list[ast.stmt]]] = {"": {}}
    for statement in ast.parse((Path(__file__).parent / "signatures.pyi").read_text()).body:
        owner = statement.name if isinstance(statement, ast.ClassDef) else ""
        for item in statement.body if isinstance(statement, ast.ClassDef) else [statement]:
            name = item.target.id if isinstance(item, ast.AnnAssign) else item.name  # type: ignore[union-attr,attr-defined]
            found.setdefault(owner, {}).setdefault(name, []).append(item)
    return found


SIGNATURES = read_signatures()


def expanded(definition: ast.FunctionDef) -> ast.FunctionDef:
    """With the options that `**options: Factory` stands for written out."""
    given = definition.args
    kind = given.kwarg and isinstance(given.kwarg.annotation, ast.Name) and given.kwarg.annotation.id
    if kind in ("Factory", "Like"):
        more = parse(f"def f(*, {conventions.FACTORY if kind == 'Factory' else conventions.LIKE}): ...").args
        kept = [arg.arg for arg in given.kwonlyargs]
        for arg, default in zip(more.kwonlyargs, more.kw_defaults, strict=True):
            if arg.arg not in kept:
                given.kwonlyargs.append(arg)
                given.kw_defaults.append(default)
        given.kwarg = None
    return definition


def parse(source: str) -> ast.FunctionDef:
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return definition


def copy_of(definition: ast.FunctionDef) -> ast.FunctionDef:
    return parse(ast.unparse(definition))


def from_table(name: str, function: Callable[..., Any]) -> ast.FunctionDef | None:
    """The definition of a function that was made from a declaration."""
    op = TABLE.get(function.__name__)
    if op is None or function.__module__ != "rushlight":
        return None
    if [name for name in inspect.signature(function).parameters if name != "out"] != [p.name for p in op.params]:
        return None  # a function written by hand goes before the op of its name
    parts, star = [], False
    for p in op.params:
        if p.keyword_only and not star:
            parts.append("*")
            star = True
        parts.append(f"{p.name}: {conventions.KINDS[p.kind]}" + ("" if p.default is REQUIRED else f" = {p.default!r}"))
    if not op.view and not op.inplace:
        parts += ["*"] * (not star) + ["out: Tensor | None = None"]
    return parse(f"def {name}({', '.join(parts)}) -> {conventions.RETURNS.get(name, 'Tensor')}: ...")


def from_inspection(name: str, function: Callable[..., Any], room: str) -> ast.FunctionDef:
    """The definition that `inspect` and the conventions give."""
    parts, star, slash = [], False, None
    for parameter in inspect.signature(function).parameters.values():
        if slash is inspect.Parameter.POSITIONAL_ONLY and parameter.kind is not slash:
            parts.append("/")
        slash = parameter.kind
        prefix = "*" * ((parameter.kind is parameter.VAR_POSITIONAL) + 2 * (parameter.kind is parameter.VAR_KEYWORD))
        if parameter.kind is parameter.VAR_POSITIONAL and parameter.name == "old":
            continue  # forms of calls that PyTorch has deprecated: they work, and are not shown
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        star |= parameter.kind is parameter.VAR_POSITIONAL
        text = prefix + parameter.name
        if parameter.name not in ("self", "cls"):
            text += f": {annotation_of(name, parameter)}"
        if parameter.default is not parameter.empty:
            plain = isinstance(parameter.default, (int, float, str, bool, type(None), tuple)) and "inf" not in repr(
                parameter.default
            )
            text += f" = {parameter.default!r}" if plain else " = ..."
        parts.append(text)
    returned = inspect.signature(function).return_annotation
    if returned in (inspect.Signature.empty, "Any", Any, "tuple", "tuple[Any, Any]"):
        returned = conventions.RETURNS.get(f"{room}.{name}") or conventions.RETURNS.get(name, "Tensor")
    return parse(f"def {name}({', '.join(parts)}) -> {as_text(returned)}: ...")


def as_text(annotation: Any) -> str:
    """An annotation as the stubs write it."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    for before, after in {
        "DType": "dtype",
        "np.ndarray": "ndarray",
        "devices.device": "_device",
        "OrderedDict | None": "Any",
    }.items():
        text = re.sub(rf"\b{re.escape(before)}", after, text)
    return text


def annotation_of(function: str, parameter: inspect.Parameter) -> str:
    given = "Any" if parameter.annotation is parameter.empty else as_text(parameter.annotation)
    if "Any" not in given:
        return given
    found = conventions.EXCEPTIONS.get(f"{function}.{parameter.name}") or conventions.NAMES.get(parameter.name)
    if given == "Sequence[Any]":
        return "Sequence[Tensor]"
    if found is None or given != "Any" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return given
    if parameter.name == "out" and "return_types" in conventions.RETURNS.get(function, ""):
        return "Any"
    none = parameter.default is None and not found.endswith("None") and found not in ("Any", "object", "Device")
    return found + " | None" if none else found


def definitions(name: str, function: Callable[..., Any], room: str = "") -> list[ast.FunctionDef]:
    """All overloads of a function of a room ("" is the top level)."""
    below = numpy_names.below(function)
    if below is not None:
        return [more for found in declared(name, function, below, room) for more in with_axis(found)]
    return declared(name, function, function, room)


def declared(name: str, function: Callable[..., Any], below: Callable[..., Any], room: str) -> list[ast.FunctionDef]:
    """The overloads without NumPy's names; `below` is the function behind those."""
    for owner in (room.rpartition(".")[2], ""):
        same = owner == "" and FUNCTIONS.get(name) is not function  # a room's function of the same name is another one
        if name in SIGNATURES.get(owner, {}) and not same:
            return [expanded(copy_of(d)) for d in SIGNATURES[owner][name] if isinstance(d, ast.FunctionDef)]
    return [from_table(name, below) or from_inspection(name, below, room)]


def with_axis(definition: ast.FunctionDef) -> list[ast.FunctionDef]:
    """With NumPy's `axis` and `keepdims`; where `dim` must be given, an overload in which `axis` is."""
    given = definition.args
    names = [arg.arg for arg in given.args]
    if "axis" in [arg.arg for arg in given.kwonlyargs]:
        given.kwonlyargs.append(ast.arg("keepdims", ast.Name("bool")))
        given.kw_defaults.append(ast.Constant(False))
        return [definition]
    if "dim" not in names:
        return [definition]
    at, first = names.index("dim"), len(names) - len(given.defaults)
    must = at < first
    other = copy_of(definition) if must else definition
    arguments = other.args
    dim = arguments.args[at]
    if must:  # what comes after dim can only be named now
        for n in range(at + 1, len(names)):
            arguments.kwonlyargs.append(arguments.args[n])
            arguments.kw_defaults.append(arguments.defaults[n - first] if n >= first else None)
        arguments.args, arguments.defaults = arguments.args[:at], []
    arguments.kwonlyargs.append(ast.arg("axis", dim.annotation))
    arguments.kw_defaults.append(None if must else arguments.defaults[at - first])
    if "keepdim" in names:
        arguments.kwonlyargs.append(ast.arg("keepdims", ast.Name("bool")))
        arguments.kw_defaults.append(ast.Constant(False))
    return [definition, other] if must else [definition]
