"""PyTorch's profiler interface over what Programs report."""

from __future__ import annotations

import gzip
import json
import re
import time
from types import SimpleNamespace

import pytest

import rushlight as torch
from rushlight.profiler import (
    ProfilerAction,
    ProfilerActivity,
    _events,
    kineto_available,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)
from rushlight.profiler._events import Kernel, Op, Run, divide, report, report_steps

GEMM = "gemm + bias + relu"
OPS = (Op("linear", ("train.py", 12)), Op("relu", ("train.py", 13)))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    yield
    assert _events.listeners == []


def run(scale: int = 1, shapes: tuple = ((64, 8), (4, 8))) -> None:
    """A Program that says it ran two kernels, 3 us and 1 us long."""
    start = time.monotonic_ns()
    time.sleep(1e-5 * scale)
    middle, end = start + 3000, start + 4000
    gemm = Kernel(GEMM, start, middle, OPS, bytes=1000, flops=5000, shapes=shapes)
    adam = Kernel("adam", middle, end, (Op("adam", ("train.py", 20)),) * 2, bytes=400)
    report(Run("step: 3 ops", start, end + 500, (gemm, adam), arena=64, outputs=32))


def row(prof: profile, key: str, **options):
    (found,) = (r for r in prof.key_averages(**options) if r.key == key)
    return found


# -- collecting --------------------------------------------------------------------------------------------------------


def test_runs_are_summed_by_kernel():
    with profile() as prof:
        run()
        run()
    gemm = row(prof, GEMM)
    assert (gemm.count, gemm.bytes, gemm.flops) == (2, 2000, 10_000)
    assert gemm.cpu_time_total == gemm.self_cpu_time_total == pytest.approx(6.0) and gemm.cpu_time == pytest.approx(3.0)
    whole = row(prof, "step: 3 ops")
    assert whole.cpu_time_total == pytest.approx(9.0) and whole.self_cpu_time_total == pytest.approx(1.0)
    assert whole.cpu_memory_usage == 2 * 96
    assert prof.key_averages().self_cpu_time_total == pytest.approx(9.0), "every microsecond once"
    assert prof.key_averages().total_average().count == 6


def test_nothing_is_heard_outside():
    run()
    with profile() as prof:
        pass
    run()
    assert prof.key_averages() == [] and not _events.listening()


def test_what_is_pending_runs_where_it_was_asked_for(monkeypatch):
    flushed = []
    monkeypatch.setattr("rushlight.lazy.step.flush", lambda: flushed.append(_events.listening()))
    with profile():
        pass
    assert flushed == [False, True]


def test_an_exception_ends_the_recording():
    with pytest.raises(ZeroDivisionError), profile() as prof:
        run()
        raise ZeroDivisionError
    assert row(prof, GEMM).count == 1


def test_two_profiles_at_once():
    with profile() as outer:
        run()
        with profile() as inner:
            run()
    assert row(outer, GEMM).count == 2 and row(inner, GEMM).count == 1


def test_ranges_hold_what_runs_inside():
    with profile() as prof:
        with record_function("outer"):
            time.sleep(0.002)
            with record_function("inner"):
                run()

        @record_function("named")
        def function(x):
            return x + 1

        assert function(1) == 2
    assert {"outer", "inner", "named"} <= {event.key for event in prof.events()}
    outer, inner = row(prof, "outer"), row(prof, "inner")
    assert outer.cpu_time_total > 2000 and outer.self_cpu_time_total == pytest.approx(
        outer.cpu_time_total - inner.cpu_time_total
    )
    assert inner.cpu_time_total - inner.self_cpu_time_total == pytest.approx(4.5)


def test_shapes_and_lines_divide_the_sums():
    with profile(record_shapes=True, with_stack=True) as prof:
        run()
        run(shapes=((32, 8), (4, 8)))
    assert row(prof, GEMM).count == 2
    found = [r for r in prof.key_averages(group_by_input_shape=True) if r.key == GEMM]
    assert sorted(r.input_shapes[0][0] for r in found) == [32, 64]
    assert row(prof, GEMM, group_by_stack_n=1).stack == ["train.py(12)", "train.py(13)"]
    table = prof.key_averages(group_by_input_shape=True).table()
    assert "[[32, 8], [4, 8]]" in table and "train.py(12), train.py(13)" in table


def test_times_side_by_side_are_divided():
    assert divide(0, 100, [1, 1, 2]) == [(0, 25), (25, 50), (50, 100)]
    assert divide(10, 20, [0, 0]) == [(10, 15), (15, 20)]
    assert divide(5, 5, [3, 1]) == [(5, 5), (5, 5)]


