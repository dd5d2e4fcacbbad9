"""A few models of the papers, untrained; parameter names are torchvision's, so its checkpoints load."""

from __future__ import annotations

from rushlight.vision.models.resnet import BasicBlock, ResNet, resnet18
from rushlight.vision.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn

__all__ = [
    "VGG",
    "BasicBlock",
    "ResNet",
    "resnet18",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
]
