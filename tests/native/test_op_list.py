"""Which ops of the table have native code, and which run their NumPy reference: a list that cannot grow unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight
from rushlight import config
from rushlight.backend.llvm import calls, lower
from rushlight.backend.llvm.random import fill_for
from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import POSITIONAL, REDUCTIONS
from rushlight.ir.meta import meta
from rushlight.ir.op import REQUIRED, TABLE, Op
from rushlight.lazy.record import record
from rushlight.lazy.step import flush

_LINALG = "LAPACK does it"
_EUCLID = "Euclid's algorithm is a loop as long as its values want"
_RARE = "rare, and its time does not matter"

# Ops without native code, and why.
NUMPY = {
    "hash_tensor": _RARE,
    "median_all_op": "NumPy finds the middle of many elements without sorting them",
    **dict.fromkeys(
        (
            "cholesky_op", "cholesky_ex_op", "cofactor_op", "det_op", "eig_op", "eigh_op", "eigvalsh_op", "geqrf_op",
            "inverse_op", "matrix_exp_op", "matrix_rank_op", "pinv_op", "qr_op", "slogdet_op", "solve_op", "solve_ex_op", "svd_op",
            "svdvals_op", "triangular_op",
        ),
        _LINALG,
    ),
    **dict.fromkeys(("lu_factor_op", "lu_order_op", "ldl_factor_op", "ldl_solve_op"), "which rows are exchanged depends on values"),
    **dict.fromkeys(("_standard_gamma_grad", "_dirichlet_grad"), "quadrature, or a series, as the value asks for"),
    "gcd": _EUCLID,
    "lcm": _EUCLID,
    **dict.fromkeys(("fft_c2c_op", "fft_r2c_op", "fft_c2r_op"), "complex numbers have no kind, and NumPy's is a good one"),
    **dict.fromkeys(("igamma", "igammac"), "series and fractions as long as their values want"),
    **{name: "a recurrence as long as the degree" for name in TABLE if "_polynomial_" in name},
    "complex": "complex numbers have no kind in the loop IR",
    "frexp_op": _RARE,
    "histc_op": "a count with limits found first: " + _RARE,
    "ctc_loss_op": "a recursion over lengths that differ within a batch",
    "ctc_loss_backward": "a recursion over lengths that differ within a batch",
    "adaptive_max_pool_op": _RARE,
    "fractional_max_pool_op": _RARE,
}  # fmt: skip
# Random ops whose draws only the reference makes.
DRAWN_BY_NUMPY = {
    **dict.fromkeys(
        (
            "cauchy_fill_op",
            "geometric_fill_op",
            "rrelu_noise_op",
            "standard_gamma_op",
            "sample_dirichlet_op",
            "log_normal_fill_op",
            "poisson_op",
            "binomial_op",
            "multinomial_op",
        ),
        _RARE,
    ),
    "normal_each_op": "a mean and a deviation for every element: " + _RARE,
}
# Ops with native code for all of their samples but these.
PARTLY = {
    "resample_op": "antialiased modes mix as many elements as the image shrinks",
    "embedding_bag_op": "maxima of bags",
    "scaled_dot_product_attention_op": "batches of different sizes",
    "sort_op": "a tensor without dimensions",
}


def how(op: Op) -> str:
    """How an op runs natively."""
    if op.view:
        return "view"
    if op.name in lower.LEADERS:
        return "kernel"
    if op.name in POSITIONAL:
        return "position"
    if op.name in REDUCTIONS:
        return "reduction"
    if op.lower is not None:
        return "element"
    if op.expand is not None:
        return "composition"
    if op.random:
        return "sampler" if any(map(_sampled, [op] * 2, ("float32", "int64"))) else "numpy draws"
    return "numpy"


def _sampled(op: Op, dtype: str) -> bool:
    """Whether a native sampler fills the op's result."""
    graph = Graph(metas=[meta((4,), getattr(rushlight, dtype))])
    known: dict[str, Any] = {"low": 0, "high": 9, "n": 4, "p": 0.5}
    static = {p.name: None if p.default is REQUIRED else p.default for p in op.params if not p.is_slot}
    static.update((name, value) for name, value in known.items() if name in static)
    return fill_for(graph, Node(op, (), static, (0,))) is not None


OPS = {name: op for name, op in TABLE.items() if not op.inplace}


def test_ops_without_native_code_are_listed() -> None:
    assert {name for name, op in OPS.items() if how(op) == "numpy"} == set(NUMPY)
    assert {name for name, op in OPS.items() if how(op) == "numpy draws"} == set(DRAWN_BY_NUMPY)


def arguments(op: Op, sample: tuple) -> tuple[tuple, tuple]:
    """The operands as tensors, floats in single precision, and the static arguments."""
    given = {p.name: p.default for p in op.params}
    given.update(zip((p.name for p in op.params), sample[0], strict=False))
    given.update(sample[1])

    def made(value: Any) -> Any:
        if isinstance(value, list):
            return [made(v) for v in value]
        if isinstance(value, np.ndarray):
            return rushlight.tensor(value.astype(np.float32) if value.dtype == np.float64 else value)
        return value

    return tuple(made(given[p.name]) for p in op.slots), tuple(given[n] for n in op.statics)


def test_what_has_native_code_runs_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every op's own samples, compiled at once: no reference runs but those of the list."""
    flush()  # what other tests have left pending is none of this one's
    found: set[str] = set()

    class Noting(calls.Call):
        def __init__(self, graph: Any, layout: Any, node: Any) -> None:
            found.add(node.op.name)
            super().__init__(graph, layout, node)

    monkeypatch.setattr(config, "reference_runs", 0)
    monkeypatch.setattr(lower.calls, "Call", Noting)
    for name, op in OPS.items():
        if op.samples is None or op.random or op.view or name in NUMPY:
            continue
        for sample in op.samples():
            results = record(op, *arguments(op, sample))
            for t in results if isinstance(results, tuple) else (results,):
                t._compute_array()
    assert found == set(PARTLY)
