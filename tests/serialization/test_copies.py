"""copy, deepcopy, pickle and torch.save of tensors, subclasses, parameters, modules, optimisers and generators."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest

import rushlight as rl

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def pickled(value, protocol=2):
    return pickle.loads(pickle.dumps(value, protocol=protocol))


def saved(value, library=rl, **options):
    file = io.BytesIO()
    library.save(value, file)
    file.seek(0)
    return library.load(file, **options)


WAYS = {
    "copy": lambda t, v: copy.copy(v),
    "deepcopy": lambda t, v: copy.deepcopy(v),
    **{f"pickle {p}": lambda t, v, p=p: pickled(v, p) for p in PROTOCOLS},
    "save": lambda t, v: saved(v, t, weights_only=False),
    "save plain": lambda t, v: saved(v, t),
}


class Tagged(rl.Tensor):
    tag = None


class Quiet(rl.Tensor):
    def __getstate__(self):
        return {"kept": 1}


class Own(rl.nn.Parameter):
    pass


def facts(t, x):
    """All that a copy of a tensor should keep."""
    kept = type(x).__name__, str(x.dtype), x.tolist(), tuple(x.shape), tuple(x.stride()), x.storage_offset()
    return (*kept, x.untyped_storage().nbytes(), x.requires_grad, x.is_leaf, x.grad is None, getattr(x, "tag", None))


def tensors(t):
    def with_grad():
        x = t.ones(2, requires_grad=True)
        (x * 3).sum().backward()
        return x

    def tagged(x):
        x.tag = "note"
        return x

    return {
        "plain": t.arange(6.0).reshape(2, 3),
        "number": t.tensor(3.5),
        "empty": t.zeros(0, 3),
        "bool": t.tensor([True, False]),
        "bfloat16": t.tensor([1.0, 2.5]).to(t.bfloat16),
        "half": t.tensor([1.0, 2.5]).to(t.float16),
        "complex": t.tensor([1 + 2j, 3.0]),
        "window": t.arange(6.0)[2:4],
        "transposed": t.arange(6.0).reshape(2, 3).t(),
        "every second": t.arange(12.0).reshape(3, 4)[:, ::2],
        "expanded": t.tensor([1.0, 2.0]).expand(3, 2),
        "channels last": t.arange(16.0).reshape(1, 2, 2, 4).contiguous(memory_format=t.channels_last),
        "requires grad": t.tensor([1.0], requires_grad=True),
        "with a gradient": with_grad(),
        "with an attribute": tagged(t.ones(2)),
        "parameter": t.nn.Parameter(t.ones(2)),
        "frozen parameter": t.nn.Parameter(t.ones(2), requires_grad=False),
        "parameter with an attribute": tagged(t.nn.Parameter(t.ones(2))),
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", tensors(rl))
def test_what_a_copy_keeps_is_what_torch_keeps(case, way):
    torch = pytest.importorskip("torch")
    ours, theirs = tensors(rl)[case], tensors(torch)[case]
    assert facts(rl, ours) == facts(torch, theirs)
    assert facts(rl, WAYS[way](rl, ours)) == facts(torch, WAYS[way](torch, theirs))


@pytest.mark.parametrize("way", [w for w in WAYS if w != "copy"])
def test_a_copy_has_memory_of_its_own_and_copy_shares_it(way):
    x = rl.arange(4.0)
    made = WAYS[way](rl, x)
    made.add_(1)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0] and made.tolist() == [1.0, 2.0, 3.0, 4.0]
    copy.copy(x).add_(1)
    assert x.tolist() == made.tolist()


def shared(t, way):
    base = t.arange(6.0)
    group = {"base": base, "same": base, "window": base[2:4], "turned": base.view(2, 3).t(), "alias": base.detach()}
    found = way(t, group)
    found["window"].add_(10)
    found["base"].mul_(2)
    return found["same"] is found["base"], {k: (v.tolist(), v.storage_offset()) for k, v in found.items()}


@pytest.mark.parametrize("way", WAYS)
def test_tensors_that_share_memory_share_it_again_where_they_do_in_torch(way):
    torch = pytest.importorskip("torch")
    assert shared(rl, WAYS[way]) == shared(torch, WAYS[way])


def test_the_order_in_which_views_and_bases_are_copied_does_not_matter():
    base = rl.arange(6.0).reshape(2, 3)
    window, same = copy.deepcopy((base[1], base))
    window.zero_()
    assert same.tolist() == [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]
    assert base[1].tolist() == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("way", [w for w in WAYS if w != "save plain"])
def test_a_subclass_keeps_its_class_and_attributes(way):
    x = rl.arange(3.0).as_subclass(Tagged).requires_grad_()
    x.tag, x.more = "a", [1, {"b": rl.ones(1)}]
    made = WAYS[way](rl, x)
    assert type(made) is Tagged and made.tolist() == [0.0, 1.0, 2.0] and made.requires_grad
    assert made.tag == "a" and made.more[0] == 1 and made.more[1]["b"].tolist() == [1.0]
    (made * 2).sum().backward()
    assert made.grad.tolist() == [2.0, 2.0, 2.0] and x.grad is None


def test_a_subclass_in_a_file_is_read_when_the_program_allows_it():
    x = rl.arange(3.0).as_subclass(Tagged)
    x.tag = 1
    with pytest.raises(pickle.UnpicklingError, match="Tagged"):
        saved(x)
    with rl.serialization.safe_globals([Tagged]):
        made = saved(x)
    assert type(made) is Tagged and made.tag == 1


def test_files_of_subclasses_and_attributes_go_to_torch_and_back():
    torch = pytest.importorskip("torch")
    p, plain = rl.nn.Parameter(rl.ones(2)), rl.zeros(2)
    p.tag = plain.tag = {"a": [1, 2]}
    file = io.BytesIO()
    rl.save({"p": p, "plain": plain}, file)
    file.seek(0)
    theirs = torch.load(file, weights_only=True)
    assert type(theirs["p"]) is torch.nn.Parameter and theirs["p"].tag == {"a": [1, 2]} == theirs["plain"].tag
    file = io.BytesIO()
    torch.save(theirs, file)
    file.seek(0)
    ours = rl.load(file)
    assert type(ours["p"]) is rl.nn.Parameter and ours["p"].tag == {"a": [1, 2]} == ours["plain"].tag


def test_a_class_of_parameters_is_a_parameter_in_pickles_and_itself_in_copies():
    p = Own(rl.ones(2))
    p.tag = 1
    assert type(copy.deepcopy(p)) is Own and type(copy.copy(p)) is Own
    for made in (pickled(p), saved(p)):
        assert type(made) is rl.nn.Parameter and made.tag == 1


def test_a_parameter_made_of_a_subclass():
    p = rl.nn.Parameter(rl.ones(2).as_subclass(Tagged))
    for made in (copy.deepcopy(p), pickled(p), saved(p, weights_only=False)):
        assert type(made) is Tagged and isinstance(made, rl.nn.Parameter) and made.requires_grad


def test_getstate_says_what_is_kept():
    x = rl.ones(1).as_subclass(Quiet)
    x.lost = 1
    made = pickled(x)
    assert made.kept == 1 and not hasattr(made, "lost")


@pytest.mark.parametrize("name", ["data", "backward", "_meta", "__class__", "tolist", "act"])
def test_a_file_cannot_set_what_a_tensor_uses_itself(name):
    class Acts(rl.Tensor):
        def act(self):
            return 1

    Acts.__qualname__ = Acts.__name__ = "Acts"
    globals()["Acts"] = Acts
    x = rl.ones(1).as_subclass(Acts)
    x.harmless_name_of_the_same_length = 1
    file = io.BytesIO()
    rl.save(x, file)
    raw = file.getvalue().replace(b"harmless_name_of_the_same_length", name.encode().ljust(32, b"\0"))
    assert raw != file.getvalue()
    with pytest.raises(rl.serialization.FileFormatError):
        rl.load(io.BytesIO(raw), weights_only=False)


def test_results_of_operations():
    y = rl.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="deepcopy protocol"):
        copy.deepcopy(y)
    for made in (pickled(y), saved(y)):  # leaves, as in PyTorch
        assert made.is_leaf and made.requires_grad and made.tolist() == [2.0, 2.0]


def test_tensors_without_data():
    torch = pytest.importorskip("torch")
    x = rl.empty(2, 3, device="meta").t()
    for made in (copy.deepcopy(x), pickled(x), saved(x)):
        assert made.device.type == "meta" and made.shape == (3, 2) and made.stride() == (1, 3)
    file = io.BytesIO()
    rl.save(x, file)
    file.seek(0)
    assert torch.load(file).stride() == (1, 3)


def test_hooks_stay_behind_with_a_warning():
    x = rl.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 3)
    with pytest.warns(UserWarning, match="hook"):
        made = pickled(x)
    made.sum().backward()
    assert made.grad.tolist() == [1.0, 1.0]
    y = rl.ones(2, requires_grad=True)
    y.register_hook(rl.utils.hooks.unserializable_hook(lambda g: g))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickled(y)


class Net(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = rl.nn.Linear(2, 2)
        self.scale = rl.nn.Parameter(rl.ones(2))
        self.tied = self.scale
        self.register_buffer("whole", rl.arange(4.0))
        self.register_buffer("tail", self.whole[2:])
        self.special = rl.nn.Parameter(rl.ones(2).as_subclass(Tagged))
        self.first.weight.note = "frozen later"


@pytest.mark.parametrize("way", [w for w in WAYS if w not in ("copy", "save plain")])
def test_modules_keep_ties_classes_and_attributes(way):
    net = Net()
    net.scale.grad = rl.ones(2)
    made = WAYS[way](rl, net)
    assert made.tied is made.scale and made.scale is not net.scale
    assert made.scale.grad is None and list(made.state_dict()) == list(net.state_dict())
    assert type(made.special) is Tagged and len(list(made.parameters())) == len(list(net.parameters()))
    assert getattr(made.first.weight, "note", None) == (None if way == "deepcopy" else "frozen later")  # as in PyTorch
    made.whole.mul_(2)
    assert made.tail.tolist() == ([4.0, 6.0] if not way.startswith("pickle") else [2.0, 3.0])
    assert net.tail.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("copied", [copy.deepcopy, *(lambda v, p=p: pickled(v, p) for p in PROTOCOLS)])
def test_optimizers_and_schedulers_stay_with_their_parameters(copied):
    def trained(model, optimizer, scheduler, steps=2):
        for _ in range(steps):
            optimizer.zero_grad()
            model(rl.ones(1, 2)).square().sum().backward()
            optimizer.step()
            scheduler.step()
        return model.weight.tolist(), scheduler.get_last_lr()

    rl.manual_seed(0)
    model = rl.nn.Linear(2, 2)
    optimizer = rl.optim.Adam(model.parameters(), lr=0.1)
    scheduler = rl.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    trained(model, optimizer, scheduler)
    other = copied((model, optimizer, scheduler))
    assert other[1].param_groups[0]["params"][0] is other[0].weight and other[2].optimizer is other[1]
    assert trained(*other) == trained(model, optimizer, scheduler)


@pytest.mark.parametrize("copied", [copy.deepcopy, *(lambda v, p=p: pickled(v, p) for p in PROTOCOLS)])
def test_generators_go_on_where_they_were(copied):
    g = rl.Generator().manual_seed(3)
    rl.rand(3, generator=g)
    other = copied(g)
    assert rl.rand(4, generator=other).tolist() == rl.rand(4, generator=g).tolist()


def test_public_functions_can_be_pickled():
    for name in ("add", "relu", "var_mean", "zeros_like", "numel", "not_equal", "view_copy", "baddbmm"):
        function = getattr(rl, name)
        assert pickled(function) is function
    assert pickled(rl.nn.functional.gelu) is rl.nn.functional.gelu


def test_deepcopy_in_a_training_loop_keeps_the_gradient():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    x.square().sum().backward()
    made = copy.deepcopy(x)
    assert made.grad.tolist() == [2.0, 4.0] and made.grad is not x.grad
    np.testing.assert_array_equal(made.detach().numpy(), x.detach().numpy())


def test_lazy_parameters_are_pickled_without_a_shape():
    lazy = pickled(rl.nn.LazyLinear(3))
    assert lazy(rl.ones(2, 5)).shape == (2, 3) and lazy.weight.shape == (3, 5)
