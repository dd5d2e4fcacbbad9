"""`autograd.graph`: edges, hooks of nodes and of several tensors, saved-tensor hooks, versions. Against PyTorch."""

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


def leaf(t, *values):
    return t.tensor(values, dtype=t.float64, requires_grad=True)


def values(found):
    if isinstance(found, (list, tuple)):
        return [values(v) for v in found]
    return found.tolist() if hasattr(found, "tolist") else found


def same(program):
    """The program gives the same here and there, or raises the same class."""
    results = []
    for t in (rl, torch):
        try:
            results.append(values(program(t)))
        except Exception as error:
            results.append(type(error))
    assert results[0] == results[1]
    return results[0]


# --- edges --------------------------------------------------------------------------------------------------------


def test_gradients_at_an_edge_whose_tensor_is_gone():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = x * 3
        place = t.autograd.graph.get_gradient_edge(y)
        z = (y * y).sum()
        del y
        return t.autograd.grad(z, [place, x]), place.output_nr, place.node.name()

    assert same(program) == [[[6.0, 12.0], [18.0, 36.0]], 0, "MulBackward0"]


def test_an_edge_as_root_and_as_input_of_backward():
    def program(t):
        x, w = leaf(t, 1.0, 2.0), leaf(t, 5.0, 7.0)
        y = (x * w).sum()
        t.autograd.backward(t.autograd.graph.get_gradient_edge(y), inputs=[t.autograd.graph.get_gradient_edge(x)])
        first = x.grad.tolist(), w.grad
        z = x * w
        t.autograd.backward(t.autograd.graph.get_gradient_edge(z), t.tensor([1.0, 10.0], dtype=t.float64))
        return first, x.grad, w.grad

    assert same(program) == [[[5.0, 7.0], None], [10.0, 77.0], [1.0, 20.0]]


def test_edges_of_outputs_leaves_and_of_what_was_computed_before():
    def program(t):
        x = leaf(t, 3.0, 1.0, 2.0)
        ordered, index = x.sort()
        largest, where = (x * 2).max(0)
        edges = [t.autograd.graph.get_gradient_edge(v) for v in (ordered, largest, x)]
        largest.item()
        later = t.autograd.graph.get_gradient_edge(largest)
        z = (ordered * ordered).sum() + largest * largest
        return t.autograd.grad(z, [*edges, later]), [e.output_nr for e in (*edges, later)]

    assert same(program) == [[[2.0, 4.0, 6.0], 12.0, [30.0, 2.0, 4.0], 12.0], [0, 0, 0, 0]]


def test_what_has_no_gradient_has_no_edge():
    assert same(lambda t: t.autograd.graph.get_gradient_edge(t.ones(2))) is RuntimeError
    assert (
        same(lambda t: t.autograd.grad(leaf(t, 1.0).sum(), t.autograd.graph.get_gradient_edge(leaf(t, 1.0) * 1)))
        is RuntimeError
    )


# --- hooks --------------------------------------------------------------------------------------------------------


def test_hooks_before_and_after_a_node():
    def program(t):
        x, w = leaf(t, 1.0, 2.0), leaf(t, 5.0, 7.0)
        y = x * w
        seen = []
        before = y.grad_fn.register_prehook(lambda grads: (seen.append(("pre", values(grads))), (grads[0] * 2,))[1])
        y.grad_fn.register_hook(
            lambda ins, outs: (seen.append(("post", values(ins), values(outs))), (ins[0], ins[1] * 10))[1]
        )
        y.sum().backward(retain_graph=True)
        before.remove()
        y.sum().backward()
        return seen, x.grad, w.grad

    found = same(program)
    assert found[0][0] == ["pre", [[1.0, 1.0]]] and found[1] == [15.0, 21.0] and found[2] == [30.0, 60.0]


def test_hooks_of_a_user_function_and_of_a_leaf():
    def program(t):
        class Twice(t.autograd.Function):
            @staticmethod
            def forward(ctx, a, n, b):
                return a * n + b

            @staticmethod
            def backward(ctx, g):
                return g * 2, None, g

        x, b = leaf(t, 1.0), leaf(t, 4.0)
        y = Twice.apply(x, 2, b)
        seen = []
        y.grad_fn.register_hook(lambda ins, outs: seen.append([values(v) for v in (ins, outs) if v is not None]))
        node = t.autograd.graph.get_gradient_edge(x).node
        node.register_hook(lambda ins, outs: seen.append((values(ins), values(outs), x.grad.tolist())))
        y.sum().backward()
        return [[v for v in seen[0][0] if v is not None], *seen[1:]], x.grad

    same(program)


