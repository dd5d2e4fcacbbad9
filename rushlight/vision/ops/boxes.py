"""Boxes (x1, y1, x2, y2): areas, overlaps, other forms, and which of many overlapping ones to keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import rushlight as torch
from rushlight.errors import explain_error

_FORMS = ("xyxy", "xywh", "cxcywh")


def box_area(boxes: Any) -> Any:
    """(x2 - x1) (y2 - y1): (N, 4) -> (N,)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _wide(boxes: Any) -> Any:
    """Boxes of integers or half floats as float32: areas need the room."""
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()


def _overlap(boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    """The areas of the intersections and of the unions of all pairs, (N, M) each."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    size = (
        torch.minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
        - torch.maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    ).clamp(min=0)
    both = size[..., 0] * size[..., 1]
    return both, box_area(boxes1)[:, None] + box_area(boxes2)[None, :] - both


def box_iou(boxes1: Any, boxes2: Any) -> Any:
    """Intersection over union of all pairs: (N, 4), (M, 4) -> (N, M).

    >>> import rushlight as torch
    >>> box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    tensor([[0.3333, 0.0000]])
    """
    both, either = _overlap(boxes1, boxes2)
    return both / either


def _hull(boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    """Width and height of the smallest boxes around all pairs."""
    low = torch.minimum(boxes1[:, None, :2], boxes2[None, :, :2])
    size = (torch.maximum(boxes1[:, None, 2:], boxes2[None, :, 2:]) - low).clamp(min=0)
    return size[..., 0], size[..., 1]


def generalized_box_iou(boxes1: Any, boxes2: Any) -> Any:
    """iou - (hull - union) / hull, with the smallest box around both: (N, 4), (M, 4) -> (N, M), in (-1, 1]."""
    both, either = _overlap(boxes1, boxes2)
    width, height = _hull(_wide(boxes1), _wide(boxes2))
    return both / either - (width * height - either) / (width * height)


def distance_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """iou - (distance of the centres / diagonal of the hull)²: (N, 4), (M, 4) -> (N, M)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    both, either = _overlap(boxes1, boxes2)
    width, height = _hull(boxes1, boxes2)
    centres = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (boxes1, boxes2)]
    distance = ((centres[0][:, None] - centres[1][None]) ** 2).sum(-1)
    return both / either - distance / (width**2 + height**2 + eps)


def complete_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """`distance_box_iou` less α v, where v compares the ratios of width to height: (N, 4), (M, 4) -> (N, M)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    angle1, angle2 = (torch.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (boxes1, boxes2))
    v = (4 / math.pi**2) * (angle1[:, None] - angle2[None]) ** 2
    with torch.no_grad():
        alpha = v / (1 - box_iou(boxes1, boxes2) + v + eps)
    return distance_box_iou(boxes1, boxes2, eps) - alpha * v


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Boxes in another form: "xyxy" (corners), "xywh" (corner and size) or "cxcywh" (centre and size).

    >>> import rushlight as torch
    >>> box_convert(torch.tensor([[1.0, 2, 5, 4]]), "xyxy", "cxcywh")
    tensor([[3., 3., 4., 2.]])
    """
    for name, form in (("in_fmt", in_fmt), ("out_fmt", out_fmt)):
        if form not in _FORMS:
            raise ValueError(
                explain_error("box_convert", got=f"{name}={form!r}", expected=f"one of {', '.join(_FORMS)}")
            )
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), -1)


def clip_boxes_to_image(boxes: Any, size: tuple[int, int]) -> Any:
    """Boxes cut off at the edges of a picture of this (height, width)."""
    height, width = size
    across, down = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack((across, down), -1).reshape(boxes.shape)


def remove_small_boxes(boxes: Any, min_size: float) -> Any:
    """The indices of the boxes that are at least this wide and high."""
    large = (boxes[:, 2] - boxes[:, 0] >= min_size) & (boxes[:, 3] - boxes[:, 1] >= min_size)
    return torch.where(large)[0]


def masks_to_boxes(masks: Any) -> Any:
    """The smallest boxes around masks: (N, H, W) -> (N, 4) float. Errors: ValueError for a mask without a point."""
    found = np.zeros((masks.shape[0], 4), np.float32)
    for n, mask in enumerate(masks.detach().cpu().numpy()):
        down, across = np.nonzero(mask)
        if not len(down):
            raise ValueError(
                explain_error("masks_to_boxes", got=f"mask {n} without a point", expected="at least one in each")
            )
        found[n] = across.min(), down.min(), across.max(), down.max()
    return torch.from_numpy(found)


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices of boxes to keep, best first: each box that overlaps a better one by more than the threshold goes.

    >>> import rushlight as torch
    >>> nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [4, 4, 5, 5]]), torch.tensor([0.8, 0.9, 0.3]), 0.5)
    tensor([1, 2])
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or tuple(scores.shape) != (boxes.shape[0],):
        raise RuntimeError(
            explain_error(
                "nms", got=f"boxes {list(boxes.shape)} and scores {list(scores.shape)}", expected="(N, 4) and (N,)"
            )
        )
    with torch.no_grad():
        order = scores.argsort(descending=True, stable=True)
        overlap = (box_iou(boxes[order], boxes[order]) > iou_threshold).numpy()
    kept = np.ones(len(overlap), bool)
    for n in range(len(overlap)):
        if kept[n]:
            kept[n + 1 :] &= ~overlap[n, n + 1 :]
    return order[torch.from_numpy(kept)]


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """`nms` among the boxes of each class (`idxs`) by itself; best first over all classes."""
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64)
    apart = (idxs.to(boxes.dtype) * (boxes.max() + 1))[:, None]  # far enough that classes do not meet
    return nms(boxes + apart, scores, iou_threshold)
