"""The arrows between rooms. A room imports rooms to its left only; every exception is one line, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import rushlight

ROOT = Path(rushlight.__file__).parent

# From left to right; rooms of one line do not import each other.
LAYERS = [
    ("errors", "config"),
    ("lessons",),
    ("dtype", "device", "layout"),
    ("printing",),
    ("ir",),
    ("ops",),
    ("lazy",),
    ("compile",),
    ("random",),
    ("functional",),
    ("autograd",),
    ("func",),
    ("tensor", "storage", "settings"),
    ("sparse",),
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# What is not a layer is an outer room: it uses public names, which are these modules.
PUBLIC = {"rushlight", "errors", "config", "lessons", "dtype", "device", "autograd", "random"}

# (file or folder, room): why it may.
EXCEPTIONS = {
    ("backend", "errors"): "backends stand beside the layers: they read programs (ir) and nothing else of the package",
    ("backend", "config"): "as above: the backend's name is a switch",
    ("backend", "lessons"): "as above: the words of an error's note",
    ("backend", "dtype"): "as above: storage and compute types",
    ("backend", "device"): "as above: which device is asked for",
    ("backend", "ir"): "as above: graphs are what they compile",
    ("ops", "backend.numpy"): "references round half floats and draw random numbers as the NumPy backend does",
    ("random", "backend.numpy"): "a generator holds the Mersenne Twister's engine",
    ("functional/creation", "backend.numpy"): "Python numbers become half floats where tensors are made",
    ("functional/sorting", "backend.numpy"): "as above, for values that are looked at",
    ("tensor", "backend.numpy"): "bfloat16 values are widened to be read",
    ("storage", "backend.numpy"): "as above",
    ("compile/pipeline", "backend"): "loads the backend by name",
    ("compile/native", "backend"): "as above",
    ("backend/llvm", "backend.numpy"): "ops without code of their own run their reference between kernels",
    ("backend/llvm", "ops"): "ops are found in the table",
    ("settings", "backend"): "asks the backend what it can do",
    ("errors", "lessons"): "the words of an AttributeError, looked up when it is read",
    ("lazy/step", "autograd"): "advice about a model that is evaluated in training mode; imported when there is some",
    ("lazy/step", "compile"): "a flush compiles a path that was never run; imported when that happens",
    ("lazy/trie", "compile"): "an annotation",
    ("compile/pipeline", "autograd"): "what a later backward needs decides what a program returns; imported when compiling",
    ("ops/tensor_code", "functional"): "gradient rules are tensor code: public functions, looked up when a rule runs",
    ("functional/show", "printing"): "printing is a leaf",
    ("functional/creation", "sparse"): "zeros of a sparse layout; imported when one is named",
    ("functional/sparse", "sparse"): "embeddings with sparse gradients; imported when one is made",
    ("functional/sparsity", "sparse"): "dense tensors become sparse ones; imported when asked to",
    ("functional/sparse", "autograd"): "embeddings with max_norm write to their weight under no_grad",
    ("functional/creation", "tensor"): "the class of what is made, looked up once",
    ("functional", "rushlight"): "composites written with public names, looked up at call time",
    ("autograd/backward", "func"): "a batch of vectors is mapped over; imported when one is given",
    ("autograd/gradcheck", "func"): "batched gradients are compared with those of vmap; imported when asked for",
    ("autograd/functional", "func"): "as above, for all rows or columns of a Jacobian",
    ("autograd", "random"): "checkpoint() draws the same numbers again",
    ("autograd/__init__", "tensor"): "the public module names the class",
    ("random", "functional"): "the generator's state as a tensor, and seeds from tensors; imported when asked for",
    ("storage", "functional"): "storages hand out tensors",
    ("tensor", "storage"): "untyped_storage() makes one when asked",
    ("storage", "tensor"): "a storage makes tensors when asked",
    ("utils/data/fetch", "lazy"): "a batch is computed when it has been put together",
    ("amp", "functional"): "autocast stands in front of functions",
    ("amp", "lazy"): "the thread's state, which its autocast region is a part of",
    ("tensor_types", "tensor"): "the classes are told by the class of tensors",
    ("overrides", "functional"): "the protocol's mechanism stands in front of functions",
    ("_C", "functional"): "as above",
    ("fx/_catching", "functional"): "proxies are caught in front of functions",
    ("fx", "func"): "nested arguments are taken apart as the transforms do",
    ("_dynamo", "lazy"): "explain()",
    ("compiler", "settings"): "compile() and what forgets programs",
    ("settings", "lazy"): "forgets programs; imported when asked to",
    ("utils/data/randomness", "lazy"): "whether anything was trained yet",
    ("utils/benchmark", "lazy"): "a statement is timed until its value is computed",
    ("utils/flop_counter", "lazy"): "looks through traces",
    ("optim/sparse_adam", "lazy"): "the end of its step is the end of the program",
    ("optim/_one_pass", "lazy"): "an optimiser's step is recorded as one entry",
    ("optim/lbfgs", "lazy"): "as above",
    ("optim/_differentiable", "lazy"): "as above: a parameter becomes another value of the trace",
    ("serialization/pickler", "functional"): "what the user has set on a tensor is told as for copies and pickles",
    ("utils/hooks", "functional"): "PyTorch's place of a function of pickling",
    ("nn/functional", "functional"): "the functions of torch.nn.functional are the library's own",
    ("nn", "functional"): "as above, through rushlight.nn.functional",
    ("linalg", "functional"): "a namespace of the library's functions",
    ("linalg", "ops"): "as above",
    ("special", "functional"): "as above",
    ("fft", "functional"): "as above",
    ("signal", "functional"): "as above",
    ("fft", "ops"): "as above",
    ("autograd/profiler", "profiler"): "PyTorch's older name of that room",
    ("profiler", "lazy"): "what is pending runs before and after a recording",
    ("profiler/_events", "backend"): "asks which backend runs Programs",
    ("profiler/_events", "backend.llvm"): "native Programs tell it about their runs; imported when somebody listens",
    ("profiler/_table", "backend.llvm"): "measures what the machine can do; imported when a table is printed",
    ("cli/cache", "backend.llvm"): "shows and clears the native backend's files",
    ("streams", "lazy"): "an event computes what was recorded before it",
    ("return_types", "functional"): "the classes of named results are made there",
    ("types", "ir"): "names the public classes Size and memory_format, which rushlight has under these names",
    ("types", "layout"): "as above, torch.layout",
    ("__init__", "*"): "the public names",
    ("surface", "*"): "names that load on first use",
}  # fmt: skip


def module_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


MODULES = {module_of(p) for p in ROOT.rglob("*.py")}


def room_of(parts: tuple[str, ...]) -> str:
    """`lazy/step` -> lazy; backends are rooms of their own."""
    if not parts:
        return "rushlight"
    return ".".join(parts[:2]) if parts[0] == "backend" and len(parts) > 1 and parts[1] != "__init__" else parts[0]


def imports(path: Path) -> Iterator[str]:
    """The full names that a file imports anywhere, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            if node.module.split(".")[0] == "rushlight":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def arrows() -> Iterator[tuple[str, str]]:
    """(file, room it imports) between different rooms."""
    for path in sorted(ROOT.rglob("*.py")):
        source = module_of(path)
        for name in imports(path):
            parts = tuple(name.split("."))
            if parts[0] != "rushlight":
                continue
            target = parts[1:]
            while target and target not in MODULES and (*target, "__init__") not in MODULES:
                target = target[:-1]
            if room_of(target) != room_of(source):
                yield "/".join(source), room_of(target)


