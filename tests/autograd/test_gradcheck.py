"""gradcheck, and the Jacobians of autograd.functional, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


def leaf(*values):
    return rl.tensor(values, dtype=rl.float64, requires_grad=True)


class Wrong(rl.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * 2 + y

    @staticmethod
    def backward(ctx, g):
        return g * 2, g * 3


def test_right_gradients_pass():
    x, y = leaf(0.3, -1.2), leaf(0.5, 2.0)
    assert rl.autograd.gradcheck(lambda a, b: (a * b, a.sin()), (x, y))
    assert rl.autograd.gradcheck(rl.tanh, x, fast_mode=True)
    assert rl.autograd.gradgradcheck(lambda a, b: (a * b).exp(), (x, y))
    assert x.grad is None


@pytest.mark.parametrize("check", ["gradcheck", "gradgradcheck"])
def test_the_generator_stands_where_pytorchs_does_afterwards(check):
    def drawn(library):
        library.manual_seed(3)
        x = library.tensor([[0.3, -1.2, 0.8]], dtype=library.float64, requires_grad=True)
        assert getattr(library.autograd, check)(lambda v: (v.exp(), v.sum(0)), (x,))
        return library.rand(2).tolist()

    assert drawn(rl) == drawn(torch)


def test_wrong_gradient_names_the_input_and_both_jacobians():
    x, y = leaf(0.3, -1.2), leaf(0.5, 2.0)
    with pytest.raises(rl.autograd.GradcheckError, match="with respect to input 1") as error:
        rl.autograd.gradcheck(Wrong.apply, (x, y))
    assert (
        "numerical" in str(error.value)
        and "analytical" in str(error.value)
        and "largest difference 2" in str(error.value)
    )
    assert not rl.autograd.gradcheck(Wrong.apply, (x, y), raise_exception=False)


def test_wrong_use():
    with pytest.raises(ValueError, match="at least one input"):
        rl.autograd.gradcheck(rl.tanh, (rl.ones(2),))
    with pytest.warns(UserWarning, match="double precision"):
        rl.autograd.gradcheck(lambda x: x * 2, (rl.ones(2, requires_grad=True),), eps=1e-2, atol=1e-2)


def functions(m):
    return {
        "product": lambda a, b: (a * b, a.sin()),
        "outer": lambda a, b: a[:, None] @ b[None],
        "one input": lambda a, b: a * 2,
        "no gradient": lambda a, b: a.detach() * b,
        "softmax": lambda a, b: m.softmax(m.stack([a, b]), 0),
        "sorted": lambda a, b: m.sort(m.cat([a, b]))[0],
        "layer norm": lambda a, b: m.nn.functional.layer_norm(m.stack([a, b]), (2,)),
        "a list": lambda a, b: [a * 2, b],
    }


FIRST = [
    {"check_forward_ad": True},
    {"check_forward_ad": True, "check_backward_ad": False},
    {"check_batched_grad": True, "check_grad_dtypes": True},
    {"check_forward_ad": True, "check_batched_forward_grad": True},
    {"fast_mode": True, "check_forward_ad": True, "check_batched_grad": True},
]
SECOND = [
    {"check_fwd_over_rev": True},
    {"check_batched_grad": True, "check_grad_dtypes": True},
    {"gen_non_contig_grad_outputs": True},
    {"fast_mode": True, "check_fwd_over_rev": True},
]


@pytest.mark.parametrize("name", functions(rl))
def test_every_way_to_check_passes_where_it_does_in_torch(name):
    found = []
    for m in (rl, torch):
        x, y = (m.tensor(v, dtype=m.float64, requires_grad=True) for v in ([0.3, -1.2], [0.5, 2.0]))
        function = functions(m)[name]
        checks = [(m.autograd.gradcheck, o) for o in FIRST] + [(m.autograd.gradgradcheck, o) for o in SECOND]
        results = []
        for check, options in checks:
            try:
                results.append(check(function, (x, y), **options))
            except (RuntimeError, ValueError) as error:
                results.append(type(error).__name__)
        found.append(results)
    assert found[0] == found[1]
    if name != "no gradient":
        assert all(r is True for r in found[0])


def test_a_function_that_differentiates_inside():
    def scaled(a, b):
        return rl.autograd.grad((a**3).sum(), a, create_graph=True)[0] * b

    x, y = leaf(0.3, -1.2), leaf(0.5, 2.0)
    assert all(rl.autograd.gradcheck(scaled, (x, y), **options) for options in FIRST)
    assert all(rl.autograd.gradgradcheck(scaled, (x, y), **options) for options in SECOND)


class Cube(rl.autograd.Function):
    """a**3 with mistakes to choose from."""

    backward_by, jvp_by, looks = 3.0, 3.0, False

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        ctx.save_for_forward(a)
        return a**3

    @classmethod
    def backward(cls, ctx, g):
        if cls.looks:
            g.sum().item()
        return g * cls.backward_by * ctx.saved_tensors[0] ** 2

    @classmethod
    def jvp(cls, ctx, t):
        return t * cls.jvp_by * ctx.saved_tensors[0] ** 2


class WrongBackward(Cube):
    backward_by = 2.0


class WrongForward(Cube):
    jvp_by = 2.0


class Looks(Cube):
    looks = True


@pytest.mark.parametrize("fast", [False, True])
def test_each_way_finds_its_own_mistakes(fast):
    x, check = leaf(0.3, -1.2), rl.autograd.gradcheck
    forward = {"check_forward_ad": True, "check_backward_ad": False}
    assert check(Cube.apply, (x,), check_forward_ad=True, fast_mode=fast)
    assert check(WrongForward.apply, (x,), fast_mode=fast) and check(
        WrongBackward.apply, (x,), **forward, fast_mode=fast
    )
    with pytest.raises(
        rl.autograd.GradcheckError, match="^gradcheck: Jacobian mismatch for output 0 with respect to input 0"
    ):
        check(WrongBackward.apply, (x,), fast_mode=fast)
    with pytest.raises(rl.autograd.GradcheckError, match="forward mode mismatch for output 0") as error:
        check(WrongForward.apply, (x,), **forward, fast_mode=fast)
    assert ("random combination" in str(error.value)) is fast
    assert not check(WrongForward.apply, (x,), **forward, fast_mode=fast, raise_exception=False)


def test_a_backward_that_looks_at_values_cannot_be_batched():
    x = leaf(0.3, -1.2)
    assert rl.autograd.gradcheck(Looks.apply, (x,))
    with pytest.raises(rl.autograd.GradcheckError, match="While computing batched gradients"):
        rl.autograd.gradcheck(Looks.apply, (x,), check_batched_grad=True)


@pytest.mark.parametrize("name", ["abs", "exp", "angle", "conj", "real", "view_as_real"])
@pytest.mark.parametrize("options", [{}, {"check_forward_ad": True, "fast_mode": True}, {"check_batched_grad": True}])
def test_complex_inputs_and_outputs(name, options):
    for m in (rl, torch):
        z = m.tensor([1 + 2j, -0.5 + 0.3j], dtype=m.complex128, requires_grad=True)
        function = {"conj": lambda a: a * a.conj(), "real": lambda a: a.real * 2}.get(name, getattr(m, name))
        assert m.autograd.gradcheck(function, (z,), **options)
    assert rl.autograd.gradgradcheck(lambda a: a * a.conj() * a, (z_of(rl),))
    with pytest.raises(rl.autograd.GradcheckError):
        rl.autograd.gradcheck(lambda a: a.detach().conj() * a, (z_of(rl),))


def z_of(m):
    return m.tensor([1 + 2j, -0.5 + 0.3j], dtype=m.complex128, requires_grad=True)


def test_options_that_exclude_each_other_and_bad_inputs():
    for m in (rl, torch):
        x = m.ones(2, dtype=m.float64, requires_grad=True)
        for options in (
            {"check_backward_ad": False},
            {"check_backward_ad": False, "check_forward_ad": True, "check_batched_grad": True},
            {"check_batched_forward_grad": True},
        ):
            with pytest.raises(AssertionError):
                m.autograd.gradcheck(m.sin, (x,), **options)
        with pytest.raises(AssertionError):
            m.autograd.gradgradcheck(m.sin, (x,), check_rev_over_rev=False)
        with pytest.raises(RuntimeError, match="stride 0"):
            m.autograd.gradcheck(m.sin, (m.ones(2, dtype=m.float64).expand(3, 2).requires_grad_(),))


def one(m, a, b):
    return (a.sin() * b).sum() + (a * a * b).sum()


def vector(m, a, b):
    return m.stack([a * b, a**3]), a.sum() * b


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"])
def test_functional_like_pytorch(name):
    a, b, v = np.array([0.3, -0.7]), np.array([1.5, 0.2]), np.array([0.4, -2.0])
    found = []
    for m in (rl, torch):
        x, y, d = m.tensor(a), m.tensor(b), m.tensor(v)
        function = getattr(m.autograd.functional, name)
        if name in ("hessian", "hvp", "vhp"):
            extra = () if name == "hessian" else ((d, d * 2),)
            result = function(lambda p, q, m=m: one(m, p, q), (x, y), *extra)
        elif name == "vjp":
            result = function(lambda p, q, m=m: vector(m, p, q), (x, y), (m.stack([d, d]), d))
        else:
            result = function(lambda p, q, m=m: vector(m, p, q), (x, y), *(((d, d),) if name == "jvp" else ()))
        found.append(result)

    def compare(ours, theirs):
        if isinstance(ours, tuple):
            assert len(ours) == len(theirs)
            for one_of, other in zip(ours, theirs, strict=True):
                compare(one_of, other)
        else:
            assert not ours.requires_grad
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10)

    compare(*found)


def test_jacobian_keeps_the_graph_on_request():
    x = leaf(0.3, -0.7)
    j = rl.autograd.functional.jacobian(lambda t: t**3, x, create_graph=True)
    (g,) = rl.autograd.grad(j.sum(), x)
    np.testing.assert_allclose(g.numpy(), 6 * x.detach().numpy())


def test_strict_and_wrong_arguments():
    x = leaf(0.3, -0.7)
    with pytest.raises(RuntimeError, match="independent"):
        rl.autograd.functional.jacobian(lambda t: rl.ones(2), x, strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        rl.autograd.functional.hessian(lambda t: t, x)
    with pytest.raises(TypeError, match="tuples of Tensors"):
        rl.autograd.functional.jacobian(lambda t: t, 3.0)
    with pytest.raises(RuntimeError, match="size"):
        rl.autograd.functional.vjp(lambda t: t, x, rl.ones(3))
