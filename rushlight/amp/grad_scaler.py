"""`GradScaler`: losses are multiplied by a scale, so that small gradients do not vanish in float16, and gradients divided by it."""

from __future__ import annotations

import enum
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import rushlight
from rushlight.errors import explain_error


class OptState(enum.Enum):
    """What has been done to an optimiser's gradients since the last `update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scales losses, unscales gradients, leaves out steps whose gradients are not finite, and adapts the scale.

    scale(loss).backward(); unscale_(optimizer) before gradients are looked at (clipping); step(optimizer); update().
    The scale is multiplied by `backoff_factor` after a step that was left out, and by `growth_factor` after `growth_interval`
    steps in a row that were not. On a device that is not there a warning is given and every method does without scaling.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> optimizer, scaler = torch.optim.SGD([w], lr=0.5), torch.amp.GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale(w.sum()).backward(); w.grad
    tensor([4., 4.])
    >>> scaler.step(optimizer); scaler.update(); w.detach()
    tensor([0.5000, 0.5000])
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device = device
        self._enabled = enabled
        if enabled and device != "cpu":
            warnings.warn(
                f"GradScaler: no device of type {device!r} is available here, so nothing is scaled.", stacklevel=2
            )
            self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError(
                    explain_error("GradScaler", got=f"growth_factor={growth_factor}", expected="more than 1")
                )
            if backoff_factor >= 1.0:
                raise AssertionError(
                    explain_error("GradScaler", got=f"backoff_factor={backoff_factor}", expected="less than 1")
                )
        self._init_scale = init_scale
        self._scale: Any = None  # made when it is first needed, as is the count of good steps
        self._growth_factor, self._backoff_factor, self._growth_interval = (
            growth_factor,
            backoff_factor,
            growth_interval,
        )
        self._init_growth_tracker = 0
        self._growth_tracker: Any = None
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh)

    def _begin(self) -> Any:
        if self._scale is None:
            self._scale = rushlight.tensor(float(self._init_scale))
            self._growth_tracker = rushlight.tensor(self._init_growth_tracker, dtype=rushlight.int32)
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """A tensor, or an iterable of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, rushlight.Tensor):
            return outputs * self._begin()
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise ValueError(
            explain_error(
                "GradScaler.scale", got=f"a {type(outputs).__name__}", expected="a tensor or an iterable of tensors"
            )
        )

    def _unscale_grads_(self, optimizer: Any, inv_scale: Any, allow_fp16: bool) -> dict[str, Any]:
        """Divide the gradients; what tells for each device whether any is not finite."""
        found = rushlight.zeros(())
        with rushlight.no_grad():
            for group in optimizer.param_groups:
                for param in group["params"]:
                    grad = param.grad
                    if grad is None:
                        continue
                    if grad.dtype is rushlight.float16 and not allow_fp16:
                        raise ValueError(
                            explain_error(
                                "GradScaler.unscale_", got="a gradient of torch.float16",
                                expected="parameters in torch.float32, with autocast around the forward pass",
                            )
                        )  # fmt: skip
                    found = rushlight.maximum(found, (~rushlight.isfinite(grad)).any().float())
                    grad.mul_(inv_scale.to(grad.dtype) if grad.dtype is rushlight.float64 else inv_scale)
        return {"cpu": found}

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimiser's parameters by the scale, in place; once between two updates."""
        if not self._enabled:
            return
        self._need_scale("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "GradScaler.unscale_: called twice for this optimizer since the last update(). Fix: call it once a step."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("GradScaler.unscale_: called after step(). Fix: call it before step().")
        inverse = self._scale.double().reciprocal().float()
        state["found_inf_per_device"] = self._unscale_grads_(optimizer, inverse, False)
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step()` on unscaled gradients, unless one of them is not finite; what it returned, or None."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError(
                "GradScaler.step: got a closure; expected none, since a closure's gradients are scaled anew. Fix: use step(optimizer) alone."
            )
        self._need_scale("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError(
                "GradScaler.step: called twice for this optimizer since the last update(). Fix: call update() after each step."
            )
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if not any(p.grad is not None for group in optimizer.param_groups for p in group["params"]):
            raise AssertionError(
                "GradScaler.step: no parameter of this optimizer has a gradient. Fix: scaler.scale(loss).backward() first."
            )
        result = None
        if not sum(found.item() for found in state["found_inf_per_device"].values()):
            result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: Any = None) -> None:
        """Adapt the scale to whether steps were left out since the last update; or set it."""
        if not self._enabled:
            return
        self._need_scale("update")
        if new_scale is not None:
            if isinstance(new_scale, rushlight.Tensor):
                if new_scale.numel() != 1 or new_scale.requires_grad:
                    raise AssertionError(
                        explain_error(
                            "GradScaler.update",
                            got=f"new_scale of shape {list(new_scale.shape)}",
                            expected="one number without gradient",
                        )
                    )
                new_scale = new_scale.item()
            self._scale.fill_(float(new_scale))
        else:
            found = [
                f.item()
                for state in self._per_optimizer_states.values()
                for f in state["found_inf_per_device"].values()
            ]
            if not found:
                raise AssertionError(
                    "GradScaler.update: no step() or unscale_() since the last update(). Fix: call step(optimizer) first."
                )
            self._adapt(sum(found) > 0)
        self._per_optimizer_states = defaultdict(_fresh)

    def _adapt(self, left_out: bool) -> None:
        scale, count = self._scale.item(), self._growth_tracker.item() + 1
        if left_out:
            scale, count = scale * self._backoff_factor, 0
        elif count == self._growth_interval:
            grown = rushlight.tensor(scale * self._growth_factor)
            scale, count = (grown.item() if rushlight.isfinite(grown).item() else scale), 0
        self._scale.fill_(scale)
        self._growth_tracker.fill_(count)

    def _need_scale(self, name: str) -> None:
        if self._scale is None:
            raise AssertionError(
                f"GradScaler.{name}: no loss was scaled yet. Fix: scaler.scale(loss).backward() first."
            )

    def _found_inf_per_device(self, optimizer: Any) -> dict[str, Any]:
        return self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]

    # --- facts --------------------------------------------------------------------------------------------------------

    def get_scale(self) -> float:
        """The scale; 1.0 if not enabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what `get_growth_factor` says."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a step that was left out."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what `get_backoff_factor` says."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps in a row the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set what `get_growth_interval` says."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors, and counts; empty if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval, "_growth_tracker": self._get_growth_tracker(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned. RuntimeError for an empty one, which a scaler that is not enabled saved."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                explain_error(
                    "GradScaler.load_state_dict",
                    got="an empty dict, as a scaler with enabled=False saves",
                    expected="the state of an enabled one",
                )
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._init_growth_tracker = state_dict["growth_interval"], state_dict["_growth_tracker"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError("GradScaler: pickled in the middle of a step. Fix: pickle it after update().")
            state.update(_init_scale=self.get_scale(), _init_growth_tracker=self._get_growth_tracker())
            state.update(_scale=None, _growth_tracker=None)
        return state
