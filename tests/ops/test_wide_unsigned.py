"""uint16, uint32 and uint64: made, converted, compared, computed with, printed and saved as PyTorch does."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest

import rushlight
from rushlight import config

torch = pytest.importorskip("torch")

KINDS = ("uint16", "uint32", "uint64")
OTHERS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", *KINDS)


def both(make) -> list:
    return [make(rushlight), make(torch)]


def same(make, **tolerance) -> None:
    """One result, of the same dtype and with the same values."""
    mine, theirs = both(make)
    assert str(mine.dtype) == str(theirs.dtype)
    np.testing.assert_array_equal(np.array(mine.tolist()), np.array(theirs.tolist()), **tolerance)


def top(kind: str) -> int:
    return rushlight.iinfo(getattr(rushlight, kind)).max


@pytest.mark.parametrize("reference_runs", [0, 10**9], ids=["native", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_conversions(monkeypatch: pytest.MonkeyPatch, reference_runs: int, kind: str) -> None:
    monkeypatch.setattr(config, "reference_runs", reference_runs)
    for other in OTHERS:
        same(lambda t, o=other: t.tensor([0, 1, 7, 100], dtype=getattr(t, kind)).to(getattr(t, o)))
        same(lambda t, o=other: t.tensor([0, 1, 7, 100]).to(getattr(t, o)).to(getattr(t, kind)))
        if not other.startswith(("float", "bfloat")):  # the largest numbers wrap, or become floats
            same(lambda t, o=other: t.tensor([top(kind), top(kind) - 5], dtype=getattr(t, kind)).to(getattr(t, o)))
    same(lambda t: t.tensor([top(kind)], dtype=getattr(t, kind)).double())
    same(lambda t: t.tensor([-1, -7, 2**40]).to(getattr(t, kind)))
    same(lambda t: t.tensor([-1.0, 3.7]).to(getattr(t, kind)))


def test_the_largest_floats_that_fit_convert() -> None:
    same(lambda t: t.tensor([1e19, 2.0**63, 2.0**62], dtype=t.float64).to(t.uint64))


@pytest.mark.parametrize("reference_runs", [0, 10**9], ids=["native", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_pointwise(monkeypatch: pytest.MonkeyPatch, reference_runs: int, kind: str) -> None:
    monkeypatch.setattr(config, "reference_runs", reference_runs)
    ops = {
        "mul": lambda t, a, b: a * b, "and": lambda t, a, b: a & b, "or": lambda t, a, b: a | b, "xor": lambda t, a, b: a ^ b,
        "div": lambda t, a, b: a / (b + 0.5), "eq": lambda t, a, b: a == b, "ne": lambda t, a, b: a != 3,
        "float": lambda t, a, b: a * 1.5, "exp": lambda t, a, b: t.exp(-(b * 1.0)), "where": lambda t, a, b: t.where(a == b, a, b),
        "sum": lambda t, a, b: (a * b).sum(), "prod": lambda t, a, b: b.prod(), "any": lambda t, a, b: a.any(),
        "cat": lambda t, a, b: t.cat([a, b]), "sort": lambda t, a, b: a.sort()[0], "index": lambda t, a, b: a[1:][[0, 2]],
    }  # fmt: skip
    for name, op in ops.items():

        def make(t, op=op):
            a, b = (t.tensor(v, dtype=getattr(t, kind)) for v in ([top(kind), 3, 2, 9], [2, 3, 1, 4]))
            return op(t, a, b)

        mine, theirs = both(make)
        assert str(mine.dtype) == str(theirs.dtype), name
        np.testing.assert_allclose(np.array(mine.tolist()), np.array(theirs.tolist()), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("reference_runs", [0, 10**9], ids=["native", "reference"])
def test_what_pytorch_leaves_out_counts_without_a_sign(monkeypatch: pytest.MonkeyPatch, reference_runs: int) -> None:
    monkeypatch.setattr(config, "reference_runs", reference_runs)
    for kind in KINDS:
        a, b = ([top(kind), 3, 2**15, 9], [2, 3, 1, 4])
        x, y = (rushlight.tensor(v, dtype=getattr(rushlight, kind)) for v in (a, b))
        u, v = (np.array(v, kind) for v in (a, b))
        found = (
            x + y,
            y - x,
            x // y,
            x % y,
            x < y,
            x >= y,
            rushlight.maximum(x, y),
            x.amax(),
            ~x,
            x >> 1,
            -y,
            x.clamp(max=9),
        )
        with np.errstate(over="ignore"):
            wanted = (
                u + v,
                v - u,
                u // v,
                u % v,
                u < v,
                u >= v,
                np.maximum(u, v),
                u.max(),
                ~u,
                u >> 1,
                -v,
                np.minimum(u, 9),
            )
        for left, right in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(left.numpy(), right)
            assert left.numpy().dtype == right.dtype


def test_they_meet_floats_and_themselves_alone() -> None:
    for kind, other in itertools.product(KINDS, OTHERS):
        if kind == other or "float" in other:
            same(lambda t, k=kind, o=other: t.ones(2, dtype=getattr(t, k)) * t.ones(2, dtype=getattr(t, o)))
        else:
            for t in (rushlight, torch):
                with pytest.raises(RuntimeError, match="Promotion for uint16"):
                    t.ones(2, dtype=getattr(t, kind)) * t.ones(2, dtype=getattr(t, other))
    same(lambda t: t.tensor([5], dtype=t.uint16) * 2)
    same(lambda t: t.tensor([5], dtype=t.uint16) * t.tensor(2))


def test_data_and_numbers() -> None:
    big = rushlight.tensor([2**64 - 1], dtype=rushlight.uint64)
    assert big.item() == 2**64 - 1 and big.tolist() == [2**64 - 1] and int(big) == 2**64 - 1 and bool(big == 2**64 - 1)
    assert rushlight.full((2,), 2**64 - 1, dtype=rushlight.uint64).tolist() == [2**64 - 1] * 2
    assert rushlight.tensor([-1], dtype=rushlight.uint16).item() == 65535  # as PyTorch has it
    for data, kind in (([70000], "uint16"), ([-70000], "uint16"), ([300], "uint8"), ([2**32], "uint32")):
        for t in (rushlight, torch):
            with pytest.raises(RuntimeError, match="without overflow"):
                t.tensor(data, dtype=getattr(t, kind))
    mixed = [2**64 - 1, 3]
    assert (
        rushlight.tensor(mixed, dtype=rushlight.uint64).tolist()
        == torch.tensor(mixed, dtype=torch.uint64).tolist()
        == mixed
    )
    for data in (2**63, [2**63], [1, 2**63]):
        for t in (rushlight, torch):
            with pytest.raises(ValueError, match="verflow when unpacking long"):
                t.tensor(data)


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_printing_and_limits(kind: str) -> None:
    array = np.array([[1, 2], [3, np.iinfo(kind).max]], kind)
    mine, theirs = both(lambda t: t.from_numpy(array.copy()))
    assert repr(mine) == repr(theirs) and mine.type() == theirs.type()
    np.testing.assert_array_equal(mine.numpy(), array)
    assert repr(rushlight.iinfo(getattr(rushlight, kind))) == repr(torch.iinfo(getattr(torch, kind)))
    assert not mine.dtype.is_signed and mine.dtype.itemsize == array.itemsize
    assert mine.view(getattr(rushlight, kind[1:])).tolist() == theirs.view(getattr(torch, kind[1:])).tolist()
    mine.numpy()[0, 0] = 9  # the memory is shared
    assert mine[0, 0].item() == 9


def test_files_travel_both_ways(tmp_path) -> None:
    for kind, (writer, reader) in itertools.product((*KINDS, "complex32"), ((rushlight, torch), (torch, rushlight))):
        file = io.BytesIO()
        writer.save({"x": writer.tensor([[1, 2, 3]]).to(getattr(writer, kind))}, file)
        file.seek(0)
        found = reader.load(file, weights_only=True)["x"]
        assert str(found.dtype) == f"torch.{kind}" and found.tolist() == [[1, 2, 3]]
    x = rushlight.tensor([1, 65535], dtype=rushlight.uint16)
    rushlight.save({"x": x}, tmp_path / "x.safetensors")
    assert rushlight.load(tmp_path / "x.safetensors")["x"].tolist() == [1, 65535]


@pytest.mark.parametrize("reference_runs", [0, 10**9], ids=["native", "reference"])
def test_random_integers(monkeypatch: pytest.MonkeyPatch, reference_runs: int) -> None:
    monkeypatch.setattr(config, "reference_runs", reference_runs)
    for kind in KINDS:
        values = []
        for t in (rushlight, torch):
            t.manual_seed(3)
            values.append(t.randint(0, 1000, (50,), dtype=getattr(t, kind)).tolist())
        assert values[0] == values[1]
        everything = rushlight.zeros(50, dtype=getattr(rushlight, kind)).random_()
        assert everything.amax() > top(kind) // 2 and len(set(everything.tolist())) > 45


# --- complex32 ----------------------------------------------------------------------------------------------------


def test_half_complex_numbers() -> None:
    def described(t) -> list:
        z = t.tensor([[1.5 + 2j, 3 - 1j], [2j, 1]]).chalf()
        half = t.tensor([1.0, 2.0], dtype=t.half)
        made = [repr(x) for x in (
            z, z * 2, z.real, z.imag, t.view_as_real(z), z.T.imag, z.conj(), z == z, z.abs(), z.cfloat(), t.complex(half, half),
            t.view_as_complex(t.ones(3, 2, dtype=t.half)), half * 1j, z[0], t.stack([z, z]), t.zeros(2, dtype=t.chalf),
            z.view(t.int32), t.tensor(1 / 3 + 7e4j).to(t.complex32),
        )]  # fmt: skip
        z.real.mul_(2)  # parts and pairs are views
        t.view_as_real(z)[0, 0, 1] = 9
        x = t.tensor([1.0, 2.0], requires_grad=True)
        x.chalf().backward(t.tensor([1 + 1j, 2j], dtype=t.chalf))
        return [*made, repr(z), z.tolist(), z[0, 0].item(), z.type(), x.grad.tolist(), z.dtype.itemsize]

    mine, theirs = both(described)
    assert mine == theirs
    with pytest.raises(TypeError, match="ComplexHalf.*cfloat"):
        rushlight.zeros(2, dtype=rushlight.complex32).numpy()
    samples = []
    for t in (rushlight, torch):
        t.manual_seed(1)
        samples.append(t.randn(20, dtype=t.complex32).tolist())
    np.testing.assert_allclose(samples[0], samples[1], atol=2e-3)


def test_hash_tensor() -> None:
    for data, dim in itertools.product(
        (torch.arange(6).reshape(2, 3), torch.tensor([[1.5, -2.0]]).bfloat16(), torch.tensor([True])), (None, 0)
    ):
        ours = rushlight.tensor(data.float().numpy()).to(getattr(rushlight, str(data.dtype)[6:]))
        given = () if dim is None else (dim,)
        assert rushlight.hash_tensor(ours, *given).tolist() == torch.hash_tensor(data, *given).tolist()
    assert rushlight.hash_tensor(rushlight.arange(6).reshape(2, 3), (0, 1), keepdim=True).shape == (1, 1)
    with pytest.raises(RuntimeError, match="mode=1"):
        rushlight.hash_tensor(rushlight.ones(2), mode=1)
    with pytest.raises(RuntimeError, match="something to hash"):
        rushlight.hash_tensor(rushlight.ones(0))
