"""Rooms of names that scripts ask: compilers, devices, settings, tools."""

from __future__ import annotations

import importlib.util
import io
import re
from contextlib import redirect_stdout

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils import benchmark, flop_counter


def test_compile_returns_what_it_is_given():
    def f(x):
        return x + 1

    assert torch.compile(f, backend="inductor", mode="max-autotune", dynamic=True, fullgraph=True) is f
    model = nn.Linear(2, 2)
    model.compile()
    assert torch.compile(model) is model and torch.compiler.disable(f) is f
    assert torch.compiler.disable(recursive=False)(f) is f and torch.compiler.allow_in_graph(f) is f
    assert not torch.compiler.is_compiling() and not torch.compiler.is_exporting()
    with torch.compiler.set_stance("force_eager"):
        assert f(torch.ones(1)).item() == 2.0
    with pytest.raises(RuntimeError, match="set_stance"):
        torch.compiler.set_stance("lazy")
    assert "rushlight" in torch.compiler.list_backends() and torch._dynamo.is_compiling() is False
    torch._dynamo.config.cache_size_limit = 64


def test_reset_forgets_and_everything_goes_on():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    torch._dynamo.reset()
    z = (y + 1).sum()
    z.backward()
    assert z.item() == 9.0 and x.grad.tolist() == [2.0, 2.0, 2.0]
    torch.compiler.reset()
    assert (x + y).tolist() == [3.0, 3.0, 3.0]


def test_jit_says_what_to_use():
    for name in ("trace_module", "freeze"):
        with pytest.raises(NotImplementedError, match=f"torch.jit.{name}.*Fix"):
            getattr(torch.jit, name)(None)

    @torch.jit.ignore
    def f(x):
        return x

    assert torch.jit.script(f) is f and isinstance(torch.jit.script(torch.nn.Linear(2, 1)), torch.nn.Linear)
    with pytest.raises(TypeError, match="torch.jit.script.*int"):
        torch.jit.script(1)
    with pytest.raises(NotImplementedError, match="nn.Module"):
        torch.jit.ScriptModule()
    assert torch.jit.ignore(drop=True)(f) is f and torch.jit.unused(f) is f and torch.jit.export(f) is f
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing()
    assert torch.jit.annotate(list[int], [1]) == [1] and torch.jit.wait(torch.jit.fork(f, 3)) == 3
    assert torch.jit.isinstance([1], list[int]) and not torch.jit.isinstance(["a"], list[int])
    assert torch.jit.isinstance({"a": (1, 2.0)}, dict[str, tuple[int, float]]) and torch.jit.isinstance(
        None, int | None
    )


QUESTIONS = (
    """
cuda.is_available() | cuda.device_count() | cuda.is_initialized() | cuda.is_bf16_supported() | cuda.memory_allocated() | cuda.max_memory_reserved()
cuda.memory_stats() | cuda.get_arch_list() | cuda.get_gencode_flags() | cuda.get_rng_state_all() | cuda.default_generators | cuda.empty_cache()
cuda.seed() | cuda.manual_seed(1) | xpu.is_available() | xpu.device_count() | mps.is_available() | mps.device_count()
accelerator.is_available() | accelerator.device_count() | accelerator.current_accelerator() | backends.mps.is_available()
backends.cudnn.version() | backends.cuda.flash_sdp_enabled() | cpu.is_available() | cpu.device_count() | cpu.current_device() | version.cuda | version.hip
get_deterministic_debug_mode() | is_warn_always_enabled() | backends.cuda.is_built() | cuda.has_half
""".replace("\n", " | ")
    .strip(" |")
    .split(" | ")
)
REQUESTS = (
    """
cuda.current_device() | cuda.get_device_name(0) | cuda.get_device_properties(0) | cuda.synchronize() | cuda.Stream() | cuda.Event()
cuda.current_stream() | cuda.mem_get_info() | cuda.ipc_collect() | cuda.get_rng_state() | cuda.initial_seed() | cuda.CUDAGraph() | cuda.init()
xpu.current_device() | xpu.synchronize() | mps.synchronize() | mps.empty_cache() | accelerator.synchronize() | ones(1).cuda() | ones(1).to("cuda")
compile(3)
""".replace("\n", " | ")
    .strip(" |")
    .split(" | ")
)


@pytest.mark.parametrize("text", [q.strip() for q in QUESTIONS])
def test_questions_have_pytorchs_answers(oracle, text):
    assert eval(f"t.{text}", {"t": torch}) == eval(f"t.{text}", {"t": oracle})


@pytest.mark.parametrize("text", [r.strip() for r in REQUESTS if "compile" not in r])
def test_requests_raise_what_pytorch_raises(oracle, text):
    with pytest.raises(Exception) as theirs:
        eval(f"t.{text}", {"t": oracle})
    with pytest.raises(type(theirs.value), match="accelerator|CUDA|device"):
        eval(f"t.{text}", {"t": torch})


