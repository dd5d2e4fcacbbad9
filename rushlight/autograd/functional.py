"""Whole Jacobians and Hessians, and products with them, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.autograd.backward import grad as gradients
from rushlight.autograd.modes import enable_grad
from rushlight.functional import FUNCTIONS
from rushlight.lazy.handle import Handle


def _as_tuple(name: str, what: str, value: Any) -> tuple[bool, tuple]:
    """Whether it was a tuple, and the tuple; all of tensors."""
    several = isinstance(value, (tuple, list))
    values = tuple(value) if several else (value,)
    for i, v in enumerate(values):
        if not isinstance(v, Handle):
            raise TypeError(
                f"{name}: {what} must be Tensors or tuples of Tensors; got {type(v).__name__} at position {i}."
            )
    return several, values


def _fresh(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs to differentiate by: connected to the caller's when a graph is wanted, detached otherwise."""
    if create_graph:
        return tuple(x.view_as(x) if x._meta.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _run(name: str, func: Callable, inputs: Any, create_graph: bool) -> tuple[bool, tuple, bool, tuple]:
    several_inputs, values = _as_tuple(name, "the inputs", inputs)
    values = _fresh(values, create_graph)
    found = func(*values)
    several_outputs, outputs = _as_tuple(name, "the outputs of the function", found)
    return several_inputs, values, several_outputs, outputs


def _grads(name: str, outputs: tuple, inputs: tuple, directions: tuple, create_graph: bool, strict: bool) -> list[Any]:
    """Gradients, zeros where an input has no part; RuntimeError about it with strict."""
    pairs = [(y, v) for y, v in zip(outputs, directions, strict=True) if y._meta.requires_grad]
    if strict and len(pairs) < len(outputs):
        raise RuntimeError(
            f"{name}: an output of the function is independent of the inputs. This is not allowed in strict mode."
        )
    found: list[Any] = [None] * len(inputs)
    if pairs:
        found = list(
            gradients(
                [y for y, _ in pairs],
                inputs,
                [v for _, v in pairs],
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        )
    for i, g in enumerate(found):
        if g is None:
            if strict:
                raise RuntimeError(
                    f"{name}: the outputs of the function are independent of input {i}. This is not allowed in strict mode."
                )
            found[i] = FUNCTIONS["zeros_like"](inputs[i])
    return found


def _direction(name: str, v: Any, like: tuple, several: bool) -> tuple:
    """The vector of a product: given, or 1 for a function with one number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{name}: The vector v can only be None if the function has one number as its {'output' if name != 'jvp' else 'input'}."
            )
        return (FUNCTIONS["ones_like"](like[0]),)
    _, values = _as_tuple(name, "v", v)
    if len(values) != len(like):
        raise RuntimeError(f"{name}: v has {len(values)} tensors; expected {len(like)}.")
    for i, (a, b) in enumerate(zip(values, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"{name}: v[{i}] has size {list(a.shape)}; expected {list(b.shape)}.")
    return values


def _shape_back(values: Any, several: bool) -> Any:
    return tuple(values) if several else values[0]


def _finish(values: Any, create_graph: bool) -> list[Any]:
    return [v if create_graph or not v._meta.requires_grad else v.detach() for v in values]


@enable_grad()
def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), v^T J)."""
    several_inputs, values, several_outputs, outputs = _run("vjp", func, inputs, create_graph)
    directions = _direction("vjp", v, outputs, several_outputs)
    found = _grads("vjp", outputs, values, directions, create_graph, strict)
    return _shape_back(_finish(outputs, create_graph), several_outputs), _shape_back(
        _finish(found, create_graph), several_inputs
    )


@enable_grad()
def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), J v), by differentiating v^T J with respect to v."""
    several_inputs, values, several_outputs, outputs = _run("jvp", func, inputs, create_graph)
    directions = _direction("jvp", v, values, several_inputs)
    dummy = tuple(FUNCTIONS["zeros_like"](y).requires_grad_() for y in outputs)
    back = _grads("jvp", outputs, values, dummy, True, strict)
    found = _grads("jvp", tuple(back), dummy, directions, create_graph, False)
    return _shape_back(_finish(outputs, create_graph), several_outputs), _shape_back(
        _finish(found, create_graph), several_outputs
    )


@enable_grad()
def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """d func(inputs)[o] / d inputs[i], of shape (*output shape, *input shape); tuples for several outputs or inputs.

    >>> import rushlight as torch
    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(f"jacobian: expected strategy to be 'forward-mode' or 'reverse-mode'; got {strategy!r}.")
    if strict and vectorize:
        raise RuntimeError(
            "jacobian: strict=True and vectorize=True are not supported together. Fix: leave out one of them."
        )
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, strict, vectorize)
    several_inputs, values, several_outputs, outputs = _run("jacobian", func, inputs, create_graph)
    if vectorize:
        rows = [_shape_back(row, several_inputs) for row in _batched_rows(outputs, values, create_graph)]
        return _shape_back(rows, several_outputs)
    rows = []
    for y in outputs:
        blocks: list[list[Any]] = [[] for _ in values]
        flat = y.reshape(-1)
        for j in range(y.numel()):
            for i, g in enumerate(
                _grads("jacobian", (flat[j],), values, (FUNCTIONS["ones_like"](flat[j]),), create_graph, strict)
            ):
                blocks[i].append(g)
        row = [
            (FUNCTIONS["stack"](block) if block else x.new_zeros((0, *x.shape))).reshape(
                tuple(y.shape) + tuple(x.shape)
            )
            for block, x in zip(blocks, values, strict=True)
        ]
        rows.append(_shape_back(_finish(row, create_graph), several_inputs))
    return _shape_back(rows, several_outputs)


