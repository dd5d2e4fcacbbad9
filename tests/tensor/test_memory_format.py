"""`memory_format=`: where the elements lie. Strides are PyTorch's, values stay what they were."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")


def picture(t: Any) -> Any:
    return t.arange(120.0).reshape(2, 3, 4, 5)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "to": lambda t: picture(t).to(memory_format=t.channels_last),
    "to, with dtype": lambda t: picture(t).to(t.float64, memory_format=t.channels_last),
    "to, of a permuted one": lambda t: picture(t).permute(0, 2, 1, 3).to(memory_format=t.contiguous_format),
    "to, preserved": lambda t: picture(t).permute(0, 2, 1, 3).to(t.float64),
    "to, one channel": lambda t: t.ones(2, 1, 4, 4).to(memory_format=t.channels_last),
    "to, three dimensions of space": lambda t: t.ones(1, 3, 4, 4, 2).to(memory_format=t.channels_last_3d),
    "double": lambda t: picture(t).permute(0, 2, 1, 3).double(memory_format=t.contiguous_format),
    "bool": lambda t: picture(t).bool(memory_format=t.channels_last),
    "clone": lambda t: picture(t).clone(memory_format=t.channels_last),
    "clone, back": lambda t: picture(t).clone(memory_format=t.channels_last).clone(memory_format=t.contiguous_format),
    "contiguous": lambda t: picture(t).contiguous(memory_format=t.channels_last),
    "contiguous, one channel": lambda t: t.ones(2, 1, 4, 4).contiguous(memory_format=t.channels_last),
    "contiguous, back": lambda t: picture(t).contiguous(memory_format=t.channels_last).contiguous(),
    "computed with": lambda t: picture(t).to(memory_format=t.channels_last) * 2 + 1,
    "zeros_like": lambda t: t.zeros_like(picture(t), memory_format=t.channels_last),
    "zeros_like, preserved": lambda t: t.zeros_like(picture(t).permute(0, 2, 1, 3)),
    "ones_like, of every other": lambda t: t.ones_like(picture(t).permute(0, 2, 1, 3)[:, ::2]),
    "full_like": lambda t: t.full_like(picture(t).mT, 2.0, memory_format=t.contiguous_format),
    "empty": lambda t: t.empty(2, 3, 4, 5, memory_format=t.channels_last).zero_(),
    "resize_": lambda t: picture(t).clone().resize_(3, 4, 2, 5, memory_format=t.channels_last),
    "cpu": lambda t: picture(t).cpu(memory_format=t.channels_last),
}


@pytest.mark.parametrize("what", LAYOUTS)
def test_strides_and_values(what: str) -> None:
    ours, theirs = LAYOUTS[what](rushlight), LAYOUTS[what](torch)
    assert ours.stride() == theirs.stride()
    assert str(ours.dtype) == str(theirs.dtype)
    assert ours.tolist() == theirs.tolist()


def test_same_layout_is_the_same_tensor() -> None:
    x = picture(rushlight)
    assert x.to(memory_format=rushlight.contiguous_format) is x
    assert x.contiguous(memory_format=rushlight.preserve_format) is x
    last = x.to(memory_format=rushlight.channels_last)
    assert last.contiguous(memory_format=rushlight.channels_last) is last
    assert last.to(memory_format=rushlight.channels_last, copy=True) is not last


@pytest.mark.parametrize("shape", [(3, 1, 4, 4), (2, 3, 4, 4), (2, 3), (0, 2, 3, 3)])
def test_is_contiguous(shape: tuple[int, ...]) -> None:
    for name in ("contiguous_format", "channels_last", "channels_last_3d"):
        ours, theirs = rushlight.ones(shape), torch.ones(shape)
        assert ours.is_contiguous(memory_format=getattr(rushlight, name)) == theirs.is_contiguous(
            memory_format=getattr(torch, name)
        )


def test_the_constants() -> None:
    assert repr(rushlight.channels_last) == "torch.channels_last"
    assert isinstance(rushlight.preserve_format, rushlight.memory_format)
    assert pickle.loads(pickle.dumps(rushlight.channels_last)) is rushlight.channels_last


def test_bad_formats() -> None:
    with pytest.raises(
        RuntimeError, match=r"memory_format=torch.channels_last: got shape \[3\]; expected 4 dimensions"
    ):
        rushlight.ones(3).to(memory_format=rushlight.channels_last)
    with pytest.raises(TypeError, match="clone: got memory_format='x'; expected a torch.memory_format"):
        rushlight.ones(3).clone(memory_format="x")
    with pytest.raises(TypeError, match="to: got the keyword 'dtpye'"):
        rushlight.ones(3).to(dtpye=rushlight.float64)


def test_a_model_learns_the_same_in_either_format() -> None:
    losses = []
    for name in ("contiguous_format", "channels_last"):
        rushlight.manual_seed(0)
        model = rushlight.nn.Conv2d(3, 4, 3)
        model = model.to(memory_format=getattr(rushlight, name))
        assert model.weight.is_contiguous(memory_format=getattr(rushlight, name))
        x = rushlight.randn(2, 3, 6, 6).to(memory_format=getattr(rushlight, name))
        optimizer = rushlight.optim.SGD(model.parameters(), 0.1)
        for _ in range(4):
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
