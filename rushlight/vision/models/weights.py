"""Names of trained weights, as scripts for torchvision write them. None comes along: a model that is given one refuses it."""

from __future__ import annotations

import enum

_TWO = (
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNeXt50_32X4D",
    "ResNeXt101_32X8D",
    "Wide_ResNet50_2",
    "Wide_ResNet101_2",
    "MobileNet_V2",
)
_ONE = ("AlexNet", "ResNet18", "ResNet34", *(f"VGG{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_BN")))


def _weights(model: str, versions: int) -> type[enum.Enum]:
    names = [f"IMAGENET1K_V{n}" for n in range(1, versions + 1)]
    members = {name: f"{model}_Weights.{name}" for name in names}
    made = enum.Enum(f"{model}_Weights", {**members, "DEFAULT": members[names[-1]]}, module=__name__)  # type: ignore[misc]
    made.__doc__ = f"Trained weights of {model}; not shipped."
    return made


globals().update({f"{model}_Weights": _weights(model, 2) for model in _TWO})
globals().update({f"{model}_Weights": _weights(model, 1) for model in _ONE})
__all__ = sorted(name for name in globals() if name.endswith("_Weights"))
