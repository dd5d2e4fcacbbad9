"""The stubs are fresh, and what they say of results is what functions return."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch

TOP = Path(__file__).parents[2]
STUBS = TOP / "rushlight"


def definitions(file: str, owner: str | None = None) -> dict[str, list[ast.FunctionDef]]:
    body = ast.parse((STUBS / file).read_text()).body
    if owner is not None:
        (body,) = [node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner]
    found: dict[str, list[ast.FunctionDef]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return found


FUNCTIONS, METHODS = definitions("__init__.pyi"), definitions("tensor.pyi", "Tensor")


def test_the_stubs_are_fresh():
    done = subprocess.run(
        [sys.executable, str(TOP / "tools" / "stubs.py"), "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_stubs_ship():
    assert (STUBS / "py.typed").exists()


def conforms(value, annotation: str) -> bool:
    """Whether a value is what a return annotation of the stubs says."""
    annotation = annotation.strip()
    if annotation in ("Tensor", "_Self"):
        return isinstance(value, torch.Tensor)
    if annotation.startswith("_return_types."):
        return type(value) is getattr(torch.return_types, annotation.partition(".")[2])
    if annotation.startswith("tuple["):
        kinds = annotation[6:-1].split(", ")
        kinds = kinds[:1] * len(value) if kinds[-1] == "..." else kinds
        return type(value) is tuple and len(value) == len(kinds) and all(map(conforms, value, kinds))
    plain = {"_bool": bool, "_int": int, "_float": float, "str": str, "_dtype": torch.dtype, "Size": torch.Size}
    return type(value) is plain[annotation]


def returned(found: list[ast.FunctionDef]) -> list[str]:
    return [ast.unparse(definition.returns) for definition in found]


def test_results_of_the_table():
    """Every op's first sample."""
    from rushlight.functional import FUNCTIONS as functions
    from rushlight.ir.op import TABLE

    wrong, count = {}, 0
    for op in TABLE.values():
        if op.samples is None or op.inplace or getattr(functions.get(op.name), "__module__", "") != "rushlight":
            continue
        arguments, keywords = op.samples()[0]
        value = functions[op.name](*map(as_tensors, arguments), **keywords)
        count += 1
        if not any(conforms(value, annotation) for annotation in returned(FUNCTIONS[op.name])):
            wrong[op.name] = type(value)
    assert wrong == {} and count > 100


