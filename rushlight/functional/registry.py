"""Which functions are public, and which are tensor methods. Ops of the table get theirs generated from the signature."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, TypeVar

from rushlight.dtype import can_cast
from rushlight.errors import explain_error
from rushlight.functional.intercept import body_of
from rushlight.functional.quick import binary, unary
from rushlight.ir.op import REQUIRED, SLOT_KINDS, TABLE, Op, Param
from rushlight.lazy.handle import HANDLES
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace, record_view

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}  # rushlight.NAME
METHODS: dict[str, Callable[..., Any]] = {}  # Tensor.NAME


def public(*names: str, method: bool = False, function: bool = True) -> Callable[[F], F]:
    """Publish a function under its own name, or under the names given; as a tensor method too with `method=True`."""

    def add(fn: F) -> F:
        for name in names or (fn.__name__,):
            if function:
                FUNCTIONS[name] = fn
            if method:
                METHODS[name] = fn
        return fn

    return add


HELPERS: dict[str, Callable[..., Any]] = {}  # what gradient rules call beside public functions


def rule_helper(fn: F) -> F:
    """Make a function reachable from gradient rules as `T.NAME` without publishing it."""
    HELPERS[fn.__name__] = fn
    return fn


def as_ints(value: Any) -> Any:
    """An int[] argument as it is recorded: a tuple of Python ints (or one int, or None)."""
    if value is None or value.__class__ is int:
        return value
    if isinstance(value, (tuple, list)):
        return tuple([v if v.__class__ is int else operator.index(v) for v in value])
    return operator.index(value)


def as_int(value: Any) -> Any:
    """An int argument as it is recorded."""
    return value if value is None or value.__class__ is int else operator.index(value)


_CONVERT = {"int": "as_int({0})", "int?": "as_int({0})", "int[]": "as_ints({0})", "int[]?": "as_ints({0})"}


def _signature(params: tuple[Param, ...], out: bool) -> str:
    parts, star = [], False
    for name, keyword_only in [*((p.name, p.keyword_only) for p in params), *[("out", True)] * out]:
        if keyword_only and not star:
            parts.append("*")
            star = True
        parts.append(name)
    return ", ".join(parts)


def function_of(op: Op) -> Callable[..., Any]:
    """The Python function of an op: its signature, recording one entry.

    The commonest signatures are closures; the rest is written out as source.
    """
    shape = tuple((p.name, p.kind in SLOT_KINDS and p.default is REQUIRED) for p in op.params)
    if shape in _TEMPLATES and not op.view:
        function = _TEMPLATES[shape](op)
        function.__name__ = function.__qualname__ = op.name
        function.__doc__, function.__module__ = op.doc, "rushlight"
        return function
    return _written_out(op)


def _unary(op: Op) -> Callable[..., Any]:
    fast = (lambda input: record_inplace(op, (input,), ())) if op.inplace else unary(op)

    def function(input: Any, *, out: Any = None) -> Any:
        return fast(input) if out is None else write_out(out, fast(input))

    return function


def _binary(op: Op) -> Callable[..., Any]:
    fast = (lambda input, other: record_inplace(op, (input, other), ())) if op.inplace else binary(op)

    def function(input: Any, other: Any, *, out: Any = None) -> Any:
        return fast(input, other) if out is None else write_out(out, fast(input, other))

    return function


_TEMPLATES = {(("input", True),): _unary, (("input", True), ("other", True)): _binary}


def _written_out(op: Op) -> Callable[..., Any]:
    """A function with the op's signature whose body is compiled at the first call: most ops are never called."""

    def first_call(values: dict[str, Any]) -> Any:
        body = body_of(function)
        body.__code__ = _compiled(op, out)
        return body(**values)

    out = not op.view and not op.inplace
    positional = [p for p in op.params if not p.keyword_only]
    names = [p.name for p in op.params] + ["out"] * out
    space = {
        "op": op, "record": record, "record_view": record_view, "record_inplace": record_inplace, "as_ints": as_ints,
        "as_int": as_int, "write_out": write_out, "first_call": first_call,
    }  # fmt: skip
    code = _wait_for_call.__code__.replace(
        co_name=op.name, co_qualname=op.name, co_varnames=tuple(names), co_nlocals=len(names),
        co_argcount=len(positional), co_kwonlyargcount=len(names) - len(positional),
    )  # fmt: skip
    defaults = tuple(p.default for p in positional if p.default is not REQUIRED)
    function = FunctionType(code, space, op.name, defaults)
    function.__kwdefaults__ = {p.name: p.default for p in op.params if p.keyword_only and p.default is not REQUIRED}
    if out:
        function.__kwdefaults__["out"] = None
    function.__doc__, function.__module__ = op.doc, "rushlight"
    return function


