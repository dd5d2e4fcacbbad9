"""mypy on user code: real programs pass, mistakes are found. One run of mypy for all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE, TOP = Path(__file__).parent, Path(__file__).parents[2]


def on_rushlight(source: str) -> str:
    """A program written for PyTorch, with the imports of the migration."""
    source = re.sub(r"^(\s*)import torch$", r"\1import rushlight as torch", source, flags=re.M)
    source = re.sub(r"^(\s*)import torch\.([\w.]+)", r"\1import rushlight.\2", source, flags=re.M)
    return re.sub(r"^(\s*)from torch\b", r"\1from rushlight", source, flags=re.M)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """By file: (line, message) of each thing that mypy says."""
    folder = tmp_path_factory.mktemp("programs")
    (example,) = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(), re.S)
    programs = {"readme.py": example}
    for file in (*TOP.glob("tests/parity/scripts/*.py"), *TOP.glob("examples/*.py"), *HERE.glob("[mu]*.py")):
        programs[file.name] = on_rushlight(file.read_text())
    for name, source in programs.items():
        (folder / name).write_text(source)
    command = [
        sys.executable, "-m", "mypy", "--cache-dir", str(folder / "cache"), "--config-file", "", "--hide-error-context",
        "--allow-redefinition", "--implicit-optional", "--disable-error-code", "var-annotated", "--no-error-summary", "--no-color-output", *sorted(programs),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=110)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in programs}
    for file, line, message in re.findall(r"^([^:\n]+):(\d+): error: (.*)$", done.stdout, re.M):
        found[file].append((int(line), message))
    return found


# Right programs that mypy cannot follow, and the mistakes.
NOT_CLEAN = {
    "mistakes.py",
    "old_optimizers.py",  # calls in forms that PyTorch has deprecated, which the stubs leave out
    "fx_transformer_shapes.py",  # hasattr does not tell mypy that a value is not None
}


def test_programs_pass(said):
    assert len(said) > 50
    assert {name: what for name, what in said.items() if what and name not in NOT_CLEAN} == {}


def test_mistakes_are_found(said):
    lines = (HERE / "mistakes.py").read_text().splitlines()
    expected = {n: line.partition("# error: ")[2] for n, line in enumerate(lines, 1) if "# error: " in line}
    got = dict(said["mistakes.py"])
    assert sorted(got) == sorted(expected)
    assert {n: got[n] for n in got if not got[n].startswith(expected[n])} == {}
