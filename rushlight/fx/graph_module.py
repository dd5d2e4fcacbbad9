"""`GraphModule`: a module whose `forward` is written from a graph."""

from __future__ import annotations

import copy
import itertools
import linecache
import os
import re
import weakref
from pathlib import Path
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.fx._codegen import PythonCode
from rushlight.fx._patching import GENERATED
from rushlight.fx._pytree_codegen import PyTreeCodeGen
from rushlight.fx.graph import Graph
from rushlight.nn import Module

__all__ = ["GraphModule"]

_numbers = itertools.count()


def _compiled(code: PythonCode, name: str) -> Any:
    """The function that some code defines; its lines are found by tracebacks as long as it lives."""
    space = dict(code.globals)
    space[GENERATED] = set()  # where torch.fx.wrap notes this code's names
    file = f"<fx>.{next(_numbers)}"
    exec(compile(code.src, file, "exec"), space)
    function = space[name]
    linecache.cache[file] = (len(code.src), None, code.src.splitlines(keepends=True), file)
    weakref.finalize(function, linecache.cache.pop, file, None).atexit = False
    return function


def _place(source: Any, target: Module, path: str) -> None:
    """Give `target` what `source` (a module, or a dict by paths) has at a path, with plain modules on the way."""
    *way, last = path.split(".")
    value = source[path] if isinstance(source, dict) else source
    for part in way:
        value = value if isinstance(source, dict) else getattr(value, part)
        if getattr(target, part, None) is value and not isinstance(source, dict):
            return  # the whole module is there already
        if not hasattr(target, part):
            setattr(target, part, Module())
        target = getattr(target, part)
    if not isinstance(source, dict):
        value = getattr(value, last)
    if isinstance(value, rushlight.Tensor) and not isinstance(value, rushlight.nn.Parameter):
        target.register_buffer(last, value)
    else:
        setattr(target, last, value)


