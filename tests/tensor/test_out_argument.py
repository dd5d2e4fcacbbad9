"""`out=` of functions whose results come in several forms."""

from __future__ import annotations

import pytest

import rushlight

torch = pytest.importorskip("torch")

CALLS = [
    lambda m, x, out: m.max(x, x.flip(0), out=out),
    lambda m, x, out: m.min(x, x.flip(0), out=out),
    lambda m, x, out: m.maximum(x, x.flip(0), out=out),
    lambda m, x, out: m.amax(x, 1, out=out),
    lambda m, x, out: m.sub(x, x.flip(0), alpha=2, out=out),
    lambda m, x, out: m.addcmul(x, x, x, value=2, out=out),
    lambda m, x, out: m.hstack([x, x], out=out),
    lambda m, x, out: m.vstack([x, x], out=out),
    lambda m, x, out: m.dstack([x, x], out=out),
    lambda m, x, out: m.column_stack([x[0], x[1]], out=out),
    lambda m, x, out: m.diag(x[0], out=out),
    lambda m, x, out: m.nansum(x, 1, out=out),
    lambda m, x, out: m.nanmean(x, 1, keepdim=True, out=out),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(len(CALLS)))
def test_the_result_is_in_out(number):
    found = []
    for m in (rushlight, torch):
        out = m.empty(0)
        returned = CALLS[number](m, m.tensor([[1.0, 5, 2], [4, 3, 6]]), out)
        assert returned is out
        found.append(out.tolist())
    assert found[0] == found[1]


def test_a_running_maximum_in_place():
    largest, x = rushlight.zeros(3), rushlight.tensor([1.0, -2.0, 3.0])
    rushlight.max(largest, x, out=largest)
    rushlight.max(largest, x.flip(0), out=largest)
    assert largest.tolist() == [3, 0, 3]
    whole = rushlight.empty(0)
    assert rushlight.max(x, out=whole) is whole and whole.item() == 3
