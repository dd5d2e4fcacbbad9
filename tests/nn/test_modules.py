"""Module: registration, walking, modes, conversion, calls and their errors."""

import copy
import pickle
import warnings

import pytest

import rushlight
from rushlight import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(3, 2)
        self.register_buffer("mean", rushlight.zeros(2))
        self.register_buffer("scratch", rushlight.ones(1), persistent=False)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


def test_names_and_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert [name for name, _ in net.named_parameters(prefix="m", recurse=False)] == []
    assert [name for name, _ in net.named_buffers()] == ["mean", "scratch"]
    assert [name for name, _ in net.named_modules()] == ["", "fc1", "act", "fc2"]
    assert [name for name, _ in net.named_children()] == ["fc1", "act", "fc2"]
    assert list(net.state_dict()) == ["mean", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert len(list(net.modules())) == 4 and len(list(net.parameters())) == 4 and len(list(net.buffers())) == 2


def test_shared_modules_are_listed_once_unless_asked():
    shared = nn.Linear(1, 1)
    net = nn.Sequential(shared, shared)
    assert len(list(net.named_modules())) == 2
    assert [name for name, _ in net.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    assert len(list(net.parameters())) == 2
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_lookup_by_path():
    net = nn.Sequential(Net())
    assert net.get_submodule("0.fc1") is net[0].fc1 and net.get_submodule("") is net
    assert net.get_parameter("0.fc1.weight") is net[0].fc1.weight
    assert net.get_buffer("0.mean") is net[0].mean
    with pytest.raises(AttributeError, match="no child module 'fcc1'; did you mean 'fc1'"):
        net.get_submodule("0.fcc1")
    with pytest.raises(AttributeError, match="no parameter 'weigth'; did you mean 'weight'"):
        net.get_parameter("0.fc1.weigth")
    net.set_submodule("0.act", nn.Tanh())
    assert isinstance(net[0].act, nn.Tanh)


def test_attributes_move_between_tables():
    net = nn.Module()
    net.x = 3
    net.x = nn.Parameter(rushlight.ones(1))
    assert "x" not in net.__dict__ and list(net._parameters) == ["x"]
    net.x = None
    assert net.x is None and list(net.parameters()) == []
    with pytest.raises(TypeError, match="nn.Parameter or None"):
        net.x = nn.ReLU()
    del net.x
    net.x = nn.ReLU()
    assert list(net._parameters) == [] and list(net._modules) == ["x"]
    del net.x
    assert not hasattr(net, "x")
    net.b = nn.Buffer(rushlight.ones(1), persistent=False)
    assert isinstance(net.b, nn.Buffer) and not isinstance(rushlight.ones(1), nn.Buffer)
    assert list(net.state_dict()) == [] and len(list(net.buffers())) == 1
    net.b = rushlight.zeros(1)
    assert net.b.tolist() == [0.0]


@pytest.mark.parametrize(
    "action, error, words",
    [
        (lambda net: setattr(net.fc1, "weight", rushlight.zeros(3, 4)), TypeError, "nn.Parameter"),
        (lambda net: setattr(net, "fc1", 3), TypeError, "nn.Module or None"),
        (lambda net: setattr(net, "mean", 3), TypeError, "Tensor or None"),
        (lambda net: net.register_buffer("a.b", None), KeyError, "'.'"),
        (lambda net: net.register_buffer("", None), KeyError, "empty"),
        (lambda net: net.register_buffer("fc1", None), KeyError, "already"),
        (lambda net: net.register_buffer("new", 3), TypeError, "as_tensor"),
        (lambda net: net.register_parameter("new", rushlight.zeros(1)), TypeError, "nn.Parameter"),
        (lambda net: net.add_module("new", 1), TypeError, "expected a Module"),
        (lambda net: net.add_module("new", nn.ReLU), TypeError, r"write ReLU\(...\)"),
        (lambda net: net.add_module(1, nn.ReLU()), TypeError, "str"),
        (lambda net: net.train(3), ValueError, "True or False"),
        (lambda net: net.to(rushlight.int64), TypeError, "floating point"),
        (lambda net: net.to(net), TypeError, "a device"),
        (lambda net: net.to("cpu", "cpu"), TypeError, "two values"),
        (lambda net: net.to(devise="cpu"), TypeError, "'devise'"),
        (lambda net: nn.Sequential(nn.Linear(1, 1), 3), TypeError, "expected a Module"),
        (lambda net: nn.Sequential(nn.ReLU())[5], IndexError, "out of range"),
        (lambda net: nn.Linear(784.0, 10), TypeError, "in_features=784"),
        (lambda net: nn.Linear(784, 10, biass=False), TypeError, "did you mean 'bias'"),
        (lambda net: nn.Conv2d(1, 2, kernel_szie=3), TypeError, "did you mean 'kernel_size'"),
        (lambda net: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels=3"),
        (lambda net: nn.Conv2d(3, 4, 3, padding="all"), ValueError, "'same'"),
        (lambda net: nn.Conv2d(3, 4, 3, padding="same", stride=2), ValueError, "stride 1"),
        (lambda net: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "reflect"),
        (lambda net: nn.Dropout(1.5), ValueError, "p=1.5"),
        (lambda net: nn.GroupNorm(3, 4), ValueError, "multiple"),
        (lambda net: nn.GRU(3, 4, proj_size=2), ValueError, "only LSTM"),
        (lambda net: nn.Embedding(3, 2, padding_idx=3), AssertionError, "padding_idx=3"),
        (lambda net: nn.BatchNorm2d(3)(rushlight.zeros(2, 3)), ValueError, "expected 4-D"),
        (lambda net: nn.LSTM(3, 4)(rushlight.zeros(2, 3, 5)), RuntimeError, "input_size=3"),
        (lambda net: nn.LazyLinear(3).weight.shape, RuntimeError, "one batch"),
        (lambda net: nn.Module(3), TypeError, "no arguments"),
        (lambda net: nn.Parameter([1.0]), TypeError, "expected a Tensor"),
        (lambda net: nn.Parameter(rushlight.tensor([1])), RuntimeError, "requires_grad=False"),
        (lambda net: nn.Module()(1), NotImplementedError, "no `forward`"),
        (lambda net: nn.Linaer, AttributeError, "Did you mean: 'Linear'"),
    ],
)
def test_mistakes_are_explained(action, error, words):
    with pytest.raises(error, match=words):
        action(Net())


def test_missing_attributes_suggest_a_name():
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'fc3'; did you mean 'fc2'|'fc1'"):
        _ = Net().fc3
    with pytest.raises(AttributeError, match="did you mean 'forward'"):
        Net().foward(1)
    assert not hasattr(Net(), "nothing_like_it")


def test_forgotten_super_init():
    class Forgot(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(1, 1)

    class Later(nn.Module):
        def __init__(self):
            self.size = 3

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\) the first line of Forgot.__init__"):
        Forgot()
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\) has not run"):
        Later()(1)


def test_train_eval_apply_freeze():
    net = Net()
    assert net.training and net.eval() is net
    assert not net.training and not net.fc1.training and net.train().fc2.training
    seen = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Net"]
    net.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_zero_grad():
    net = nn.Linear(2, 1)
    net(rushlight.ones(1, 2)).sum().backward()
    assert net.weight.grad.tolist() == [[1.0, 1.0]]
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0.0, 0.0]]
    net.zero_grad()
    assert net.weight.grad is None


