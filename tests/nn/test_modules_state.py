"""state_dict and load_state_dict: keys, sharing, the report of a misfit, hooks, extra state."""

from collections import OrderedDict

import pytest

import rushlight
from rushlight import nn


def test_state_dict_shares_memory_and_detaches():
    layer = nn.Linear(2, 1)
    state = layer.state_dict()
    assert isinstance(state, OrderedDict) and not state["weight"].requires_grad
    state["weight"].zero_()
    assert layer.weight.tolist() == [[0.0, 0.0]]
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight
    assert list(layer.state_dict(prefix="a.")) == ["a.weight", "a.bias"]
    with pytest.warns(FutureWarning, match="destination="):
        layer.state_dict(OrderedDict(), "p.")


def test_metadata():
    torch = pytest.importorskip("torch")

    def make(nn):
        return nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1), nn.Sequential(nn.ReLU()))

    assert dict(make(nn).state_dict()._metadata) == dict(make(torch.nn).state_dict()._metadata)


def test_a_fitting_checkpoint():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    weight = target.weight
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert target.weight is weight and weight.tolist() == source.weight.tolist() and weight.requires_grad


def test_assign_takes_the_tensors():
    target, weight = nn.Linear(2, 1), rushlight.ones(1, 2)
    target.load_state_dict({"weight": weight, "bias": rushlight.zeros(1)}, assign=True)
    assert isinstance(target.weight, nn.Parameter) and target.weight.requires_grad
    weight.zero_()
    assert target.weight.tolist() == [[0.0, 0.0]]


def test_not_strict_reports():
    result = nn.Linear(2, 1).load_state_dict({"weight": rushlight.ones(1, 2), "more": rushlight.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["more"]
    assert repr(result) == "_IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['more'])"
    missing, unexpected = result
    assert (missing, unexpected) == (["bias"], ["more"])


def test_misfit_is_a_table():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(4, 3)
            self.fc2 = nn.Linear(3, 2)

    state = Net().state_dict()
    state["fc.weight"] = state.pop("fc1.weight")
    state["fc2.weight"] = rushlight.zeros(5, 3)
    with pytest.raises(RuntimeError) as caught:
        Net().load_state_dict(state)
    rows = [line.split(None) for line in str(caught.value).splitlines()]
    assert str(caught.value).startswith(
        "Net.load_state_dict: the checkpoint does not fit the model: 1 missing, 1 unexpected"
    )
    assert ["missing", "fc1.weight", "(3,", "4)", "-", "fc.weight"] in rows
    assert ["unexpected", "fc.weight", "-", "(3,", "4)", "fc1.weight"] in rows
    assert ["shape", "differs", "fc2.weight", "(2,", "3)", "(5,", "3)"] in rows
    with pytest.raises(RuntimeError, match="0 missing|1 of another shape"):
        Net().load_state_dict(state, strict=False)


def test_misfit_names_the_usual_causes():
    state = nn.Linear(2, 1).state_dict()
    with pytest.raises(RuntimeError, match="removeprefix"):
        nn.Linear(2, 1).load_state_dict({"module." + key: value for key, value in state.items()})
    with pytest.raises(RuntimeError, match=r"checkpoint\['model'\]"):
        nn.Linear(2, 1).load_state_dict({"epoch": 3, "model": state})
    with pytest.raises(TypeError, match=r"\.state_dict\(\)"):
        nn.Linear(2, 1).load_state_dict(nn.Linear(2, 1))
    with pytest.raises(RuntimeError, match="'weight' holds float"):
        nn.Linear(2, 1).load_state_dict({"weight": 3.0, "bias": rushlight.zeros(1)})


def test_old_batch_norm_checkpoints_load():
    layer = nn.BatchNorm1d(2)
    state = {key: value for key, value in layer.state_dict().items() if key != "num_batches_tracked"}
    assert repr(layer.load_state_dict(state)) == "<All keys matched successfully>"


def test_hooks():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1))
    net.register_state_dict_pre_hook(lambda m, prefix, keep_vars: seen.append("save pre"))
    net[0].register_state_dict_post_hook(
        lambda m, state, prefix, metadata: state.update({prefix + "tag": rushlight.ones(1)})
    )
    assert list(net.state_dict()) == ["0.weight", "0.bias", "0.tag"] and seen == ["save pre"]
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("0.tag"))
    net.register_load_state_dict_post_hook(lambda m, report: seen.append(list(report.missing_keys)))
    assert repr(net.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    assert seen[-1] == []
    handle = net.register_load_state_dict_post_hook(lambda m, report: report.missing_keys.clear())
    net.load_state_dict({"0.tag": rushlight.ones(1), "0.weight": rushlight.ones(1, 1)})
    handle.remove()


def test_extra_state():
    class Counter(nn.Module):
        def __init__(self, count=0):
            super().__init__()
            self.count = count

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    source, target = nn.Sequential(Counter(5)), nn.Sequential(Counter())
    assert list(source.state_dict()) == ["0._extra_state"]
    target.load_state_dict(source.state_dict())
    assert target[0].count == 5
    assert target.load_state_dict({}, strict=False).missing_keys == ["0._extra_state"]
