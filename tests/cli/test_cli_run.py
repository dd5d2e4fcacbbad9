"""`python -m rushlight run script.py`: the script is compiled as Python would compile it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import torch

def f(x: torch.Tensor, n: int = 2) -> torch.Tensor:
    return x * n

print(f.__annotations__["n"] is int, f.__annotations__["return"] is torch.Tensor)
print(torch.fx.symbolic_trace(f).code.strip())
"""


def test_annotations_are_what_the_script_says(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "rushlight", "run", str(tmp_path / "script.py")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "True True"
    assert lines[1] == "def forward(self, x : torch.Tensor, n : int = 2) -> torch.Tensor:"
