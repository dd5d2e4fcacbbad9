"""MobileNetV2 (Sandler and others, 2018): blocks that widen, convolve each channel by itself, and narrow again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rushlight import nn
from rushlight.vision.models.vgg import refuse_weights

Norm = Callable[..., nn.Module]
_STAGES = (  # expansion, channels, blocks, stride of the first
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def _divisible(value: float, divisor: int) -> int:
    """The multiple of `divisor` nearest to a width, at least one, and not less than nine tenths of the width."""
    found = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return found + divisor if found < 0.9 * value else found


def _conv(inputs: int, outputs: int, kernel: int, stride: int, groups: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=(kernel - 1) // 2, groups=groups, bias=False),
        norm(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """x + narrow(depthwise(widen(x))); without the sum where the shape changes."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm | None = None) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        hidden = int(round(inp * expand_ratio))
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        widen = [] if expand_ratio == 1 else [_conv(inp, hidden, 1, 1, 1, norm)]
        self.conv = nn.Sequential(
            *widen, _conv(hidden, hidden, 3, stride, hidden, norm), nn.Conv2d(hidden, oup, 1, bias=False), norm(oup)
        )

    def forward(self, x: Any) -> Any:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """(N, 3, H, W) -> (N, num_classes). All widths are multiplied by `width_mult`, to multiples of `round_nearest`."""

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        channels = _divisible(32 * width_mult, round_nearest)
        self.last_channel = _divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [_conv(3, channels, 3, 2, 1, norm)]
        for expansion, width, count, stride in inverted_residual_setting or _STAGES:
            width = _divisible(width * width_mult, round_nearest)
            for n in range(count):
                features.append(
                    block(channels, width, stride if n == 0 else 1, expand_ratio=expansion, norm_layer=norm)
                )
                channels = width
        features.append(_conv(channels, self.last_channel, 1, 1, 1, norm))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.features(x).mean([2, 3]))


def mobilenet_v2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV2:
    """MobileNetV2, 3,504,872 parameters; `kwargs` go to `MobileNetV2`."""
    refuse_weights("mobilenet_v2", weights, kwargs)
    return MobileNetV2(**kwargs)