class GraphModule(Module):
    """A module made of a graph: calling it runs the Python code that is written from the graph.

    root   a module, or a dict of modules and tensors by their paths: where what the graph names is taken from
    graph  the graph; assign `gm.graph` another one, or change it and call `recompile()`
    code   the source of `forward`

    >>> import rushlight as torch
    >>> gm = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()))
    >>> print(gm.code.strip())
    def forward(self, input):
        input_1 = input
        _0 = getattr(self, "0")(input_1);  input_1 = None
        _1 = getattr(self, "1")(_0);  _0 = None
        return _1
    """

    _instead_of_saving = (
        "save gm.state_dict() and trace the model again, or pickle.dump(gm, file), or gm.to_folder(path)"
    )

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # Each has a class of its own, since `forward` belongs to the class.
        base = next(c for c in cls.__mro__ if "_fx_own" not in vars(c))
        own = type(
            base.__name__, (base,), {"_fx_own": True, "__module__": base.__module__, "__qualname__": base.__qualname__}
        )
        return Module.__new__(own)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        paths = [node.target for node in graph.nodes if node.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self.training = root.training
        elif isinstance(root, dict):
            missing = [path for path in paths if path not in root]
            if missing:
                raise RuntimeError(
                    explain_error(
                        "GraphModule", got=f"a root without {missing[0]!r}, which the graph names",
                        expected="a value for each path", fix="add it to the dict",
                    )
                )  # fmt: skip
            paths.sort(key=lambda path: path.count("."))
        else:
            raise RuntimeError(
                explain_error("GraphModule", got=f"a root of {type(root)}", expected="a module or a dict")
            )
        for path in paths:
            _place(root, self, path)
        self.meta: dict[str, Any] = dict(getattr(root, "meta", {}))
        self._tracer_cls = graph._tracer_cls
        self.graph = graph

    # -- the graph and its code ---------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The graph. Call `recompile()` after changing it."""
        return self._graph

    @graph.setter
    def graph(self, graph: Graph) -> None:
        if not isinstance(graph, Graph):
            raise AssertionError(explain_error("graph", got=f"a {type(graph).__name__}", expected="a torch.fx.Graph"))
        self._graph = graph
        graph.owning_module = self
        self.recompile()

    def recompile(self) -> PythonCode:
        """Write the code anew, after the graph has been changed."""
        codegen = self._graph._codegen
        if isinstance(codegen, PyTreeCodeGen):
            self._in_spec, self._out_spec = codegen.in_spec, codegen.out_spec
        code = self._graph.python_code("self")
        self._code = code.src
        function = _compiled(code, codegen._func_name)
        function.__module__ = type(self).__module__
        type(self).forward = function
        return code

    @property
    def code(self) -> str:
        """The source of `forward`."""
        return self._code

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__repr__(), self._code, hint])

    def print_readable(self, print_output: bool = True) -> str:
        """Print (unless told not to) and return the code as a class, with shapes and places that are known of nodes."""
        texts = [self._readable(type(self).__name__)]
        for name, child in self.named_children():
            if isinstance(child, GraphModule):
                texts.append(_indented(child._readable(name), 4))
        text = "\n\n".join(texts)
        if print_output:
            print(text)
        return text

    def _readable(self, name: str) -> str:
        code = self._graph.python_code("self", verbose=True).src.lstrip("\n")
        head = f"class {name}(torch.nn.Module):\n"
        return head + _indented(code.rstrip(" "), 4)

    # -- modules ------------------------------------------------------------------------------------------------------

    def add_submodule(self, target: str, m: Module) -> bool:
        """Put a module at a path, with plain modules on the way; False if something that is no module stands there.

        >>> import rushlight as torch
        >>> gm = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 2)))
        >>> gm.add_submodule("head.act", torch.nn.ReLU()), gm.head.act
        (True, ReLU())
        """
        *way, last = target.split(".")
        module: Module = self
        for part in way:
            below = getattr(module, part, None)
            if below is None:
                below = Module()
                setattr(module, part, below)
            if not isinstance(below, Module):
                return False
            module = below
        module.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take away the module at a path; whether there was one."""
        *way, last = target.split(".")
        module: Any = self
        for part in way:
            module = getattr(module, part, None)
            if not isinstance(module, Module):
                return False
        if not isinstance(getattr(module, last, None), Module):
            return False
        delattr(module, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take away the modules that the graph neither calls nor takes something from."""
        used: set[str] = set()
        for node in self._graph.nodes:
            if node.op not in ("call_module", "get_attr"):
                continue
            parts = node.target.split(".")
            used.update(".".join(parts[:n]) for n in range(1, len(parts) + 1))
            if node.op == "call_module":
                found = self.get_submodule(node.target)
                used.update(f"{node.target}.{name}" for name, _ in found.named_modules() if name)
        for name, _ in list(self.named_modules()):
            if name and name not in used:
                self.delete_submodule(name)

    # -- copies and files ---------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_graph"]
        return state

    def __deepcopy__(self, memo: dict) -> GraphModule:
        new = GraphModule.__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self._state(), memo))
        type(new).__name__ = "GraphModule"  # as PyTorch calls copies
        new.graph = copy.deepcopy(self._graph)
        return new

    def __copy__(self) -> GraphModule:
        new = GraphModule(self, copy.deepcopy(self._graph))
        new.meta = copy.copy(self.meta)
        return new

    def __reduce__(self) -> tuple:
        return _rebuilt, (self._state(), self._graph)

    def to_folder(self, folder: str | os.PathLike, module_name: str = "FxModule") -> None:
        """Write a package with the code, as a class `module_name`, and the weights, which imports without a graph.

        Children are saved whole (`torch.save`), tensors as a state_dict; what the code needs of other files is named.

        Errors: NotImplementedError where the code uses a function or class of no importable name, such as a lambda.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        code = self._graph.python_code("self")
        lines = [
            "import os",
            "",
            "import rushlight as torch",
            "from rushlight import nn",
            *_imports(code.globals, code.src),
            "",
        ]
        lines += ["_here = os.path.dirname(os.path.abspath(__file__))", "", "", f"class {module_name}(nn.Module):"]
        lines += ["    def __init__(self):", "        super().__init__()"]
        for name, child in self.named_children():
            rushlight.save(child, folder / f"{name}.pt")
            lines.append(
                f"        setattr(self, {name!r}, torch.load(os.path.join(_here, {name + '.pt'!r}), weights_only=False))"
            )
        for name, parameter in self._parameters.items():
            if parameter is not None:
                lines.append(
                    f"        self.{name} = nn.Parameter(torch.empty({list(parameter.shape)}, dtype={parameter.dtype}), "
                    f"requires_grad={parameter.requires_grad})"
                )
        for name, buffer in self._buffers.items():
            if buffer is not None:
                lines.append(
                    f"        self.register_buffer({name!r}, torch.empty({list(buffer.shape)}, dtype={buffer.dtype}))"
                )
        lines.append("        self.load_state_dict(torch.load(os.path.join(_here, 'state_dict.pt')))")
        definition = code.src[code.src.index(f"def {self._graph._codegen._func_name}(") :]
        lines += ["", *_indented(definition.rstrip(), 4).split("\n")]
        rushlight.save(self.state_dict(), folder / "state_dict.pt")
        (folder / "module.py").write_text("\n".join(lines) + "\n")
        (folder / "__init__.py").write_text("from .module import *\n")


_STANDARD = {
    "device": "from rushlight import device", "inf": "from math import inf", "nan": "from math import nan",
    "NoneType": "NoneType = type(None)",
}  # fmt: skip


def _imports(values: dict[str, Any], text: str) -> list[str]:
    """The lines that give code its globals."""
    lines = []
    for name, value in values.items():
        if name in ("fx_pytree", "pytree"):
            raise NotImplementedError(
                explain_error("to_folder", got="a graph with nested arguments", expected="arguments without PH in them")
            )
        if name in _STANDARD:
            lines += [_STANDARD[name]] * bool(re.search(rf"\b{name}\b", text))
        elif isinstance(value, (str, int, bool, type(...))):
            lines.append(f"{name} = {value!r}")
        elif name != "torch" and getattr(value, "__module__", None) != "builtins":
            home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", "<")
            if home in (None, "__main__") or "<" in own or "." in own:
                raise NotImplementedError(
                    explain_error(
                        "to_folder", got=f"{value!r}, which no file can be asked for", expected="functions and classes of files",
                        fix="define it at the top level of a module of its own",
                    )
                )  # fmt: skip
            lines.append(f"from {home} import {own} as {name}")
    return lines


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line if line.strip() else line.strip(" ") for line in text.split("\n"))


def _rebuilt(state: dict[str, Any], graph: Graph) -> GraphModule:
    module = GraphModule.__new__(GraphModule)
    module.__dict__.update(state)
    module.graph = graph
    return module
