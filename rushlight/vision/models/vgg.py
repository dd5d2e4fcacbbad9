"""VGG (Simonyan and Zisserman, 2014): stacks of 3x3 convolutions, then three linear layers."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import nn
from rushlight.errors import explain_error

_PLANS: dict[int, tuple[int, ...]] = {  # convolutions in each of the five blocks
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
_WIDTHS = (64, 128, 256, 512, 512)


def refuse_weights(name: str, weights: Any, settings: dict[str, Any]) -> None:
    """Pretrained weights are not shipped and not fetched. `pretrained=False`, the older way to say so, leaves the settings."""
    if settings.pop("pretrained", False):
        weights = "DEFAULT"
    if weights is not None:
        raise NotImplementedError(
            explain_error(
                name,
                got=f"weights={weights!r}",
                expected="weights=None: no trained weights come with Rushlight",
                fix="build the model, then model.load_state_dict(rushlight.load(path)) with a file of yours",
            )
        )


def make_layers(depth: int, batch_norm: bool = False) -> nn.Sequential:
    """The convolutions of VGG-`depth`; every block ends in a max pooling that halves the picture."""
    layers: list[nn.Module] = []
    channels = 3
    for width, count in zip(_WIDTHS, _PLANS[depth]):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """(N, 3, H, W) with H, W >= 32 -> (N, num_classes)."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for module in self.modules():
                self._init(module)

    @staticmethod
    def _init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.constant_(module.bias, 0)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.constant_(module.bias, 0)

    def forward(self, x: Any) -> Any:
        x = self.avgpool(self.features(x))
        return self.classifier(rushlight.flatten(x, 1))


def _vgg(depth: int, batch_norm: bool, weights: Any, settings: dict[str, Any]) -> VGG:
    refuse_weights(f"vgg{depth}{'_bn' * batch_norm}", weights, settings)
    return VGG(make_layers(depth, batch_norm), **settings)


def vgg11(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers; `kwargs` go to `VGG`."""
    return _vgg(11, False, weights, kwargs)


def vgg11_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers and batch normalisation; `kwargs` go to `VGG`."""
    return _vgg(11, True, weights, kwargs)


def vgg13(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 13 layers; `kwargs` go to `VGG`."""
    return _vgg(13, False, weights, kwargs)


def vgg13_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 13 layers and batch normalisation; `kwargs` go to `VGG`."""
    return _vgg(13, True, weights, kwargs)


def vgg16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 16 layers, 138,357,544 parameters; `kwargs` go to `VGG`."""
    return _vgg(16, False, weights, kwargs)


def vgg16_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 16 layers and batch normalisation; `kwargs` go to `VGG`."""
    return _vgg(16, True, weights, kwargs)


def vgg19(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 19 layers, 143,667,240 parameters; `kwargs` go to `VGG`."""
    return _vgg(19, False, weights, kwargs)


def vgg19_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 19 layers and batch normalisation; `kwargs` go to `VGG`."""
    return _vgg(19, True, weights, kwargs)
