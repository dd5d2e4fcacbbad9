"""Derivatives as functions of functions: grad, vjp, jvp, linearize.

An argument that is differentiated by goes in as a new tensor of the same value, so that only what is computed from it inside
the function counts. What comes out is differentiable from outside only if something outside asks for that: another transform
around this one, or a tensor that requires a gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rushlight.autograd.forward import level, zeros_of
from rushlight.autograd.modes import enable_grad, no_grad
from rushlight.autograd.pull import asked_for, place_of, pull
from rushlight.errors import explain_error, show_line
from rushlight.func.tree import flatten, tree_map, unflatten
from rushlight.functional import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle, base_of
from rushlight.lazy.record import local, rebind, record
from rushlight.lazy.trie import LEAF as LEAF_ENTRY

Argnums = int | tuple[int, ...]


@contextmanager
def transforms() -> Iterator[None]:
    """While a transformed function runs: `backward()` is refused."""
    local.transforms += 1
    try:
        yield
    finally:
        local.transforms -= 1


def copy_of(x: Any) -> Any:
    """A new tensor of the same value, which compiled code does not copy."""
    return record(
        TABLE["positive" if not x.dtype.is_complex else "clone"], (x,), () if not x.dtype.is_complex else (None,)
    )


def check_tensors(name: str, what: str, values: list[Any]) -> None:
    for v in values:
        if not isinstance(v, Handle):
            raise RuntimeError(explain_error(name, got=f"{what} of type {type(v).__name__}", expected="tensors only"))


def check_float(name: str, values: list[Any]) -> None:
    for v in values:
        if not (v.dtype.is_floating_point or v.dtype.is_complex):
            raise RuntimeError(
                explain_error(
                    name, got=f"an argument to differentiate by of {v.dtype}", expected="a floating-point or complex dtype",
                    fix="convert it with .float(), or name the other arguments in argnums",
                )
            )  # fmt: skip


def write_back(given: list[Any], inside: list[Any], versions: list[int]) -> None:
    """What the function wrote to its arguments is written to the caller's."""
    for x, made, version in zip(given, inside, versions, strict=True):
        if made._version != version:
            with no_grad():
                x.copy_(detached(made))


def place_in(trace: Any) -> tuple[Any, int, int]:
    """Where a trace stands: what is recorded from here on was recorded by the function."""
    return trace, trace.node.depth, trace.node.end


def check_captured(name: str, began: tuple[Any, int, int], found: Any) -> None:
    """RuntimeError if the function wrote to a tensor from outside, which gets its old value back.

    A tensor that the function itself made and wrote to is gone by now, unless it is a result.
    """
    trace, depth, first = began
    if trace is not local.trace:  # what was recorded has run: it cannot be told any more
        return
    own = {id(base_of(x)) for x in flatten(found)[0] if isinstance(x, Handle)}
    for entry in trace.path()[depth:]:
        if not entry.op.inplace:
            continue
        memory = trace.storage_of(entry.inputs[0])
        if memory >= first and trace.producer(memory).op is not LEAF_ENTRY:
            continue
        for weak in trace.handles[entry.slot :]:
            handle = weak()
            if handle is None or handle._trace is not trace or handle._base is not None or id(handle) in own:
                continue
            if handle._slot >= entry.slot and trace.storage_of(handle._slot) == memory:
                rebind(handle, trace, memory, trace.meta_of(memory))
                raise RuntimeError(
                    f"{name}: {entry.op.name} at {show_line(entry.line)} wrote to a tensor that the function captured. Fix: pass it as "
                    "an argument, or use the out-of-place op and return its result."
                )


def detached(x: Any) -> Any:
    return x.detach() if isinstance(x, Handle) and x._meta.requires_grad else x


def split_aux(name: str, found: Any) -> tuple[Any, Any]:
    """The pair (output, aux) that a function returns with has_aux=True."""
    if not (isinstance(found, tuple) and len(found) == 2):
        got = f"a tuple of {len(found)}" if isinstance(found, tuple) else f"a {type(found).__name__}"
        raise RuntimeError(
            explain_error(name, got=f"{got} from the function", expected="a pair (output, aux): has_aux is True")
        )
    return found