def _batched_rows(outputs: tuple, values: tuple, create_graph: bool) -> list[list[Any]]:
    """All rows of each output's Jacobian at once."""
    rows = []
    for y in outputs:
        found: Any = [None] * len(values)
        if y._meta.requires_grad:
            units = FUNCTIONS["eye"](y.numel(), dtype=y.dtype).reshape(y.numel(), *y.shape)
            found = gradients(
                y, values, units, retain_graph=True, create_graph=create_graph, allow_unused=True, is_grads_batched=True
            )
        row = [
            x.new_zeros((*y.shape, *x.shape)) if g is None else g.reshape((*y.shape, *x.shape))
            for g, x in zip(found, values, strict=True)
        ]
        rows.append(_finish(row, create_graph))
    return rows


def _forward_jacobian(func: Callable, inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> Any:
    """By forward mode, all columns at once."""
    if strict:
        raise NotImplementedError("jacobian: strict=True is supported for strategy='reverse-mode' only.")
    if not vectorize:
        raise NotImplementedError(
            "jacobian: strategy='forward-mode' needs vectorize=True. Fix: pass it, or use 'reverse-mode'."
        )
    from rushlight.func import jacfwd

    several_inputs, values = _as_tuple("jacobian", "the inputs", inputs)
    values = _fresh(values, create_graph)
    several: list[bool] = []

    def checked(*given: Any) -> tuple:
        is_several, found = _as_tuple("jacobian", "the outputs of the function", func(*given))
        several[:] = [is_several]
        return found

    found = jacfwd(checked, argnums=tuple(range(len(values))))(*values)
    rows = [_shape_back(_finish(list(row), create_graph), several_inputs) for row in found]
    return _shape_back(rows, several[0])


def _one_number(name: str, func: Callable) -> Callable:
    def checked(*values: Any) -> Any:
        y = func(*values)
        if not isinstance(y, Handle) or y.numel() != 1:
            shape = list(y.shape) if isinstance(y, Handle) else type(y).__name__
            raise RuntimeError(
                f"{name}: The function should return a single element; got {shape}. Fix: sum it, or return one number."
            )
        return y.reshape(())

    return checked


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The second derivatives of a function with one number as its result."""
    several, _ = _as_tuple("hessian", "the inputs", inputs)
    single = _one_number("hessian", func)
    if outer_jacobian_strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(
            f"hessian: expected outer_jacobian_strategy to be 'forward-mode' or 'reverse-mode'; got {outer_jacobian_strategy!r}."
        )

    def gradient(*values: Any) -> Any:
        found = jacobian(single, values if several else values[0], create_graph=True)
        return found

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


@enable_grad()
def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), v^T H)."""
    several, values, _, outputs = _run("vhp", _one_number("vhp", func), inputs, create_graph)
    directions = _direction("vhp", v, values, several)
    first = _grads("vhp", outputs, values, (FUNCTIONS["ones_like"](outputs[0]),), True, strict)
    found = _grads("vhp", tuple(first), values, directions, create_graph, strict)
    return _finish(outputs, create_graph)[0], _shape_back(_finish(found, create_graph), several)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), H v); the Hessian is symmetric, so this is `vhp`."""
    return vhp(func, inputs, v, create_graph, strict)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
