"""Whole modules: classes that the program already knows, fields as plain data, no code from the file."""

from __future__ import annotations

import collections
import io
import pickle
import sys
import types

import pytest

import rushlight
from rushlight import nn
from rushlight.errors import FileFormatError
from rushlight.serialization import MissingClassError, UnsafeFileError, load, safe_globals, save
from rushlight.serialization.archive import ArchiveWriter

CALLS = []


class Handed:
    """A descriptor that hands out a method without being callable itself."""

    def __get__(self, instance, owner=None):
        return print


class Net(nn.Module):
    handed = Handed()

    def __init__(self, width=4):
        super().__init__()
        CALLS.append("constructor")
        self.layers = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
        self.activation = nn.functional.relu
        self.norm_class = nn.BatchNorm1d
        self.config = {"width": width, "names": ["a", ("b", None)]}
        self.register_buffer("steps", rushlight.zeros(1))

    def __setstate__(self, state):
        CALLS.append("setstate")
        super().__setstate__(state)

    @property
    def trap(self):
        CALLS.append("property")

    @trap.setter
    def trap(self, value):
        CALLS.append("setter")

    def forward(self, x):
        return self.activation(self.layers(x))


class Config:
    def __init__(self, width):
        self.width = width


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.child = self.first

    def forward(self, x):
        return self.second(self.first(x))


@pytest.fixture(autouse=True)
def _no_calls_yet():
    CALLS.clear()


def saved(model):
    buffer = io.BytesIO()
    save(model, buffer)
    return buffer.getvalue()


def pack(data, **records):
    buffer = io.BytesIO()
    archive = ArchiveWriter(buffer.write)
    for name, content in {"data.pkl": data, "data/0": b"\0" * 16, "version": b"3\n", **records}.items():
        archive.add(name, content)
    archive.close()
    return io.BytesIO(buffer.getvalue())


def test_a_model_comes_back_without_its_constructor():
    model = Net(5)
    data = saved(model)
    CALLS.clear()
    back = load(io.BytesIO(data), weights_only=False)
    assert not CALLS
    assert type(back) is Net
    assert (back.config, back.training, back.norm_class) == (model.config, True, nn.BatchNorm1d)
    assert back.activation is nn.functional.relu
    x = rushlight.arange(6.0).reshape(2, 3)
    assert back(x).tolist() == model(x).tolist()
    assert repr(back) == repr(model)
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in back.parameters())
    assert "steps" in back.state_dict()


def test_a_model_inside_a_checkpoint_and_shared_parts():
    back = load(io.BytesIO(saved({"model": Tied(), "epoch": 2})), weights_only=False)
    assert back["epoch"] == 2
    assert back["model"].first.weight is back["model"].second.weight
    assert back["model"].child is back["model"].first


def test_weights_only_refuses_models_and_teaches():
    with pytest.raises(UnsafeFileError, match=r"Net.*weights_only=False.*state_dict\(\)"):
        load(io.BytesIO(saved(Net())))


def test_our_own_layers_carry_pytorchs_names():
    torch = pytest.importorskip("torch")
    layer = nn.Linear(3, 2)
    data = saved(layer)
    assert b"ctorch.nn\nLinear\n" in data
    buffer = io.BytesIO()
    torch.save(torch.nn.Linear(3, 2), buffer)
    back = load(io.BytesIO(buffer.getvalue()), weights_only=False)
    assert type(back) is nn.Linear
    assert tuple(back(rushlight.ones(1, 3)).shape) == (1, 2)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda m: setattr(m, "act", lambda x: x), r"a function .* at Net\.act"),
        (lambda m: setattr(m.layers[0], "act", len), r"a function .* at Net\.layers\.0\.act"),
        (lambda m: setattr(m, "table", {"k": [print]}), r"at Net\.table\['k'\]\[0\]"),
        (lambda m: setattr(m, "kind", io.BytesIO), r"a class .* at Net\.kind"),
        (lambda m: m.register_forward_hook(lambda *a: None), r"a function .* at Net\._forward_hooks"),
    ],
)
def test_functions_are_refused_by_their_place(spoil, words):
    model = Net()
    spoil(model)
    with pytest.raises(pickle.PicklingError, match=words):
        saved(model)


def test_local_classes_are_refused_when_saving():
    class Local(nn.Module):
        pass

    with pytest.raises(pickle.PicklingError, match="define it at the top of a module"):
        saved(Local())


def test_other_objects_need_the_programs_word():
    model = Net()
    model.settings = Config(3)
    data = saved(model)
    with pytest.raises(UnsafeFileError, match=r"Config.*add_safe_globals\(\[Config\]\)"):
        load(io.BytesIO(data), weights_only=False)
    with safe_globals([Config]):
        assert load(io.BytesIO(data), weights_only=False).settings.width == 3


def test_a_class_that_is_gone_or_elsewhere_names_the_path_searched(monkeypatch):
    data = saved(Net())
    monkeypatch.delattr(sys.modules[__name__], "Net")
    with pytest.raises(MissingClassError, match=rf"class {__name__}\.Net \(this module has no such class\)"):
        load(io.BytesIO(data), weights_only=False)
    moved = types.ModuleType("net_moved_here")
    moved.Net = type("Net", (nn.Module,), {"__module__": "net_moved_here"})
    with pytest.raises(AttributeError, match=r"net_moved_here\.Net"):
        load(io.BytesIO(data), weights_only=False)
    gone = b"\x80\x02cnever_imported\nGone\n)\x81}b."
    with pytest.raises(MissingClassError, match=r"not imported.*from never_imported import Gone"):
        load(pack(gone), weights_only=False)
    assert "never_imported" not in sys.modules


