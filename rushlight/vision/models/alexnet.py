"""AlexNet (Krizhevsky, 2014: "One weird trick"): five convolutions, three linear layers."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import nn
from rushlight.vision.models.vgg import refuse_weights


class AlexNet(nn.Module):
    """(N, 3, H, W) with H, W >= 63 -> (N, num_classes)."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        # width, kernel, stride, padding, whether a pool follows
        for width, kernel, stride, padding, pool in (
            (64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False), (256, 3, 1, 1, False), (256, 3, 1, 1, True),
        ):  # fmt: skip
            layers += [nn.Conv2d(channels, width, kernel, stride=stride, padding=padding), nn.ReLU(inplace=True)]
            if pool:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2))
            channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Any) -> Any:
        return self.classifier(rushlight.flatten(self.avgpool(self.features(x)), 1))


def alexnet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> AlexNet:
    """AlexNet, 61,100,840 parameters; `kwargs` go to `AlexNet`."""
    refuse_weights("alexnet", weights, kwargs)
    return AlexNet(**kwargs)
