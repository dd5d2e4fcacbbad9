"""Whole Jacobians and Hessians: products with all unit vectors at once, by vmap."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight.func.transforms import Argnums, argument_numbers, check_tensors, jvp, vjp
from rushlight.func.tree import flatten, unflatten
from rushlight.func.vmap import vmap
from rushlight.functional import FUNCTIONS


def unit_vectors(values: list[Any]) -> list[Any]:
    """For tensors of n elements together: n directions, as one tensor (n, *shape) for each; direction k is 1 at element k."""
    total = sum(v.numel() for v in values)
    found, first = [], 0
    for v in values:
        n = v.numel()
        rows = FUNCTIONS["arange"](total).reshape(-1, 1) == FUNCTIONS["arange"](first, first + n)
        found.append(rows.to(v.dtype).reshape(total, *v.shape))
        first += n
    return found


def _chosen(func: Callable, args: tuple, numbers: tuple[int, ...], kwargs: dict) -> Callable:
    """The function of the chosen arguments alone."""

    def partial(*chosen: Any) -> Any:
        inside = list(args)
        for i, value in zip(numbers, chosen, strict=True):
            inside[i] = value
        return func(*inside, **kwargs)

    return partial


def _assembled(blocks: list[list[Any]], out_spec: Any, in_spec: Any, argnums: Argnums) -> Any:
    """blocks[output][input] as the output's tree of the inputs' trees."""
    rows = []
    for row in blocks:
        tree = unflatten(row, in_spec)
        rows.append(tree if isinstance(argnums, tuple) else tree[0])
    return unflatten(rows, out_spec)


def jacrev(
    func: Callable, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:  # fmt: skip
    """A function that returns d func / d arguments, (*output shape, *argument shape), by reverse mode: for few outputs.

    With has_aux (jacobian, aux). chunk_size: how many rows are computed at a time.

    >>> import rushlight as torch
    >>> torch.func.jacrev(lambda x: x * x)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = argument_numbers("jacrev", argnums, args)
        chosen = tuple(args[i] for i in numbers)
        output, vjp_fn, *rest = vjp(_chosen(func, args, numbers, kwargs), *chosen, has_aux=has_aux)
        outputs, out_spec = flatten(output)
        check_tensors("jacrev", "an output of the function", outputs)
        inputs, in_spec = flatten(chosen)

        def pull(*vectors: Any) -> list[Any]:
            return flatten(vjp_fn(unflatten(vectors, out_spec)))[0]

        columns = vmap(pull, chunk_size=chunk_size)(*unit_vectors(outputs))
        blocks, first = [], 0
        for y in outputs:
            n = y.numel()
            blocks.append(
                [c.narrow(0, first, n).reshape(*y.shape, *x.shape) for c, x in zip(columns, inputs, strict=True)]
            )
            first += n
        found = _assembled(blocks, out_spec, in_spec, argnums)
        return (found, rest[0]) if has_aux else found

    return wrapper


def jacfwd(func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """As `jacrev`, by forward mode: for few inputs.

    >>> import rushlight as torch
    >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = argument_numbers("jacfwd", argnums, args)
        chosen = tuple(args[i] for i in numbers)
        inputs, in_spec = flatten(chosen)
        check_tensors("jacfwd", "an argument to differentiate by", inputs)
        partial = _chosen(func, args, numbers, kwargs)
        specs: list[Any] = []

        def push(*vectors: Any) -> tuple:
            _, tangents, *rest = jvp(partial, chosen, unflatten(vectors, in_spec), has_aux=has_aux)
            found, out_spec = flatten(tangents)
            specs[:] = [out_spec]
            return tuple(found), *rest

        found = vmap(push, randomness=randomness, out_dims=(-1, None) if has_aux else (-1,))(*unit_vectors(inputs))
        columns, first, blocks = found[0], 0, [[] for _ in found[0]]
        for x in inputs:
            n = x.numel()
            for c, row in zip(columns, blocks, strict=True):
                row.append(c.narrow(-1, first, n).reshape(*c.shape[:-1], *x.shape))
            first += n
        jacobian = _assembled(blocks, specs[0], in_spec, argnums)
        return (jacobian, found[1]) if has_aux else jacobian

    return wrapper


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """A function that returns the second derivatives: `jacfwd(jacrev(func))`.

    >>> import rushlight as torch
    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