def test_settings_are_remembered():
    torch.set_deterministic_debug_mode("warn")
    assert torch.get_deterministic_debug_mode() == 1 and torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="set_deterministic_debug_mode"):
        torch.set_deterministic_debug_mode("loud")
    torch.set_warn_always(True)
    assert torch.is_warn_always_enabled()
    torch.set_warn_always(False)
    assert torch.set_flush_denormal(True) is False and (torch.tensor([1e-40]) * 1).item() > 0
    assert torch.get_device_module() is torch.cpu and torch.get_device_module("cuda:0") is torch.cuda
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark
    with torch.backends.cuda.sdp_kernel(enable_flash=False):
        assert not torch.backends.cuda.flash_sdp_enabled()
    with torch.backends.mkldnn.flags(enabled=True):
        assert torch.backends.mkldnn.enabled
    assert not torch.backends.mkldnn.enabled and torch.backends.cpu.get_cpu_capability() in (
        "AVX512",
        "AVX2",
        "NEON",
        "DEFAULT",
    )
    assert "NumPy" in torch.__config__.show() and "threads" in torch.__config__.parallel_info()
    with torch.cuda.stream(None), torch.cuda.device(-1), torch.cpu.stream(None):
        pass
    with pytest.raises(AssertionError, match="cuda.device"), torch.cuda.device(0):
        pass


HUBCONF = '''
dependencies = ["torch", "numpy"]
from helper import scale

def small(width=2, pretrained=False):
    """A small net."""
    return scale * width

def _hidden():
    pass
'''


def test_hub_reads_folders(tmp_path):
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    (tmp_path / "helper.py").write_text("scale = 10\n")
    here = str(tmp_path)
    assert torch.hub.load(here, "small", source="local", width=3) == 30
    assert torch.hub.list(here) == ["small"] and torch.hub.help(here, "small") == "A small net."
    with pytest.raises(RuntimeError, match="small"):
        torch.hub.load(here, "large", source="local")
    with pytest.raises(NotImplementedError, match="git clone https://github.com/pytorch/vision"):
        torch.hub.load("pytorch/vision:v0.10", "resnet18")
    with pytest.raises(FileNotFoundError, match="hubconf.py"):
        torch.hub.load(str(tmp_path / "none"), "small", source="local")
    with pytest.raises(ValueError, match="source"):
        torch.hub.load(here, "small", source="ftp")
    (tmp_path / "hubconf.py").write_text("dependencies = ['no_such_package_here']\n")
    with pytest.raises(RuntimeError, match="no_such_package_here"):
        torch.hub.list(here)


def test_hub_loads_weights_from_urls(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "model-0000000.pt")
    url = (tmp_path / "model-0000000.pt").as_uri()
    found = torch.utils.model_zoo.load_url(url, model_dir=str(tmp_path / "cache"))
    assert found["w"].tolist() == [1.0, 1.0] and (tmp_path / "cache" / "model-0000000.pt").exists()
    with pytest.raises(RuntimeError, match="SHA-256"):
        torch.hub.load_state_dict_from_url(url, model_dir=str(tmp_path / "other"), check_hash=True)
    assert list((tmp_path / "other").iterdir()) == []
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    assert torch.hub.get_dir() == str(tmp_path)
    torch.hub.set_dir(before)


def test_a_timer_computes_what_it_times():
    done = []
    x = torch.ones(4)
    timer = benchmark.Timer(
        "y = x + 1\nseen(y)", globals={"x": x, "seen": lambda y: done.append(y.sum().item())}, label="add"
    )
    measured = timer.timeit(3)
    assert done == [8.0] * 5 and measured.number_per_run == 3 and measured.mean > 0
    fast = benchmark.Timer("torch.ones(8).sum()", setup="a = 1").blocked_autorange(min_run_time=0.005)
    slow = benchmark.Timer("a @ a", setup="a = torch.ones(400, 400)").blocked_autorange(min_run_time=0.005)
    assert slow.median > fast.median and fast.iqr >= 0 and "torch.ones(8)" in repr(fast)
    merged = benchmark.Measurement.merge([fast, fast, slow])
    assert sorted(len(m.times) for m in merged) == sorted([2 * len(fast.times), len(slow.times)])
    with pytest.raises(NotImplementedError, match="language"):
        benchmark.Timer("x", language="c++")
    with pytest.raises(ValueError, match="Measurement"):
        benchmark.Compare([3])


