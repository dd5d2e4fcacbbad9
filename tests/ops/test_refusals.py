"""Arguments that PyTorch refuses are refused with a class that its handlers catch, and with a message that says more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")

NUMBERS = (
    "atan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift copysign eq ne lt le gt ge float_power fmax fmin "
    "fmod gcd lcm heaviside hypot igamma isclose ldexp logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum "
    "max min nextafter pow remainder rsub xlogy clamp_min clamp_max take complex matmul"
).split()


def refusal(call: Callable[[], Any]) -> BaseException | None:
    try:
        for result in (lambda r: r if isinstance(r, tuple) else (r,))(call()):
            if isinstance(result, rushlight.Tensor):
                result.tolist()
    except Exception as error:
        return error
    return None


def agree(call: Callable[[Any], Any]) -> None:
    """Both libraries refuse, or neither does; ours is of a class that a handler of theirs catches."""
    theirs, ours = refusal(lambda: call(torch)), refusal(lambda: call(rushlight))
    assert (ours is None) == (theirs is None), (ours, theirs)
    if theirs is not None:
        assert type(theirs).__name__ in {kind.__name__ for kind in type(ours).__mro__}, (ours, theirs)
        assert not str(ours).startswith("zip()") and str(ours)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("where", ["first", "second", "both"])
def test_where_a_number_may_stand_for_a_tensor(name: str, where: str) -> None:
    if name.startswith(("max", "min")) and where == "second" and len(name) == 3:
        return  # a dimension

    def call(library: Any) -> Any:
        x = library.tensor([1, 2, 3])
        arguments = {"first": (2, x), "second": (x, 2), "both": (2, 3)}[where]
        return getattr(library, name)(*arguments)

    agree(call)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "floor_divide"])
def test_arithmetic_takes_numbers_alone(name: str) -> None:
    assert getattr(rushlight, name)(7, 2).item() == getattr(torch, name)(7, 2).item()


def test_a_refused_number_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"maximum: got other of type int; expected a tensor. Fix: torch.tensor\(number\)"
    ):
        rushlight.maximum(rushlight.ones(2), 1)
    with pytest.raises(TypeError, match="pow: got int and int; expected a tensor among the operands"):
        rushlight.pow(2, 3)


BAD = {
    "movedim": lambda t: t.movedim(t.ones(2, 3, 4), (0, 1), (1, 0, 2)),
    "movedim twice": lambda t: t.movedim(t.ones(2, 3, 4), (0, -3), (1, 0)),
    "rot90 one dim": lambda t: t.rot90(t.ones(2, 3), dims=(0,)),
    "rot90 same dim": lambda t: t.rot90(t.ones(2, 3), dims=(1, -1)),
    "rot90 vector": lambda t: t.rot90(t.ones(2)),
    "diag_embed": lambda t: t.diag_embed(t.ones(2, 3), dim1=1, dim2=1),
    "hstack": lambda t: t.hstack(()),
    "vstack": lambda t: t.vstack([]),
    "dstack": lambda t: t.dstack(()),
    "hsplit scalar": lambda t: t.hsplit(t.ones(()), 1),
    "hsplit zero": lambda t: t.hsplit(t.ones(3), 0),
    "hsplit uneven": lambda t: t.hsplit(t.ones(2, 3), 2),
    "hsplit text": lambda t: t.hsplit(t.ones(2, 3), "ab"),
    "vsplit vector": lambda t: t.vsplit(t.ones(3), 0),
    "tensor_split zero": lambda t: t.tensor_split(t.ones(3), 0),
    "narrow start": lambda t: t.narrow(t.ones(3), 0, 4, 0),
    "narrow before": lambda t: t.narrow(t.ones(3), 0, -4, 1),
    "narrow length": lambda t: t.narrow(t.ones(3), 0, 1, 3),
    "narrow vector": lambda t: t.narrow(t.ones(3), 0, t.tensor([1, 2]), 1),
    "narrow bool": lambda t: t.narrow(t.ones(3), 0, t.tensor(True), 1),
    "fliplr": lambda t: t.fliplr(t.ones(3)),
    "flipud": lambda t: t.flipud(t.ones(())),
    "roll": lambda t: t.roll(t.ones(3), ()),
    "repeat negative": lambda t: t.ones(2, 3).repeat(-2, -1),
    "in a list": lambda t: [2] in t.ones(3),
    "full of an object": lambda t: t.full((2,), object()),
    "out of no tensor": lambda t: t.triu(t.ones(2, 2), out=3),
    "dtype of no dtype": lambda t: t.softmax(t.ones(2), 0, dtype=t.strided),
    "number beyond 64 bits": lambda t: t.tensor([1, 2]) // 2**64,
    "list for a tensor": lambda t: t.ne(t.ones(2), []),
    "roll scalar": lambda t: t.roll(t.ones(()), 1, 0),
    "embedding": lambda t: t.nn.functional.embedding(t.tensor([0]), t.ones(())),
    "conv2d": lambda t: t.nn.functional.conv2d(t.ones(1, 1, 4, 3), t.ones(1, 2, 2), padding="same"),
    "max_pool3d": lambda t: t.nn.functional.max_pool3d(t.ones(0, 1, 2, 10), 1),
    "max_pool1d": lambda t: t.nn.functional.max_pool1d(t.ones(0, 10), 1),
    "adaptive_avg_pool2d": lambda t: t.nn.functional.adaptive_avg_pool2d(t.ones(2, 2), (2, 2)),
    "adaptive_max_pool3d": lambda t: t.nn.functional.adaptive_max_pool3d(t.ones(2, 2, 2), 2),
    "amax": lambda t: t.amax(t.ones(5, 0)),
    "amax dim": lambda t: t.amax(t.ones(5, 0), 1),
    "aminmax": lambda t: t.aminmax(t.ones(5, 0)),
    "isclose": lambda t: t.isclose(t.ones(2), t.ones(2), rtol=-1.0),
    "diff order": lambda t: t.diff(t.ones(3), -1),
    "diff scalar": lambda t: t.diff(t.ones(())),
    "arange infinite": lambda t: t.arange(0, float("inf"), 2),
    "arange step": lambda t: t.arange(0, 4, 0.5, dtype=t.int64),
    "cov counts": lambda t: t.cov(t.ones(5), fweights=t.ones(5)),
    "cov negative": lambda t: t.cov(t.ones(2), fweights=t.tensor([1, -1])),
    "cov shape": lambda t: t.cov(t.ones(5), aweights=t.ones(5, 5)),
    "gradient order": lambda t: t.gradient(t.ones(4), edge_order=3),
    "gradient short": lambda t: t.gradient(t.ones(2), edge_order=2),
    "gradient spacing": lambda t: t.gradient(t.ones(3, 3), spacing=[1.0], dim=(0, 1)),
    "gradient twice": lambda t: t.gradient(t.ones(3, 3), dim=(0, 0)),
    "masked_scatter": lambda t: t.masked_scatter(t.ones(3), t.ones(3), t.ones(3)),
    "masked_fill": lambda t: t.masked_fill(t.ones(2), t.tensor([True, False]), 1j),
    "fmod": lambda t: t.fmod(t.tensor([3, 4]), 0),
    "fmod tensor": lambda t: t.fmod(t.tensor([3, 4]), t.tensor([1, 0])),
    "take_along_dim": lambda t: t.take_along_dim(t.ones(2, 3), t.tensor([7])),
    "index_fill": lambda t: t.index_fill(t.ones(3), 0, t.tensor([1]), t.ones(1)),
    "lstsq": lambda t: t.linalg.lstsq(t.ones(()), t.ones(())),
    "to": lambda t: t.ones(2).to(t.float64, layout_=1),
    "batch_norm": lambda t: t.nn.functional.batch_norm(t.ones(1), t.ones(1), t.ones(1), training=True),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_arguments(what: str) -> None:
    agree(BAD[what])


def _overlapping(library: Any, shape: tuple[int, ...]) -> Any:
    return library.zeros(1).expand(*shape)


OUT = {
    "gather dtype": lambda t: t.gather(t.ones(2), 0, t.tensor([0]), out=t.empty(1, dtype=t.float64)),
    "gather overlap": lambda t: t.gather(t.ones(6), 0, t.tensor([0, 1, 2]), out=_overlapping(t, (3,))),
    "index_select overlap": lambda t: t.index_select(t.ones(3), 0, t.tensor([0, 1]), out=_overlapping(t, (2,))),
    "masked_select": lambda t: t.masked_select(t.ones(3), t.tensor([True, True, False]), out=_overlapping(t, (2,))),
    "multinomial": lambda t: t.multinomial(t.ones(2), 1, out=t.empty(1)),
    "complex": lambda t: t.complex(t.ones(2).double(), t.ones(2).double(), out=t.empty(2, dtype=t.complex64)),
    "aminmax": lambda t: t.aminmax(t.ones(3), dim=0, out=(t.empty(()), t.empty(()).double())),
    "add": lambda t: t.add(t.ones(2), 1, out=t.empty(2, dtype=t.int64)),
    "cat": lambda t: t.cat([t.ones(2), t.ones(2)], out=_overlapping(t, (4,))),
}  # fmt: skip


@pytest.mark.parametrize("what", OUT)
def test_out_that_cannot_hold_the_result(what: str) -> None:
    agree(OUT[what])


@pytest.mark.parametrize("name", ["take", "gather", "kthvalue", "cat", "masked_select"])
def test_out_may_not_lie_in_an_input(name: str) -> None:
    def call(library: Any) -> Any:
        x = library.arange(6.0)
        index = library.tensor([0, 1, 2])
        return {
            "take": lambda: library.take(x, index, out=x[:3]),
            "gather": lambda: library.gather(x, 0, index, out=x[2:5]),
            "kthvalue": lambda: library.kthvalue(x, 2, out=(x[:1].squeeze(), library.empty((), dtype=library.int64))),
            "cat": lambda: library.cat([x[:2], x[2:4]], out=x[1:5]),
            "masked_select": lambda: library.masked_select(x, x > 3, out=x[:2]),
        }[name]()

    agree(call)


@pytest.mark.parametrize(
    "name", ["take", "gather", "index_select", "softmax", "where", "std", "nonzero", "linspace", "eye"]
)
def test_out_is_written(name: str) -> None:
    def call(library: Any) -> Any:
        x, index = library.tensor([3.0, 0.0, 2.0]), library.tensor([2, 0])
        whole = library.arange(6.0)
        out = library.empty(0, dtype=library.int64 if name == "nonzero" else library.float32)
        found = {
            "take": lambda: library.take(whole, index, out=out),
            "gather": lambda: library.gather(x, 0, index, out=out),
            "index_select": lambda: library.index_select(x, 0, index, out=out),
            "softmax": lambda: (
                library.softmax(x, 0, out=out) if library is rushlight else library.softmax(x, 0, dtype=None, out=out)
            ),
            "where": lambda: library.where(x > 1, x, -x, out=out),
            "std": lambda: library.std(x, dim=0, out=out),
            "nonzero": lambda: library.nonzero(x, out=out),
            "linspace": lambda: library.linspace(0, 1, 3, out=out),
            "eye": lambda: library.eye(2, out=out),
        }[name]()
        assert found is out
        return out

    ours, theirs = call(rushlight), call(torch)
    assert ours.shape == theirs.shape
    assert ours.flatten().tolist() == pytest.approx(theirs.flatten().tolist())


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_masked_select_takes_a_mask_of_bools(dtype):
    agree(lambda t: t.ones(2).masked_select(t.tensor([1, 0], dtype=getattr(t, dtype))))
