"""Functions generated from the op table have their signature from the start, though their body waits for the first call."""

import inspect
import subprocess
import sys

import pytest

import rushlight

FRESH = """
import inspect, rushlight as torch
f = torch.cumsum
assert str(inspect.signature(f)) == "(input, dim, *, dtype=None, out=None)", inspect.signature(f)
assert f.__name__ == f.__qualname__ == "cumsum" and f.__doc__ and f.__module__ == "rushlight"
before = f.__code__
held = torch.Tensor.cumsum
assert held(torch.ones(3), 0).tolist() == [1, 2, 3]
assert f.__code__ is not before and f is torch.cumsum and inspect.signature(f) == inspect.signature(held)
assert f(input=torch.ones(3), dim=0, out=torch.zeros(3)).tolist() == [1, 2, 3]
"""


def test_the_body_is_compiled_at_the_first_call():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_wrong_calls_are_told_as_by_any_function():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'dim'"):
        rushlight.cumprod(rushlight.ones(2))
    with pytest.raises(TypeError, match="unexpected keyword argument 'dimension'"):
        rushlight.cumprod(rushlight.ones(2), dimension=0)
    assert list(inspect.signature(rushlight.cumprod).parameters) == ["input", "dim", "dtype", "out"]
