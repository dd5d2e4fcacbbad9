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
}


@pytest.mark.parametrize("case", OVERLOADS)
def test_overloads_are_numbered(case):
    def name(library):
        x = library.ones(2, 3, requires_grad=True)
        node = OVERLOADS[case](x * 2).grad_fn
        return node.name(), type(node).__name__, type(node.next_functions[0][0]).__name__

    assert name(rl) == name(torch)


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