def allowed(file: str, target: str) -> bool:
    source = room_of(tuple(file.split("/")))
    for (place, room), _ in EXCEPTIONS.items():
        if room in ("*", target) and (file == place or file.startswith(place + "/") or file.split("/")[0] == place):
            return True
    if source in LEVEL:
        return target in LEVEL and LEVEL[target] < LEVEL[source]
    return target in PUBLIC or target not in LEVEL and not target.startswith("backend")


def test_arrows_point_left() -> None:
    wrong = sorted({f"{file} -> {target}" for file, target in arrows() if not allowed(file, target)})
    assert not wrong, (
        "imports against the arrows (add a line with a reason to EXCEPTIONS, or turn them round):\n" + "\n".join(wrong)
    )


def test_nothing_imports_pytorch() -> None:
    found = [
        (path, name)
        for path in ROOT.rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in ("torch", "torchvision", "torchaudio")
    ]
    assert found == []


def test_only_the_llvm_backend_imports_llvmlite() -> None:
    found = {
        "/".join(module_of(path))
        for path in ROOT.rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "llvmlite"
    }
    assert {file for file in found if not file.startswith("backend/llvm")} == set()


def test_backends_are_leaves() -> None:
    """What a backend needs of the package is in the left layers; no backend knows another, but for the reference."""
    for file, target in arrows():
        if file.startswith("backend/"):
            assert target in ("errors", "config", "lessons", "dtype", "device", "ir", "ops") or target.startswith(
                "backend"
            ), (
                file,
                target,
            )
            assert not target.startswith("backend.") or file.split("/")[1] in (target.split(".")[1], "llvm", "cuda"), (
                file,
                target,
            )


def test_importing_is_quick_and_light() -> None:
    """Outer rooms load on first use."""
    import subprocess
    import sys

    code = "import sys, rushlight; print(sorted(m for m in sys.modules if m.startswith('rushlight.nn') or m in ('llvmlite', 'torch', 'scipy', 'PIL')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    text = found.stdout
    assert text.strip() == "[]"
