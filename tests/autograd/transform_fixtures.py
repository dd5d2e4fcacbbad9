"""What the tests of function transforms share: a program written once, run here and on PyTorch."""

from __future__ import annotations

import importlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import rushlight


def _library(m):
    found = SimpleNamespace(m=m, name=m.__name__)
    found.func = importlib.import_module(f"{m.__name__}.func")
    found.fwAD = importlib.import_module(f"{m.__name__}.autograd.forward_ad")
    found.F = importlib.import_module(f"{m.__name__}.nn.functional")
    found.randn = lambda *shape, seed=0: m.tensor(np.random.RandomState(seed).randn(*shape).astype(np.float32))
    return found


def _leaves(value, m):
    if isinstance(value, dict):
        return [leaf for k, v in value.items() for leaf in (k, *_leaves(v, m))]
    if isinstance(value, (tuple, list)):
        return [leaf for v in value for leaf in _leaves(v, m)]
    return [value]


@pytest.fixture(scope="session")
def libraries(oracle):
    return _library(rushlight), _library(oracle)


@pytest.fixture
def same(libraries):
    """same(program): its results, or the class of its exception, are PyTorch's. The program gets a namespace: m, func, ..."""

    def outcome(program, library):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return _leaves(program(library), library.m)
            except Exception as error:
                return error

    def check(program, tolerance=1e-5):
        ours, theirs = (outcome(program, library) for library in libraries)
        if isinstance(theirs, Exception):
            assert type(ours) is type(theirs), (ours, theirs)
            return
        if isinstance(ours, Exception):
            raise ours
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            compare(a, b, tolerance)

    def compare(a, b, tolerance):
        if not hasattr(b, "dtype"):
            assert a == b
            return
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype) and a.requires_grad == b.requires_grad
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)

    return check


@pytest.fixture(scope="session")
def table():
    """What `_samples` yields, but for ops whose samples cannot be varied: offsets begin at 0, rows are a permutation."""
    return [case for case in _samples() if case[0].name not in ("embedding_bag_op", "move_rows_op")]


def _samples():
    """(op, arrays, call) for the first sample of every op: call(*tensors) is the op with the sample's other arguments."""
    import pkgutil

    import rushlight.ops
    from rushlight.ir.op import TABLE
    from rushlight.lazy.record import record
    from rushlight.lazy.views import record_view

    for module in pkgutil.iter_modules(rushlight.ops.__path__):
        importlib.import_module(f"rushlight.ops.{module.name}")
    for op in TABLE.values():
        if op.samples is None or op.random or op.inplace:
            continue
        args, static = op.samples()[0]
        given = {p.name: p.default for p in op.params} | dict(zip((p.name for p in op.params), args)) | static
        fixed = tuple(tuple(v) if isinstance(v := given[n], list) else v for n in op.statics)
        arrays, layout = [], []
        for p in op.slots:
            value = given[p.name]
            if isinstance(value, (list, tuple)):
                layout.append([len(arrays) + i for i in range(len(value))])
                arrays += [np.asarray(v) for v in value]
            elif isinstance(value, (np.ndarray, np.generic)):
                layout.append(len(arrays))
                arrays.append(np.asarray(value))
            else:
                layout.append((value,))

        def call(*tensors, op=op, layout=tuple(layout), fixed=fixed):
            inputs = tuple(
                tuple(tensors[i] for i in at) if isinstance(at, list) else tensors[at] if isinstance(at, int) else at[0]
                for at in layout
            )
            found = record_view(op, inputs[0], fixed) if op.view else record(op, inputs, fixed)
            return found if isinstance(found, tuple) else (found,)

        if arrays:
            yield op, arrays, call
