"""`import torch` answered by Rushlight, in this process and through `rushlight run`."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap

import pytest

import rushlight
from rushlight import compat


def test_modules_are_shared_and_keep_their_spec():
    spec = rushlight.nn.__spec__
    with compat.redirected():
        import torch
        import torch.nn as nn
        import torch.nn.functional as F
        import torch.optim.lr_scheduler as schedulers
        import torchvision.transforms as transforms
        from torch.utils.data import DataLoader
        from torch.utils.data.dataloader import DataLoader as SameLoader

        assert torch is rushlight and nn is rushlight.nn and F is rushlight.nn.functional
        assert schedulers is rushlight.optim.lr_scheduler
        assert DataLoader is SameLoader is rushlight.utils.data.DataLoader
        assert transforms is rushlight.vision.transforms
    assert rushlight.nn.__spec__ is spec and spec.name == "rushlight.nn"


def test_redirection_ends_with_the_block():
    before = sys.modules.get("torch")
    with compat.redirected():
        assert importlib.import_module("torch") is rushlight
    assert sys.modules.get("torch") is before
    assert not any(finder is compat._finder for finder in sys.meta_path)


@pytest.mark.parametrize("name", ["torch.nosuchroom", "torch.nn.nosuchroom", "torchtext.nosuchroom.deeper"])
def test_what_is_missing_is_named(name):
    with compat.redirected():
        with pytest.raises(ModuleNotFoundError, match="Rushlight answers for torch") as caught:
            importlib.import_module(name)
        assert caught.value.name is not None and name.startswith(caught.value.name)


def test_near_names_are_offered():
    with compat.redirected(), pytest.raises(ModuleNotFoundError, match=r"near names: .*torch\.optim"):
        importlib.import_module("torch.optm")


def test_installing_after_the_real_one_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    with pytest.raises(RuntimeError, match="before the first import of torch"):
        compat.install()
    assert compat._finder not in sys.meta_path


def run(tmp_path, source: str, *arguments: str) -> subprocess.CompletedProcess:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(source))
    command = [sys.executable, "-m", "rushlight", "run", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)


def test_a_script_runs_as_it_is(tmp_path):
    (tmp_path / "beside.py").write_text("import torch\nvalue = torch.ones(2).sum().item()\n")
    result = run(
        tmp_path,
        """
        import sys
        import torch
        import torch.nn as nn
        import torch.backends.cudnn as cudnn
        from torch.utils.data import DataLoader, Dataset
        from torchvision import datasets, transforms
        import beside

        class Squares(Dataset):
            def __len__(self): return 4
            def __getitem__(self, i): return torch.tensor(float(i)), i * i

        cudnn.benchmark = True
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        step = torch.compile(nn.Linear(2, 1).to(device))
        print(__name__, sys.argv[1:], torch.__name__, beside.value, step(torch.ones(1, 2)).shape)
        for x, y in DataLoader(Squares(), batch_size=2, num_workers=2):
            print(x.tolist(), y.tolist())
        """,
        "--lr", "0.1",
    )  # fmt: skip
    assert result.stderr == "" and result.returncode == 0
    assert result.stdout.splitlines() == [
        "__main__ ['--lr', '0.1'] rushlight 2.0 torch.Size([1, 1])",
        "[0.0, 1.0] [0, 1]",
        "[2.0, 3.0] [4, 9]",
    ]


def test_errors_in_a_script_start_at_its_own_lines(tmp_path):
    result = run(tmp_path, "import torch\ntorch.ones(2) @ torch.ones(3)\n")
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Traceback") and "script.py" in lines[1] and "line 2" in lines[1]
    assert "cli" not in result.stderr


@pytest.mark.parametrize("ending, code", [("sys.exit(3)", 3), ("sys.exit()", 0), ("raise KeyboardInterrupt", 130)])
def test_exit_codes_are_the_scripts(tmp_path, ending, code):
    result = run(tmp_path, f"import sys\nprint('here', flush=True)\n{ending}\n")
    assert (result.stdout, result.returncode) == ("here\n", code)
    assert result.stderr == ("interrupted\n" if code == 130 else "")


def test_a_script_that_is_not_there(tmp_path):
    command = [sys.executable, "-m", "rushlight", "run", "nowhere.py"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "rushlight: run: cannot read 'nowhere.py': No such file or directory\n"


def test_the_real_library_is_not_needed():
    code = "import rushlight.compat as c; c.install(); import torch; print(torch is c.sys.modules['rushlight'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "True\n", result.stderr


def test_the_version_is_that_of_the_pytorch_it_follows():
    own = rushlight.__version__
    with compat.redirected():
        import torch

        assert (
            torch.__version__ >= "2.5"
            and torch.__version__ > (2, 9)
            and torch.__version__.split(".")[:2] == ["2", "13"]
        )
        assert torch.__version__.endswith(own) and torch.version.__version__ == torch.__version__
        assert torch.torch is torch
    assert rushlight.__version__ == rushlight.version.__version__ == own