def test_runs_are_reported_from_instructions_and_times():
    linear = SimpleNamespace(op=SimpleNamespace(name="linear"), line=("train.py", 3), module="Net.fc (Linear)")
    first = SimpleNamespace(label="gemm", cost=300.0, flops=10, traffic=20, entries=[linear])
    second = SimpleNamespace(label="fill", cost=100.0, flops=0, traffic=4, entries=[None])
    with profile() as prof:
        report_steps("program", [([first, second], 1000, 5000), ([second], 5500, 6000)], arena=8, outputs=16, start=900)
        report_steps("nothing", [])
    gemm, fill, whole = row(prof, "gemm"), row(prof, "fill"), row(prof, "program")
    assert gemm.cpu_time_total == pytest.approx(3.0) and gemm.stack == ["train.py(3)"]
    assert gemm.ops == (Op("linear", ("train.py", 3), "Net.fc (Linear)"),) and fill.ops == ()
    assert fill.cpu_time_total == pytest.approx(1.5) and fill.count == 2 and fill.bytes == 8
    assert whole.cpu_time_total == pytest.approx(5.1) and whole.self_cpu_time_total == pytest.approx(0.6)


# -- schedules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"wait": 1, "warmup": 1, "active": 2, "repeat": 2}, {"wait": 0, "warmup": 1, "active": 1},
        {"wait": 2, "warmup": 1, "active": 3, "skip_first": 3},
        {"wait": 3, "warmup": 1, "active": 1, "skip_first": 2, "skip_first_wait": 1, "repeat": 2},
    ],
)  # fmt: skip
def test_schedules_are_pytorchs(arguments, oracle):
    ours, theirs = schedule(**arguments), oracle.profiler.schedule(**arguments)
    assert [ours(step).name for step in range(40)] == [theirs(step).name for step in range(40)]


def test_wrong_schedules():
    with pytest.raises(AssertionError, match="active > 0"):
        schedule(wait=0, warmup=1, active=0)
    with pytest.warns(UserWarning, match="warmup"):
        schedule(wait=0, warmup=0, active=1)


def test_steps_of_a_schedule_are_recorded_and_handed_over():
    seen = []

    def ready(prof: profile) -> None:
        seen.append((prof.step_num, row(prof, GEMM).count, sorted(e.key for e in prof.events() if e.kind == "range")))

    with profile(schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready) as prof:
        for _ in range(10):
            run()
            prof.step()
    assert seen == [(4, 2, ["ProfilerStep#2", "ProfilerStep#3"]), (8, 2, ["ProfilerStep#6", "ProfilerStep#7"])]
    assert prof.current_action is ProfilerAction.NONE and row(prof, "ProfilerStep*").count == 2


def test_a_recording_that_ends_early_is_handed_over_too():
    seen = []
    with profile(schedule=schedule(wait=0, warmup=1, active=5), on_trace_ready=seen.append) as prof:
        for _ in range(3):
            run()
            prof.step()
        run()
    assert len(seen) == 1 and row(prof, GEMM).count == 3


def test_recordings_may_be_added_up():
    with profile(schedule=schedule(wait=1, warmup=1, active=1), acc_events=True) as prof:
        for _ in range(9):
            run()
            prof.step()
    assert row(prof, GEMM).count == 3


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_table_has_pytorchs_columns_and_ours(monkeypatch):
    monkeypatch.setattr("rushlight.profiler._table.roofline", lambda: (5e9, 1e9))
    with profile() as prof:
        run()
    text = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=2)
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert rows[1] == [
        "Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls", "Bytes", "FLOPs",
        "GB/s", "GFLOP/s", "of roof", "Ops",
    ]  # fmt: skip
    # 5000 FLOPs at 5 GFLOP/s and 1000 bytes at 1 GB/s both take 1 us: a third of 3 us
    assert rows[3] == [
        GEMM, "66.67%", "3.000us", "66.67%", "3.000us", "3.000us", "1", "1.00 K", "5.00 K",
        "0.33", "1.67", "33.3%", "linear, relu",
    ]  # fmt: skip
    assert rows[4][0] == "adam" and rows[4][-1] == "adam x2" and rows[5] == rows[2]
    assert "Self CPU time total: 4.500us" in text and "Roof: 5 GFLOP/s, 1.0 GB/s" in text


