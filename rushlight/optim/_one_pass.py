"""How the built-in optimisers step: the update of all groups and all parameters is recorded as one entry.

An optimiser gives three short methods. `_row` lists the tensors of one parameter's state (making them the first time)
and names the *variant* of its update; `_plan` gives, for one group and variant, the static flags and the numbers that
change from step to step, computed in Python doubles; `_update` is the update itself as plain tensor code, traced
once. Only the flags are part of the key: a new learning rate, step size or bias correction is a new input of the same
program.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.lazy.macro import flush, record_as_one, run_as_one
from rushlight.lazy.record import local, switch_grad_mode
from rushlight.lazy.step import realise
from rushlight.optim._checks import PileWatch, check_state
from rushlight.optim._idle import warn_idle
from rushlight.optim.optimizer import Optimizer

_PATIENCE = 10  # steps a parameter may go without a gradient before the user hears of it


class _Block:
    """The rows of one group and variant, as the last step laid them out: param, grad and state of each, end to end."""

    def __init__(self, group: dict[str, Any], variant: Any, rows: list[list[Any]]) -> None:
        self.group, self.variant = group, variant
        self.params = [row[0] for row in rows]
        self.tensors = [tensor for row in rows for tensor in row]
        self.tensors[1 :: len(rows[0])] = [None] * len(rows)  # gradients change, and are not kept alive
        self.width = len(rows[0])


class _Layout:
    """What the last step gathered, and what must not have changed for the next one to gather the same."""

    def __init__(self, optimizer: OnePassOptimizer, blocks: list[_Block], missing: list[Any]) -> None:
        self.blocks, self.missing = blocks, missing
        self.steps = list(optimizer._counts)
        self.versions = [step._version for step in self.steps]
        self.counts = list(optimizer._counts.values())
        self.parts = _parts(optimizer)
        self.options = optimizer._options()


class OnePassOptimizer(Optimizer):
    """An optimiser whose step is one recorded entry; see the module's text."""

    _deciding: tuple[str, ...] = ()  # the options whose truth decides which state a parameter has
    _foreseen = True  # `_later` knows the variant of the next step
    _lr_differentiable = True  # `_plan` takes `lr_of(group)`

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self._reset()
        super().__init__(params, defaults)

    def _reset(self) -> None:
        self._numbers: dict[Any, float] = {}  # 0-d state tensor -> its value, so that a step never waits for it
        self._counts: dict[Any, float] = {}  # step tensor -> its value once the step that is being taken has run
        self._idle: set[Any] | None = None  # parameters that have had no gradient yet; None before the first step
        self._steps = 0
        self._piles = PileWatch()
        self._layout: _Layout | None = None
        self._sparse_rows: list[tuple[dict[str, Any], Any, Any]] = []  # of the step that is being taken

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._reset()
        for values in self.state.values():
            step = values.get("step") if isinstance(values, dict) else None
            if step is not None and not isinstance(step, rushlight.Tensor):
                values["step"] = rushlight.tensor(float(step), dtype=scalar_dtype())

    # -- given by each optimiser -----------------------------------------------------------------------------------

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        """(variant, state tensors) of one parameter about to be updated."""
        raise NotImplementedError

    def _plan(self, group: dict[str, Any], variant: Any) -> tuple[Hashable, list[float]]:
        """(static flags, numbers) for the parameters of one group that share a variant."""
        raise NotImplementedError

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        """Update one parameter and its state in place."""
        raise NotImplementedError

    def _rows_of(self, group: dict[str, Any], param: Any, grad: Any) -> tuple[Any, Any]:
        """What is to be known of a sparse gradient before anything is written: rows and values."""
        raise NotImplementedError

    def _update_rows(self, group: dict[str, Any], param: Any, index: Any, values: Any) -> None:
        """Update the rows of a parameter that has a sparse gradient, and of its state, in place."""
        raise NotImplementedError

    # -- shared ----------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, if given, returns."""
        loss = None
        if closure is not None:
            with rushlight.enable_grad():
                loss = closure()
        update = type(self)._update
        mode, local.grad_mode = local.grad_mode, False  # no entry for it: what a macro records needs none
        try:
            again = self._gather_again()
            if again is not None:
                layout, tensors, numbers = again
                local.grad_mode = mode
                run_as_one((update, layout), functools.partial(_apply, update, layout), tensors, numbers)
            elif self.defaults.get("differentiable"):
                self._differentiably(update)
                switch_grad_mode(mode)
            else:
                for layout, tensors, numbers in self._gather():
                    record_as_one((update, layout), functools.partial(_apply, update, layout), tensors, numbers)
                if self._sparse_rows:
                    switch_grad_mode(False)
                    found = [(g, p, self._rows_of(g, p, -d if g["maximize"] else d)) for g, p, d in self._sparse_rows]
                    for group, param, (index, values) in found:
                        self._update_rows(group, param, index, values)
                    self._sparse_rows = []
                switch_grad_mode(mode)
                flush()
        except BaseException:
            switch_grad_mode(mode)
            self._layout = None
            self._numbers.clear()  # what is noted here may be ahead of the tensors: read those again next time
            self._counts = {}
            self._forget_unmade()
            raise
        if again is None:
            _write(self._counts, self._counts.values())
            self._counts = {}
        else:
            made: Any = self._layout
            _write(made.steps, made.counts)
        return loss

    def _differentiably(self, update: Callable) -> None:
        """A step that gradients flow through: parameters and state become results of operations on what they were."""
        from rushlight.optim import _differentiable as differentiable

        differentiable.check_options(self, self._lr_differentiable)
        switch_grad_mode(True)
        for layout, tensors, numbers in self._gather():
            _apply(update, layout, tensors, numbers, differentiable.update_row_out_of_place)
        if self._sparse_rows:
            raise self._sparse()
        self._layout = None

    def _forget_unmade(self) -> None:
        """Drop the state that a failed step was to make and that has no value: the next step makes it anew."""
        for param, state in list(self.state.items()):
            tensors = [v for v in state.values() if isinstance(v, rushlight.Tensor)]
            if any(t._array is None and t._trace is None and t._base is None for t in tensors):
                del self.state[param]

    def _gather_again(self) -> Any:
        """What `_gather` would yield, if groups, parameters, state and absent gradients are those of the last step; or None."""
        last, self._layout = self._layout, None
        if last is None:
            return None
        parts = _parts(self)
        if not (
            len(parts) == len(last.parts)
            and all(map(operator.is_, parts, last.parts))
            and self._options() == last.options
            and not any([param._grad is not None for param in last.missing])
            and [step._version for step in last.steps] == last.versions
        ):
            return None
        layout: list[Hashable] = []
        tensors: list[Any] = []
        numbers: list[float] = []
        for block in last.blocks:
            grads = [param._grad for param in block.params]
            if any([grad is None for grad in grads]):
                return None
            rows = block.tensors.copy()
            rows[1 :: block.width] = grads
            tensors += rows
        for block in last.blocks:
            block.variant = self._later(block.variant)
            shape, values = self._lay_out(block.group, block.variant, block.width, len(block.params))
            layout.append(shape)
            numbers += values
        last.counts = [count + 1 for count in last.counts]
        self._layout = last
        self._steps += 1
        self._piles.step(type(self).__name__, tensors[1])
        return tuple(layout), tensors, numbers

    def _options(self) -> list[bool]:
        return [bool(group[name]) for group in self.param_groups for name in self._deciding]

    def _later(self, variant: Any) -> Any:
        """The variant of the step after one with `variant`: step counts, which are floats, count."""
        return variant + 1 if variant.__class__ is float else variant

    def _gather(self) -> Any:
        """Yield (layout, tensors, numbers): once, or parameter by parameter if a group lists one twice."""
        layout: list[Hashable] = []
        tensors: list[Any] = []
        numbers: list[float] = []
        missing = []
        blocks = []
        repeats = False
        self._sparse_rows = []
        for group in self.param_groups:
            params = group["params"]
            variants: dict[Hashable, list[list[Any]]] = {}
            repeats = len(set(params)) != len(params)
            for param in params:
                grad = param.grad
                if grad is None:
                    missing.append(param)
                    continue
                if grad.is_sparse:
                    if type(self)._rows_of is OnePassOptimizer._rows_of:
                        raise self._sparse()
                    self._sparse_rows.append((group, param, grad))
                    continue
                try:
                    variant, row = self._row(group, param)
                except (ZeroDivisionError, OverflowError) as error:
                    raise ValueError(
                        explain_error(type(self).__name__, got=f"options that give no step ({error})")
                    ) from None
                row = [param, grad, *row]
                if repeats:
                    shape, values = self._lay_out(group, variant, len(row), 1)
                    yield (shape,), row, values
                else:
                    variants.setdefault(variant, []).append(row)
            for variant, rows in variants.items():
                shape, values = self._lay_out(group, variant, len(rows[0]), len(rows))
                layout.append(shape)
                numbers += values
                for row in rows:
                    tensors += row
                blocks.append(_Block(group, variant, rows))
        if missing or self._idle:
            self._notice(missing)
        if not self._steps:
            for block in blocks:
                for param in block.params:
                    param._trained = True
        self._steps += 1
        if tensors:
            self._piles.step(type(self).__name__, tensors[1])
            if (
                self._foreseen
                and not repeats
                and not self._sparse_rows
                and not self._idle
                and (not missing or self._steps >= _PATIENCE)
            ):
                self._layout = _Layout(self, blocks, missing)
            yield tuple(layout), tensors, numbers

    def _lay_out(self, group: dict[str, Any], variant: Hashable, width: int, rows: int) -> tuple[Hashable, list[float]]:
        """What `_apply` needs to take the flat lists apart again, and the numbers of these rows."""
        flags, numbers = self._plan(group, variant)
        decay = group.get("weight_decay", 0)
        how = ""
        if decay != 0:
            how = "decoupled" if group.get("decoupled_weight_decay") else "l2"
            factor = 1 - lr_of(group) * float(decay) if how == "decoupled" else float(decay)
            numbers = [factor, *numbers]
        return (group["maximize"], how, flags, len(numbers), width, rows), numbers

    def _sparse(self) -> RuntimeError:
        return RuntimeError(
            explain_error(
                f"{type(self).__name__}.step",
                got="a sparse gradient",
                expected="a dense one",
                fix="make the embedding with sparse=False, use SparseAdam, SGD or Adagrad, or call grad.to_dense() first",
            )
        )

    def _next_step(self, state: dict[str, Any]) -> float:
        """The number of the step about to be taken, which goes to the tensor once the step has run: it is no part of it."""
        step = state["step"]
        count = self._counts.get(step)
        count = self._counts[step] = (float(_buffer(step)) if count is None else count) + 1
        return count

    def _value(self, tensor: Any) -> float:
        """The value of a 0-d state tensor, read from it only once."""
        known = self._numbers.get(tensor)
        return float(tensor) if known is None else known

    def _will_hold(self, tensor: Any, value: float) -> None:
        """Note that the recorded update stores `value` in a 0-d state tensor."""
        if tensor.dtype in (rushlight.float32, rushlight.float64):
            self._numbers[tensor] = rounded(tensor, value)
        else:
            self._numbers.pop(tensor, None)

    def _notice(self, missing: list[Any]) -> None:
        """Warn about parameters that never get a gradient: at once if none has one, else after some steps."""
        missing = [param for param in missing if param.requires_grad]
        if self._idle is None:
            self._idle = set(missing)
        self._idle &= set(missing)
        total = sum(len(group["params"]) for group in self.param_groups)
        if len(missing) == total and not local.backwards and "_opt_called" in self.__dict__:
            return  # a schedule that is looked at for itself
        if not self._idle or self._steps not in (0, _PATIENCE - 1) or (self._steps == 0 and len(missing) < total):
            return
        idle, self._idle = self._idle, set()
        warn_idle(f"{type(self).__name__}.step", self.param_groups, idle, total, self._steps + 1)


