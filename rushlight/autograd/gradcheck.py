"""Comparing gradients with finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.autograd import jacobians
from rushlight.autograd.backward import grad as gradients
from rushlight.dtype import complex128, float64
from rushlight.errors import explain_error
from rushlight.functional import FUNCTIONS
from rushlight.lazy.record import Handle
from rushlight.lazy.step import flush


class GradcheckError(RuntimeError):
    """A gradient differs from finite differences."""


def _as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable_inputs(inputs: tuple) -> list[int]:
    found = [i for i, x in enumerate(inputs) if isinstance(x, Handle) and x._meta.requires_grad]
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i in found:
        kind = inputs[i]._meta.dtype
        if kind not in (float64, complex128):
            warnings.warn(
                f"gradcheck: input #{i} requires gradient and is not a double precision floating point ({kind}); finite differences will "
                "be too coarse. Fix: input.double().",
                UserWarning, stacklevel=4,
            )  # fmt: skip
        if any(step == 0 and n > 1 for step, n in zip(inputs[i].stride(), inputs[i].shape, strict=True)):
            raise RuntimeError(
                explain_error(
                    "gradcheck", got=f"input {i} with a dimension of stride 0, whose elements share their memory",
                    expected="elements that can be moved one by one", fix="input.contiguous()",
                )
            )  # fmt: skip
    return found


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-06, atol: float = 1e-05, rtol: float = 0.001,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False, check_forward_ad: bool = False,
    check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` agree with (func(x + eps) - func(x - eps)) / (2 eps), element by element.

    Backward passes are checked, and with `check_forward_ad` forward mode. `check_batched_grad` and
    `check_batched_forward_grad` ask that `vmap` over directions gives what they give one by one; `check_grad_dtypes` that
    gradients have the dtypes of their inputs. Each output is differentiated by itself, so the others' gradients are absent,
    which is what `check_undefined_grad` is about. `fast_mode` compares one random combination of elements instead of all.
    Elements of complex tensors count as two. `masked` is about sparse tensors, and changes nothing for others.

    Raises GradcheckError with the input's index, both Jacobians and the largest difference; returns False instead with
    raise_exception=False. ValueError if no input requires a gradient.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.tanh, (x,), check_forward_ad=True)
    True
    """
    _require(check_forward_ad or check_backward_ad, "at least one of check_forward_ad and check_backward_ad")
    _require(check_backward_ad or not check_batched_grad, "check_backward_ad=True with check_batched_grad=True")
    _require(
        check_forward_ad or not check_batched_forward_grad, "check_forward_ad=True with check_batched_forward_grad=True"
    )
    arguments = _as_tuple(inputs)
    check = _Check(func, arguments, _differentiable_inputs(arguments), eps, atol, rtol, nondet_tol, fast_mode)
    try:
        if check_backward_ad:
            check.backward()
        if check_forward_ad:
            check.forward()
        if check_grad_dtypes:
            check.dtypes()
        if check_batched_grad:
            check.batched_backward()
        if check_batched_forward_grad:
            check.batched_forward()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _require(condition: bool, expected: str) -> None:
    if not condition:
        raise AssertionError(f"gradcheck: expected {expected}.")


def _mapped(what: str, run: Callable, *arguments: Any) -> Any:
    try:
        return run(*arguments)
    except RuntimeError as error:
        raise GradcheckError(
            f"gradcheck: While computing {what} with vmap, got: {error}\nFix: leave that check off, or write the function's "
            "backward in tensor code alone."
        ) from error


