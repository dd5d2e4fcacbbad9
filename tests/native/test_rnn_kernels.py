"""Kernels of recurrent layers against the NumPy references of their ops, which know nothing of tiles and units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from direct import run

from rushlight import config
from rushlight.backend.llvm import rnn
from rushlight.backend.llvm.rnn_plan import GATES, PackPlan, Plan, backward_plan, forward_plan
from rushlight.backend.llvm.target import Target, by_name, current
from rushlight.ir.op import TABLE

SIZES = [(3, 4, 16), (1, 1, 1), (4, 7, 5), (2, 13, 37), (5, 2, 80), (3, 32, 128)]
CPU = {"sse": "x86-64", "avx2": "x86-64-v3", "avx512": "x86-64-v4"}
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-13}


def op_of(cell: str) -> tuple[str, dict[str, Any]]:
    return (cell, {}) if cell in ("lstm", "gru") else ("rnn", {"activation": cell})


def call(text: str, plan: Plan | PackPlan, arrays: dict[str, np.ndarray], parts: int = 1) -> None:
    words: list[Any] = list(plan.words)
    for name, index in plan.buffers.items():
        words[index] = arrays[name]
    run(text, words, plan.units, plan.scratch, parts)


def aligned(size: int) -> np.ndarray:
    """Memory as an arena gives it: undefined, at a multiple of 64."""
    room = np.full(size + 64, 0xFF, np.uint8)
    return room[-room.ctypes.data % 64 :][:size]


def execute(
    plan: Plan, weight: np.ndarray, arrays: dict[str, np.ndarray], parts: int = 1, target: Target | None = None
) -> None:
    arrays["packed"] = aligned(plan.pack.bytes)
    cpu = CPU[target.name] if target else ""
    call(rnn.pack_text(plan.pack.spec, target, cpu), plan.pack, {"weight": weight, "packed": arrays["packed"]}, parts)
    call(rnn.kernel_text(plan.spec, target, cpu), plan, arrays, parts)


class Layer:
    """Inputs of a layer, and what its references make of them."""

    def __init__(self, cell: str, dtype: type, steps: int, batch: int, size: int, bias: bool, reverse: bool):
        rng = np.random.default_rng(steps + batch + size)
        count = GATES[cell]

        def make(*shape: int, scale: float = 1.0) -> np.ndarray:
            return (rng.standard_normal(shape) * scale).astype(dtype)

        self.cell, self.dtype, self.reverse = cell, dtype, reverse
        self.kind = "f32" if dtype is np.float32 else "f64"
        self.input, self.weight = make(steps, batch, count * size), make(count * size, size, scale=size**-0.5)
        self.hidden, self.state = make(batch, size), make(batch, size)
        self.bias = make(count * size) if bias else None
        self.grad, self.grad_cells = make(steps, batch, size), make(steps, batch, size)
        self.shape = steps, batch, size
        self.op, self.static = op_of(cell)
        self.static["reverse"] = reverse

    def forward_reference(self) -> dict[str, np.ndarray]:
        states = (self.hidden, self.state) if self.cell == "lstm" else (self.hidden,)
        with np.errstate(over="ignore"):
            found = TABLE[f"{self.op}_layer_op"].reference(self.input, *states, self.weight, self.bias, **self.static)
        names = {"lstm": ("output", "cells", "gates"), "gru": ("output", "gates")}.get(self.cell, ("output",))
        return dict(zip(names, found if isinstance(found, tuple) else (found,), strict=True))

    def backward_reference(self, there: dict[str, np.ndarray], grad: bool, cells: bool) -> dict[str, np.ndarray]:
        g, g_cells = self.grad if grad else None, self.grad_cells if cells else None
        inputs = {
            "lstm": lambda: (g, g_cells, None, self.hidden, self.state, self.weight, *there.values()),
            "gru": lambda: (g, None, self.hidden, self.weight, *there.values()),
            "rnn": lambda: (g, self.hidden, self.weight, *there.values()),
        }[self.op]()
        names = {
            "lstm": ("grad_input", "grad_hidden", "grad_cell"), "gru": ("grad_input", "grad_inner", "grad_hidden"),
            "rnn": ("grad_input", "grad_hidden"),
        }[self.op]  # fmt: skip
        found = TABLE[f"{self.op}_layer_backward"].reference(*inputs, **self.static)
        return dict(zip(names, found, strict=True))

    def gradient_shapes(self) -> dict[str, tuple[int, ...]]:
        names = {"lstm": ("grad_hidden", "grad_cell"), "gru": ("grad_inner", "grad_hidden")}.get(
            self.cell, ("grad_hidden",)
        )
        return {"grad_input": self.input.shape} | {
            n: (self.input if n == "grad_inner" else self.hidden).shape for n in names
        }

    def forward(self, parts: int = 1, **options: Any) -> dict[str, np.ndarray]:
        plan = forward_plan(
            self.cell, self.kind, *self.shape, bias=self.bias is not None, reverse=self.reverse, **options
        )
        found = {name: np.full_like(value, 7) for name, value in self.forward_reference().items()}
        given = {"input": self.input, "hidden": self.hidden, "cell": self.state, "bias": self.bias}
        execute(plan, self.weight, {**given, **found}, parts, options.get("target"))
        return found

    def backward(self, parts: int = 1, grad: bool = True, cells: bool = False, **options: Any) -> dict[str, np.ndarray]:
        plan = backward_plan(
            self.cell, self.kind, *self.shape, reverse=self.reverse, grad=grad, grad_cells=cells, **options
        )
        there = self.forward_reference()
        found = {name: np.full(shape, 7, self.dtype) for name, shape in self.gradient_shapes().items()}
        given = {"grad": self.grad, "grad_cells": self.grad_cells, "hidden": self.hidden, "cell": self.state}
        execute(plan, self.weight, {**given, **there, **found}, parts, options.get("target"))
        return found


def close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], dtype: type) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1.0, float(np.abs(value).max(initial=0)))
        np.testing.assert_allclose(found[name], value, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_like_the_reference(cell: str, shape: tuple[int, int, int]) -> None:
    for dtype, bias, reverse in ((np.float32, True, False), (np.float32, False, True), (np.float64, True, True)):
        layer = Layer(cell, dtype, *shape, bias, reverse)
        close(layer.forward(), layer.forward_reference(), dtype)
        for grad, cells in ((True, False), (True, True), (False, True)) if cell == "lstm" else ((True, False),):
            expected = layer.backward_reference(layer.forward_reference(), grad, cells)
            close(layer.backward(grad=grad, cells=cells), expected, dtype)


@pytest.mark.parametrize("name", CPU)
@pytest.mark.parametrize("cell", GATES)
def test_every_family_of_processors(cell: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = list(CPU)
    if current().name not in order or order.index(name) > order.index(current().name):
        pytest.skip("not this processor's")
    monkeypatch.setattr(config, "target", name)  # functions are written for the current one
    layer = Layer(cell, np.float32, 3, 7, 21, True, False)
    there = layer.forward_reference()
    close(layer.forward(target=by_name(name)), there, np.float32)
    close(layer.backward(target=by_name(name)), layer.backward_reference(there, True, False), np.float32)


def test_the_gradient_may_lie_batch_first() -> None:
    layer = Layer("gru", np.float32, 4, 5, 18, True, True)
    expected = layer.backward_reference(layer.forward_reference(), True, False)
    layer.grad = np.ascontiguousarray(layer.grad.transpose(1, 0, 2))
    close(layer.backward(grad_strides=(18, 4 * 18)), expected, np.float32)


def test_gates_need_not_be_kept() -> None:
    layer = Layer("lstm", np.float32, 3, 5, 18, True, False)
    expected = layer.forward_reference()
    found = layer.forward(gates=False)
    assert (found.pop("gates") == 7).all()
    del expected["gates"]
    close(found, expected, np.float32)


@pytest.mark.parametrize("cell", GATES)
def test_the_same_bits_however_the_batch_is_divided(cell: str) -> None:
    whole = Layer(cell, np.float32, 3, 11, 50, True, False)
    results = [{**whole.forward(parts), **whole.backward(parts)} for parts in (1, 2, 5)]
    results.append({**whole.forward(threads=16), **whole.backward(threads=16)})
    few = Layer(cell, np.float32, 3, 11, 50, True, False)
    few.shape = 3, 1, 50  # one row: another tile
    for name in ("input", "grad"):
        setattr(few, name, np.ascontiguousarray(getattr(few, name)[:, :1]))
    few.hidden, few.state = few.hidden[:1], few.state[:1]
    alone = few.forward()
    for name, value in results[0].items():
        assert all(np.array_equal(value, other[name]) for other in results[1:]), name
        if name in alone:
            assert np.array_equal(value[:, :1], alone[name]), name