def as_tensors(value):
    """Arrays of the op table's samples as tensors."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    return [as_tensors(item) for item in value] if isinstance(value, list) else value


X = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
# What returns something else than one tensor: a call of each.
CALLS = {
    "torch.split(X, 1)", "torch.chunk(X, 2)", "torch.unbind(X)", "torch.hsplit(X, 2)", "torch.vsplit(X, 2)",
    "torch.dsplit(X.reshape(1, 2, 2), 2)", "torch.unsafe_split(X, 1)", "torch.unsafe_chunk(X, 2)", "torch.split_with_sizes(X, [1, 1])",
    "torch.unsafe_split_with_sizes(X, [1, 1])", "torch.gradient(X)", "torch.tensor_split(X, 2)", "torch.meshgrid(X[0], X[1])",
    "torch.broadcast_tensors(X, X)", "torch.atleast_1d(X)", "torch.atleast_2d(X, X)", "torch.svd_lowrank(X, 1)",
    "torch.pca_lowrank(X, 1)", "torch.std_mean(X)", "torch.var_mean(X)", "torch.where(X > 0)", "torch.nonzero(X, as_tuple=True)",
    "torch.native_dropout(X, 0.5, True)", "torch.native_layer_norm(X, [2], None, None, 1e-5)",
    "torch.native_batch_norm(X, None, None, None, None, True, 0.1, 1e-5)", "torch.native_group_norm(X, None, None, 2, 2, 1, 1, 1e-5)",
    "torch.sort(X)", "torch.topk(X, 1)", "torch.kthvalue(X, 1)", "torch.mode(X)", "torch.cummax(X, 0)", "torch.cummin(X, 0)",
    "torch.aminmax(X)", "torch.frexp(X)", "torch.histogram(X, 2)", "torch.histogramdd(X, 2)", "torch.slogdet(X)", "torch.qr(X)",
    "torch.svd(X)", "torch.lu_unpack(*torch.linalg.lu_factor(X))", "torch.geqrf(X)", "torch.triangular_solve(X, X)",
    "torch.max(X)", "torch.max(X, 1)", "torch.min(X, 1)", "torch.median(X, 1)", "torch.nanmedian(X, 1)", "torch.lu(X)",
    "torch.unravel_index(torch.tensor(3), (2, 2))", "torch.promote_types(torch.int8, torch.uint8)",
    "torch.result_type(X, 1)", "torch.can_cast(torch.int8, torch.int16)", "torch.numel(X)", "torch.is_nonzero(X[0, 0])",
    "torch.is_floating_point(X)", "torch.is_complex(X)", "torch.is_conj(X)", "torch.equal(X, X)", "torch.allclose(X, X)",
    "torch.broadcast_shapes((2, 1), (3,))", "torch.lstm_cell(X, (X, X), *(torch.ones(8, 2),) * 2)",
    "torch.gru_cell(X, X, *(torch.ones(6, 2),) * 2)", "torch.typename(X)", "torch.get_device(X)",
    "torch.linalg.eig(X)", "torch.linalg.eigh(X)", "torch.linalg.qr(X)", "torch.linalg.svd(X)", "torch.linalg.slogdet(X)",
    "torch.linalg.inv_ex(X)", "torch.linalg.cholesky_ex(X)", "torch.linalg.lu(X)", "torch.linalg.lu_factor(X)",
    "torch.linalg.lu_factor_ex(X)", "torch.linalg.ldl_factor(X)", "torch.linalg.ldl_factor_ex(X)", "torch.linalg.solve_ex(X, X)",
    "torch.linalg.lstsq(X, X)", "torch.nn.functional.max_pool1d_with_indices(X, 2)",
    "torch.nn.functional.max_pool2d(X[None], 2, return_indices=True)",
}  # fmt: skip


@pytest.mark.parametrize("call", sorted(CALLS))
def test_results_that_are_more_than_a_tensor(call):
    room, name = re.match(r"torch\.((?:\w+\.)*)(\w+)\(", call).groups()
    file = {"": "__init__.pyi", "linalg.": "linalg/__init__.pyi", "nn.functional.": "nn/functional/__init__.pyi"}[room]
    found = returned(definitions(file)[name])
    value = eval(call)
    if len(found) == 1:
        assert conforms(value, found[0])
    else:
        assert any(conforms(value, annotation) for annotation in found if annotation != "_Any")


def test_every_result_of_the_tables_of_exceptions_is_tried():
    sys.path.insert(0, str(TOP))
    try:
        from tools.conventions import RETURNS
    finally:
        sys.path.remove(str(TOP))
    tried = {re.match(r"torch\.((?:nn\.functional\.)?[\w.]+)\(", call)[1] for call in CALLS}
    internal = {
        "gru", "rnn_tanh", "rnn_relu", "lstm", "_pack_padded_sequence", "_pad_packed_sequence", "_native_batch_norm_legit",
        "multi_head_attention_forward",
    }  # fmt: skip
    names = {name for name in RETURNS if not name.endswith("_with_indices") and RETURNS[name]}
    assert names - tried - internal == set()


@pytest.mark.nightly
def test_stubs_agree_with_the_modules(tmp_path):
    """mypy.stubtest, without what the stubs say otherwise on purpose."""
    pytest.importorskip("mypy.stubtest")
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nignore_missing_imports = True\n[mypy-rushlight.*]\nignore_errors = True\n")
    command = [
        sys.executable,
        "-m",
        "mypy.stubtest",
        "--mypy-config-file",
        config,
        "--concise",
        "--ignore-missing-stub",
        "rushlight",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    stubbed = r"rushlight\.((tensor|linalg|fft|special|masked|nn\.functional|return_types)\.)?(Tensor\.)?\w+ "
    on_purpose = (
        "metaclass differs",  # FloatTensor and its like: to a type checker they are tensors
        'does not have parameter "out"',  # methods and in-place functions take it, and PyTorch's do not
        'stub parameter "self" differs from runtime parameter',  # a method's function has another name for it
        "overloads failing to account",  # None in the source where an overload has no such argument
        r"stub does not have \*args parameter",  # taken by hand
        r'stub does not have parameter "(dims|shape|size|repeats)"',  # overloads of their own
        r"numpy_names\._Missing|\"(axis|keepdims)\"",  # NumPy's names too are overloads
        r"\.view is",  # view(dtype), view(*size) and view(size=...)
        "is not a function",  # operator.methodcaller
        r"\.(max|min) is",  # max(input, other) and max(input, dim)
        r"\.(nuclear_norm|randint_like|range|chalf|new_empty_strided) is",  # PyTorch's own signature is narrower
    )
    lines = [line for line in done.stdout.splitlines() if re.match(stubbed, line)]
    assert len(lines) > 100
    assert [line for line in lines if not any(re.search(reason, line) for reason in on_purpose)] == []
