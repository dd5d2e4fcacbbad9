"""The nodes of the backward graph have PyTorch's names, in `name()` and as classes."""

from __future__ import annotations

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

OVERLOADS = {
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(-1),
    "sum kept": lambda x: x.sum((0, 1), keepdim=True),
    "mean": lambda x: x.mean(),
    "mean of rows": lambda x: x.mean(1),
    "prod": lambda x: x.prod(),
    "prod of rows": lambda x: x.prod(1),
    "power of a number": lambda x: x**3,
    "power of a tensor": lambda x: x**x,
    "number to the power": lambda x: 2**x,
    "clamp by numbers": lambda x: x.clamp(0, 1),
    "clamp by one number": lambda x: x.clamp(min=0),
    "clamp by a tensor": lambda x: x.clamp(min=x),
    "clamp in place": lambda x: x.clone().clamp_(0, 1),
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze one": lambda x: x[:1].squeeze(0),
    "squeeze two": lambda x: x[:1, :1].squeeze((0, 1)),
    "number less a tensor": lambda x: 1 - x,
    "remainder of a number": lambda x: x % 2,
    "remainder of a tensor": lambda x: x % x,
    "masked": lambda x: x.masked_fill(x > 0, 1),
    "between, by a number": lambda x: x.lerp(x, 0.5),
    "between, by a tensor": lambda x: x.lerp(x, x),
}


@pytest.mark.parametrize("case", OVERLOADS)
def test_overloads_are_numbered(case):
    def name(library):
        x = library.ones(2, 3, requires_grad=True)
        node = OVERLOADS[case](x * 2).grad_fn
        return node.name(), type(node).__name__, type(node.next_functions[0][0]).__name__

    assert name(rl) == name(torch)


WHOLE = {
    "split": lambda t, x: x.split(2)[0],
    "split with sizes": lambda t, x: x.split([1, 2])[1],
    "chunk": lambda t, x: x.chunk(3)[1],
    "unbind": lambda t, x: x.unbind()[2],
    "t": lambda t, x: x.t(),
    "t of a vector": lambda t, x: x[0].t(),
    "rsub": lambda t, x: t.rsub(x, x),
    "std": lambda t, x: x.std(),
    "std of rows": lambda t, x: x.std(1),
    "dot": lambda t, x: t.dot(x[0], x[1]),
    "mv": lambda t, x: x @ x[0],
    "mm": lambda t, x: x @ x,
    "vector times matrix": lambda t, x: x[0] @ x,
    "batched": lambda t, x: t.stack([x, x]) @ x,
    "bmm": lambda t, x: t.bmm(t.stack([x, x]), t.stack([x, x])),
    "log1p": lambda t, x: x.log1p(),
    "deg2rad": lambda t, x: x.deg2rad(),
    "polygamma": lambda t, x: x.polygamma(1),
    "i0e": lambda t, x: t.special.i0e(x),
    "entr": lambda t, x: t.special.entr(x),
    "xlog1py": lambda t, x: t.special.xlog1py(x, x),
}


@pytest.mark.parametrize("case", WHOLE)
def test_functions_made_of_others_have_one_name(case):
    names = []
    for library in (rl, torch):
        x = library.full((3, 3), 0.5, requires_grad=True)
        y = WHOLE[case](library, x * 2)
        y.sum().backward()
        names.append((y.grad_fn.name(), x.grad.shape))
    assert names[0] == names[1]


def test_printed_tensors_show_the_overload():
    x = rl.ones(2, 3, requires_grad=True)
    assert repr((x * 2).sum(1)) == "tensor([6., 6.], grad_fn=<SumBackward1>)"


def test_a_leaf_and_equal_nodes():
    x = rl.ones(2, requires_grad=True)
    y = (x * 2).exp()
    below = y.grad_fn.next_functions[0][0]
    assert type(below).__name__ == "MulBackward0" and below == y.grad_fn.next_functions[0][0] and below != y.grad_fn
    assert type(below.next_functions[0][0]).__name__ == "AccumulateGrad" and below.next_functions[0][0].variable is x
    assert isinstance(below, rl.autograd.graph.Node)


@pytest.mark.parametrize("inputs", [dict.values, lambda d: (v for v in d.values())], ids=["values", "generator"])
def test_grad_takes_any_iterable_of_inputs(inputs):
    def gradients(library):
        leaves = {name: library.tensor(v, requires_grad=True) for name, v in (("a", 2.0), ("b", 5.0))}
        return [g.item() for g in library.autograd.grad(leaves["a"] * leaves["b"], inputs(leaves))]

    assert gradients(rl) == gradients(torch) == [5.0, 2.0]


def test_grad_of_what_is_no_tensor_is_refused():
    x = rl.ones((), requires_grad=True)
    with pytest.raises((TypeError, RuntimeError)):
        rl.autograd.grad(x * 2, 3)
