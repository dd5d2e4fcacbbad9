"""`__torch_function__`, tensor subclasses and modes. The same code runs on both libraries."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import rushlight as torch


class Plain(torch.Tensor):
    pass


def subclass_of(t):
    class Sub(t.Tensor):
        pass

    return Sub


RESULTS = (
    """
type(x + 1) | type(1 - x) | type(y + x) | type(x + y) | type(x @ x) | type(x.sum()) | type(t.sum(x)) | type(x.T) | type(x.data) | type(x[0])
type(x.numpy()) | type(x.shape) | type(x.tolist()) | type(t.stack([y, x])) | type(t.max(x, 1)) | type(t.max(x, 1)[0]) | type(x.split(1))
type(x.split(1)[0]) | type(x.detach()) | type(x.clone()) | type(t.nn.functional.relu(x)) | type(t.nn.functional.softmax(x, -1))
type(t.nn.functional.linear(y, x)) | type(x > 1) | type(x.add_(1)) | type(t.zeros_like(x)) | type(x.new_zeros(2)) | type(x.float()) | type(y)
type(x.mean().item()) | type(t.where(x > 0, x, y)) | type(t.linalg.norm(x)) | type(t.nn.Linear(2, 2)(x)) | type(x.grad) | repr(x[0] * 2)
t.equal(x, y + 1) | type(abs(x)) | type(x.requires_grad_().sum().backward()) | type(t.is_tensor(x)) | isinstance(x, t.Tensor)
""".replace("\n", " | ")
    .strip(" |")
    .split(" | ")
)


@pytest.mark.filterwarnings("ignore")
def test_results_keep_the_class_as_pytorchs_do(oracle):
    def run(t):
        cls = subclass_of(t)
        names = {"t": t, "x": cls([[1.0, 2.0], [3.0, 4.0]]), "y": t.tensor([[1.0, 2.0], [3.0, 4.0]])}
        found = []
        for text in RESULTS:
            value = eval(text.strip(), names)
            found.append((text, value.__name__ if isinstance(value, type) else value))
        return found

    assert run(torch) == run(oracle)


def test_gradients_flow_through_a_subclass():
    w = torch.ones(2, requires_grad=True)
    s = w.as_subclass(Plain)
    assert type(s) is Plain and not s.is_leaf
    (s * 3).sum().backward()
    assert w.grad.tolist() == [3.0, 3.0] and type(w.grad) is torch.Tensor
    p = Plain([1.0, 2.0]).requires_grad_()
    (p * p).sum().backward()
    assert p.grad.tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="as_subclass"):
        w.as_subclass(int)


def test_copies_and_pickles_keep_class_and_fields():
    p = Plain([1.0, 2.0])
    p.note, p._hidden = "hi", [1]
    for other in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(other) is Plain and other.tolist() == [1.0, 2.0] and (other.note, other._hidden) == ("hi", [1])
    assert copy.deepcopy(p)._hidden is not p._hidden and type(copy.copy(p)) is Plain
    assert repr(p) == "Plain([1., 2.])"


def test_a_parameter_of_another_class_keeps_it():
    q = torch.nn.Parameter(Plain([1.0]))
    assert type(q) is Plain and isinstance(q, torch.nn.Parameter) and q.requires_grad
    assert not isinstance(torch.ones(1), torch.nn.Parameter) and not isinstance(Plain([1.0]), torch.nn.Parameter)
    m = torch.nn.Module()
    m.q = q
    assert [name for name, _ in m.named_parameters()] == ["q"]


def calls_of(t):
    calls = []

    class Logged(t.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            calls.append(
                (func.__name__.strip("_"), [type(a).__name__ for a in args if isinstance(a, t.Tensor)], len(types))
            )
            return super().__torch_function__(func, types, args, kwargs or {})

    x, y = t.ones(2, 2).as_subclass(Logged), t.ones(2, 2)
    calls.clear()
    (
        x + 1,
        1 + x,
        y + x,
        1 - x,
        x @ y,
        y * x,
        -x,
        x < y,
        x.sum(),
        t.sum(x),
        y.add(x),
        t.stack([y, x]),
        x.clone(),
        x.exp().log(),
    )
    t.nn.functional.relu(x), t.nn.functional.softmax(x, -1), x.view(4), x.dim(), t.linalg.det(x)
    x += 1
    x.size(0), x.numpy(), t.cat([x, x]), t.nn.functional.gelu(x), x.requires_grad_(), x.detach()
    return [c for c in calls if c[0] not in ("det", "linalg_det", "get")]


def test_functions_are_handed_over_as_in_pytorch(oracle):
    ours, theirs = calls_of(torch), calls_of(oracle)
    assert ours == theirs


def test_classes_that_are_no_tensors():
    handled = {}

    class Diagonal:
        def __init__(self, n, value):
            self.n, self.value = n, value

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func not in handled:
                return NotImplemented
            return handled[func](*args, **(kwargs or {}))

    handled[torch.mean] = lambda d: d.value / d.n
    handled[torch.add] = lambda a, b: "sum"
    handled[torch.nn.functional.relu] = lambda d, inplace=False: Diagonal(d.n, max(d.value, 0.0))
    d = Diagonal(4, -2.0)
    assert torch.mean(d) == -0.5 and torch.nn.functional.relu(d).value == 0.0
    assert torch.add(torch.ones(1), d) == torch.add(d, d) == "sum"
    with pytest.raises(TypeError, match="exp.*Diagonal"):
        torch.exp(d)


def test_the_most_derived_class_is_asked_first():
    asked = []

    class Base(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            asked.append(cls.__name__)
            return NotImplemented if cls is Derived else super().__torch_function__(func, types, args, kwargs)

    class Derived(Base):
        pass

    with pytest.raises(TypeError, match="add.*Derived, Base"):  # Base does not know what to make of Derived
        torch.add(Base([1.0]), Derived([2.0]))
    assert asked == ["Derived", "Base"]


def test_switched_off():
    class Off(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    assert type(Off([1.0]) + 1) is torch.Tensor
    with torch._C.DisableTorchFunctionSubclass():
        assert type(Plain([1.0]) + 1) is torch.Tensor
    assert type(Plain([1.0]) + 1) is Plain


def mode_calls(t):
    class Log(t.overrides.TorchFunctionMode):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append((self.name, func.__name__.strip("_")))
            return func(*args, **(kwargs or {}))

    seen = []
    with Log("outer"):
        x = t.ones(2) + 1
        with Log("inner"):
            t.nn.functional.gelu(x), x.sum(), t.add(x, 1)
    t.add(x, x)
    return seen


def test_modes_are_pytorchs(oracle):
    assert mode_calls(torch) == mode_calls(oracle)


def test_a_mode_may_change_results_and_must_be_whole():
    class Double(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            found = func(*args, **(kwargs or {}))
            return found * 2 if func is torch.sum else found

    with Double():
        assert torch.sum(torch.ones(3)).item() == 6.0
    with pytest.raises(NotImplementedError, match="__torch_function__"), torch.overrides.TorchFunctionMode():
        torch.ones(1)
    assert torch.sum(torch.ones(3)).item() == 3.0


def test_functions_of_ones_own_take_part():
    def halve(x):
        if torch.overrides.has_torch_function_unary(x):
            return torch.overrides.handle_torch_function(halve, (x,), x)
        return x / 2

    class Third:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "third"

    assert halve(Third()) == "third" and halve(torch.ones(1)).item() == 0.5
    assert type(halve(Plain([2.0]))) is Plain

    @torch.overrides.wrap_torch_function(lambda x: (x,))
    def again(x):
        return x + 1

    assert again(Third()) == "third" and again(torch.ones(1)).item() == 2.0
    assert torch.overrides.is_tensor_like(Third()) and not torch.overrides.is_tensor_like(3)


def test_what_can_be_overridden():
    names = torch.overrides.get_overridable_functions()
    assert torch.add in names[torch] and torch.nn.functional.relu in names[torch.nn.functional]
    assert torch.overrides.resolve_name(torch.Tensor.shape.__get__) == "torch.Tensor.shape.__get__"
    assert torch.overrides.resolve_name(torch.nn.functional.cross_entropy) == "torch.nn.functional.cross_entropy"
    assert torch.overrides.is_tensor_method_or_property(torch.Tensor.add)
    assert not torch.overrides.is_tensor_method_or_property(torch.nn.functional.cross_entropy)
    stand_in = torch.overrides.get_testing_overrides()[torch.nn.functional.dropout]
    assert stand_in(torch.ones(1), p=0.1) == -1
    with pytest.raises(TypeError):
        stand_in()


def test_training_with_a_subclass_is_as_without():
    def train(cls):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        x = torch.randn(8, 3).as_subclass(cls)
        for _ in range(3):
            loss = net(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert type(loss) is cls
        return net[0].weight.detach().numpy()

    np.testing.assert_array_equal(train(Plain), train(torch.Tensor))


def test_frames_of_functions_that_have_a_layer_can_be_looked_at():
    """Debuggers and pytest read the variables of every frame, those of a closure too."""
    assert torch.exp.__closure__ is not None
    try:
        torch.exp("text")
    except TypeError as error:
        trace = error.__traceback__
    depth = 0
    while trace is not None:
        assert isinstance(trace.tb_frame.f_locals, dict)
        trace, depth = trace.tb_next, depth + 1
    assert depth > 2


def test_a_layer_can_be_taken_away_again():
    from rushlight.functional.intercept import intercept, release

    def make(n):
        def function(x, *, more=1):
            """Says what it is."""
            return n + x + more

        return function

    function = make(10)
    before = function.__code__
    intercept([function], lambda f, below, *args, **kwargs: ("outer", below(*args, **kwargs)), rank=5)
    intercept(
        [function], lambda f, below, *args, **kwargs: ("outermost", f is function, below(*args, **kwargs)), rank=4
    )
    assert function(1, more=2) == ("outermost", True, ("outer", 13)) and function.__doc__ == "Says what it is."
    release([function], rank=4)
    assert function(1) == ("outer", 12)
    release([function], rank=5)
    assert function(1) == 12 and function.__code__ is before


def test_functions_that_load_late_take_part():
    class Noted(torch.Tensor):
        names: list[str] = []

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            cls.names.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    assert type(torch.special.entr(Noted([1.0]))) is Noted and "entr" in Noted.names
