"""Boxes and small layers, against values worked out by hand, plain loops and finite differences."""

from __future__ import annotations

import math

import pytest

import rushlight as torch
from rushlight.vision import ops


def boxes(count, seed):
    torch.manual_seed(seed)
    found = torch.rand(count, 4, dtype=torch.float64)
    found[:, 2:] += found[:, :2] + 0.1
    return found


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_overlaps_of_all_pairs():
    a, b = boxes(4, 0), boxes(3, 1)
    expected = [[iou(x, y) for y in b.tolist()] for x in a.tolist()]
    for found, row in zip(ops.box_iou(a, b).tolist(), expected):
        assert found == pytest.approx(row)
    assert ops.box_iou((a * 20).int(), (a * 20).int()).diagonal().tolist() == [1, 1, 1, 1]
    apart = torch.tensor([[0.0, 0, 1, 1], [3, 0, 4, 1]])
    assert ops.generalized_box_iou(apart, apart)[0].tolist() == [1, -0.5]  # hull 4, union 2
    assert ops.distance_box_iou(apart, apart)[0, 1].item() == pytest.approx(-9 / 17)
    wide = torch.tensor([[0.0, 0, 4, 1]])
    v = 4 / math.pi**2 * (math.atan(1) - math.atan(4)) ** 2
    expected = ops.distance_box_iou(apart[:1], wide).item() - v * v / (1 - 0.25 + v)
    assert ops.complete_box_iou(apart[:1], wide).item() == pytest.approx(expected)
    a.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ops.generalized_box_iou(x, b) + ops.distance_box_iou(x, b), (a,))


def test_forms_go_around():
    x = boxes(5, 2)
    for first in ("xyxy", "xywh", "cxcywh"):
        for second in ("xyxy", "xywh", "cxcywh"):
            there = ops.box_convert(ops.box_convert(x, "xyxy", first), first, second)
            torch.testing.assert_close(ops.box_convert(there, second, "xyxy"), x)
    assert ops.box_convert(torch.tensor([[1.0, 2, 3, 4]]), "xywh", "xyxy").tolist() == [[1, 2, 4, 6]]
    with pytest.raises(ValueError, match="in_fmt='xxyy'"):
        ops.box_convert(x, "xxyy", "xyxy")


def test_suppression_keeps_the_best_of_each_heap():
    x, scores = boxes(12, 3), torch.rand(12)
    kept = []
    for n in scores.argsort(descending=True).tolist():
        if all(iou(x[n].tolist(), x[m].tolist()) <= 0.3 for m in kept):
            kept.append(n)
    assert ops.nms(x, scores, 0.3).tolist() == kept
    classes = torch.arange(12) % 2
    found = ops.batched_nms(x, scores, classes, 0.3)
    each = [torch.where(classes == c)[0] for c in (0, 1)]
    expected = torch.cat([own[ops.nms(x[own], scores[own], 0.3)] for own in each])
    assert found.tolist() == expected[scores[expected].argsort(descending=True)].tolist()
    assert ops.batched_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), 0.5).shape == (0,)
    with pytest.raises(RuntimeError, match=r"\[12, 4\] and scores \[11\]"):
        ops.nms(x, scores[:11], 0.5)


def test_pictures_and_masks():
    x = torch.tensor([[-1.0, -2, 3, 4], [1, 1, 9, 2]])
    assert ops.clip_boxes_to_image(x, (3, 5)).tolist() == [[0, 0, 3, 3], [1, 1, 5, 2]]
    assert ops.remove_small_boxes(x, 2).tolist() == [0] and ops.box_area(x).tolist() == [24, 8]
    masks = torch.zeros(2, 4, 5)
    masks[0, 1:3, 2:4], masks[1, 3, 0] = 1, 1
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 3, 2], [0, 3, 0, 3]]
    with pytest.raises(ValueError, match="mask 0"):
        ops.masks_to_boxes(torch.zeros(1, 2, 2))


def test_layers():
    norm, frozen = torch.nn.BatchNorm2d(3), ops.FrozenBatchNorm2d(3)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.copy_(torch.randn(3))
    frozen.load_state_dict(norm.state_dict())
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(frozen(x), norm.eval()(x))
    assert not list(frozen.parameters()) and repr(frozen) == "FrozenBatchNorm2d(3, eps=1e-05)"
    assert ops.Permute([0, 2, 1])(torch.zeros(2, 3, 4)).shape == (2, 4, 3)
    torch.manual_seed(0)
    rows = ops.StochasticDepth(0.5, "row")(torch.ones(64, 3))
    assert set(rows.flatten().tolist()) == {0.0, 2.0} and (rows[:, :1] == rows).all()
    assert ops.StochasticDepth(0.5, "batch").eval()(rows) is rows
    for wrong in (dict(p=1.5, mode="row"), dict(p=0.5, mode="column")):
        with pytest.raises(ValueError):
            ops.stochastic_depth(rows, **wrong)


def test_focal_loss():
    logits, truth = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([1.0, 0.0, 1.0])
    p = [1 / (1 + math.exp(-v)) for v in logits.tolist()]
    right = [p[0], 1 - p[1], p[2]]
    expected = [-a * (1 - q) ** 2 * math.log(q) for a, q in zip((0.25, 0.75, 0.25), right)]
    assert ops.sigmoid_focal_loss(logits, truth).tolist() == pytest.approx(expected, rel=1e-5)
    assert ops.sigmoid_focal_loss(logits, truth, alpha=-1, gamma=0, reduction="sum").item() == pytest.approx(
        -sum(map(math.log, right)), rel=1e-5
    )
    with pytest.raises(ValueError, match="reduction"):
        ops.sigmoid_focal_loss(logits, truth, reduction="max")