class Tracked:
    """One call of a function whose arguments require a gradient.

    An argument is a leaf, unless it requires a gradient outside too; then it is a copy, and its history goes on.
    """

    def __init__(self, name: str, func: Callable, args: tuple, argnums: tuple[int, ...], kwargs: dict, has_aux: bool):
        given, self.spec = flatten(tuple(args[i] for i in argnums))
        check_tensors(name, "an argument to differentiate by", given)
        check_float(name, given)
        self.depth, self.outside = local.transforms, local.grad_mode
        with enable_grad(), transforms():
            began = place_in(local.trace)
            inside = [copy_of(x) if x._meta.requires_grad else copy_of(x).requires_grad_() for x in given]
            for x in inside:
                x._depth = self.depth
            self.inputs, self.goals = inside, [place_of(x) for x in inside]
            arguments = list(args)
            for i, value in zip(argnums, unflatten(inside, self.spec), strict=True):
                arguments[i] = value
            found = func(*arguments, **kwargs)
        if any(x._version for x in inside):
            raise RuntimeError(
                f"{name}: an argument that is differentiated by was written in place: a leaf Variable that requires grad is "
                "being used in an in-place operation. Fix: clone() it in the function first."
            )
        check_captured(name, began, found)
        self.output, self.aux = split_aux(name, found) if has_aux else (found, None)

    def gradients(self, outputs: list[Any], cotangents: list[Any]) -> list[Any]:
        """One for each input, zeros where nothing leads to it."""
        pairs = [(y, v) for y, v in zip(outputs, cotangents, strict=True) if y._meta.requires_grad]
        ys, vs = [y for y, _ in pairs], [v for _, v in pairs]
        outer = local.grad_mode and asked_for([*ys, *vs], self.depth)
        with enable_grad():
            found = pull(ys, vs, self.goals, outer, self.inputs)
        found = [zeros_of(x) if g is None else g for g, x in zip(found, self.inputs, strict=True)]
        return found if outer else [detached(g) for g in found]

    def release(self, tree: Any) -> Any:
        """What leaves the function: detached, unless somebody outside may differentiate it."""
        leaves, spec = flatten(tree)
        return unflatten(released(leaves, self.depth), spec)


def released(values: list[Any], depth: int) -> list[Any]:
    """The values, detached unless somebody outside a transform at this depth may differentiate them."""
    ours = [y for y in values if isinstance(y, Handle) and y._meta.requires_grad]
    return values if ours and local.grad_mode and asked_for(ours, depth) else [detached(y) for y in values]


