"""Public names say what they do, and the pages made from that build without a warning."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names():
    """Every public name of the reference, with its own documentation."""
    sys.path.insert(0, str(TOP))
    try:
        from tools.docs import render, rooms
    finally:
        sys.path.remove(str(TOP))
    found = {f"torch.{n}": v for page in rooms.pages_of_torch().values() for n, v in page.items()}
    found |= {
        f"torch.Tensor.{name}": value
        for name, value in vars(torch.Tensor).items()
        if not name.startswith("_") and type(value).__name__ != "_Elsewhere"
    }
    for room in rooms.ROOMS:
        found |= {f"torch.{room}.{name}": value for name, value in rooms.names_of(room).items()}
    return {name: render.documentation(value) for name, value in found.items()}


def test_every_public_name_says_what_it_does(names):
    assert len(names) > 2000
    assert [name for name, text in names.items() if not text] == []


@pytest.mark.parametrize(
    "name",
    "torch.add torch.sin torch.amax torch.max torch.cat torch.where torch.zeros torch.Tensor.view torch.nn.Linear torch.nn.GRU "
    "torch.nn.functional.cross_entropy torch.optim.Adam torch.linalg.solve torch.func.vmap torch.utils.data.DataLoader".split(),
)
def test_names_that_everybody_uses_have_an_example(names, name):
    assert ">>> import rushlight as torch" in names[name]


def test_help_has_signature_words_shapes_and_example():
    text = torch.sub.__doc__
    assert list(inspect.signature(torch.sub).parameters)[:2] == ["input", "other"]
    assert "alpha * other" in text and "broadcast" in text and ">>> torch.sub(" in text
    assert torch.numel.__name__ == "numel" and torch.numel.__doc__.startswith("The number of elements")
    assert torch.ones(1).T.equal(torch.ones(1)) and torch.Tensor.T.__doc__


@pytest.mark.nightly
def test_the_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("material")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        "tools/docs/mkdocs.yml",
        "--site-dir",
        tmp_path,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=TOP, timeout=300, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    page = (tmp_path / "reference" / "nn.html").read_text()
    assert 'id="torch.nn.Linear"' in page and "in_features" in page
    assert 'id="torch.Tensor.view"' in (tmp_path / "reference" / "Tensor.html").read_text()
    assert re.search("zero_grad", (tmp_path / "mistakes.html").read_text())
    assert "the whole migration" in (tmp_path / "index.html").read_text()
