"""A Jacobian, computed three ways: by differences, by backward passes, by forward mode. What `gradcheck` compares.

A complex number counts as two real ones, side by side, for inputs and outputs alike. Matrices are (input elements, output
elements). A Jacobian applied to directions (`fast_mode`) is the same with one column: each way takes its directions from
outside, every unit vector or a single random one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.autograd.backward import grad as gradients
from rushlight.functional import FUNCTIONS
from rushlight.lazy.record import Handle


def differentiable_outputs(found: Any) -> list[Any]:
    """The floating and complex tensors among the results of a function."""
    several = found if isinstance(found, (tuple, list)) else (found,)
    return [y for y in several if isinstance(y, Handle) and (y.dtype.is_floating_point or y.dtype.is_complex)]


def size_of(tensor: Any) -> int:
    """The number of real coordinates of a tensor."""
    return int(tensor.numel()) * (2 if tensor.dtype.is_complex else 1)


def flat(tensor: Any) -> np.ndarray:
    """A tensor's values as a vector of real coordinates in double precision."""
    array = np.ascontiguousarray(tensor.detach()._compute_array())
    if tensor.dtype.is_complex:
        return array.astype(np.complex128).reshape(-1).view(np.float64)
    return array.astype(np.float64).reshape(-1)


def shaped(vector: np.ndarray, like: Any, dtype: Any = None) -> Any:
    """A tensor with these coordinates and the shape of another one."""
    if like.dtype.is_complex:
        vector = np.ascontiguousarray(vector).view(np.complex128)
    return FUNCTIONS["tensor"](vector.reshape(tuple(like.shape)), dtype=dtype or like.dtype)


def units(tensor: Any) -> np.ndarray:
    """Every direction of a tensor: the rows are unit vectors."""
    return np.eye(size_of(tensor))


def random_unit(tensor: Any, draws: np.random.RandomState) -> np.ndarray:
    """One direction of length 1."""
    vector = draws.standard_normal((1, size_of(tensor)))
    return vector / max(float(np.linalg.norm(vector)), 1e-300)


def numerical(
    func: Callable, inputs: tuple, which: int, directions: np.ndarray, eps: float, sizes: Sequence[int]
) -> list[np.ndarray]:
    """For each output: (func(x + eps v) - func(x - eps v)) / 2 eps, a row for each direction v."""
    x = inputs[which]
    point = flat(x)

    def at(vector: np.ndarray) -> list[np.ndarray]:
        moved = shaped(vector, x).requires_grad_()
        return [flat(y) for y in differentiable_outputs(func(*inputs[:which], moved, *inputs[which + 1 :]))]

    rows = [
        [(high - low) / (2 * eps) for high, low in zip(at(point + eps * v), at(point - eps * v), strict=True)]
        for v in directions
    ]
    return [np.stack(column) for column in zip(*rows, strict=True)] if rows else [np.zeros((0, n)) for n in sizes]


def backward(
    outputs: Sequence[Any], targets: Sequence[Any], directions: Sequence[np.ndarray]
) -> list[list[np.ndarray]]:
    """For each output and target: the gradient for each of the output's directions, as columns."""
    found = []
    for y, rows in zip(outputs, directions, strict=True):
        matrices = [np.zeros((size_of(x), len(rows))) for x in targets]
        for column, row in enumerate(rows if y.requires_grad else ()):
            got = gradients(y, targets, shaped(row, y), retain_graph=True, allow_unused=True)
            for matrix, g in zip(matrices, got, strict=True):
                if g is not None:
                    matrix[:, column] = flat(g)
        found.append(matrices)
    return found


def forward(
    func: Callable, inputs: tuple, which: int, directions: np.ndarray, sizes: Sequence[int]
) -> list[np.ndarray]:
    """For each output: the tangent for each direction of an input, as rows."""
    rows = [[flat(t) for t in tangents_of(func, inputs, which, shaped(v, inputs[which]))] for v in directions]
    return [np.stack(column) for column in zip(*rows, strict=True)] if rows else [np.zeros((0, n)) for n in sizes]


def tangents_of(func: Callable, inputs: tuple, which: int, tangent: Any) -> list[Any]:
    """The tangents of the outputs where one input has one."""
    from rushlight.autograd import forward_ad

    with forward_ad.dual_level():
        arguments = list(inputs)
        arguments[which] = forward_ad.make_dual(inputs[which], tangent)
        pairs = [forward_ad.unpack_dual(y) for y in differentiable_outputs(func(*arguments))]
        return [FUNCTIONS["zeros_like"](p.primal) if p.tangent is None else p.tangent for p in pairs]
