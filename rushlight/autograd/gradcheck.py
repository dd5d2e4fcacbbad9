"""Comparing gradients with finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.autograd.backward import grad as gradients
from rushlight.dtype import COMPLEX, FLOATING, float64
from rushlight.functional import FUNCTIONS
from rushlight.lazy.handle import Handle
from rushlight.lazy.step import flush


class GradcheckError(RuntimeError):
    """A gradient differs from finite differences."""


def _as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable_inputs(inputs: tuple) -> list[int]:
    import warnings

    found = [i for i, x in enumerate(inputs) if isinstance(x, Handle) and x._meta.requires_grad]
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i in found:
        kind = inputs[i]._meta.dtype
        if kind.category == COMPLEX:
            raise NotImplementedError(
                f"gradcheck: input {i} is complex ({kind}); only real inputs are supported. Fix: check real and imaginary parts apart."
            )
        if kind is not float64:
            warnings.warn(
                f"gradcheck: input #{i} requires gradient and is not a double precision floating point ({kind}); finite differences will "
                "be too coarse. Fix: input.double().",
                UserWarning, stacklevel=4,
            )  # fmt: skip
    return found


def _outputs(func: Callable, inputs: tuple) -> list[Any]:
    """The floating outputs that a gradient can flow to."""
    return [y for y in _as_tuple(func(*inputs)) if isinstance(y, Handle) and y._meta.dtype.category >= FLOATING]


def _numerical(func: Callable, inputs: tuple, which: int, eps: float) -> list[np.ndarray]:
    """For each output: d output / d input by central differences, (input elements, output elements)."""
    from rushlight.autograd.modes import no_grad

    point = inputs[which].detach()
    values = np.array(point._compute_array(), dtype=np.float64)
    columns: list[list[np.ndarray]] = []

    def at(array: np.ndarray) -> list[np.ndarray]:
        moved = FUNCTIONS["tensor"](array, dtype=point.dtype)
        with no_grad():
            arguments = (*inputs[:which], moved, *inputs[which + 1 :])
            return [
                np.array(y._compute_array(), dtype=complex if y.is_complex() else float).ravel()
                for y in _outputs(func, arguments)
            ]

    for position in np.ndindex(values.shape):
        high, low = values.copy(), values.copy()
        high[position] += eps
        low[position] -= eps
        columns.append([(h - b) / (2 * eps) for h, b in zip(at(high), at(low), strict=True)])
    if not columns:
        return [np.zeros((0, y.size)) for y in at(values)]
    return [np.stack(rows) for rows in zip(*columns, strict=True)]


def _analytical(outputs: list[Any], inputs: tuple, which: list[int]) -> list[list[np.ndarray]]:
    """For each output and input: the same matrix from one backward for each output element."""
    found = []
    targets = [inputs[i] for i in which]
    for y in outputs:
        matrices = [np.zeros((x.numel(), y.numel())) for x in targets]
        if y._meta.requires_grad:
            for column in range(y.numel()):
                seed = np.zeros(y.numel())
                seed[column] = 1.0
                direction = FUNCTIONS["tensor"](seed.reshape(tuple(y.shape)), dtype=y.dtype)
                for matrix, g in zip(
                    matrices, gradients(y, targets, direction, retain_graph=True, allow_unused=True), strict=True
                ):
                    if g is not None:
                        matrix[:, column] = g.detach()._compute_array().ravel()
        found.append(matrices)
    return found


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-06, atol: float = 1e-05, rtol: float = 0.001,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False, check_forward_ad: bool = False,
    check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` agree with (func(x + eps) - func(x - eps)) / (2 eps), element by element.

    Raises GradcheckError with the input's index, both Jacobians and the largest difference; returns False instead with
    raise_exception=False. `fast_mode` is accepted: the full comparison is made.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.tanh, (x,))
    True
    """
    if check_forward_ad or check_batched_grad or check_batched_forward_grad:
        raise NotImplementedError(
            "gradcheck: forward-mode and batched gradients are not supported. Fix: leave their checks False."
        )
    try:
        return _check(func, _as_tuple(inputs), eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False


def _check(func: Callable, inputs: tuple, eps: float, atol: float, rtol: float, nondet_tol: float) -> bool:
    which = _differentiable_inputs(inputs)
    outputs = _outputs(func, inputs)
    if any(y.is_complex() for y in outputs):
        raise NotImplementedError(
            "gradcheck: an output is complex; only real outputs are supported. Fix: return its real and imaginary parts."
        )
    flush()  # both backward passes below start from computed outputs: the same program, so the same bits
    computed = _analytical(outputs, inputs, which)
    again = _analytical(outputs, inputs, which)
    for number, i in enumerate(which):
        expected = _numerical(func, inputs, i, eps)
        for o, matrix in enumerate(expected):
            _compare(o, i, matrix, computed[o][number], atol, rtol)
            drift = np.abs(computed[o][number] - again[o][number])
            if drift.size and float(drift.max()) > nondet_tol:
                raise GradcheckError(
                    f"gradcheck: Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                    f"different values: output {o}, input {i}, largest difference {float(drift.max()):.3g}; expected at most {nondet_tol}."
                )
    return True


def _compare(output: int, index: int, numerical: np.ndarray, analytical: np.ndarray, atol: float, rtol: float) -> None:
    if np.allclose(analytical, numerical, rtol, atol, equal_nan=True):
        return
    difference = np.abs(analytical - numerical)
    worst = np.unravel_index(int(np.nanargmax(difference)) if not np.all(np.isnan(difference)) else 0, difference.shape)
    raise GradcheckError(
        f"gradcheck: Jacobian mismatch for output {output} with respect to input {index},\nnumerical:\n{numerical}\nanalytical:\n{analytical}\n"
        f"largest difference {float(difference[worst]):.6g}, at input element {int(worst[0])} and output element {int(worst[1])}; "
        f"tolerances atol={atol}, rtol={rtol}."
    )


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-06, atol: float = 1e-05, rtol: float = 0.001,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradients themselves, with respect to the inputs and to the gradients that come in."""
    arguments = _as_tuple(inputs)
    outputs = _outputs(func, arguments)
    if grad_outputs is None:
        # drawn from the default generator, as PyTorch's are, so that what a script draws afterwards is the same
        directions = [y.detach().new_empty(tuple(y.shape)).uniform_(-1, 1).requires_grad_() for y in outputs]
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
            found = _outputs(func, tuple(inner))
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
    )


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
