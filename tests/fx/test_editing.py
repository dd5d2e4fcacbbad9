"""Changing graphs by hand: nodes, their places and uses, modules, code; what PyTorch does with the same steps, and bad input."""

from __future__ import annotations

import importlib
import operator
import re
import sys

import pytest

import rushlight as torch
from rushlight import fx


def chain():
    return fx.symbolic_trace(lambda x: torch.relu(x).add(1).mul(2))


def insertions(t):
    gm = t.fx.symbolic_trace(lambda x: (x + 1) * 2)
    graph = gm.graph
    x, add, mul, out = graph.nodes
    with graph.inserting_after(add):
        graph.call_function(t.sin, (add,))
        graph.call_function(t.cos, (add,))
    with graph.inserting_before(add):
        graph.call_function(t.exp, (x,))
        graph.call_function(t.log, (x,))
    with graph.inserting_before():
        graph.placeholder("first")
    with graph.inserting_after(x):
        graph.placeholder("second", type_expr=int, default_value=3)
    graph.get_attr("weight.data")
    return gm


def moves(t):
    gm = t.fx.symbolic_trace(lambda x, y: t.cat([x.relu(), y.relu(), x + y]).sum(dim=0))
    relu, relu_1, add = gm.graph.find_nodes(op="call_method", target="relu") + gm.graph.find_nodes(
        op="call_function", target=operator.add
    )
    relu_1.append(relu)
    relu.prepend(add)
    relu.append(relu)
    cat = next(iter(relu.users))
    cat.update_arg(0, [add, relu, relu_1, relu])
    cat.update_kwarg("dim", 0)
    users = relu.replace_all_uses_with(relu_1, lambda user: user is not cat)
    relu_1.replace_all_uses_with(relu, propagate_meta=False)
    cat.replace_input_with(add, relu_1)
    end = gm.graph.output_node()
    end.args = ({"a": end.args[0], "b": (slice(relu, None), [cat])},)
    gm.graph.call_method("a", (cat,), {"k": relu}).insert_arg(1, 7)
    return (
        gm,
        users,
        cat.all_input_nodes,
        list(relu.users),
        gm.graph.eliminate_dead_code(lambda n: n.op != "call_function"),
    )


def every_kind(t):
    graph = t.fx.Graph()
    x = graph.placeholder("x", type_expr=t.Tensor)
    args = graph.placeholder("*args")
    function = graph.create_node("call_function", operator.iadd, (x, 1), name="total")
    written = graph.call_function(operator.setitem, (function, 0, args))
    method = graph.call_method("foo", (function,), {"a": [function, {"k": slice(written, 1, None)}]})
    module = graph.call_module("layers.0.fc", (method, t.float32, t.device("cpu"), float("nan"), ..., (1,), "text"))
    attribute = graph.get_attr("layers.0.weight")
    named = graph.call_function(t.nn.functional.linear, (module, attribute), name="total")
    graph.output((named, None), type_expr=tuple[t.Tensor, None])
    return graph


def names(t):
    graph = t.fx.Graph()
    node = graph.placeholder("input")
    for name in (
        "my name!",
        "my_name_",
        "relu_5",
        "relu_5",
        None,
        None,
        "0",
        "_0",
        "0",
        "_0_1",
        "torch",
        "device",
        "class",
        "fooBarBAZ",
    ):
        node = graph.call_function(t.relu, (node,), name=name)
    for path in ("0", "0", "layer1.0", "layer1.0", "fooBar.BAZ"):
        node = graph.call_module(path, (node,))
    graph.output(node)
    return graph


@pytest.mark.filterwarnings("ignore")  # both warn of a path that is not there
@pytest.mark.parametrize("steps", (insertions, moves, every_kind, names))
def test_the_same_steps_as_in_pytorch(oracle, steps):
    def shown(value):
        if isinstance(value, (tuple, list)):
            return [shown(v) for v in value]
        graph = getattr(value, "graph", value)
        if hasattr(graph, "nodes") and not hasattr(value, "op"):
            return str(graph), graph.python_code("self").src, [n.name for n in reversed(graph.nodes)], len(graph.nodes)
        return str(value)

    assert shown(steps(torch)) == shown(steps(oracle))


def test_what_changes_the_graph_changes_the_module():
    gm = chain()
    relu = gm.graph.find_nodes(op="call_function", target=torch.relu)[0]
    relu.target = torch.neg
    assert "relu(" in gm.code
    gm.recompile()
    assert "torch.neg(x)" in gm.code
    assert gm(torch.tensor([3.0])).tolist() == [-4.0]


def test_arguments_cannot_be_changed_in_place():
    node = fx.symbolic_trace(lambda x: torch.cat([x, x], dim=0)).graph.find_nodes(op="call_function", target=torch.cat)[
        0
    ]
    with pytest.raises(TypeError, match="Fix: copy it"):
        node.args[0].append(1)
    with pytest.raises(TypeError, match="Fix: copy it"):
        node.kwargs["dim"] = 1