def test_conversion_keeps_parameter_objects():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = net[0].weight
    net(rushlight.randn(3, 2)).sum().backward()
    assert net.double() is net and net[0].weight is weight
    assert weight.dtype == rushlight.float64 and weight.grad.dtype == rushlight.float64 and weight.requires_grad
    assert net[1].running_mean.dtype == rushlight.float64 and net[1].num_batches_tracked.dtype == rushlight.int64
    assert net.to(rushlight.float32)[0].weight.dtype == rushlight.float32
    assert net.to("cpu", rushlight.float64)[0].weight.dtype == rushlight.float64
    assert net.to(rushlight.zeros(1))[0].weight.dtype == rushlight.float32
    assert net.bfloat16()[0].weight.dtype == rushlight.bfloat16
    assert net.half().float().cpu()[0].weight.dtype == rushlight.float32


def test_deepcopy_and_pickle_of_structure():
    net = Net()
    twin = copy.deepcopy(net)
    assert repr(twin) == repr(net) and twin.fc1.weight is not net.fc1.weight
    assert isinstance(twin.fc1.weight, nn.Parameter) and twin.fc1.weight.tolist() == net.fc1.weight.tolist()
    with rushlight.no_grad():
        twin.fc1.weight.zero_()
    assert net.fc1.weight.abs().sum().item() > 0
    again = pickle.loads(pickle.dumps(nn.Sequential(nn.ReLU(), nn.Dropout(0.3))))
    assert repr(again) == repr(nn.Sequential(nn.ReLU(), nn.Dropout(0.3)))
    old = nn.ReLU.__new__(nn.ReLU)
    old.__setstate__({"training": True, "inplace": False, "_parameters": {}, "_buffers": {}, "_modules": {}})
    assert old(rushlight.tensor([-1.0])).tolist() == [0.0]


