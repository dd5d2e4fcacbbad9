"""M12: Dropout or BatchNorm in training mode while a trained model is evaluated.

Whether a model is evaluated is known only when the step runs without a backward: a generator whose pictures are made under
no_grad for the discriminator's step is not. So the suspicion is noted where the layer is recorded for the first time, and
told when a Program is first made for the step.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from rushlight.errors import MODULE_CALLS, is_ours, show_line
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import Entry
from rushlight.lessons import say, warn

_AUTOGRAD = os.path.dirname(
    os.path.abspath(__file__)
)  # checkpoints, Functions and `no_grad` forwards are called from there

_JUDGES = frozenset(
    ("argmax", "max_dim", "topk_op", "eq", "nll_loss_op", "nll_loss2d_op", "mse_loss_op", "smooth_l1_loss_op", "huber_loss_op",
     "binary_cross_entropy_op", "binary_cross_entropy_with_logits_op"),
)  # what predictions are measured by  # fmt: skip


def note_random_layer(trace: Trace, entry: Entry) -> None:
    """Note a layer of ours that is in training mode, in a trained model in training mode, called without gradients.

    Not one whose outermost model is in eval mode: some layers are then left on by hand, for samples of the prediction. Not one
    whose gradients are off within the model alone, as in a frozen part, a momentum encoder, or a checkpointed one. Nor one that
    our own code calls: `update_bn` is after the statistics.
    """
    if entry.grad_mode or trace.backwards:
        return
    modules: list[Any] = []
    frame, caller, inside, switched = sys._getframe(1), None, False, False
    while frame is not None:
        inside = inside or os.path.dirname(frame.f_code.co_filename) == _AUTOGRAD
        if frame.f_code in MODULE_CALLS:
            modules.append(frame.f_locals["self"])
            caller, switched = frame.f_back, inside
        frame = frame.f_back
    if caller is None or is_ours(caller) or switched:
        return
    layer, model = modules[0], modules[-1]
    ours = type(layer).__module__.startswith("rushlight.nn.")
    if not (ours and layer.training and model.training and _is_trained(model)) or _turned_off_inside(trace):
        return
    kind = "norm" if entry.op.name == "batch_norm_op" else "dropout"
    trace.suspicions = [*trace.suspicions, (entry.module, kind, (caller.f_code.co_filename, caller.f_lineno))]


def _is_trained(model: Any) -> bool:
    return any(getattr(parameter, "_trained", False) for parameter in model.parameters())


def _turned_off_inside(trace: Trace) -> bool:
    """Whether gradients were on when the model was called: the last switch of the mode was made inside of a module."""
    entry: Any = trace.node
    while entry.parent is not None:
        if entry.op.name == "state":
            return bool(entry.module)
        entry = entry.parent
    return False


def tell_suspicions(trace: Trace) -> None:
    """Called when a Program is first made for a trace that has any."""
    if trace.backwards:
        return
    # A generator's pictures are made in training mode as a rule, and then only looked at.
    judged = any(entry.op.name in _JUDGES for entry in trace.path())
    found = next((s for s in trace.suspicions if judged or s[1] == "dropout"), None)
    if found is None:
        return
    module, kind, line = found
    effect = say(f"eval-forgotten/{kind}")
    warn("eval-forgotten", once=line, module=module, line=show_line(line), effect=effect)
