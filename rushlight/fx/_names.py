"""What functions, classes and annotations are called in listings and in generated code: PyTorch's names.

A graph of a script that uses Rushlight as `torch` reads as it does there, `torch.relu` or `torch._C._nn.linear`, so that
texts can be compared; the generated code finds Rushlight's functions under these names.
"""

from __future__ import annotations

import builtins
import importlib
import keyword
import re
import types
import typing
from typing import Any

import rushlight

# Written in Python there, in torch/functional.py, and named by that.
_IN_FUNCTIONAL = (
    "align_tensors", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_tensors", "cartesian_prod", "cdist",
    "chain_matmul", "einsum", "lu", "meshgrid", "norm", "split", "stft", "tensordot", "unique", "unique_consecutive", "unravel_index",
)  # fmt: skip
# Functions of nn.functional that are compiled there: of `torch`, or of `torch._C._nn`.
_OF_TORCH = (
    "adaptive_avg_pool1d", "avg_pool1d", "bilinear", "celu_", "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_tbc",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "hardshrink", "native_channel_shuffle",
    "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu_", "rrelu_", "selu_", "threshold_",
)  # fmt: skip
_OF_C_NN = {
    **{name: name for name in (
        "avg_pool2d", "avg_pool3d", "elu_", "gelu", "hardtanh_", "leaky_relu_", "linear", "one_hot",
        "scaled_dot_product_attention", "softplus", "softshrink",
    )},
    "logsigmoid": "log_sigmoid",
}  # fmt: skip
# Rooms whose functions are compiled there, under the prefixed name.
_PREFIXED = ("linalg", "fft", "special")


def _is_own(value: Any) -> bool:
    home = getattr(value, "__module__", "rushlight") or "rushlight"
    return (
        callable(value)
        and not isinstance(value, types.ModuleType)
        and home.startswith(("rushlight", "torch", "operator"))
    )


class _Names:
    """The qualified name of every public function and class, built at the first question."""

    def __init__(self) -> None:
        self.of: dict[Any, str] = {}

    def build(self) -> None:
        add = self.of.setdefault
        functional = importlib.import_module("rushlight.nn.functional")
        for name in _IN_FUNCTIONAL:
            if hasattr(rushlight, name):
                add(getattr(rushlight, name), f"torch.functional.{name}")
        # Functions made by other functions do not know their names: they are found under the first.
        public = {n: f for n, f in vars(rushlight).items() if _is_own(f) and not n.startswith("__")}
        for only_own in (True, False):  # an alias of a function is called what the function calls itself
            for name, function in public.items():
                if only_own and getattr(function, "__name__", name) != name:
                    continue
                add(function, f"torch.{name}")
        for name, function in vars(functional).items():
            if not _is_own(function) or name.startswith("__"):
                continue
            if name in _OF_C_NN:
                add(function, f"torch._C._nn.{_OF_C_NN[name]}")
            elif name in _OF_TORCH:
                add(function, f"torch.{name}")
            elif name == "threshold":
                add(function, "torch.nn.functional._threshold")
            else:
                add(function, f"torch.nn.functional.{name}")
        for room in _PREFIXED:
            module = importlib.import_module(f"rushlight.{room}")
            for name in module.__all__:
                if isinstance(getattr(module, name), types.FunctionType):
                    add(getattr(module, name), f"torch._C._{room}.{room}_{name}")

    def find(self, value: Any) -> str | None:
        if not self.of:
            self.build()
        try:
            return self.of.get(value)
        except TypeError:  # unhashable
            return None


_names = _Names()


def all_functions() -> dict[Any, str]:
    """Every public function and class, with what it is called."""
    _names.find(rushlight.relu)  # has the table built
    return _names.of


