"""Type promotion: every pair of dtypes, with dimensions, 0-d, and as Python numbers, as PyTorch promotes them."""

from __future__ import annotations

import itertools

import pytest

import rushlight

torch = pytest.importorskip("torch")

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
    "uint16", "uint64", "complex32",
)  # fmt: skip
OPS = {
    "add": lambda t, a, b: a + b, "mul": lambda t, a, b: a * b, "div": lambda t, a, b: a / b, "pow": lambda t, a, b: a**b,
    "eq": lambda t, a, b: a == b, "where": lambda t, a, b: t.where(t.tensor([True, False]), a, b),
    "cat": lambda t, a, b: t.cat([t.atleast_1d(a), t.atleast_1d(b)]), "maximum": lambda t, a, b: t.maximum(a, b),
    "sub": lambda t, a, b: a - b, "floor_divide": lambda t, a, b: a // b, "stack": lambda t, a, b: t.stack([a, b]),
}  # fmt: skip


def outcome(library, op, a, b) -> tuple:
    """(dtype, shape), or the class of what was raised."""
    try:
        found = op(library, a, b)
    except (TypeError, RuntimeError, ValueError, IndexError) as error:
        return (type(error), str(error))
    return str(found.dtype), tuple(found.shape)


def agree(mine: tuple, theirs: tuple, what: str) -> None:
    if isinstance(theirs[0], type):
        if "not implemented for" in theirs[1]:
            return
        assert isinstance(mine[0], type) and issubclass(mine[0], theirs[0]), f"{what}: {mine}, PyTorch {theirs}"
    else:
        assert mine == theirs, f"{what}: {mine}, PyTorch {theirs}"


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,)), ((), ())], ids=str)
def test_pairs_of_tensors(name: str, shapes: tuple) -> None:
    for left, right in itertools.product(DTYPES, DTYPES):
        values = [
            tuple(
                library.ones(shape, dtype=getattr(library, kind))
                for shape, kind in zip(shapes, (left, right), strict=True)
            )
            for library in (rushlight, torch)
        ]
        agree(
            outcome(rushlight, OPS[name], *values[0]),
            outcome(torch, OPS[name], *values[1]),
            f"{name}({left}{shapes[0]}, {right}{shapes[1]})",
        )


@pytest.mark.parametrize("name", ["add", "mul", "div", "pow", "eq", "sub", "floor_divide", "where"])
@pytest.mark.parametrize("number", [True, 2, 2.0, 1 + 2j], ids=repr)
def test_python_numbers_yield(name: str, number: object) -> None:
    for kind, shape in itertools.product(DTYPES, [(2,), ()]):
        mine, theirs = (library.ones(shape, dtype=getattr(library, kind)) for library in (rushlight, torch))
        op = OPS[name]
        agree(
            outcome(rushlight, op, mine, number), outcome(torch, op, theirs, number), f"{name}({kind}{shape}, {number})"
        )
        agree(
            outcome(rushlight, op, number, mine), outcome(torch, op, number, theirs), f"{name}({number}, {kind}{shape})"
        )


@pytest.mark.parametrize("kind", DTYPES)
def test_in_place_results_must_fit(kind: str) -> None:
    for number in (True, 2, 2.5, 1j):
        for name in ("add_", "mul_", "div_", "pow_"):
            mine, theirs = (library.ones(2, dtype=getattr(library, kind)) for library in (rushlight, torch))
            a = outcome(rushlight, lambda t, x, y, name=name: getattr(x, name)(y), mine, number)
            b = outcome(torch, lambda t, x, y, name=name: getattr(x, name)(y), theirs, number)
            agree(a, b, f"{kind}.{name}({number})")


def test_result_type_and_can_cast() -> None:
    for left, right in itertools.product(DTYPES, DTYPES):
        a, b = ([getattr(library, k) for k in (left, right)] for library in (rushlight, torch))
        assert rushlight.can_cast(*a) is torch.can_cast(*b)
        results = []
        for library, kinds in ((rushlight, a), (torch, b)):
            try:
                promoted = str(library.promote_types(*kinds))
            except RuntimeError:
                promoted = "RuntimeError"
            tensors = library.ones(2, dtype=kinds[0]), library.ones((), dtype=kinds[1])
            results.append(
                (promoted, outcome(library, lambda t, x, y: t.ones(1, dtype=t.result_type(x, y)), *tensors)[0])
            )
        assert results[0] == results[1], (left, right)


def test_default_dtype_decides_for_integers(clean_modes) -> None:
    rushlight.set_default_dtype(rushlight.float64)
    assert (rushlight.ones(2, dtype=rushlight.int32) / 2).dtype is rushlight.float64
    assert (rushlight.arange(2) * 1.5).dtype is rushlight.float64
    rushlight.set_default_dtype(rushlight.float32)
    assert (rushlight.ones(2, dtype=rushlight.int32) / 2).dtype is rushlight.float32
    assert rushlight.arange(2).exp().dtype is rushlight.float32


def test_python_numbers_keep_their_precision() -> None:
    x = rushlight.tensor([1.0], dtype=rushlight.float32)
    assert (x * 16777217).item() == (torch.tensor([1.0]) * 16777217).item()
    assert (rushlight.tensor([2**53 + 1]) + 1).item() == 2**53 + 2
    half = rushlight.tensor([1.0], dtype=rushlight.float16) + 1e-4
    assert half.item() == (torch.tensor([1.0], dtype=torch.float16) + 1e-4).item()
