"""What `lower` says of one element, run by NumPy, against the op's reference: samples, edge values, all real dtypes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scalar_numpy import KINDS, Fault, evaluate

import rushlight  # noqa: F401  fills the table
from rushlight.backend.numpy.half import convert, to_storage
from rushlight.dtype import BY_NAME, from_numpy
from rushlight.ir import scalar as L
from rushlight.ir.meta import WEAK, Meta, meta
from rushlight.ir.op import TABLE, Op

LOWERED = sorted(name for name, op in TABLE.items() if op.lower is not None and not op.inplace)
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")

# Pointwise ops that only the reference runs, and why.
REFERENCE_ONLY = {
    "complex": "complex numbers have no kind",
    "gcd": "Euclid's algorithm is a loop",
    "lcm": "Euclid's algorithm is a loop",
    **dict.fromkeys(("igamma", "igammac"), "series and fractions as long as their values want"),
    **{name: "a recurrence as long as the degree" for name in TABLE if "_polynomial_" in name},
}
# Dtypes for which a `lower` returns None, and why.
REFERENCE_KINDS = {
    ("fixed_power_op", "int64 int32 uint8 bool"): "integers have no root or reciprocal; the first sample is one",
    ("hypot", "int64 int32 uint8 bool"): "the reference rounds in a float as wide as the integer",
    ("pow", "int64 int32 uint8"): "an exponent that is not written needs a loop",
    ("round", "bool"): "the reference rounds in float16",
    ("running_average_op", "int64 int32 uint8 bool"): "running statistics are floats",
}
# Relative error allowed, by the dtype of the result: a few units in the last place, of either side.
TOLERANCE = {"float32": 1e-6, "float64": 2e-14}

FLOAT_EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.0, 30.0, -40.0, 1e-6, 1e30, np.inf, -np.inf, np.nan])
EDGES = {
    "int64": [0, 1, -1, 2, -3, 7, 40, 70, 2**62, 2**63 - 1, -(2**63)],
    "int32": [0, 1, -1, 2, -3, 7, 40, 2**31 - 1, -(2**31)],
    "uint8": [0, 1, 2, 3, 7, 9, 200, 255],
    "bool": [False, True],
}


def bound(op: Op, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Every parameter of the op with the sample's value or its default."""
    given = dict(zip((p.name for p in op.params), args, strict=False))
    return {p.name: given.get(p.name, kwargs.get(p.name, p.default)) for p in op.params}


def in_dtype(value: Any, dtype: str) -> Any:
    """A float64 sample array with values that the dtype can take; masks and numbers stay what they are."""
    if not isinstance(value, np.ndarray) or value.dtype != np.float64:
        return value
    if dtype == "bool":
        return np.asarray(value > 0)
    if dtype.startswith("float"):
        return value.astype(dtype)
    return np.asarray(np.rint(np.abs(value) * 3 if dtype == "uint8" else value * 3)).astype(dtype)


def at_edges(arguments: dict[str, Any], dtype: str, positive: bool) -> dict[str, Any]:
    """The sample with its arrays replaced by all combinations of edge values; `positive`: no integer divisor of 0."""
    edges = np.asarray(EDGES[dtype], BY_NAME[dtype].storage) if dtype in EDGES else FLOAT_EDGES.astype(dtype)
    names = [k for k, v in arguments.items() if isinstance(v, np.ndarray) and v.ndim]
    found = dict(arguments)
    for axis, name in enumerate(names):
        values = edges[edges != 0] if positive else edges
        if arguments[name].dtype == bool and dtype != "bool":
            values = np.array([False, True])
        found[name] = values.reshape(values.shape + (1,) * (len(names) - 1 - axis))
    return found


# Ops that refuse most values: only their samples are compared.
NARROW = ("class_index_part", "binary_cross_entropy_part")


