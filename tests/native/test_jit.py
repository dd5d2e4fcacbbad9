"""From text to machine code: equal texts, wrong texts, other processors, threads."""

from __future__ import annotations

import ctypes
import re
import threading
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from small_kernels import add_text

from rushlight import config
from rushlight.backend.llvm import jit, target, text

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


def call(address: int, x: np.ndarray, number: float, begin: int, end: int) -> None:
    value = ctypes.c_double(number)
    args = np.array([x.ctypes.data, ctypes.addressof(value)], np.int64)
    KERNEL(address)(args.ctypes.data, begin, end, None)


def test_a_kernel_runs_on_its_units_only():
    x = np.zeros(10)
    call(jit.address(add_text(1.0)), x, 2.0, 3, 7)
    assert x.tolist() == [0, 0, 0, 3, 3, 3, 3, 0, 0, 0]


def test_equal_texts_have_equal_addresses_and_others_do_not():
    texts = [add_text(float(i % 3)) for i in range(9)]
    found = jit.addresses(texts)
    assert found == found[:3] * 3 and len(set(found)) == 3
    assert [jit.address(t) for t in texts] == found


def test_helpers_of_one_name_in_modules_linked_together_stay_apart():
    def with_helper(value: float) -> str:
        helper = text.Writer("helper", [("ptr", "place")])
        helper.do(f"store double {text.number(value, 'f64')}, ptr %place")
        w = text.kernel()
        w.do(f"call void @helper(ptr {w.argument(0, 'ptr')})")
        return text.module([helper.text(), w.text()], target.current().function_attributes(target.host_cpu()))

    x = np.zeros(1)
    for address, value in zip(jit.addresses([with_helper(5.0), with_helper(6.0)]), (5.0, 6.0), strict=True):
        call(address, x, 0.0, 0, 1)
        assert x[0] == value


def test_a_kernel_may_call_the_c_library():
    w = text.kernel()
    x = w.argument(0, "ptr")
    w.do(f"store double {w.let('call double @cbrt(double 2.7e1)')}, ptr {x}")
    attributes = target.current().function_attributes(target.host_cpu())
    x = np.zeros(1)
    call(jit.address("declare double @cbrt(double)\n" + text.module([w.text()], attributes)), x, 0.0, 0, 1)
    assert x[0] == pytest.approx(3.0)


@pytest.mark.parametrize("wrong", ["define void @kernel( {", "define void @kernel() { ret i32 0 }", "rubbish"])
def test_wrong_texts_are_value_errors(wrong):
    for function in (jit.verify, jit.address, jit.object_for):
        with pytest.raises(ValueError, match="LLVM: "):
            function(wrong)
    assert jit.address(add_text(1.0)), "an error leaves the compiler usable"


def test_a_branch_that_breaks_dominance_is_found():
    with pytest.raises(ValueError, match="dominate"):
        jit.verify("define i32 @kernel() {\n %a = add i32 %b, 1\n %b = add i32 1, 1\n ret i32 %a\n}")


@pytest.mark.parametrize(("name", "fma"), [("avx512", "vfmadd"), ("avx2", "vfmadd"), ("sse", "mulp"), ("neon", "fmla")])
def test_code_for_every_target_in_the_table(monkeypatch, name, fma):
    monkeypatch.setattr(config, "target", name)
    facts = target.current()
    w = text.kernel()
    a = w.argument(0, "ptr")
    wide = text.vector("f32", facts.lanes)
    value = w.let(f"load {wide}, ptr {a}")
    w.do(f"store {wide} {w.let(f'call {wide} @llvm.fmuladd({wide} {value}, {wide} {value}, {wide} {value})')}, ptr {a}")
    module = text.module([w.text()], facts.function_attributes("generic" if name == "neon" else ""))
    assert re.search(fma, jit.assembly_for(module))
    machine = {"x86_64": 62, "aarch64": 183}[facts.arch]
    data = jit.object_for(module)
    assert data[:4] == b"\x7fELF" and int.from_bytes(data[18:20], "little") == machine


@pytest.mark.parametrize("count", [1, 4])
def test_new_kernels_are_compiled_on_several_threads(monkeypatch, tmp_path, count):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    monkeypatch.setattr(config, "threads", count)
    used = set()
    compiled = jit._compiled
    monkeypatch.setattr(
        jit, "_compiled", lambda *a: used.add(threading.get_ident()) or time.sleep(0.01) or compiled(*a)
    )
    numbers = [1000.0 * count + i for i in range(20)]
    for number, address in zip(numbers, jit.addresses([add_text(number) for number in numbers]), strict=True):
        x = np.zeros(1)
        call(address, x, 0.5, 0, 1)
        assert x[0] == number + 0.5
    assert len(used) == count


@pytest.mark.parametrize("count", [1, 4])
def test_one_wrong_text_among_many(monkeypatch, count):
    monkeypatch.setattr(config, "threads", count)
    texts = [add_text(2000.0 + i) for i in range(6)]
    with pytest.raises(ValueError, match="LLVM: "):
        jit.addresses([*texts[:3], "rubbish", *texts[3:]])
    assert len(set(jit.addresses(texts))) == 6


def test_many_threads_ask_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    texts = [add_text(100.0 + i) for i in range(6)]
    answers: list[list[int]] = []
    workers = [threading.Thread(target=lambda: answers.append(jit.addresses(texts))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == 8 and all(answer == answers[0] for answer in answers)