def argument_numbers(name: str, argnums: Any, args: tuple) -> tuple[int, ...]:
    """argnums as positions, counted from the start."""
    several = isinstance(argnums, tuple)
    numbers = argnums if several else (argnums,)
    if not numbers:
        raise RuntimeError(explain_error(name, got="argnums=()", expected="the position of at least one argument"))
    found = []
    for n in numbers:
        if not isinstance(n, int) or isinstance(n, bool):
            raise RuntimeError(explain_error(name, got=f"argnums={argnums!r}", expected="an int or a tuple of ints"))
        if not -len(args) <= n < len(args):
            raise RuntimeError(
                explain_error(
                    name,
                    got=f"argnums={argnums!r} for {len(args)} positional arguments",
                    expected="positions that exist",
                )
            )
        found.append(n % len(args))
    if len(set(found)) != len(found):
        raise RuntimeError(explain_error(name, got=f"argnums={argnums!r}", expected="positions that differ"))
    return tuple(found)


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns (gradient, value of func); with has_aux (gradient, (value, aux)).

    >>> import rushlight as torch
    >>> torch.func.grad_and_value(lambda x: (x * x).sum())(torch.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = argument_numbers("grad", argnums, args)
        run = Tracked("grad", func, args, numbers, kwargs, has_aux)
        y = run.output
        if not isinstance(y, Handle):
            raise RuntimeError(
                explain_error("grad", got=f"a {type(y).__name__} from the function", expected="a tensor")
            )
        if y.dim() != 0:
            raise RuntimeError(
                explain_error(
                    "grad", got=f"a tensor of shape {list(y.shape)} from the function", expected="a scalar tensor (0 dimensions)",
                    fix="reduce it, for example with .sum(); for all derivatives use jacrev",
                )
            )  # fmt: skip
        found = unflatten(run.gradients([y], [FUNCTIONS["ones"]((), dtype=y.dtype)]), run.spec)
        gradient = found if isinstance(argnums, tuple) else found[0]
        value = run.release(y)
        return gradient, ((value, run.release(run.aux)) if has_aux else value)

    return wrapper


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of `func` with respect to the arguments at `argnums`; with has_aux (gradient, aux).

    `func` returns a tensor of 0 dimensions. RuntimeError for any other, and where argnums names no argument.

    >>> import rushlight as torch
    >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5)) == -torch.sin(torch.tensor(0.5))
    tensor(True)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, rest = both(*args, **kwargs)
        return (gradient, rest[1]) if has_aux else gradient

    return wrapper


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), vjp_fn), with has_aux (output, vjp_fn, aux): vjp_fn(v) are the products vᵀ J, one for each primal.

    >>> import rushlight as torch
    >>> y, vjp_fn = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> y, vjp_fn(torch.ones(2))
    (tensor([0., 0.]), (tensor([1., 1.]),))
    """
    run = Tracked("vjp", func, primals, tuple(range(len(primals))), {}, has_aux)
    outputs, spec = flatten(run.output)
    check_tensors("vjp", "an output of the function", outputs)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, found_spec = flatten(cotangents)
        if found_spec != spec:
            raise RuntimeError(
                explain_error(
                    "vjp", got="cotangents of another structure than the output's", expected="one for each output"
                )
            )
        check_tensors("vjp", "a cotangent", given)
        for y, v in zip(outputs, given, strict=True):
            if y.shape != v.shape:
                raise RuntimeError(
                    explain_error(
                        "vjp", got=f"a cotangent of shape {list(v.shape)} for an output of shape {list(y.shape)}",
                        expected="the same shape",
                    )
                )  # fmt: skip
        return unflatten(run.gradients(outputs, given), run.spec)

    output = run.release(run.output)
    return (output, vjp_fn, run.release(run.aux)) if has_aux else (output, vjp_fn)


def check_primals(name: str, primals: Any, tangents: Any) -> tuple[list[Any], list[Any], Any]:
    """The leaves of both, and their structure."""
    if not isinstance(primals, tuple) or not primals:
        got = "no primals" if isinstance(primals, tuple) else f"primals of type {type(primals).__name__}"
        raise RuntimeError(explain_error(name, got=got, expected="a tuple of at least one argument, such as (x,)"))
    given, spec = flatten(primals)
    directions, other = flatten(tangents)
    if spec != other:
        raise RuntimeError(
            explain_error(
                name, got="tangents of another structure than the primals", expected="one tangent for each primal"
            )
        )
    check_tensors(name, "a primal", given)
    check_tensors(name, "a tangent", directions)
    for x, t in zip(given, directions, strict=True):
        if x.shape != t.shape:
            raise RuntimeError(
                explain_error(
                    name, got=f"a tangent of shape {list(t.shape)} for a primal of shape {list(x.shape)}", expected="the same shape",
                )
            )  # fmt: skip
    check_float(name, given)
    return given, [t.to(x.dtype) for x, t in zip(given, directions, strict=True)], spec


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(func(*primals), J · tangents), with has_aux (output, jvp, aux); by forward mode.

    With strict, RuntimeError where an output depends on no input; zeros otherwise.

    >>> import rushlight as torch
    >>> torch.func.jvp(torch.sin, (torch.zeros(2),), (torch.tensor([1.0, 2.0]),))
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    given, directions, spec = check_primals("jvp", primals, tangents)
    with level() as here:
        with transforms():
            began = place_in(local.trace)
            inside = [here.dual(x, t) for x, t in zip(given, directions, strict=True)]
            versions = [x._version for x in inside]
            found = func(*unflatten(inside, spec))
        write_back(given, inside, versions)
        check_captured("jvp", began, (found, inside))
        output, aux = split_aux("jvp", found) if has_aux else (found, None)
        outputs, out_spec = flatten(output)
        check_tensors("jvp", "an output of the function", outputs)
        products: list[Any] = []
        for k, y in enumerate(outputs):
            found = here.tangent(y)
            if found is None and strict:
                raise RuntimeError(
                    f"jvp: output {k} of the function is independent of the inputs. This is not allowed in strict mode."
                )
            products.append(zeros_of(y) if found is None else found)
    product = unflatten(released(products, local.transforms), out_spec)
    return (output, product, aux) if has_aux else (output, product)


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """(func(*primals), jvp_fn): jvp_fn(*tangents) is J · tangents at these primals, without running `func` again.

    >>> import rushlight as torch
    >>> y, jvp_fn = torch.func.linearize(torch.sin, torch.zeros(2))
    >>> jvp_fn(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    given, spec = flatten(primals)
    check_tensors("linearize", "a primal", given)
    check_float("linearize", given)
    outer = local.grad_mode and any(x._meta.requires_grad for x in given)
    with enable_grad():
        dummies = [zeros_of(x).requires_grad_() for x in given]
        goals = [place_of(d) for d in dummies]
        output, product = jvp(func, primals, unflatten([copy_of(d) for d in dummies], spec))
    products, out_spec = flatten(product)

    def jvp_fn(*tangents: Any) -> Any:
        _, directions, _ = check_primals("linearize", primals, tangents)
        ours = [p for p in products if p._meta.requires_grad]
        found: dict[int, Any] = {}
        with enable_grad():  # the products are linear in the dummies: d/du of what u pulls back to them
            us = [zeros_of(p).requires_grad_() for p in ours]
            places = [place_of(u) for u in us]
            rows = pull(ours, us, goals, True, dummies)
            pairs = [(r, t) for r, t in zip(rows, directions, strict=True) if r is not None and r._meta.requires_grad]
            if pairs:
                moved = pull([r for r, _ in pairs], [t for _, t in pairs], places, create_graph=outer)
                found = {id(p): t for p, t in zip(ours, moved, strict=True) if t is not None}
        results = [found[id(p)] if id(p) in found else zeros_of(p) for p in products]
        return unflatten(results if outer else [detached(t) for t in results], out_spec)

    return (output if outer else tree_map(detached, output)), jvp_fn