def lr_of(group: dict[str, Any]) -> Any:
    """The learning rate as a float; in a differentiable step the tensor itself if a gradient is wanted of it."""
    lr = group["lr"]
    if group.get("differentiable") and isinstance(lr, rushlight.Tensor) and lr.requires_grad:
        return lr
    return float(lr)


def _parts(optimizer: Optimizer) -> list[Any]:
    """The groups, their parameters, and the state, in order."""
    parts = list(optimizer.param_groups)
    for group in optimizer.param_groups:
        parts += group["params"]
    for values in optimizer.state.values():
        parts += values.values() if isinstance(values, dict) else [values]
    return parts


def _write(steps: Iterable[Any], counts: Iterable[float]) -> None:
    """Write the counts of steps; the tensors' versions stay: another version is the sign that somebody else wrote one."""
    for step, count in zip(steps, counts):
        _buffer(step).fill(count)


def _buffer(tensor: Any) -> np.ndarray:
    """The memory of a 0-d state tensor, which holds its value."""
    return tensor._array if tensor._trace is None and tensor._base is None else realise(tensor)


def _apply(
    update: Callable, layout: tuple, tensors: list[Any], numbers: list[Any], run: Callable | None = None
) -> list[Any]:
    """Run `update` for every parameter of the flat lists that `_gather` made."""
    run = run or update_row
    tensors_read = numbers_read = 0
    for maximize, decay, flags, count, width, params in layout:
        values = numbers[numbers_read : numbers_read + count]
        numbers_read += count
        for _ in range(params):
            row = map(_real, tensors[tensors_read : tensors_read + width])
            tensors_read += width
            run(update, (maximize, decay, flags), values, *row)
    return []


