"""Which transform makes the pictures of a batch differ in size, in words for the message when they do not stack."""

from __future__ import annotations

from typing import Any

from rushlight.lessons import say
from rushlight.vision.transforms.basic import Compose, RandomApply, RandomOrder, RandomTransforms
from rushlight.vision.transforms.geometric import CenterCrop, RandomCrop, RandomResizedCrop, RandomRotation, Resize
from rushlight.vision.transforms.v2 import Compose as ComposeV2

_UNCERTAIN = (RandomApply, RandomTransforms)


def _sequence(transform: Any) -> list[Any]:
    if isinstance(transform, (Compose, ComposeV2)):
        return [step for part in transform.transforms for step in _sequence(part)]
    return [transform]


def explain_shapes(transform: Any) -> str | None:
    """The reason why pictures may leave `transform` in different sizes, and the fix; None if they cannot.

    >>> explain_shapes(Compose([Resize(224)]))
    'Resize(size=224) sets the shorter edge only and keeps the aspect ratio: write Resize((224, 224))'
    """
    reason: str | None = say("samples-differ/no-size")
    for step in _sequence(transform):
        name = type(step).__name__
        if isinstance(step, Resize):
            size = [step.size] if isinstance(step.size, int) or step.size is None else list(step.size)
            reason = None
            if len(size) == 1:
                reason = say("samples-differ/shorter-edge", name=name, size=size[0])
        elif isinstance(step, (CenterCrop, RandomCrop, RandomResizedCrop)):
            reason = None
        elif isinstance(step, RandomRotation) and step.expand:
            reason = say("samples-differ/expand", name=name)
        elif isinstance(step, _UNCERTAIN) and not isinstance(step, RandomOrder):
            inner = [s for part in step.transforms for s in _sequence(part)]
            if any(isinstance(s, (Resize, CenterCrop, RandomCrop, RandomResizedCrop)) for s in inner):
                reason = say("samples-differ/sometimes", name=name)
    return reason