class _Check:
    """A function at a point, and how near is near enough."""

    def __init__(
        self, func: Callable, inputs: tuple, which: list[int], eps: float, atol: float, rtol: float, nondet_tol: float, fast: bool,
    ):  # fmt: skip
        self.func, self.inputs, self.which = func, inputs, which
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.outputs = jacobians.differentiable_outputs(func(*inputs))
        self.sizes = [jacobians.size_of(y) for y in self.outputs]
        self.targets = [inputs[i] for i in which]
        draws = np.random.RandomState(0)  # its own: what a script draws afterwards is the same

        def directions(tensors: Sequence[Any]) -> list[np.ndarray]:
            return [jacobians.random_unit(t, draws) if fast else jacobians.units(t) for t in tensors]

        self.fast = fast
        self.rows, self.columns = directions(self.targets), directions(self.outputs)
        self._numerical: dict[int, list[np.ndarray]] = {}
        flush()  # all backward passes start from computed outputs: the same program, so the same bits

    def numerical(self, number: int) -> list[np.ndarray]:
        """By differences, for the input of that number among those that are differentiated; computed once."""
        if number not in self._numerical:
            found = jacobians.numerical(
                self.func, self.inputs, self.which[number], self.rows[number], self.eps, self.sizes
            )
            self._numerical[number] = found
        return self._numerical[number]

    def backward(self) -> None:
        computed = jacobians.backward(self.outputs, self.targets, self.columns)
        again = jacobians.backward(self.outputs, self.targets, self.columns)
        for number, i in enumerate(self.which):
            for o, expected in enumerate(self.numerical(number)):
                found = computed[o][number]
                drift = np.abs(found - again[o][number])
                if drift.size and float(drift.max()) > self.nondet_tol:
                    raise GradcheckError(
                        f"gradcheck: Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                        f"gives different values: output {o}, input {i}, largest difference {float(drift.max()):.3g}; expected at most "
                        f"{self.nondet_tol}."
                    )
                if self.fast:  # both become the one number u J v
                    expected, found = expected @ self.columns[o].T, self.rows[number] @ found
                self.compare("Jacobian mismatch", o, i, expected, found)

    def forward(self) -> None:
        for number, i in enumerate(self.which):
            found = jacobians.forward(self.func, self.inputs, i, self.rows[number], self.sizes)
            for o, (expected, matrix) in enumerate(zip(self.numerical(number), found, strict=True)):
                self.compare("Jacobian computed with forward mode mismatch", o, i, expected, matrix)

    def dtypes(self) -> None:
        for o, y in enumerate(self.outputs):
            found = self.gradients(y, FUNCTIONS["ones_like"](y)) if y.requires_grad else []
            for i, x, g in zip(self.which, self.targets, found):
                if g is not None and g.dtype != x.dtype:
                    raise GradcheckError(
                        f"gradcheck: the gradient of output {o} has dtype {g.dtype} for input {i} of {x.dtype}; expected the same."
                    )

    def gradients(self, y: Any, direction: Any, batched: bool = False) -> tuple:
        return gradients(y, self.targets, direction, retain_graph=True, allow_unused=True, is_grads_batched=batched)

    def batched_backward(self) -> None:
        for o, y in enumerate(self.outputs):
            if not y.requires_grad:
                continue
            pair = self.pair_of(y)
            one_by_one = [self.gradients(y, direction) for direction in pair]
            together = _mapped("batched gradients", self.gradients, y, FUNCTIONS["stack"](pair), True)
            for i, found, *alone in zip(self.which, together, *one_by_one):
                self.compare_batch("Batched gradients", o, i, found, alone)

    def batched_forward(self) -> None:
        from rushlight.func import vmap

        for i, x in zip(self.which, self.targets):
            pair = self.pair_of(x)

            def tangents(v: Any, i: int = i) -> tuple:
                return tuple(jacobians.tangents_of(self.func, self.inputs, i, v))

            one_by_one = [tangents(direction) for direction in pair]
            together = _mapped("batched forward gradients", vmap(tangents), FUNCTIONS["stack"](pair))
            for o, (found, *alone) in enumerate(zip(together, *one_by_one)):
                self.compare_batch("Batched forward gradients", o, i, found, alone)

    def pair_of(self, like: Any) -> list[Any]:
        """Two directions."""
        draws = np.random.RandomState(1)
        return [jacobians.shaped(jacobians.random_unit(like, draws)[0], like) for _ in range(2)]

    def compare_batch(self, what: str, output: int, index: int, found: Any, alone: list[Any]) -> None:
        for k, expected in enumerate(alone):
            if (found is None) != (expected is None):
                raise GradcheckError(f"gradcheck: {what} for output {output} and input {index} are missing.")
            if expected is not None:
                a, b = jacobians.flat(expected), jacobians.flat(found[k])
                self.compare(f"{what} mismatch", output, index, a[None], b[None], ("one by one", "batched"))

    def compare(
        self, what: str, output: int, index: int, expected: np.ndarray, found: np.ndarray,
        names: tuple[str, str] = ("numerical", "analytical"),
    ) -> None:  # fmt: skip
        if np.allclose(found, expected, self.rtol, self.atol, equal_nan=True):
            return
        difference = np.abs(found - expected)
        worst = np.unravel_index(0 if np.all(np.isnan(difference)) else int(np.nanargmax(difference)), difference.shape)
        place = "" if self.fast else f", at input element {int(worst[0])} and output element {int(worst[1])}"
        fast = (
            " These are a random combination of the elements: fast_mode=False names the element." if self.fast else ""
        )
        raise GradcheckError(
            f"gradcheck: {what} for output {output} with respect to input {index},\n{names[0]}:\n{expected}\n{names[1]}:\n{found}\n"
            f"largest difference {float(difference[worst]):.6g}{place}; tolerances atol={self.atol}, rtol={self.rtol}.{fast}"
        )


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-06, atol: float = 1e-05, rtol: float = 0.001,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradients themselves, with respect to the inputs and to the gradients that come in.

    The gradients are differentiated by backward passes, and with `check_fwd_over_rev` in forward mode.
    `gen_non_contig_grad_outputs` draws gradients that do not lie in rows.
    """
    _require(check_fwd_over_rev or check_rev_over_rev, "at least one of check_fwd_over_rev and check_rev_over_rev")
    arguments = _as_tuple(inputs)
    if grad_outputs is None:
        outputs = jacobians.differentiable_outputs(func(*arguments))
        directions = [_drawn(y, gen_non_contig_grad_outputs) for y in outputs]
    else:
        directions = list(_as_tuple(grad_outputs))
    count = len(arguments)
    which = [i for i, x in enumerate(arguments) if isinstance(x, Handle) and x._meta.requires_grad]

    def gradient(*values: Any) -> tuple:
        from rushlight.autograd.modes import enable_grad

        with enable_grad():
            inner = [
                x if not isinstance(x, Handle) or x._meta.requires_grad or i not in which else x.requires_grad_()
                for i, x in enumerate(values[:count])
            ]
            found = jacobians.differentiable_outputs(func(*inner))
            pairs = [(y, v) for y, v in zip(found, values[count:], strict=True) if y._meta.requires_grad]
            grads = gradients(
                [y for y, _ in pairs],
                [inner[i] for i in which],
                [v for _, v in pairs],
                create_graph=True,
                allow_unused=True,
            )
        return tuple(g for g in grads if g is not None)

    return gradcheck(
        gradient,
        (*arguments, *directions),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _drawn(like: Any, in_steps: bool) -> Any:
    """A gradient in [-1, 1), drawn from the default generator as PyTorch's is: what a script draws afterwards is the same."""
    drawn = like.detach().new_empty(tuple(like.shape))
    parts = FUNCTIONS["view_as_real"](drawn) if drawn.is_complex() else drawn
    parts.uniform_(-1, 1)
    if in_steps and drawn.numel() > 1:
        drawn = FUNCTIONS["stack"]((drawn, drawn), -1).select(-1, 0)
    return drawn.requires_grad_()


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
