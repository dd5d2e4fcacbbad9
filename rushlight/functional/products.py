"""Products of vectors, matrices and tensors; `einsum`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.old_forms import sorted_out
from rushlight.functional.registry import as_ints, public, write_out
from rushlight.ir.op import TABLE, renamed
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.ops.linalg import dtype_mismatch, mismatch
from rushlight.ops.rules import wrap_dim

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _matmul(a: Any, b: Any) -> Any:
    return record(TABLE["matmul"], (a, b))


def _is(name: str, what: str, ndim: int, *tensors: Any) -> None:
    for position, t in enumerate(tensors, 1):
        if not isinstance(t, Handle):
            raise TypeError(
                explain_error(name, got=f"argument {position} of type {type(t).__name__}", expected="a tensor")
            )
        if len(t._meta.shape) != ndim:
            raise RuntimeError(
                f"{name}: expected {what}: argument {position} has shape {list(t.shape)}, {t.ndim}D; expected {ndim}D. "
                "Fix: use torch.matmul, which takes any number of dimensions."
            )


def _fits(name: str, a: Any, b: Any) -> None:
    if a._meta.shape[-1] != b._meta.shape[-2 if b.ndim > 1 else 0]:
        raise RuntimeError(mismatch(name, a._meta, b._meta))
    if a._meta.dtype is not b._meta.dtype:
        raise RuntimeError(dtype_mismatch(name, a._meta, b._meta))


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


@public(method=True)
def mm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """The product of two matrices.

    >>> import rushlight as torch
    >>> torch.mm(torch.ones(1, 3), torch.ones(3, 1))
    tensor([[3.]])
    """
    _is("mm", "two matrices", 2, input, mat2)
    _fits("mm", input, mat2)
    return _done(_matmul(input, mat2), out)


@public(method=True)
def bmm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """The products of two batches of matrices.

    Shapes: (B, N, M) and (B, M, P) → (B, N, P). RuntimeError for others; matmul broadcasts.

    >>> import rushlight as torch
    >>> torch.bmm(torch.ones(8, 2, 3), torch.ones(8, 3, 4)).shape
    torch.Size([8, 2, 4])
    """
    _is("bmm", "two batches of matrices", 3, input, mat2)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, "
            f"{input.shape[2]}] but got: "
            f"[{mat2.shape[0]}, {mat2.shape[1]}]. Fix: both need as many matrices."
        )
    _fits("bmm", input, mat2)
    return _done(record(renamed("matmul", "BmmBackward0"), (input, mat2)), out)


@public(method=True)
def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """The product of a matrix and a vector.

    Shapes: (N, M) and (M,) → (N,). RuntimeError for others.

    >>> import rushlight as torch
    >>> torch.mv(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    _is("mv", "a matrix and a vector", 2, input)
    _is("mv", "a matrix and a vector", 1, vec)
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(f"mv: size mismatch, got input ({input.shape[0]}x{input.shape[1]}), vec ({vec.shape[0]}).")
    _fits("mv", input, vec)
    return _done(_matmul(input, vec), out)


@public(method=True)
def dot(input: Any, tensor: Any, *, out: Any = None) -> Any:
    """The sum of products of two vectors.

    Shapes: (N,) and (N,) → (). RuntimeError for others.

    >>> import rushlight as torch
    >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _is("dot", "two 1D tensors", 1, input, tensor)
    if input.shape != tensor.shape:
        raise RuntimeError(
            f"dot: inconsistent tensor size, expected tensor [{input.shape[0]}] and src [{tensor.shape[0]}] to "
            f"have the same number of elements."
        )
    if input.dtype is not tensor.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {input.dtype} and {tensor.dtype}. Fix: "
            f"convert one of them."
        )
    return _done(_matmul(input, tensor), out)


@public(method=True)
def vdot(input: Any, other: Any, *, out: Any = None) -> Any:
    """`dot` with the first vector conjugated."""
    return dot(input.conj(), other, out=out)


@public(method=True)
def outer(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """All products of an element of one vector and one of another.

    Shapes: (N,) and (M,) → (N, M). RuntimeError for others.

    >>> import rushlight as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    _is("outer", "two vectors", 1, input, vec2)
    return _done(input.unsqueeze(1) * vec2, out)


public("ger", method=True)(outer)


@public(method=True)
def inner(input: Any, other: Any, *, out: Any = None) -> Any:
    """Sums of products over the last dimension of both."""
    if not input.ndim or not other.ndim:
        return _done(input * other, out)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            explain_error(
                "inner() the last dimension must match on both input tensors",
                got=f"shapes {list(input.shape)} and {list(other.shape)}",
            )
        )
    return _done(tensordot(input, other, ([-1], [-1])), out)


