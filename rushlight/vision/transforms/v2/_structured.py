"""How the v2 transforms walk through what they are given."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum
from typing import Any

import rushlight
from rushlight.vision.transforms._kind import is_pil, is_tensor


class Structured:
    """Mixed into a transform of one picture, it takes any nesting of tuples, lists and dicts, and several inputs.

    Every PIL picture in it is transformed, all with the same random numbers. A plain tensor counts as a picture
    where there is no PIL picture, and then only the first one does: the rest (labels) is passed through.
    """

    takes: Callable[[Any], bool] = staticmethod(lambda item: is_pil(item) or is_tensor(item))

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        found: list[Any] = []
        _collect(sample, type(self).takes, found)
        chosen = [item for item in found if not is_tensor(item)] or found[:1]
        if not chosen:  # the transform refuses it in its own words
            return super().__call__(sample)  # type: ignore[misc]
        done: dict[int, Any] = {}
        before = (rushlight.get_rng_state(), random.getstate()) if len(chosen) > 1 else None
        for item in chosen:
            if done and before is not None:
                rushlight.set_rng_state(before[0])
                random.setstate(before[1])
            done[id(item)] = super().__call__(item)  # type: ignore[misc]
        return _replace(sample, done)

    def extra_repr(self) -> str:
        """name=value of the plain settings."""
        plain = (bool, int, float, str, tuple, list, Enum)
        return ", ".join(
            f"{k}={v}"
            for k, v in vars(self).items()
            if not k.startswith("_") and k != "training" and isinstance(v, plain)
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def _collect(sample: Any, takes: Callable[[Any], bool], found: list[Any]) -> None:
    if isinstance(sample, (tuple, list)):
        for item in sample:
            _collect(item, takes, found)
    elif isinstance(sample, dict):
        for item in sample.values():
            _collect(item, takes, found)
    elif takes(sample):
        found.append(sample)


def _replace(sample: Any, done: dict[int, Any]) -> Any:
    if id(sample) in done:
        return done[id(sample)]
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(_replace(item, done) for item in sample))
    if isinstance(sample, (tuple, list)):
        return type(sample)(_replace(item, done) for item in sample)
    if isinstance(sample, dict):
        return {key: _replace(item, done) for key, item in sample.items()}
    return sample