def cases(op: Op, dtype: str) -> Iterator[dict[str, Any]]:
    """Arguments by name: the samples, then edge values with each set of numbers and static arguments that the samples have."""
    samples = [{k: in_dtype(v, dtype) for k, v in bound(op, *sample).items()} for sample in op.samples()]
    yield from samples
    seen: list[str] = []
    for arguments in samples:
        static = tuple(v for v in arguments.values() if not isinstance(v, np.ndarray))
        if (
            op.pointwise
            and op.name not in NARROW
            and repr(static) not in seen
            and any(isinstance(v, np.ndarray) and v.ndim for v in arguments.values())
        ):
            seen.append(repr(static))
            yield at_edges(arguments, dtype, positive=False)
            yield at_edges(arguments, dtype, positive=True)


def meta_of(value: Any) -> Meta | None:
    if value is None:
        return None
    return meta(value.shape, from_numpy(value.dtype)) if isinstance(value, np.ndarray) else WEAK[type(value)]


def lowered(op: Op, slots: list[Any], arrays: list[Any], static: dict[str, Any], written: bool) -> Any:
    """The Expr of these operands and the values of its leaves; `written`: Python numbers are constants."""
    leaves: dict[str, np.ndarray] = {}
    operands: list[Any] = []
    for k, (value, array) in enumerate(zip(slots, arrays, strict=True)):
        if value is None:
            operands.append(None)
            continue
        kind = KINDS[array.dtype]
        if written and not isinstance(value, np.ndarray):
            operands.append(L.const(array.item(), kind))
        else:
            operands.append(L.Expr("leaf", kind, (), f"x{k}"))
            leaves[f"x{k}"] = array
    return op.lower(*operands, **static), leaves


def check(op: Op, arguments: dict[str, Any], dtype: str, written: bool) -> bool:
    """Compare one call; False where the op refuses the operands or the reference alone runs it."""
    slots = [arguments[p.name] for p in op.slots]
    static = {name: arguments[name] for name in op.statics}
    metas = [meta_of(v) for v in slots]
    try:
        result = op.infer(*metas, **static)
    except (RuntimeError, NotImplementedError):
        return False
    kind = op.promote(*metas, **static) if op.promote is not None else None
    with np.errstate(all="ignore"):
        arrays = [
            v if v is None else np.asarray(v) if kind is None else convert(np.asarray(v), kind.storage) for v in slots
        ]
        try:
            expected = to_storage(op.reference(*arrays, **static), result.dtype)
        except RuntimeError:  # a value that the reference refuses
            expected = None
        except TypeError:  # a dtype that NumPy refuses
            assert lowered(op, slots, arrays, static, written)[0] is None
            return False
    expr, leaves = lowered(op, slots, arrays, static, written)
    if expr is None:
        return False
    if expected is None:
        with pytest.raises(Fault):
            evaluate(expr, leaves)
        return True
    found = to_storage(np.broadcast_to(evaluate(expr, leaves), expected.shape), result.dtype)
    what = f"{op.name} {dtype} {arguments}"
    if expected.dtype.kind != "f":
        assert np.array_equal(found, expected), f"{what}:\n{found}\nreference:\n{expected}"
    else:
        tolerance = TOLERANCE[str(expected.dtype)]
        close = np.isclose(found, expected, rtol=tolerance, atol=tolerance / 10, equal_nan=True)
        assert close.all(), f"{what}:\n{found[~close]}\nreference:\n{expected[~close]}"
    return True


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOWERED)
def test_lower_agrees_with_reference(name: str, dtype: str) -> None:
    op = TABLE[name]
    ran = [check(op, arguments, dtype, written) for arguments in cases(op, dtype) for written in (False, True)]
    if not any(ran):
        pytest.skip("the op refuses this dtype, or the reference alone runs it")


def test_every_pointwise_op_says_its_element() -> None:
    missing = {name for name, op in TABLE.items() if op.pointwise and op.lower is None and not op.inplace}
    assert missing == set(REFERENCE_ONLY)


def test_kinds_without_a_formula_are_listed() -> None:
    listed = {(name, dtype) for name, kinds in REFERENCE_KINDS for dtype in kinds.split()}
    found = set()
    for name, dtype in itertools.product(LOWERED, DTYPES):
        op = TABLE[name]
        arguments = next(cases(op, dtype))
        slots = [arguments[p.name] for p in op.slots]
        static = {k: arguments[k] for k in op.statics}
        metas = [meta_of(v) for v in slots]
        try:
            op.infer(*metas, **static)
        except (RuntimeError, NotImplementedError):
            continue
        kind = op.promote(*metas, **static) if op.promote is not None else None
        arrays = [v if v is None else np.asarray(v, kind and kind.storage) for v in slots]
        if lowered(op, slots, arrays, static, written=False)[0] is None:
            found.add((name, dtype))
    assert found == listed