def qualified_name(value: Any) -> str:
    """What a function or class is called.

    >>> import rushlight as torch
    >>> qualified_name(torch.relu), qualified_name(torch.nn.functional.relu), qualified_name(len)
    ('torch.relu', 'torch.nn.functional.relu', 'len')
    """
    name = getattr(value, "__name__", None)
    if name is not None and getattr(builtins, name, None) is value:
        return name
    found = _names.find(value)
    if found is not None:
        return found
    if isinstance(value, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return f"{value.__objclass__.__module__}.{value.__objclass__.__name__}.{name}"
    if name is None:
        return type(value).__name__
    if name == "<lambda>":
        name = "lambda"
    module = getattr(value, "__module__", None)
    return f"{as_torch(module)}.{name}" if module else name


def as_torch(module: str) -> str:
    """The name that a module of Rushlight has in PyTorch."""
    first, dot, rest = module.partition(".")
    return f"torch{dot}{rest}" if first == "rushlight" else module


def target_name(target: Any) -> str:
    """A target in listings: `operator.add`, `builtins.getattr`, `torch.relu`.

    >>> import operator
    >>> target_name(operator.add), target_name(getattr)
    ('operator.add', 'builtins.getattr')
    """
    if isinstance(target, str):
        return target
    module = getattr(target, "__module__", None)
    if module == "builtins":
        return f"builtins.{target.__name__}"
    if module == "_operator":
        return f"operator.{target.__name__}"
    return qualified_name(target)


def is_of_torch(value: Any) -> bool:
    """Whether code finds it under `torch.`."""
    return qualified_name(value).startswith("torch.") and value is not rushlight.device


def type_name(kind: Any) -> str:
    """A type or annotation in listings: `torch.Tensor`, `int`, `typing.List[torch.Tensor]`."""
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias):
        if kind.__module__ == "builtins":
            return kind.__qualname__
        return _names.find(kind) or f"{as_torch(kind.__module__)}.{kind.__qualname__}"
    if kind is ...:
        return "..."
    if isinstance(kind, types.FunctionType):
        return kind.__name__
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union and len(args) == 2 and args[1] is type(None):
        return f"typing.Optional[{type_name(args[0])}]"
    text = repr(kind)
    if origin is not None and args and "[" in text:
        inner = ", ".join("NoneType" if a is type(None) else type_name(a) for a in args if not isinstance(a, list))
        return f"{text[: text.index('[')]}[{inner}]"
    return text


_lower_then_upper = re.compile(r"(?<=[a-z])([A-Z])")


def base_name(target: Any) -> str:
    """What a node with this target is named after: `add` for `operator.add`, `foo_bar` for `fooBar`."""
    name = target
    if not isinstance(target, str):
        found = _names.find(target)
        name = found.rpartition(".")[2] if found else getattr(target, "__name__", type(target).__name__)
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        name = name[2:-2]
    return _lower_then_upper.sub(r"_\1", name).lower()


_illegal = re.compile(r"[^0-9a-zA-Z_]+")
_numbered = re.compile(r"(.+)_(\d+)$")


class Namespace:
    """Names of one function's locals and globals: each is legal Python and given once."""

    def __init__(self) -> None:
        self._of: dict[int, str] = {}
        self._kept: list[Any] = []  # objects, whose ids must stay their own
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any) -> str:
        """A new name like `candidate`; for an object that has one, that."""
        if obj is not None and id(obj) in self._of:
            return self._of[id(obj)]
        candidate = _illegal.sub("_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        match = _numbered.match(candidate)
        base, number = (match[1], int(match[2])) if match else (candidate, None)
        if number is not None:
            candidate = f"{base}_{number}"
        number = number or self._counts.get(base, 0)
        while candidate in self._used or _means_something(candidate, obj):
            number += 1
            candidate = f"{base}_{number}"
        self._counts[base] = number
        self.associate_name_with_obj(candidate, obj)
        return candidate

    def associate_name_with_obj(self, name: str, obj: Any) -> None:
        """The name is taken, by this object."""
        self._used.add(name)
        if obj is not None:
            self._of[id(obj)] = name
            self._kept.append(obj)


def _means_something(name: str, obj: Any) -> bool:
    if keyword.iskeyword(name):
        return True
    if name in vars(builtins):
        return obj is not vars(builtins)[name]
    return name in CUSTOM_GLOBALS and obj is not CUSTOM_GLOBALS[name]


# What generated code may name although it is neither Python's own nor below `torch`.
CUSTOM_GLOBALS: dict[str, Any] = {
    "inf": float("inf"), "nan": float("nan"), "NoneType": type(None), "torch": rushlight, "device": rushlight.device,
    "fx_pytree": None, "pytree": None,
}  # fmt: skip
