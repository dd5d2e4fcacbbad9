"""A few models of the papers, untrained; parameter names are torchvision's, so its checkpoints load."""

from __future__ import annotations

from rushlight.vision.models import weights as _weights
from rushlight.vision.models.alexnet import AlexNet, alexnet
from rushlight.vision.models.mobilenet import InvertedResidual, MobileNetV2, mobilenet_v2
from rushlight.vision.models.resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from rushlight.vision.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "AlexNet",
    "BasicBlock",
    "Bottleneck",
    "InvertedResidual",
    "MobileNetV2",
    "ResNet",
    "VGG",
    "alexnet",
    "mobilenet_v2",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext101_32x8d",
    "resnext50_32x4d",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet101_2",
    "wide_resnet50_2",
]

globals().update({name: getattr(_weights, name) for name in _weights.__all__})
__all__ += _weights.__all__