def leaf(name: str, kind: str) -> L.Expr:
    return L.Expr("leaf", kind, (), name)


def kinds_of(expr: L.Expr) -> set[str]:
    return {expr.kind}.union(*map(kinds_of, expr.args))


def test_expressions_print_shared_parts_once() -> None:
    x = leaf("x", "f32")
    e = L.exp(x)
    assert repr(e + e * e) == "%0 = exp(leaf('x')); add(%0, mul(%0, %0))"
    assert len(repr(TABLE["i0"].lower(x))) < 20_000


def test_choices_between_kinds_are_made_in_the_kind_of_the_result() -> None:
    condition, x, number = leaf("c", "b1"), leaf("x", "f32"), leaf("n", "f64")
    chosen = L.cast(TABLE["where"].lower(condition, x, number), "f32")
    assert chosen.args[1] is x and chosen.args[2].op == "cast" and chosen.args[2].args[0] is number
    assert kinds_of(L.cast(TABLE["where"].lower(condition, x, L.const(0, "i64")), "f32")) == {"b1", "f32"}
    assert kinds_of(L.cast(TABLE["where"].lower(condition, leaf("x", "i32"), L.const(0.5, "f64")), "f32")) == {
        "b1", "f32", "f64", "i32",
    }  # fmt: skip


def test_casts_there_and_back_are_no_casts_where_nothing_is_lost() -> None:
    for kind, wide, same in (
        ("f32", "f64", True), ("i32", "i64", True), ("u8", "i16", True), ("b1", "f32", True), ("i64", "f64", False),
        ("f64", "f32", False), ("i8", "u16", False), ("f32", "i64", False), ("i32", "f32", False),
    ):  # fmt: skip
        x = leaf("x", kind)
        assert (L.cast(L.cast(x, wide), kind) is x) == same, (kind, wide)


@pytest.mark.parametrize("kind", ["i64", "i32", "u8"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, 13])
def test_integer_powers_with_a_written_exponent(kind: str, exponent: int) -> None:
    base = np.arange(5).astype(KINDS_TO_STORAGE[kind])
    found = evaluate(TABLE["pow"].lower(leaf("a", kind), L.const(exponent, kind)), {"a": base})
    assert np.array_equal(np.broadcast_to(found, base.shape), base**exponent)


KINDS_TO_STORAGE = {kind: storage for storage, kind in KINDS.items()}


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0, -1.0, -2.0, 0.0, 2.5])
def test_float_powers_with_a_written_exponent(exponent: float) -> None:
    base = FLOAT_EDGES
    with np.errstate(all="ignore"):
        expected = base**exponent
    found = evaluate(TABLE["pow"].lower(leaf("a", "f64"), L.const(exponent, "f64")), {"a": base})
    assert np.allclose(found, expected, rtol=1e-15, equal_nan=True)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_signs_of_zeros(kind: str) -> None:
    a = np.array([0.0, -0.0, 0.3, -0.3, 2.0, -2.0], KINDS_TO_STORAGE[kind])
    for name in (
        "neg",
        "abs",
        "floor",
        "ceil",
        "trunc",
        "round",
        "sqrt",
        "frac",
        "copysign",
        "remainder",
        "fmod",
        "nextafter",
    ):
        op = TABLE[name]
        arrays = [a] if len(op.slots) == 1 else [a[:, None], a[None, 2:]]
        static = {"decimals": 0} if name == "round" else {}
        found = evaluate(op.lower(*(leaf(f"x{k}", kind) for k in range(len(arrays))), **static), {
            f"x{k}": v for k, v in enumerate(arrays)
        })  # fmt: skip
        with np.errstate(all="ignore"):
            expected = op.reference(*arrays, **static)
        real = ~np.isnan(expected)
        assert np.array_equal(np.signbit(found)[real], np.signbit(expected)[real]), name
