"""torch._foreach_*, against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

torch = pytest.importorskip("torch")

CALLS = [
    ("add", (2.5,), {}), ("add", ("other",), {"alpha": 3}), ("sub", ("other",), {}), ("mul", ([2.0, 3.0],), {}), ("div", ("other",), {}),
    ("neg", (), {}), ("sqrt", (), {}), ("exp", (), {}), ("pow", (2,), {}), ("reciprocal", (), {}), ("lerp", ("other", 0.25), {}),
    ("addcmul", ("other", "other", 2.0), {}), ("addcdiv", ("other", "other"), {"value": -1.0}), ("addcmul", ("other", "other", [1.0, 2.0]), {}),
    ("maximum", (1.5,), {}), ("minimum", ("other",), {}), ("clamp_min", (2.0,), {}), ("abs", (), {}), ("sign", (), {}),
]  # fmt: skip


@pytest.mark.parametrize("call", range(len(CALLS)))
def test_results_and_writes(call):
    name, args, kwargs = CALLS[call]
    found = []
    for m in (rushlight, torch):
        tensors = [m.tensor([[1.0, 4.0]]), m.tensor([2.0, 0.5, 3.0])]
        other = [m.tensor([[3.0, 2.0]]), m.tensor([1.0, 5.0, 2.0])]
        given = [other if a == "other" else a for a in args]
        results = getattr(m, f"_foreach_{name}")(tensors, *given, **kwargs)
        written = getattr(m, f"_foreach_{name}_")(tensors, *given, **kwargs)
        assert [w is t for w, t in zip(written, tensors)] == [True, True]
        found.append([r.flatten().tolist() for r in [*results, *tensors]])
    for ours, theirs in zip(*found):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_copies_norms_and_mistakes():
    a, b = [rushlight.tensor([3.0, 4.0]), rushlight.ones(1)], [rushlight.zeros(2), rushlight.ones(1) * 7]
    assert [n.item() for n in rushlight._foreach_norm(a)] == [5, 1]
    rushlight._foreach_copy_(a, b)
    rushlight._foreach_zero_(b)
    assert a[1].tolist() == [7] and b[1].tolist() == [0]
    with pytest.raises(RuntimeError, match=r"_foreach_add: .*\[2, 1\]"):
        rushlight._foreach_add(a, b[:1])
    with pytest.raises(AttributeError, match="_foreach_nosuch_"):
        rushlight._foreach_nosuch_()
