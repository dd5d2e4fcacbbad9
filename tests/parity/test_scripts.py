"""Whole scripts, unmodified: what they print under `python -m rushlight run` is what PyTorch prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_prints_the_same(script, tmp_path):
    pytest.importorskip("torch")

    def output(*command):
        arguments = [sys.executable, *command, str(script), str(tmp_path / "checkpoint.pth")]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert output("-m", "rushlight", "run") == output()
