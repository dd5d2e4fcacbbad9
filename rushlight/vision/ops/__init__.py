"""`torchvision.ops`: boxes, and small layers and losses of detectors. Not here: pooling and convolutions at positions that a
network chooses (`roi_align`, `deform_conv2d`, ...)."""

from __future__ import annotations

from rushlight.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from rushlight.vision.ops.misc import FrozenBatchNorm2d, Permute, StochasticDepth, sigmoid_focal_loss, stochastic_depth

__all__ = [
    "FrozenBatchNorm2d", "Permute", "StochasticDepth", "batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image",
    "complete_box_iou", "distance_box_iou", "generalized_box_iou", "masks_to_boxes", "nms", "remove_small_boxes",
    "sigmoid_focal_loss", "stochastic_depth",
]  # fmt: skip