def test_hooks_of_nodes_within_autograd_grad():
    def program(t):
        x = leaf(t, 2.0)
        y = x**2
        y.grad_fn.register_hook(lambda ins, outs: (ins[0] * 3,))
        (g,) = t.autograd.grad(y * 5, x, create_graph=True)
        return g, t.autograd.grad(g, x)

    assert same(program) == [[60.0], [[30.0]]]


@pytest.mark.parametrize("mode", ["all", "any"])
def test_hooks_of_several_tensors(mode):
    def program(t):
        x, y, z = leaf(t, 1.0), leaf(t, 2.0), leaf(t, 3.0)
        middle = x * y
        seen = []
        handle = t.autograd.graph.register_multi_grad_hook(
            (middle, x, y, z), lambda grads: seen.append(values(grads)), mode=mode
        )
        (middle * 5).sum().backward()
        (x * z).sum().backward()
        handle.remove()
        (x * z).sum().backward()
        return seen if mode == "all" else (seen[0], len(seen))

    found = same(program)
    if mode == "all":
        assert found == [[[5.0], [10.0], [5.0], None], [None, [3.0], None, [1.0]]]
    else:
        assert found == [[5.0], 2]


def test_a_failed_pass_leaves_nothing_behind_for_the_next():
    x, y = leaf(rl, 1.0), leaf(rl, 2.0)
    seen = []
    rl.autograd.graph.register_multi_grad_hook((x, y), lambda grads: seen.append(values(grads)))
    handle = x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (x * y).sum().backward()
    handle.remove()
    x.grad = y.grad = None
    (y * 3).sum().backward()
    assert seen == [[None, [3.0]]]
    with pytest.raises(ValueError, match="mode"):
        rl.autograd.graph.register_multi_grad_hook((x,), print, mode="some")


# --- versions -----------------------------------------------------------------------------------------------------


def test_increment_version():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = x * 2
        z = (y * y).sum()
        before = y._version
        t.autograd.graph.increment_version(y)
        after = y._version
        t.autograd.graph.increment_version([y, t.ones(1)])
        assert (after - before, y._version - before, y.tolist()) == (1, 2, [2.0, 4.0])
        z.backward()

    assert same(program) is RuntimeError
    assert same(lambda t: t.autograd.graph.increment_version([3])) is RuntimeError


# --- saved tensors ------------------------------------------------------------------------------------------------