@pytest.mark.parametrize(
    "key",
    [
        "cpu_time",
        "cpu_time_total",
        "self_cpu_time_total",
        "count",
        "flops",
        "bytes",
        "cpu_memory_usage",
        "cuda_time_total",
        "self_device_time_total",
    ],
)
def test_the_table_is_sorted_by_any_attribute(key):
    with profile() as prof:
        run()
    averages = prof.key_averages()
    text = averages.table(sort_by=key)
    names = [re.split(r"\s{2,}", line.strip())[0] for line in text.splitlines()[3:6]]
    values = [getattr(next(r for r in averages if r.key == name), key) for name in names]
    assert values == sorted(values, reverse=True)


def test_options_of_the_table():
    with profile() as prof:
        run()
    averages = prof.key_averages()
    with pytest.raises(AttributeError, match="no attribute 'speed'"):
        averages.table(sort_by="speed")
    assert "3.000ms" not in averages.table() and "0.003ms" in averages.table(time_unit="ms")
    assert "gemm +..." in averages.table(max_name_column_width=9) and "TITLE" in averages.table(header="TITLE")
    assert GEMM not in averages.table(top_level_events_only=True)
    assert "FunctionEventAvg key=adam" in repr(averages)


def test_a_table_of_nothing():
    with profile() as prof:
        pass
    assert "Self CPU time total: 0.000us" in prof.key_averages().table(sort_by="cpu_time")


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_a_chrome_trace(tmp_path, name):
    with profile() as prof:
        with record_function("work"):
            run()
    prof.add_metadata("note", "value")
    prof.export_chrome_trace(str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    content = json.loads(gzip.decompress(data) if name.endswith(".gz") else data)
    assert content["note"] == "value"
    complete = {e["name"]: e for e in content["traceEvents"] if e["ph"] == "X"}
    assert set(complete) == {"work", "step: 3 ops", GEMM, "adam"}
    gemm, whole = complete[GEMM], complete["work"]
    assert (
        gemm["dur"] == 3.0
        and gemm["args"]["flops"] == 5000
        and gemm["args"]["ops"] == ["linear at train.py:12", "relu at train.py:13"]
    )
    assert (
        whole["ts"] <= gemm["ts"]
        and gemm["ts"] + gemm["dur"] <= whole["ts"] + whole["dur"]
        and gemm["tid"] == whole["tid"]
    )
    assert [e["args"]["arena"] for e in content["traceEvents"] if e["ph"] == "C"] == [64, 0]


def test_traces_for_tensorboard(tmp_path):
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "log"), "worker")):
        run()
    (file,) = (tmp_path / "log").iterdir()
    assert re.fullmatch(r"worker\.\d+\.pt\.trace\.json", file.name) and json.loads(file.read_text())["traceEvents"]


def test_memory_over_time(tmp_path):
    with profile(profile_memory=True) as prof:
        run()
        run()
    prof.export_memory_timeline(str(tmp_path / "memory.json"))
    times, sizes = json.loads((tmp_path / "memory.json").read_text())
    assert times == sorted(times) and sizes == [[64, 32], [0, 32]] * 2
    prof.export_memory_timeline(str(tmp_path / "memory.html"))
    assert "<svg" in (tmp_path / "memory.html").read_text() and "96 bytes" in (tmp_path / "memory.html").read_text()


def test_stacks_for_flame_graphs(tmp_path):
    with profile(with_stack=True) as prof:
        run()
    prof.export_stacks(str(tmp_path / "stacks"), "self_cpu_time_total")
    lines = (tmp_path / "stacks").read_text().splitlines()
    assert f"train.py(12);linear;{GEMM} 1" in lines
    with pytest.raises(ValueError, match="metric"):
        prof.export_stacks(str(tmp_path / "stacks"), "speed")


# -- names -------------------------------------------------------------------------------------------------------------


def test_names_and_what_is_supported():
    assert torch.profiler.profile is profile and torch.autograd.profiler.record_function is record_function
    assert supported_activities() == {ProfilerActivity.CPU} and not kineto_available()
    with pytest.warns(UserWarning, match="CUDA"):
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    with pytest.raises(AssertionError):
        profile(activities=[])
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = torch.profiler.nothing_like_it


def test_the_older_interface():
    with torch.autograd.profiler.profile(record_shapes=True) as prof:
        run()
    assert row(prof, GEMM).count == 1 and GEMM in str(prof) and prof.self_cpu_time_total == pytest.approx(4.5)
    with torch.autograd.profiler.profile(enabled=False) as prof:
        run()
    assert prof.function_events == []


def test_the_roof_is_measured():
    pytest.importorskip("llvmlite")
    from rushlight.backend.llvm.roofline import measure

    flops, speed = measure()
    assert 1e9 < flops < 1e14 and 1e8 < speed < 1e13
