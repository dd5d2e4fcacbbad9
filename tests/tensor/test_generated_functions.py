"""Functions generated from the op table have their signature from the start, though their body waits for the first call."""

import inspect
import subprocess
import sys

import pytest

import rushlight

FRESH = """
import inspect, rushlight as torch
f = torch.lerp
assert str(inspect.signature(f)) == "(input, end, weight, *, out=None)", inspect.signature(f)
assert f.__name__ == f.__qualname__ == "lerp" and f.__doc__ and f.__module__ == "rushlight"
before = f.__code__
held = torch.Tensor.lerp
assert held(torch.ones(3), torch.zeros(3), 0.5).tolist() == [0.5, 0.5, 0.5]
assert f.__code__ is not before and f is torch.lerp and inspect.signature(f) == inspect.signature(held)
assert f(input=torch.ones(3), end=torch.zeros(3), weight=0.5, out=torch.zeros(3)).tolist() == [0.5, 0.5, 0.5]
"""


def test_the_body_is_compiled_at_the_first_call():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_wrong_calls_are_told_as_by_any_function():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'dim'"):
        rushlight.cumprod(rushlight.ones(2))
    with pytest.raises(TypeError, match="unexpected keyword argument 'dimension'"):
        rushlight.cumprod(rushlight.ones(2), dimension=0)
    assert list(inspect.signature(rushlight.cumprod).parameters) == ["input", "dim", "dtype", "out", "axis"]


INTERCEPTED = """
import rushlight as torch
class Named(torch.Tensor):
    pass
assert torch.cumsum(torch.ones(3), axis=0).tolist() == [1, 2, 3]
assert torch.cosine_similarity(torch.ones(1, 2), torch.ones(1, 2), axis=1).shape == (1,)
"""


def test_numpys_names_are_taken_when_a_subclass_stands_in_front_before_the_first_call():
    done = subprocess.run([sys.executable, "-c", INTERCEPTED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
