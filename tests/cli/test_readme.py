"""The README's example and the scripts in examples/ do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


def test_the_readmes_example(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(), re.S)
    (tmp_path / "example.py").write_text(block)
    result = subprocess.run(
        [sys.executable, "example.py"], capture_output=True, text=True, timeout=100, cwd=tmp_path,
    )  # fmt: skip
    assert result.stderr == ""
    losses = [float(x) for x in re.findall(r"epoch \d: loss ([\d.]+)", result.stdout)]
    assert len(losses) == 5 and losses[-1] < losses[0]
    assert "program:" in result.stdout and (tmp_path / "model.pth").exists()


@pytest.mark.parametrize("name", ["make demo", "make test", "make oracle", "benchmarks/compare.py"])
def test_the_readme_names_what_exists(name):
    readme, makefile = (TOP / "README.md").read_text(), (TOP / "Makefile").read_text()
    assert name in readme
    kind, _, target = name.partition(" ")
    assert re.search(rf"^{target}:", makefile, re.M) if kind == "make" else (TOP / name).exists()


def test_linear_regression_example(tmp_path):
    script = TOP / "examples" / "linear_regression.py"
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "w = 1.846347, b = 0.451757" in result.stdout and result.stderr == ""