def _combined(name: str, input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """beta * input + alpha * product; with beta = 0 the input is not looked at."""
    if product.dtype is dtypes.bool_:  # and, or
        beta, alpha = (bool(v) if isinstance(v, int) else v for v in (beta, alpha))
    if product.dtype.category < dtypes.FLOATING and name != "addr":
        # all kernels but addr's take the numbers in the tensors' dtype
        beta, alpha = (int(v) if isinstance(v, float) else v for v in (beta, alpha))
    elif product.dtype.category < dtypes.FLOATING and (isinstance(beta, float) or isinstance(alpha, float)):
        raise RuntimeError(
            f"{name}: For integral input tensors, arguments alpha and beta must not be floating point numbers."
        )
    if input.dtype is not product.dtype:
        raise RuntimeError(
            explain_error(
                name,
                got=f"input of {input.dtype} and a product of {product.dtype}",
                expected="one dtype",
                fix=f"input.to({product.dtype})",
            )
        )
    shape = tuple(product.shape)
    try:
        input = input.expand(shape)
    except RuntimeError:
        raise RuntimeError(
            explain_error(
                name, got=f"input of shape {list(input.shape)}", expected=f"a shape that expands to {list(shape)}"
            )
        ) from None
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return product + (input if beta == 1 else input * beta)


def _with_product(name: str, product: Any, doc: str) -> None:
    def function(input: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
        return _done(_combined(name, input, product(a, b), beta, alpha), out)

    def in_place(input: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        found = _combined(name, input, product(a, b), beta, alpha)
        if found.shape != input.shape:
            raise RuntimeError(
                explain_error(name + "_", got=f"a result of shape {list(found.shape)}", expected=f"{list(input.shape)}")
            )
        return input.copy_(found)

    function.__name__, in_place.__name__ = name, name + "_"
    function.__doc__, in_place.__doc__ = doc, f"In-place `{name}`."
    public(name, method=True)(_renamed(function, name))
    public(name + "_", method=True, function=False)(_renamed(in_place, name))


_ARGUMENTS = {
    "addmm": ("mat1", "mat2"), "addmv": ("mat", "vec"), "addr": ("vec1", "vec2"), "addbmm": ("batch1", "batch2"),
    "baddbmm": ("batch1", "batch2"),
}  # fmt: skip


def _renamed(function: Any, name: str) -> Any:
    """Accept the two factors under PyTorch's names."""
    first, second = _ARGUMENTS[name]

    def call(input: Any, *factors: Any, **named: Any) -> Any:
        if len(factors) > 2:  # beta, input, alpha, first, second; alpha may be missing
            (input, *factors), numbers = sorted_out(name, "beta= and alpha", (input, *factors), 3)  # type: ignore[assignment]
            named |= zip(("beta", "alpha"), numbers, strict=False)
        given = list(factors) + [named.pop(n) for n in (first, second)[len(factors) :] if n in named]
        if len(given) != 2:
            raise TypeError(
                f"{name}() missing required arguments: expected (input, {first}, {second}, *, beta=1, alpha=1)"
            )
        return function(input, *given, **named)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return call


_with_product("addmm", mm, "beta * input + alpha * (mat1 @ mat2).")
_with_product("addmv", mv, "beta * input + alpha * (mat @ vec).")
_with_product("addr", outer, "beta * input + alpha * outer(vec1, vec2).")
_with_product("baddbmm", bmm, "beta * input + alpha * (batch1 @ batch2).")
_with_product(
    "addbmm", lambda a, b: bmm(a, b).sum(0), "beta * input + alpha * the sum of the products batch1[i] @ batch2[i]."
)


def multi_dot(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """The product of several matrices, in the cheapest order; the first and the last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if first:
        tensors[0] = tensors[0].unsqueeze(0)
    if last:
        tensors[-1] = tensors[-1].unsqueeze(1)
    _is("multi_dot", "matrices", 2, *tensors)
    result = _chain(tensors)
    if first:
        result = result.squeeze(0)
    return _done(result.squeeze(-1) if last else result, out)


def _chain(matrices: list[Any]) -> Any:
    n = len(matrices)
    sizes = [m.shape[0] for m in matrices] + [matrices[-1].shape[1]]
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for width in range(1, n):
        for i in range(n - width):
            j = i + width
            options = [(cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i][j], split[i][j] = min(options)

    def product(i: int, j: int) -> Any:
        return matrices[i] if i == j else mm(product(i, split[i][j]), product(split[i][j] + 1, j))

    return product(0, n - 1)


@public()
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of several matrices, in the cheapest order."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices, out=out)


@public()
def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Sums of products over pairs of dimensions: the last `dims` of a with the first of b, or two lists.

    >>> import rushlight as torch
    >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3), dims=([2], [0])).shape
    torch.Size([2, 3, 3])
    """
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        pair = dims.tolist() if hasattr(dims, "tolist") else dims
        left, right = [
            [wrap_dim(d, t.ndim, "tensordot") for d in (as_ints(p) if not isinstance(p, int) else (p,))]
            for p, t in zip(pair, (a, b), strict=True)
        ]
    if len(left) != len(right):
        raise RuntimeError(f"both dimension lists should have same length: got {left} and {right}")
    for i, j in zip(left, right, strict=True):
        if a.shape[i] == 1:
            b = b.sum(j, True)
        elif b.shape[j] == 1:
            a = a.sum(i, True)
        elif a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"tensordot: contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and "
                f"second has size {b.shape[j]} in dim {j}"
            )
    free_a, free_b = [d for d in range(a.ndim) if d not in left], [d for d in range(b.ndim) if d not in right]
    count = math.prod(a.shape[d] for d in left)
    rows = a.permute(*free_a, *left).reshape(math.prod(a.shape[d] for d in free_a), count)
    columns = b.permute(*right, *free_b).reshape(count, math.prod(b.shape[d] for d in free_b))
    result = _matmul(rows, columns).reshape([a.shape[d] for d in free_a] + [b.shape[d] for d in free_b])
    return _done(result, out)


@public(method=True)
def kron(input: Any, other: Any, *, out: Any = None) -> Any:
    """The Kronecker product.

    >>> import rushlight as torch
    >>> torch.kron(torch.eye(2), torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    n = max(input.ndim, other.ndim)
    a = input.reshape([1] * (n - input.ndim) + list(input.shape))
    b = other.reshape([1] * (n - other.ndim) + list(other.shape))
    wide_a = a.reshape([v for s in a.shape for v in (s, 1)])
    wide_b = b.reshape([v for s in b.shape for v in (1, s)])
    return _done((wide_a * wide_b).reshape([s * t for s, t in zip(a.shape, b.shape, strict=True)]), out)


# --- einsum -------------------------------------------------------------------------------------------------------


def _fail(text: str, fix: str = "") -> Any:
    raise RuntimeError(f"einsum(): {text}" + (f" Fix: {fix}" if fix else ""))


def _labels(term: str, shape: Sequence[int], position: int) -> list[Any]:
    """One label a dimension; those of the ellipsis are negative numbers, counted from the right."""
    before, dots, after = term.partition("...")
    for letter in before + after:
        if letter not in _LETTERS:
            _fail(f"invalid subscript given at operand {position}: {letter!r}; subscripts are letters.")
    extra = len(shape) - len(before) - len(after)
    if extra < 0 or (extra and not dots):
        _fail(
            f"the number of subscripts in the equation ({len(before) + len(after)}) does not match the number of "
            f"dimensions "
            f"({len(shape)}) for operand {position}" + ("" if dots else " and no ellipsis was given")
        )
    return list(before) + list(range(-extra, 0)) + list(after)


def _diagonals(x: Any, labels: list[Any]) -> tuple[Any, list[Any]]:
    """A label that occurs twice takes the diagonal."""
    for label in list(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                _fail(
                    f"subscript {label} is repeated for an operand but the sizes don't match, {x.shape[j]} != "
                    f"{x.shape[i]}"
                )
            x = x.diagonal(0, i, j)
            labels = [v for k, v in enumerate(labels) if k not in (i, j)] + [label]
    return x, labels


def _summed(x: Any, labels: list[Any], keep: set[Any]) -> tuple[Any, list[Any]]:
    gone = tuple(d for d, label in enumerate(labels) if label not in keep)
    return (x.sum(gone), [v for v in labels if v in keep]) if gone else (x, labels)


def _arranged(x: Any, labels: list[Any], order: list[Any]) -> Any:
    places = [labels.index(v) for v in order]
    return x if places == list(range(len(places))) else x.permute(places)


def _contract(a: Any, la: list[Any], b: Any, lb: list[Any], keep: set[Any]) -> tuple[Any, list[Any]]:
    """The product of two operands, summed over what nobody else needs: one batched matrix product."""
    a, la = _summed(a, la, keep | set(lb))
    b, lb = _summed(b, lb, keep | set(la))
    both = [v for v in la if v in lb]
    sizes = {}
    for v in both:
        m, n = a.shape[la.index(v)], b.shape[lb.index(v)]
        sizes[v] = n if m == 1 else m
    batch, inside = [v for v in both if v in keep], [v for v in both if v not in keep]
    left, right = [v for v in la if v not in both], [v for v in lb if v not in both]
    if both:
        a = a.expand([sizes.get(v, n) for v, n in zip(la, a.shape, strict=True)])
        b = b.expand([sizes.get(v, n) for v, n in zip(lb, b.shape, strict=True)])
    shape_a, shape_b = dict(zip(la, a.shape, strict=True)), dict(zip(lb, b.shape, strict=True))
    result = batch + left + right
    if not inside:
        a = _arranged(a, la, batch + left).reshape([shape_a[v] for v in batch + left] + [1] * len(right))
        b = _arranged(b, lb, batch + right).reshape(
            [shape_b[v] for v in batch] + [1] * len(left) + [shape_b[v] for v in right]
        )
        return a * b, result
    lots = [shape_a[v] for v in batch]
    rows, count = math.prod(shape_a[v] for v in left), math.prod(shape_a[v] for v in inside)
    columns = math.prod(shape_b[v] for v in right)
    front = [math.prod(lots)] if batch else []
    a = _arranged(a, la, batch + left + inside).reshape([*front, rows, count])
    b = _arranged(b, lb, batch + inside + right).reshape([*front, count, columns])
    return _matmul(a, b).reshape(lots + [shape_a[v] for v in left] + [shape_b[v] for v in right]), result


def _from_sublists(operands: tuple) -> tuple[str, list[Any]]:
    """`einsum(a, [0, 1], b, [1, 2], [0, 2])` as an equation."""

    def term(labels: Sequence[Any]) -> str:
        return "".join("..." if v is Ellipsis else _LETTERS[v] for v in labels)

    pairs = len(operands) // 2
    equation = ",".join(term(operands[2 * i + 1]) for i in range(pairs))
    if len(operands) % 2:
        equation += "->" + term(operands[-1])
    return equation, [operands[2 * i] for i in range(pairs)]


@public()
def einsum(*args: Any) -> Any:
    """Sums of products by Einstein's convention: `einsum(equation, *operands)`.

    >>> import rushlight as torch
    >>> torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    if not args:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    equation, operands = (args[0], list(args[1:])) if isinstance(args[0], str) else _from_sublists(args)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    if not operands:
        raise ValueError("einsum(): must provide at least one operand")
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        _fail(
            f"{'more' if len(terms) < len(operands) else 'fewer'} operands were provided than specified in the "
            f"equation: got {len(operands)} for {equation!r}"
        )
    items = [_diagonals(x, _labels(term, x.shape, i)) for i, (x, term) in enumerate(zip(operands, terms, strict=True))]
    sizes: dict[Any, int] = {}
    for i, (x, labels) in enumerate(items):
        for label, n in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, n)
            if n != known and 1 not in (n, known):
                _fail(
                    f"operands do not broadcast with remapped shapes: subscript {label!r} has size {n} for operand "
                    f"{i} which does not "
                    f"broadcast with previously seen size {known}; equation {equation!r}, shapes "
                    f"{[list(o.shape) for o in operands]}."
                )
            sizes[label] = n if known == 1 else known
    wanted = _output(output, arrow, terms, sizes)
    x, labels = items[0]
    for i, (y, other) in enumerate(items[1:], 1):
        later = {v for _, more in items[i + 1 :] for v in more}
        x, labels = _contract(x, labels, y, other, later | set(wanted))
    x, labels = _summed(x, labels, set(wanted))
    return _arranged(x, labels, wanted)


def _output(output: str, arrow: str, terms: list[str], sizes: dict[Any, int]) -> list[Any]:
    dots = sorted(v for v in sizes if isinstance(v, int))
    if not arrow:
        letters = "".join(terms)
        return dots + sorted(v for v in sizes if isinstance(v, str) and letters.count(v) == 1)
    before, found, after = output.partition("...")
    for letter in before + after:
        if letter not in sizes:
            _fail(f"output subscript {letter} does not appear in the equation for any input operand")
        if (before + after).count(letter) > 1:
            _fail(f"output subscript {letter} appears more than once in the output")
    return list(before) + (dots if found else []) + list(after)
