"""Which public names stand on which page of the reference."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import rushlight
from rushlight.ir.op import TABLE

ROOMS = (
    "nn", "nn.functional", "nn.init", "nn.attention", "nn.parallel", "nn.utils", "nn.utils.parametrize", "nn.utils.parametrizations",
    "nn.utils.prune", "nn.utils.rnn", "optim", "optim.lr_scheduler", "optim.swa_utils", "autograd", "autograd.functional",
    "autograd.forward_ad", "autograd.graph", "func", "fx", "jit", "compiler", "utils.data", "utils.checkpoint", "linalg", "fft",
    "special", "signal.windows", "masked", "sparse", "distributions", "distributed", "amp", "profiler", "random", "serialization",
    "hub", "overrides", "testing", "types", "return_types", "accelerator", "vision.datasets", "vision.transforms", "vision.models",
    "vision.io", "vision.utils",
)  # fmt: skip

# Pages of `torch`: what is named there, then the files of functional/ and ops/ that it is written in.
FAMILIES = {
    "Creation": (
        r"as_tensor|asarray|tensor|scalar_tensor|(zeros|ones|empty|full)\w*|arange|range|linspace|logspace|eye|\w+_window|complex|polar|"
        r"sparse_\w+_tensor|tri[lu]_indices",
        "creation exchange dlpack",
    ),
    "Random numbers": (r"(native_|feature_)?(alpha_)?dropout_?", "random binomial"),
    "Reductions and statistics": (
        r"a?max|a?min|aminmax|sum|nansum|mean|nanmean|n?a?n?median|mode|std\w*|var\w*|prod|all|any|count_nonzero|cum\w+|logcumsumexp|"
        r"logsumexp|norm|quantile|nanquantile|diff|hash_tensor|\w+_norm|norm_except_dim|arg(max|min)|histc|histogram\w*|bincount|dist",
        "reduce statistics fitting norms",
    ),
    "Linear algebra": (
        r"embedding_bag|\w*addm[mv]_?|addb?mm|baddbmm|addr|cholesky\w*|pinverse|slogdet|adjoint|\w*s?mm",
        "linalg factors products lowrank decompose solve lu ldl cholesky orthogonal",
    ),
    "Indexing and sorting": (
        r"where|masked_\w+|cartesian_prod|combinations",
        "indexing sorting locating scattering searching sort scatter_reduce choosing",
    ),
    "Shapes and views": (
        r"\w+_copy|atleast_\dd|unsafe_\w+|block_diag|dsplit|view_as_\w+|resize_as_|detach_?",
        "shaping movement views joining rearranging rearrange broadcasting copies strides resizing",
    ),
    "Spectra": ("", "spectral stft fft"),
    "Layers as functions": (
        r"softmax|log_softmax|(r|pr|se|ce|rse|le)l?u_?|relu_?|threshold_?|hardshrink|embedding\w*|\w+_pool\dd\w*|sigmoid_?",
        "nn_ops nn_conv nn_norm nn_pool nn_pad nn_grid nn_vision activation loss marginloss dropout rnn packed sequences attention "
        "norm conv pool avgpool embedding numbered distance natives bags",
    ),
    "Asking": (
        r"is_\w+|can_cast|promote_types|result_type|numel|typename|get_device|sym_\w+|allclose|equal|resolve_\w+",
        "questions symbolic",
    ),
    "Element by element": (
        r"absolute|arc\w+|clip_?|fix_?|greater\w*|less\w*|multiply|negative_?|not_equal",
        "arithmetic elementwise unary misc gamma complexes special activation comparison conversion sundries",
    ),
}  # fmt: skip
OTHERS = "Settings and others"


def family(name: str, function: Any) -> str:
    """The page of a function of `torch`."""
    for title, (names, _) in FAMILIES.items():
        if names and re.fullmatch(names, name):
            return title
    op = TABLE.get(function.__name__)
    if op is not None and function.__module__ == "rushlight":
        if op.pointwise or op.random or op.view:
            return "Element by element" if op.pointwise else "Random numbers" if op.random else "Shapes and views"
        rules = op.vjp if isinstance(op.vjp, tuple) else (op.vjp,)
        homes = {getattr(rule, "__module__", "") for rule in (*rules, op.infer, op.reference, op.expand)}
        files = {home.rpartition(".")[2] for home in homes if home and home.startswith("rushlight.ops.")}
    else:
        written = getattr(inspect.unwrap(function), "__code__", None)
        files = {(function.__module__ or "").rpartition(".")[2], Path(written.co_filename).stem if written else ""}
    return next((title for title, (_, words) in FAMILIES.items() if files & set(words.split())), OTHERS)


def pages_of_torch() -> dict[str, dict[str, Any]]:
    """By title: the names of the top level."""
    found: dict[str, dict[str, Any]] = {title: {} for title in ("Classes", *FAMILIES, OTHERS)}
    for name in sorted(
        {*vars(rushlight), *vars(importlib.import_module("rushlight.surface"))["ELSEWHERE"]}, key=str.lower
    ):
        value = getattr(rushlight, name)
        if (
            name.startswith("_")
            or inspect.ismodule(value)
            or name in vars(rushlight)["_ROOMS"]
            or not callable(value)
            or name == "Any"
        ):
            continue
        if isinstance(value, type) and name != "Tensor":
            found["Classes"][name] = value
        elif name != "Tensor":
            found[family(name, value)][name] = value
    return {title: names for title, names in found.items() if names}


def names_of(room: str) -> dict[str, Any]:
    """The public functions and classes of a room."""
    module = importlib.import_module(f"rushlight.{room}")
    names = getattr(module, "__all__", None) or [
        n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__
    ]
    found = {name: getattr(module, name) for name in names if not name.startswith("_")}
    return {name: value for name, value in found.items() if isinstance(value, type) or inspect.isroutine(value)}