def _wait_for_call() -> Any:
    return first_call(locals())  # type: ignore[name-defined]  # noqa: F821  found in the function's own globals


def _compiled(op: Op, out: bool) -> CodeType:
    """The code of an op's function, written out as source."""
    recorder = "record_inplace" if op.inplace else "record"
    slots = ", ".join(p.name for p in op.slots)
    static = ", ".join(_CONVERT.get(p.kind, "{0}").format(p.name) for p in op.params if not p.is_slot)
    static = f"({static},)" if static else "()"
    if op.view:
        body = f"    return record_view(op, {slots}, {static})\n"
    elif not op.slots:
        body = f"    return record(op, (), {static})\n"
    else:
        body = f"    result = {recorder}(op, ({slots},), {static})\n"
        body += "    return result if out is None else write_out(out, result)\n" if out else "    return result\n"
    source = f"def {op.name}({_signature(op.params, out)}):\n{body}"
    space: dict[str, Any] = {}
    exec(compile(source, os.path.join(os.path.dirname(__file__), f"{op.name}.generated"), "exec"), space)
    return space[op.name].__code__


def write_out(out: Any, result: Any) -> Any:
    """Honour `out=`: the result is written to the given tensor (or tuple of tensors)."""
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            got = f"{len(out)} tensors" if isinstance(out, (tuple, list)) else f"a {type(out).__name__}"
            raise TypeError(explain_error("out=", got=got, expected=f"a tuple of {len(result)} tensors"))
        for target, value in zip(out, result, strict=True):
            write_out(target, value)
        return out
    if out.__class__ not in HANDLES:
        raise TypeError(explain_error("out=", got=f"a {type(out).__name__}", expected="a tensor"))
    if not can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            explain_error(
                "out=", got=f"a tensor of {out.dtype} for a result of {result.dtype}", expected="a dtype of the result's kind",
                fix=f"out = torch.empty(0, dtype={result.dtype})",
            )
        )  # fmt: skip
    if tuple(out.shape) != tuple(result.shape):
        out.resize_(result.shape)
    return out.copy_(result)


# Op names that are the public name of something else, written by hand in this package.
_INTERNAL_SUFFIXES = ("_op", "_op_", "_part", "_write", "_write_", "_backward", "_dim")


def generate() -> None:
    """Functions and methods for every op of the table that no hand-written one replaces."""
    for name, op in TABLE.items():
        if name.endswith(_INTERNAL_SUFFIXES):
            continue
        function = function_of(op)
        (FUNCTIONS if "function" in op.public else HELPERS).setdefault(name, function)
        if (
            "method" in op.public
            and op.params
            and op.params[0].name in ("input", "self")
            and op.params[0].kind in ("Tensor", "Operand")
        ):
            METHODS.setdefault(name, function)


def settle_names() -> None:
    """Give each function that Python could not find again by its module and name, as pickle must, a name where it can."""
    for table, module in ((FUNCTIONS, "rushlight"), (HELPERS, "rushlight.functional")):
        for name, function in table.items():
            if not isinstance(function, FunctionType):
                continue
            home = FUNCTIONS if function.__module__ == "rushlight" else vars(sys.modules[function.__module__])
            if home.get(function.__qualname__) is not function:
                function.__module__, function.__qualname__, function.__name__ = module, name, name


@rule_helper
def apply(name: str, inputs: tuple, static: dict[str, Any]) -> Any:
    """Record the op of the table with this name."""
    op = TABLE[name]
    values = tuple(static[n] for n in op.statics)
    return record_view(op, inputs[0], values) if op.view else record(op, inputs, values)