def update_row(update: Callable, how: tuple, values: list[Any], param: Any, grad: Any, *state: Any) -> None:
    """The update of one parameter, with what all optimisers share of it."""
    maximize, decay, flags = how
    if maximize:
        grad = -grad
    if decay == "l2":
        grad = grad.add(param, alpha=values[0])
    elif decay == "decoupled":
        param.mul_(values[0])
    check_state(update, param, state)
    update(flags, values[1:] if decay else values, param, grad, *state)


def _real(tensor: Any) -> Any:
    return rushlight.view_as_real(tensor) if tensor.is_complex() else tensor


def scalar_dtype() -> Any:
    """The dtype of step counts: float32 unless the default dtype is float64."""
    return rushlight.float64 if rushlight.get_default_dtype() == rushlight.float64 else rushlight.float32


def new_step() -> Any:
    """The step count of a parameter that has not been updated yet."""
    return rushlight.zeros((), dtype=scalar_dtype())


def rounded(tensor: Any, value: float) -> float:
    """`value` as a float32 tensor would hold it; unchanged for any other dtype."""
    return float(np.float32(value)) if tensor.dtype == rushlight.float32 else value


def toward(beta: float) -> tuple[bool, float]:
    """How `follow_` forms beta·average + (1 − beta)·value: from the nearer end, as `lerp` does."""
    return (True, 1 - beta) if 1 - beta < 0.5 else (False, 1 - (1 - beta))


def follow_(average: Any, value: Any, near: bool, share: Any) -> None:
    """Move a running average towards `value`, by `toward(beta)`."""
    difference = value - average
    if near:
        average.add_(difference, alpha=share)
    else:
        average.copy_(value - difference * share)