PROGRAMS = {
    "exp": lambda t, x, w: (x * 2).exp().sum(),
    "product": lambda t, x, w: (x * w * x).sum(),
    "matrix": lambda t, x, w: (x.reshape(2, 1) @ w.reshape(1, 2)).tanh().sum(),
    "in place": lambda t, x, w: (x * 1).mul_(w).exp_().sum(),
    "layer": lambda t, x, w: t.nn.functional.layer_norm((x * w).reshape(1, 2), (2,)).sum() * x[0],
    "view": lambda t, x, w: (x * w)[1:].pow(3).sum(),
    "loss": lambda t, x, w: t.nn.functional.cross_entropy((x * w).reshape(1, 2), t.tensor([1])),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("looked_at", [False, True])
def test_hooks_that_keep_the_value_change_nothing(name, looked_at):
    def gradients(t, hooks):
        x, w = leaf(t, 1.0, 2.0), leaf(t, 0.5, -0.25)
        count = [0, 0]

        def pack(v):
            count[0] += 1
            return v.numpy().copy() if looked_at else v

        def unpack(p):
            count[1] += 1
            return t.from_numpy(p) if looked_at else p

        if hooks:
            with t.autograd.graph.saved_tensors_hooks(pack, unpack):
                loss = PROGRAMS[name](t, x, w)
            assert count[0] > 0 and count[1] == 0
        else:
            loss = PROGRAMS[name](t, x, w)
        loss.backward()
        assert not hooks or count[1] > 0
        return [loss.item(), x.grad.tolist(), None if w.grad is None else w.grad.tolist()]

    plain = gradients(rl, False)
    np.testing.assert_equal(gradients(rl, True)[2] is None, plain[2] is None)
    for ours, expected in zip(gradients(rl, True), plain, strict=True):
        if expected is not None:
            np.testing.assert_allclose(ours, expected, rtol=1e-12)
    for expected, theirs in zip(plain, gradients(torch, True), strict=True):
        if expected is not None:
            np.testing.assert_allclose(expected, theirs, rtol=1e-7, atol=1e-12)


def test_what_a_hook_returns_is_what_the_gradient_uses():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        with t.autograd.graph.saved_tensors_hooks(lambda v: v.tolist(), lambda p: t.tensor(p, dtype=t.float64) * 10):
            y = x.exp().sum()
        y.backward()
        return [round(v, 9) for v in x.grad.tolist()]

    same(program)


def test_the_innermost_hooks_are_used_and_the_outer_ones_afterwards():
    def program(t):
        x = leaf(t, 2.0)
        hooks, seen = t.autograd.graph.saved_tensors_hooks, []
        with hooks(lambda v: seen.append("outer") or v, lambda p: p):
            y = x.exp()
            with hooks(lambda v: seen.append("inner") or v, lambda p: p * 0):
                z = y.tanh()
            w = z.sin()
        outside = len(seen)
        w.cos().sum().backward()
        return seen, outside, x.grad

    same(program)


def test_hooks_of_a_user_function():
    def program(t):
        class Square(t.autograd.Function):
            @staticmethod
            def forward(ctx, a):
                ctx.save_for_backward(a, None)
                return a * a

            @staticmethod
            def backward(ctx, g):
                a, none = ctx.saved_tensors
                assert none is None
                return 2 * a * g

        x = leaf(t, 3.0)
        with t.autograd.graph.saved_tensors_hooks(
            lambda v: v.numpy() if not v.requires_grad else v.detach().numpy(), lambda p: t.from_numpy(p) + 1
        ):
            y = Square.apply(x)
        y.sum().backward()
        return x.grad

    assert same(program) == [8.0]


def test_no_values_are_kept_beside_the_packed_ones():
    x = leaf(rl, *np.linspace(0, 1, 1000))
    with rl.autograd.graph.saved_tensors_hooks(lambda v: None, lambda p: rl.ones(1000, dtype=rl.float64)):
        y = (x * 2).exp().sum()
    y.item()
    assert not [v for v, *_ in y._history[0].saved.values() if v.size == 1000]
    y.backward()
    assert x.grad[0].item() == 2.0


def test_hooks_that_return_something_else():
    def program(t, back):
        x = leaf(t, 1.0)
        with t.autograd.graph.saved_tensors_hooks(lambda v: v, back):
            y = x.exp()
        y.sum().backward()

    assert same(lambda t: program(t, lambda p: 3)) is TypeError
    with pytest.raises(RuntimeError, match="shape"):
        program(rl, lambda p: rl.ones(7, dtype=rl.float64))

    def fails(v):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), rl.autograd.graph.saved_tensors_hooks(fails, fails):
        leaf(rl, 1.0).exp()
    assert (leaf(rl, 1.0) * 2).exp().grad_fn is not None


def test_a_second_backward_and_a_second_derivative():
    x = leaf(rl, 1.0)
    with rl.autograd.graph.saved_tensors_hooks(lambda v: v, lambda p: p):
        y = (x * 3).exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.tolist(), [6 * np.exp(3)])
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    with rl.autograd.graph.saved_tensors_hooks(lambda v: v, lambda p: p):
        y = (x * 3).exp().sum()
    with pytest.raises(NotImplementedError, match="create_graph"):
        rl.autograd.grad(y, x, create_graph=True)


def test_save_on_cpu_and_disabling():
    def program(t):
        graph = t.autograd.graph
        x = leaf(t, 1.0, 2.0)
        with graph.save_on_cpu():
            y = (x * x * x).sum()
        y.backward()

        @graph.disable_saved_tensors_hooks("no hooks in here")
        def inside():
            with graph.saved_tensors_hooks(lambda v: v, lambda v: v):
                pass

        for run in (inside, lambda: graph.disable_saved_tensors_hooks("no hooks in here").__enter__()):
            with graph.saved_tensors_hooks(lambda v: v, lambda v: v) if run is not inside else graph.save_on_cpu():
                with pytest.raises(RuntimeError, match="no hooks in here"):
                    run()
        with graph.saved_tensors_hooks(lambda v: v, lambda v: v):
            return x.grad

    assert same(program) == [3.0, 12.0]


def test_mutation_of_saved_tensors_is_refused():
    with pytest.raises(NotImplementedError, match="clone"):
        rl.autograd.graph.allow_mutation_on_saved_tensors()
    with pytest.raises(AttributeError, match="nothing"):
        _ = rl.autograd.graph.nothing
