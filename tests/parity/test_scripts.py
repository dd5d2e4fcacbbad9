"""Whole scripts, unmodified: what they print under `python -m rushlight run` is what PyTorch prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))

# Each script starts Python twice, which takes seconds: these run at every commit, all others nightly.
COMMIT = (
    "training_shapes", "image_classifier", "vae", "seq2seq_attention", "wgan_gradient_penalty", "style_transfer",
    "graph_attention",
)  # fmt: skip


def case(script):
    return pytest.param(script, id=script.stem, marks=() if script.stem in COMMIT else pytest.mark.nightly)


@pytest.mark.parametrize("script", [case(script) for script in SCRIPTS])
def test_script_prints_the_same(script, tmp_path):
    pytest.importorskip("torch")

    def output(*command):
        arguments = [sys.executable, *command, str(script), str(tmp_path / "checkpoint.pth")]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert output("-m", "rushlight", "run") == output()