def test_a_class_that_changed_names_the_fields(monkeypatch):
    data = saved(Net())

    def init(self, width=4):
        nn.Module.__init__(self)
        self.layers = nn.Linear(3, width)
        self.dropout = nn.Dropout()
        self.scale = 2.0

    monkeypatch.setattr(Net, "__init__", init)
    with pytest.raises(MissingClassError, match=r"set dropout, scale \(it set activation, config, norm_class\)"):
        load(io.BytesIO(data), weights_only=False)


def test_a_class_that_sets_fewer_fields_still_loads(monkeypatch):
    data = saved(Tied())
    monkeypatch.setattr(Tied, "__init__", lambda self: nn.Module.__init__(self))
    assert type(load(io.BytesIO(data), weights_only=False)) is Tied


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def module(fields, cls="Net", args=b")"):
    return f"\x80\x02c{__name__}\n{cls}\n".encode("latin1") + args + b"\x81}(" + fields + b"ub."


HOSTILE = {
    "class os.system": b"\x80\x02cos\nsystem\n" + text("id") + b"\x85\x81.",
    "call os.system": b"\x80\x02cos\nsystem\n" + text("id") + b"\x85R.",
    "un-imported module": b"\x80\x02cantigravity\nNet\n)\x81.",
    "un-imported below a package": b"\x80\x02cxml.dom.pulldom\nPullDOM\n)\x81.",
    "class that is no module": f"\x80\x02c{__name__}\nConfig\n)\x81.".encode("latin1"),
    "class through a module": b"\x80\x04" + text(__name__) + text("sys.modules") + b"\x93.",
    "method of a module class": b"\x80\x04" + text(__name__) + text("Net.forward") + b"\x93)R.",
    "constructor called": f"\x80\x02c{__name__}\nNet\n)R.".encode("latin1"),
    "constructor arguments": module(b"", args=b"K\x01\x85"),
    "function in a field": module(text("act") + b"cos\nsystem\n"),
    "function of ours in a field": module(text("act") + b"ctorch\nload\n"),
    "private functional": module(text("act") + b"ctorch.nn.functional\n_verify_batch_size\n"),
    "module in a field": module(text("act") + b"ctorch.nn.functional\nwarnings\n"),
    "rebuild function in a field": module(text("act") + b"ctorch._utils\n_rebuild_tensor\n"),
    "functional called": b"\x80\x02ctorch.nn.functional\nrelu\n)R.",
    "hidden method": module(text("forward") + b"ctorch.nn.functional\nrelu\n"),
    "hidden base method": module(text("state_dict") + b"}"),
    "hidden descriptor": module(text("handed") + b"K\x01"),
    "hooks": module(text("_forward_hooks") + b"}K\x00ctorch.nn.functional\nrelu\ns"),
    "parameters that are numbers": module(text("_parameters") + b"}" + text("w") + b"K\x01s"),
    "children that are tensors": module(text("_modules") + b"}" + text("w") + b"K\x01s"),
    "children that are no dict": module(text("_modules") + b"]"),
    "children changed afterwards": module(text("_modules") + b"}q\x01")[:-1] + b"0h\x01" + text("a") + b"K\x01s"
    + f"0c{__name__}\nNet\n".encode() + b")\x81}" + text("_modules") + b"h\x01sb.",
    "number as field name": module(b"K\x01K\x02"),
    "state that is a list": f"\x80\x02c{__name__}\nNet\n)\x81]b.".encode("latin1"),
    "state with slots": f"\x80\x02c{__name__}\nNet\n)\x81}}}}\x86b.".encode("latin1"),
    "items set on a module": f"\x80\x02c{__name__}\nNet\n)\x81K\x00K\x01s.".encode("latin1"),
    "items appended to a module": f"\x80\x02c{__name__}\nNet\n)\x81K\x00a.".encode("latin1"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_whole_models_import_and_call_nothing(name):
    before = set(sys.modules)
    with pytest.raises(FileFormatError, match=r"byte \d+"):
        load(pack(HOSTILE[name]), weights_only=False)
    assert not CALLS
    assert set(sys.modules) == before


def test_properties_are_not_triggered_by_fields_of_their_name():
    back = load(pack(module(text("trap") + b"K\x05")), weights_only=False)
    assert not CALLS
    assert vars(back)["trap"] == 5


@pytest.mark.parametrize("table", [b"not json", b"[1]", b'{"a": 1}', b"[" * 100_000])
def test_a_damaged_table_of_fields_is_one_error(table):
    with pytest.raises(FileFormatError, match=r"byte \d+"):
        load(pack(module(b""), **{".rushlight/fields": table}), weights_only=False)


def test_a_files_ordered_dicts_in_modules_keep_their_kind():
    model = Net()
    model.extra = collections.OrderedDict(a=1)
    assert type(load(io.BytesIO(saved(model)), weights_only=False).extra) is collections.OrderedDict