def test_compare_prints_a_table():
    def spec(row, column):
        return benchmark.TaskSpec("f(x)", label="sums", sub_label=row, description=column)

    table = benchmark.Compare(
        [
            benchmark.Measurement(1, [k * 1e-3], spec(row, column))
            for k, (row, column) in enumerate([("a", "one"), ("a", "two"), ("b", "one")], 1)
        ]
    )
    lines = str(table).splitlines()
    assert (
        re.search(r"a +\| +1\.00 +\| +2\.00", str(table))
        and re.search(r"b +\| +3\.00 +\|", str(table))
        and "ms" in lines[-1]
    )
    table.colorize()
    table.trim_significant_figures()
    assert "\033[92m1\033[0m" in str(table)


def count(t, counter):
    torch_nn, F = t.nn, t.nn.functional
    net = torch_nn.Sequential(
        torch_nn.Conv2d(3, 8, 3, stride=2, padding=1), torch_nn.ReLU(), torch_nn.Flatten(), torch_nn.Linear(128, 10)
    )
    up, grouped = torch_nn.ConvTranspose2d(4, 6, 3), torch_nn.Conv1d(4, 8, 3, groups=2)
    q = t.ones(2, 4, 8, 16, requires_grad=True)
    with counter(display=False) as found:
        net(t.ones(4, 3, 8, 8)).sum().backward()
        up(t.ones(2, 4, 5, 5)).sum().backward()
        grouped(t.ones(2, 4, 9)).sum().item()
        t.bmm(t.ones(3, 4, 5), t.ones(3, 5, 6)).sum().item()
        F.linear(t.ones(7, 3), t.ones(2, 3)).sum().item()
        (q @ q.transpose(-1, -2)).sum().backward()
    return found.get_total_flops()


def test_flops_are_those_that_pytorch_counts(oracle):
    from torch.utils.flop_counter import FlopCounterMode

    assert count(torch, flop_counter.FlopCounterMode) == count(oracle, FlopCounterMode)


def test_flops_by_module():
    net, out = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)), io.StringIO()
    with redirect_stdout(out), flop_counter.FlopCounterMode() as counter:
        net(torch.ones(3, 4)).sum().item()
    assert counter.get_total_flops() == 2 * 3 * (4 * 8 + 8 * 2)
    assert counter.get_flop_counts()["Sequential.1"] == {"linear": 96} and "Sequential.0" in out.getvalue()
    with flop_counter.FlopCounterMode(
        display=False, custom_mapping={"exp": lambda inputs, out, static: out.numel}
    ) as counter:
        torch.ones(5).exp().sum().item()
    assert counter.get_total_flops() == 5


def test_tensorboard_needs_its_package():
    if importlib.util.find_spec("tensorboardX") is None:
        with pytest.raises(ImportError, match=r"rushlight\[tensorboard\]"):
            torch.utils.tensorboard.SummaryWriter()


@pytest.mark.skipif(importlib.util.find_spec("tensorboardX") is None, reason="needs tensorboardX")
def test_tensorboard_writes(tmp_path):
    with torch.utils.tensorboard.SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", torch.tensor(1.5), 1)
        writer.add_histogram("w", torch.ones(3, dtype=torch.bfloat16), 1)
        with pytest.raises(NotImplementedError, match="add_graph"):
            writer.add_graph(nn.Linear(1, 1))
    assert [path for path in tmp_path.iterdir() if path.stat().st_size > 0]


def test_tools():
    assert torch.utils.collect_env.get_pretty_env_info().startswith("rushlight")
    for name in ("load", "load_inline", "CppExtension"):
        with pytest.raises(NotImplementedError, match="C\\+\\+"):
            getattr(torch.utils.cpp_extension, name)("name", ["a.cpp"])
    assert torch.utils.deterministic.fill_uninitialized_memory in (True, False)


def test_the_import_hook_knows_the_rooms():
    from rushlight.compat import redirected

    with redirected():
        import torch as t
        import torch.amp
        import torch.cuda.amp
        import torch.overrides
        import torch.utils.benchmark
        from torch.amp import autocast  # noqa: F401
        from torch.testing import assert_close
        from torch.utils.flop_counter import FlopCounterMode  # noqa: F401

        assert t is torch
        assert_close(t.ones(1), t.ones(1))
        assert t.cuda.amp.autocast is not None and np is not None


def test_names_of_annotations_for_torchscript():
    import typing

    from rushlight.jit import annotations

    assert annotations.List is typing.List and annotations.BroadcastingList2[int] == typing.List[int]  # noqa: UP006
    assert torch.jit._script_if_tracing is torch.jit.script_if_tracing and torch.jit.Final is typing.Final
    assert not torch._subclasses.fake_tensor.is_fake(torch.ones(1))
    assert not isinstance(torch.ones(2).shape[0], torch.SymInt) and torch.SymFloat is not torch.SymBool
    assert torch.Future is torch.futures.Future and torch._C._log_api_usage_once("here") is None
    assert torch.hub.HASH_REGEX.search("resnet18-f37072fd.pth")[1] == "f37072fd"