def test_mistakes_are_named():
    graph = fx.Graph()
    x = graph.placeholder("x")
    relu = graph.call_function(torch.relu, (x,))
    graph.output(relu)
    with pytest.raises(RuntimeError, match="erase_node: got x, which relu still uses.*replace_all_uses_with"):
        graph.erase_node(x)
    with pytest.raises(AssertionError, match="op 'call'"):
        graph.create_node("call", "x")
    with pytest.raises(ValueError, match="expected a function"):
        graph.call_function("relu", (x,))
    with pytest.raises(ValueError, match=r"expected a name \(str\)"):
        graph.call_method(torch.relu, (x,))
    with pytest.raises(AssertionError, match="expected a tuple and a dict"):
        graph.create_node("call_function", torch.relu, [x])
    with pytest.raises(AssertionError, match="another graph"):
        fx.Graph().inserting_before(x)
    with pytest.raises(AssertionError, match="find_nodes"):
        graph.find_nodes(op="call_function")
    graph.output_node().append(x)
    with pytest.raises(RuntimeError, match=r"lint: got relu, which uses x, which comes later.*relu.prepend\(x\)"):
        graph.lint()
    lost = fx.Graph()
    lost.output(lost.call_module("missing", (lost.placeholder("x"),)))
    with pytest.raises(AttributeError, match="missing"):
        fx.GraphModule(torch.nn.Module(), lost)
    with pytest.raises(RuntimeError, match="without 'missing'"):
        fx.GraphModule({}, lost)
    with pytest.raises(RuntimeError, match="expected a module or a dict"):
        fx.GraphModule([], lost)


def test_submodules_come_and_go():
    gm = fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
    assert gm.add_submodule("extra.deep.act", torch.nn.Tanh())
    assert isinstance(gm.get_submodule("extra.deep.act"), torch.nn.Tanh)
    gm.note = 3
    assert not gm.add_submodule("note.act", torch.nn.Tanh())
    relu = gm.graph.find_nodes(op="call_module", target="1")[0]
    relu.target = "extra.deep.act"
    gm.recompile()
    with pytest.warns(UserWarning, match="the path 'extra.none', which ends at 'none'"):
        gm.graph.erase_node(gm.graph.get_attr("extra.none"))
    gm.delete_all_unused_submodules()
    assert [name for name, _ in gm.named_modules()] == ["", "0", "extra", "extra.deep", "extra.deep.act"]
    assert gm.delete_submodule("extra.deep") and not gm.delete_submodule("extra.deep")
    with pytest.raises(RuntimeError, match="ends at 'deep'"):
        gm.graph.lint()


def test_a_root_of_parts():
    graph = fx.Graph()
    x = graph.placeholder("x")
    y = graph.call_module("net.act", (graph.call_function(torch.mul, (x, graph.get_attr("net.scale"))),))
    graph.output(y)
    gm = fx.GraphModule({"net.act": torch.nn.ReLU(), "net.scale": torch.tensor([2.0])}, graph, "Parts")
    assert str(gm).startswith("Parts(")
    assert gm(torch.tensor([-1.0, 4.0])).tolist() == [0.0, 8.0]
    assert list(gm.state_dict()) == ["net.scale"]


def test_code_may_be_rewritten_while_it_is_written():
    gm = chain()
    with gm.graph.on_generate_code(
        lambda before: lambda body: ["print('here')\n", *(before(body) if before else body)]
    ):
        gm.recompile()
        assert "print('here')" in gm.code
    gm.recompile()
    assert "print" not in gm.code


def test_side_effects_stay():
    calls = []

    @fx.has_side_effect
    def note(x):
        calls.append(x)

    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.call_function(note, (x,))
    graph.call_method("relu", (x,))
    graph.output(x)
    assert graph.eliminate_dead_code() and not graph.eliminate_dead_code()
    assert fx.GraphModule({}, graph)(5) == 5
    assert calls == [5]


def test_folders_import_on_their_own(tmp_path, monkeypatch):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU()).eval()

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model, self.scale = model, torch.nn.Parameter(torch.tensor([2.0, 3.0, 4.0]))
            self.register_buffer("shift", torch.ones(3))

        def forward(self, x):
            return (
                self.model(x) * self.scale + self.shift - float("inf") * 0
                if False
                else self.model(x) * self.scale + self.shift
            )

    gm = fx.symbolic_trace(Net())
    gm.to_folder(tmp_path / "written_net", "Written")
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("written_net").Written()
    x = torch.randn(4, 2)
    assert torch.equal(made.eval()(x), gm(x))
    sys.modules.pop("written_net")
    with pytest.raises(NotImplementedError, match="to_folder: got <function"):
        fx.GraphModule({}, with_lambda()).to_folder(tmp_path / "no")


def with_lambda():
    graph = fx.Graph()
    graph.output(graph.call_function(lambda x: x, (graph.placeholder("x"),)))
    return graph


def test_saving_says_what_to_do_instead(tmp_path):
    with pytest.raises(Exception, match=r"torch.save: got a .*whose class was made while running.*gm.to_folder"):
        torch.save(chain(), tmp_path / "gm.pt")


def test_errors_inside_show_the_written_line():
    gm = fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(7, 2)))
    with pytest.raises(RuntimeError, match=r"While executing %_1 : .*call_module\[target=1\]"):
        fx.Interpreter(gm).run(torch.ones(1, 2))
    import traceback

    try:
        gm(torch.ones(1, 2))
    except RuntimeError as error:
        assert re.search(r'_1 = getattr\(self, "1"\)\(_0\)', "".join(traceback.format_tb(error.__traceback__)))


def test_interpreters_tell_what_is_missing():
    gm = fx.symbolic_trace(lambda x, y=2: x * y)
    assert (runner := fx.Interpreter(gm)).run(3) == 6
    assert [str(n) for n in runner.env] == ["output"]
    x, y = list(gm.graph.nodes)[:2]
    assert fx.Interpreter(gm).run(initial_env={x: 5, y: 1}) == 5
    assert fx.Interpreter(gm).boxed_run(given := [2, 4]) == 8
    assert given == []
    with pytest.raises(RuntimeError, match="no argument for 'x'"):
        fx.Interpreter(gm).run()
    graph = fx.Graph()
    graph.output(graph.get_attr("a.b"))
    with pytest.raises(RuntimeError, match="path 'a.b', which ends at 'a'"):
        fx.Interpreter(torch.nn.Module(), graph=graph).run()
