"""What `debug` adds to the error about a second run that differs, and the switches around it."""

from __future__ import annotations

import pytest

import rushlight as rl
from rushlight.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)


def unsteady(calls: list) -> object:
    """A function that does something else the second time."""

    def function(x: rl.Tensor) -> rl.Tensor:
        calls.append(1)
        return x.sin().exp() if len(calls) == 1 else x.cos().sum()

    return function


def failure(**options: bool) -> str:
    x = rl.ones(3, requires_grad=True)
    y = checkpoint(unsteady([]), x, use_reentrant=False, **options)
    with pytest.raises(CheckpointError) as caught:
        y.sum().backward()
    return str(caught.value)


LISTS = "Recorded first: ExpBackward0, SinBackward0. Then: SumBackward0, CosBackward0."


def test_debug_lists_both_runs() -> None:
    assert LISTS in failure(debug=True) and "Recorded" not in failure()
    with set_checkpoint_debug_enabled(True):
        assert LISTS in failure()
        with set_checkpoint_debug_enabled(None):
            assert "Recorded" not in failure()
        with set_checkpoint_debug_enabled(False):
            assert "Recorded" not in failure(debug=True)
    assert "Recorded" not in failure()


def test_early_stop_changes_no_gradient() -> None:
    found = []
    for enable in (True, False):
        x = rl.tensor([0.5, 2.0], requires_grad=True)
        with set_checkpoint_early_stop(enable):
            checkpoint(lambda t: (t.sin() * t).sum(), x, use_reentrant=False).backward()
        found.append(x.grad.tolist())
    assert (
        found[0]
        == found[1]
        == pytest.approx((rl.tensor([0.5, 2.0]).cos() * rl.tensor([0.5, 2.0]) + rl.tensor([0.5, 2.0]).sin()).tolist())
    )
