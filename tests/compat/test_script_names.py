"""Names that scripts use around the edges: cuda, backends, version, process-wide settings."""

from __future__ import annotations

import pytest

import rushlight as torch


def test_cuda_questions_are_answered():
    assert torch.cuda.is_available() is False
    assert torch.cuda.device_count() == 0
    torch.cuda.manual_seed_all(1)
    torch.cuda.empty_cache()
    assert torch.cuda.max_memory_allocated() == 0


@pytest.mark.parametrize("name", ["current_device", "synchronize", "get_device_name", "get_device_properties"])
def test_cuda_requests_raise_pytorchs_class(name):
    with pytest.raises(AssertionError, match=rf"torch\.cuda\.{name}.*is_available"):
        getattr(torch.cuda, name)()


def test_backends_take_their_flags(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    assert not torch.backends.cudnn.is_available() and torch.backends.cudnn.version() is None
    assert not torch.backends.mps.is_available()


def test_version_names():
    assert torch.version.__version__ == torch.__version__
    assert torch.version.cuda is None


def test_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    with pytest.raises(RuntimeError, match="positive"):
        torch.set_num_threads(0)
    with pytest.raises(TypeError, match="int"):
        torch.set_num_threads(1.5)


def test_deterministic_and_precision():
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")
    with pytest.raises(RuntimeError, match="'medium'"):
        torch.set_float32_matmul_precision("low")


def test_default_device():
    torch.set_default_device("cpu")
    assert torch.get_default_device() == torch.device("cpu")
    with pytest.raises(RuntimeError, match="goes on working on the CPU"):
        torch.set_default_device("cuda")


def test_compile_gives_the_callable_back():
    model = torch.nn.Linear(2, 2)
    assert torch.compile(model, mode="max-autotune", fullgraph=True) is model

    @torch.compile(dynamic=True)
    def double(x):
        return 2 * x

    assert double(3) == 6
    (torch.ones(2) + 1).tolist()
    assert torch.compile(model) is model  # running a program loads the package rushlight.compile: the name must stay
    with pytest.raises(TypeError, match="unknown option 'bakend'"):
        torch.compile(model, bakend="inductor")
    with pytest.raises(TypeError, match="int"):
        torch.compile(3)
