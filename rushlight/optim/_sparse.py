"""Updates from sparse gradients: only the rows that a gradient has are read and written.

What has to be found out about the rows comes first for all parameters: it may fail, or run outside of kernels, and after that
nothing keeps a step from writing to tables where they lie.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

from rushlight.errors import explain_error


def room() -> Any:
    """The room of sparse gradients, which is loaded when there are some."""
    return importlib.import_module("rushlight.sparse.gradients")


def check_decay(name: str, group: dict[str, Any]) -> None:
    """RuntimeError for weight decay, which changes every row."""
    if group["weight_decay"] != 0:
        raise RuntimeError(
            explain_error(
                f"{name}.step", got=f"a sparse gradient and weight_decay={group['weight_decay']}",
                expected="weight_decay=0: decay changes every row", fix="make the embedding with sparse=False",
            )
        )  # fmt: skip


def momentum(group: dict[str, Any], state: dict[str, Any], grad: Any) -> Any:
    """SGD's direction; the momentum's buffer is sparse too, and keeps the rows of all gradients so far."""
    if group["momentum"] == 0:
        return grad
    buffer = state.get("momentum_buffer")
    if buffer is None:
        buffer = grad.clone()
    else:
        buffer = buffer.to_sparse(1) * group["momentum"] + grad * (1 - group["dampening"])
    state["momentum_buffer"] = buffer
    return grad + buffer * group["momentum"] if group["nesterov"] else buffer


def sgd(lr: float, param: Any, index: Any, values: Any) -> None:
    """p ← p − lr·g at the rows of g."""
    room().add_rows_(param, index, values * -lr)


def adagrad(eps: float, lr: float, total: Any, param: Any, index: Any, values: Any) -> None:
    """Adagrad's update at the rows of g."""
    rows = room()
    squares = values * values
    reached = rows.take_rows(total, index) + squares
    rows.add_rows_(total, index, squares)
    rows.add_rows_(param, index, values / (reached.sqrt() + eps) * -lr)


def adam(group: dict[str, Any], state: dict[str, Any], param: Any, index: Any, values: Any) -> None:
    """Adam's update at the rows of g; the averages of other rows stay as they are."""
    rows, (beta1, beta2) = room(), group["betas"]
    average, square = state["exp_avg"], state["exp_avg_sq"]
    old_average, old_square = rows.take_rows(average, index), rows.take_rows(square, index)
    to_average = (values - old_average) * (1 - beta1)
    to_square = (values * values - old_square) * (1 - beta2)
    rows.add_rows_(average, index, to_average)
    rows.add_rows_(square, index, to_square)
    ratio = (to_average + old_average) / ((to_square + old_square).sqrt() + float(group["eps"]))
    step = float(group["lr"]) * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
    rows.add_rows_(param, index, ratio * -step)
