"""PyTorch's own operator samples. What does not agree yet is in op_db/gaps.txt; everything else must."""

from __future__ import annotations

import zlib

import numpy as np
import op_db  # skips this file, with its reason, where PyTorch or expecttest is missing
import pytest
from op_db import check, compare, gaps, report, translate

import rushlight

torch = op_db.torch
SLICES = 24


def failing(entries: list, **options) -> str:
    return report.listing([check.check(entry, **options) for entry in entries])


def agreeing() -> list:
    known = gaps.read()
    return [entry for entry in check.entries() if check.title(entry) not in known]


def test_a_part_of_op_db_agrees():
    chosen = [entry for entry in agreeing() if zlib.crc32(check.title(entry).encode()) % 11 == 3]
    assert len(chosen) > 30
    assert not failing(chosen, cap=3, dtypes=(torch.float32, torch.int64))


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(SLICES))
def test_op_db_agrees(part: int):
    assert not failing(agreeing()[part::SLICES], cap=96)


@pytest.mark.nightly
def test_gaps_are_gaps():
    known = gaps.read()
    entries = [entry for entry in check.entries() if check.title(entry) in known]
    assert {check.title(entry) for entry in entries} == known, "gaps.txt names entries that op_db does not have"
    closed = [check.title(entry) for entry in entries if check.check(entry, cap=96).passed]
    assert not closed, "these agree now: take them out of gaps.txt"


@pytest.mark.parametrize(
    "theirs",
    [
        torch.arange(12.0).as_strided((2, 3), (1, 4), 1),
        torch.arange(3).expand(2, 3),
        torch.tensor([1 + 2j, 3 - 1j]).conj(),
        torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        torch.empty(0, 3),
    ],
)
def test_translated_tensors_keep_values_and_layout(theirs):
    ours = translate.Translation()(theirs)
    assert ours.stride() == theirs.stride() and str(ours.dtype) == str(theirs.dtype)
    assert torch.equal(translate.to_torch(ours), theirs.resolve_conj())


def test_translated_views_share_memory():
    base = torch.zeros(4)
    whole, part = translate.Translation()((base, base[1:3]))
    part.add_(1)
    assert whole.tolist() == [0, 1, 1, 0]


def test_wrappers_of_op_db_are_rebuilt_over_rushlight():
    def seeded(op, x, *, kind=torch.float64):
        torch.manual_seed(1)
        return op(x.to(kind)).reshape(torch.Size([2]))

    seeded.__module__ = "torch.testing._internal.common_methods_invocations"
    found = translate.function(seeded)(rushlight.exp, rushlight.tensor([0.0, 1.0]))
    assert found.dtype is rushlight.float64
    np.testing.assert_allclose(found.numpy(), np.exp([0.0, 1.0]), rtol=1e-14)
    with pytest.raises(AttributeError, match="no rushlight.nowhere"):
        translate.named("nowhere")


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        (rushlight.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]), "value"),
        (rushlight.tensor([1.0]), torch.tensor([[1.0]]), "shape"),
        (rushlight.tensor([1]), torch.tensor([1.0]), "dtype"),
        (rushlight.tensor([float("nan")]), torch.tensor([1.0]), "value"),
        ([rushlight.tensor(1)], (torch.tensor(1),), "value"),
        (1, 1.0, "value"),
    ],
)
def test_differences_are_found(ours, theirs, kind):
    with pytest.raises(compare.Difference) as caught:
        compare.agree(ours, theirs)
    assert caught.value.kind == kind


def test_a_float32_result_may_be_as_wrong_as_pytorchs():
    exact = torch.tensor([1e4], dtype=torch.float64)
    theirs, better, worse = (torch.tensor([1e4 + error]) for error in (0.5, 0.0, 5.0))
    compare.agree(translate.Translation()(better), theirs, exact=exact)
    with pytest.raises(compare.Difference):
        compare.agree(translate.Translation()(worse), theirs, exact=exact)
    with pytest.raises(compare.Difference):
        compare.agree(translate.Translation()(better), theirs)