def test_calling_forward_directly_warns_once():
    class Direct(nn.Module):
        def forward(self, x):
            return x

    class Below(Direct):
        def forward(self, x):
            return super().forward(x) + 1

    class OwnCall(Direct):
        def __init__(module):
            super().__init__()
            module.width = module.forward(3)

        def __call__(self, x):
            return self.forward(x) + 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Direct()(1) == 1 and Below()(1) == 2
        assert OwnCall()(1) == 3 and OwnCall().width == 3
        model = Below()
        original = model.forward  # wrapping is not calling
        model.forward = lambda x: original(x) * 10
        assert model(1) == 20
    with pytest.warns(UserWarning, match=r"Direct.forward was called directly.*model\(x\)"):
        assert Direct().forward(1) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Direct().forward(2) == 2
    Direct.forward = lambda self, x: -x  # replacing it in the class still works
    assert Direct()(1) == -1


def test_error_names_the_module_path():
    net = nn.Sequential(nn.ModuleDict({"block": nn.Module()}), Net())

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.stages = nn.ModuleList([nn.ReLU(), net[1]])

        def forward(self, x):
            return self.stages[1](x)

    with pytest.raises(RuntimeError) as caught:
        Outer()(rushlight.zeros(2, 5))
    expected = "in module: Outer.stages.1.fc1 (Linear(in_features=4, out_features=3, bias=True))"
    assert [note for note in caught.value.__notes__ if note.startswith("in module")] == [expected]


def test_a_broken_repr_does_not_hide_the_error():
    class Broken(nn.Module):
        def extra_repr(self):
            return self.nowhere

        def forward(self, x):
            raise ValueError("the real error")

    with pytest.raises(ValueError, match="the real error") as caught:
        nn.Sequential(Broken())(1)
    assert caught.value.__notes__ == ["in module: Sequential.0 (Broken)"]


def test_sequential_edits():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert list(net[1:]._modules) == ["1", "2"] and isinstance(net[-1], nn.Sigmoid)
    del net[1]
    assert list(net._modules) == ["0", "1"]
    net.append(nn.ReLU()).insert(0, nn.Flatten()).extend([nn.Tanh()])
    assert [type(module).__name__ for module in net] == ["Flatten", "ReLU", "Sigmoid", "ReLU", "Tanh"]
    assert isinstance(net.pop(0), nn.Flatten) and len(net) == 4
    net[0] = nn.GELU()
    assert isinstance(net[0], nn.GELU)
    assert len(net + net) == 8 and len(net * 2) == 8 and len(2 * net) == 8
    net += nn.Sequential(nn.ReLU())
    assert len(net) == 5


def test_lists_and_dicts():
    layers = nn.ModuleList([nn.ReLU()])
    layers += [nn.Tanh()]
    layers.insert(0, nn.GELU())
    assert [type(module).__name__ for module in layers[0:2]] == ["GELU", "ReLU"] and len(layers + [nn.ReLU()]) == 4
    named = nn.ModuleDict([["b", nn.ReLU()], ["a", nn.Tanh()]])
    assert list(named) == ["b", "a"] and "b" in named and len(named) == 2
    with pytest.raises(KeyError, match="'c'"):
        named["c"]
    values = nn.ParameterList([rushlight.zeros(2)])
    values.append(rushlight.ones(1))
    assert len(values) == 2 and isinstance(values[-1], nn.Parameter) and list(values.state_dict()) == ["0", "1"]
    table = nn.ParameterDict({"b": rushlight.zeros(1), "a": 3})
    assert list(table) == ["a", "b"] and table.get("z") is None and table.pop("a") == 3 and list(table) == ["b"]


def test_lazy_layers_become_ordinary():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))
    assert net(rushlight.ones(2, 3, 6, 6)).shape == (2, 5)
    assert type(net[0]) is nn.Conv2d and type(net[3]) is nn.Linear and net[3].in_features == 64
    original = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))
    fresh = copy.deepcopy(original)
    fresh.load_state_dict(net.state_dict())
    assert fresh[3].weight.tolist() == net[3].weight.tolist()
    assert original[3].has_uninitialized_params() and not fresh[3].has_uninitialized_params()
    assert fresh(rushlight.ones(2, 3, 6, 6)).shape == (2, 5) and type(fresh[0]) is nn.Conv2d
    assert type(original[0]) is nn.LazyConv2d


def test_what_stands_in_a_parameters_place_is_used():
    layer = nn.Linear(2, 2, bias=False)
    doubled = layer.weight.detach() * 2
    del layer.weight
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'weight'"):
        layer(rushlight.ones(1, 2))
    assert not hasattr(layer, "weight") and not hasattr(nn.Linear, "weight")
    layer.weight = doubled
    assert layer.weight is doubled and not list(layer.parameters())
    assert layer(rushlight.ones(1, 2)).tolist() == (rushlight.ones(1, 2) @ doubled.T).tolist()

    class Positive(nn.Linear):
        @property
        def weight(self):
            return rushlight.ones(2, 2)

        def __init__(self):
            nn.Module.__init__(self)
            self.register_parameter("bias", None)

    assert Positive()(rushlight.ones(1, 2)).tolist() == [[2, 2]]
