"""Residual networks (He and others, 2015; ResNeXt: Xie and others, 2016; wide ones: Zagoruyko and Komodakis, 2016): blocks
of convolutions whose input is added to their output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight import nn
from rushlight.errors import explain_error
from rushlight.vision.models.vgg import refuse_weights

Norm = Callable[..., nn.Module]


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(
        inputs, outputs, kernel_size=size, stride=stride, padding=padding, groups=groups, bias=False, dilation=dilation
    )


class BasicBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)); the shortcut is a 1x1 convolution where the shape changes."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64 or dilation != 1:
            raise (NotImplementedError if dilation != 1 else ValueError)(
                explain_error(
                    "BasicBlock",
                    got=f"groups={groups}, base_width={base_width}, dilation={dilation}",
                    expected="groups=1, base_width=64, dilation=1",
                    fix="use Bottleneck, which has them",
                )
            )
        self.conv1 = _conv(inplanes, planes, 3, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(planes, planes, 3)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + shortcut)


class Bottleneck(nn.Module):
    """As `BasicBlock`, of three convolutions: 1x1 to fewer channels, 3x3 (with the stride), 1x1 to four times `planes`."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64)) * groups
        self.conv1 = _conv(inplanes, width, 1)
        self.bn1 = norm(width)
        self.conv2 = _conv(width, width, 3, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = _conv(width, planes * self.expansion, 1)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + shortcut)


class ResNet(nn.Module):
    """(N, 3, H, W) -> (N, num_classes): a stem, four stages of `layers[i]` blocks, the mean, a linear layer.

    `replace_stride_with_dilation` holds three flags: whether stages 2, 3, 4 keep the size and widen their windows instead.
    Errors: ValueError for another number of flags.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        flags = list(replace_stride_with_dilation or (False, False, False))
        if len(flags) != 3:
            raise ValueError(
                explain_error(
                    "ResNet", got=f"replace_stride_with_dilation={flags}", expected="three flags, for stages 2, 3 and 4"
                )
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=flags[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=flags[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=flags[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        if zero_init_residual:  # every block starts as the identity
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
                    nn.init.constant_(last.weight, 0)

    def _make_layer(self, block: Any, planes: int, count: int, stride: int = 1, dilate: bool = False) -> nn.Sequential:
        first_dilation = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                _conv(self.inplanes, planes * block.expansion, 1, stride), self._norm_layer(planes * block.expansion)
            )
        shared = (self.groups, self.base_width)
        blocks = [block(self.inplanes, planes, stride, downsample, *shared, first_dilation, self._norm_layer)]
        self.inplanes = planes * block.expansion
        for _ in range(1, count):
            blocks.append(block(self.inplanes, planes, 1, None, *shared, self.dilation, self._norm_layer))
        return nn.Sequential(*blocks)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(rushlight.flatten(self.avgpool(x), 1))


def _resnet(name: str, block: Any, layers: list[int], weights: Any, settings: dict[str, Any]) -> ResNet:
    refuse_weights(name, weights, settings)
    return ResNet(block, layers, **settings)


def resnet18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 18 layers, 11,689,512 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnet18", BasicBlock, [2, 2, 2, 2], weights, kwargs)


def resnet34(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 34 layers, 21,797,672 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnet34", BasicBlock, [3, 4, 6, 3], weights, kwargs)


def resnet50(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 50 layers, 25,557,032 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnet50", Bottleneck, [3, 4, 6, 3], weights, kwargs)


def resnet101(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 101 layers, 44,549,160 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnet101", Bottleneck, [3, 4, 23, 3], weights, kwargs)


def resnet152(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 152 layers, 60,192,808 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnet152", Bottleneck, [3, 8, 36, 3], weights, kwargs)


def resnext50_32x4d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNeXt with 50 layers and 32 groups of 4 channels, 25,028,904 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnext50_32x4d", Bottleneck, [3, 4, 6, 3], weights, dict(groups=32, width_per_group=4) | kwargs)


def resnext101_32x8d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNeXt with 101 layers and 32 groups of 8 channels, 88,791,336 parameters; `kwargs` go to `ResNet`."""
    return _resnet("resnext101_32x8d", Bottleneck, [3, 4, 23, 3], weights, dict(groups=32, width_per_group=8) | kwargs)


def wide_resnet50_2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 50 layers, twice as wide inside its blocks, 68,883,240 parameters; `kwargs` go to `ResNet`."""
    return _resnet("wide_resnet50_2", Bottleneck, [3, 4, 6, 3], weights, dict(width_per_group=128) | kwargs)


def wide_resnet101_2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 101 layers, twice as wide inside its blocks, 126,886,696 parameters; `kwargs` go to `ResNet`."""
    return _resnet("wide_resnet101_2", Bottleneck, [3, 4, 23, 3], weights, dict(width_per_group=128) | kwargs)
