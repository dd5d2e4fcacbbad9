"""L-BFGS, a quasi-Newton method: it decides from the loss as it goes, so it is eager code and not one recorded pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lazy.macro import flush
from rushlight.optim._checks import at_least_zero
from rushlight.optim._strong_wolfe import Point, strong_wolfe
from rushlight.optim.optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS over one parameter group; `step` needs a closure, which it calls several times.

    `line_search_fn` is None (every step has length lr) or `"strong_wolfe"`. Iterations end after `max_iter`, after
    `max_eval` evaluations (default 1.25·max_iter), when no gradient component exceeds `tolerance_grad`, or when the
    parameters or the loss change by less than `tolerance_change`.

    >>> import rushlight as torch
    >>> w = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> round(optimizer.step(closure).item(), 4), round(w.item(), 4)
    (4.0, 1.0)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        at_least_zero("LBFGS", lr=lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError(
                explain_error(
                    "LBFGS",
                    got=f"{len(self.param_groups)} parameter groups",
                    expected="one: the method treats all parameters as one vector",
                    fix="pass one list of tensors",
                )
            )
        self._params = self.param_groups[0]["params"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # there is no step without one
        """Run up to `max_iter` iterations; returns the loss before them. `closure` clears gradients, computes the loss,
        calls backward() on it and returns it."""
        with rushlight.no_grad():
            loss = self._iterate(rushlight.enable_grad()(closure))
        flush()
        return loss

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group, state = self.param_groups[0], self.state[self._params[0]]
        lr = float(group["lr"])
        search, tolerance = group["line_search_fn"], group["tolerance_change"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(
                explain_error(
                    "LBFGS.step", got=f"line_search_fn={search!r}", expected="None or 'strong_wolfe'", fix="choose one"
                )
            )
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, grad = float(first_loss), self._flat_grad()
        evaluations = 1
        state["func_evals"] += 1
        if _largest(grad) <= group["tolerance_grad"]:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction = -grad
                state.update(al=[None] * group["history_size"], d=direction, t=lr)
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
                t = min(1.0, 1.0 / float(grad.abs().sum())) * lr
            else:
                direction = _direction(state, grad, group["history_size"])
                t = lr
            state.update(d=direction, t=t, prev_flat_grad=grad, prev_loss=loss)
            slope = float(grad.dot(direction))
            if slope > -tolerance:
                break
            used = 0
            previous_loss = loss
            if search is not None:
                start = Point(0.0, loss, grad, slope)
                found, used = self._search(
                    closure, direction, start, t, tolerance_change=tolerance, max_steps=group["max_eval"] - evaluations
                )
                t, loss, grad = found.t, found.value, found.grad
                state["t"] = t
            else:
                self._move(t, direction)
                if iteration != group["max_iter"]:  # after the last iteration nobody reads the loss
                    loss, grad = float(closure()), self._flat_grad()
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if iteration == group["max_iter"] or evaluations >= group["max_eval"]:
                break
            if _largest(grad) <= group["tolerance_grad"] or _largest(direction * t) <= tolerance:
                break
            if abs(loss - previous_loss) < tolerance:
                break
        return first_loss

    def _search(
        self,
        closure: Callable[[], Any],
        direction: Any,
        start: Point,
        t: float,
        *,
        tolerance_change: float,
        max_steps: int,
    ) -> tuple[Point, int]:
        """Move to the point that the line search finds; returns it and the number of evaluations."""
        origin = [param.clone() for param in self._params]

        def move_to(t: float) -> None:
            for param, value in zip(self._params, origin):
                param.copy_(value)
            self._move(t, direction)

        def evaluate(t: float) -> Point:
            move_to(t)
            value, grad = float(closure()), self._flat_grad()
            return Point(t, value, grad, float(grad.dot(direction)))

        found, used = strong_wolfe(
            evaluate, start, t, _largest(direction), tolerance_change=tolerance_change, max_steps=min(25, max_steps)
        )
        move_to(found.t)
        return found, used

    def _flat_grad(self) -> Any:
        """All gradients as one new vector; zeros for a parameter without one."""
        grads = [rushlight.zeros_like(param) if param.grad is None else param.grad for param in self._params]
        return rushlight.cat([_real(grad).reshape(-1) for grad in grads])

    def _move(self, t: float, direction: Any) -> None:
        start = 0
        for param in map(_real, self._params):
            param.add_(direction[start : start + param.numel()].view_as(param), alpha=t)
            start += param.numel()


def _real(tensor: Any) -> Any:
    return rushlight.view_as_real(tensor) if tensor.is_complex() else tensor


def _largest(vector: Any) -> float:
    return float(vector.abs().max())


def _direction(state: dict[str, Any], grad: Any, history_size: int) -> Any:
    """Take the last step into the history, then −H·grad by the two-loop recursion."""
    dirs, stps, ro = state["old_dirs"], state["old_stps"], state["ro"]
    y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
    ys = y.dot(s)
    if float(ys) > 1e-10:  # curvature that would not keep H positive definite is left out
        if len(dirs) == history_size:
            for history in (dirs, stps, ro):
                history.pop(0)
        dirs.append(y)
        stps.append(s)
        ro.append(1.0 / ys)
        state["H_diag"] = ys / y.dot(y)
    al = state["al"]
    q = -grad
    for i in reversed(range(len(dirs))):
        al[i] = stps[i].dot(q) * ro[i]
        q = q - dirs[i] * al[i]
        flush()  # so that one program serves all entries, however many there are
    r = q * state["H_diag"]
    for i in range(len(dirs)):
        r = r + stps[i] * (al[i] - dirs[i].dot(r) * ro[i])
        flush()
    return r
