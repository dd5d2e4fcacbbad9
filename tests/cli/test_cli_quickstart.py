"""`rushlight quickstart` and `rushlight info`, from a user's side."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

import rushlight
from rushlight.cli import main
from rushlight.vision.datasets import Digits


def start(folder, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-u", "-m", "rushlight", "quickstart", "--out", "out", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One short run of the real command."""
    folder = tmp_path_factory.mktemp("quickstart")
    process = start(folder, "--epochs", "2", "--model", "mlp", "--seed", "3")
    output, errors = process.communicate(timeout=100)
    return folder, output, errors, process.returncode


def test_prints_like_the_tutorial(trained):
    _, output, errors, code = trained
    assert (errors, code) == ("", 0)
    assert "Epoch 1\n-------------------------------\nloss: 2." in output
    assert re.search(r"loss: \d\.\d{6}  \[   32/ 1442\]", output)
    assert len(re.findall(r"Test Error: \n Accuracy: \d\d\.\d%, Avg loss: \d\.\d{6} \n", output)) == 2
    assert re.search(r'Predicted: "\d", Actual: "5"\n$', output)


def test_learns(trained):
    losses = [float(x) for x in re.findall(r"Avg loss: ([\d.]+)", trained[1])]
    assert losses[1] < losses[0] < 2.3


def test_leaves_a_checkpoint_and_a_picture_and_nothing_else(trained):
    out = trained[0] / "out"
    assert sorted(p.name for p in out.iterdir()) == ["quickstart.png", "quickstart.pth"]
    checkpoint = rushlight.load(out / "quickstart.pth")
    assert checkpoint["epoch"] == 2
    assert checkpoint["model"]["1.weight"].shape == (128, 64)
    assert len(checkpoint["optimizer"]["state"]) == 6
    assert (out / "quickstart.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_pytorch_reads_the_checkpoint(trained, oracle):
    state = oracle.load(trained[0] / "out" / "quickstart.pth")
    model = oracle.nn.Sequential(
        oracle.nn.Flatten(), oracle.nn.Linear(64, 128), oracle.nn.ReLU(), oracle.nn.Linear(128, 128), oracle.nn.ReLU(),
        oracle.nn.Linear(128, 10),
    )  # fmt: skip
    model.load_state_dict(state["model"])
    test = Digits(train=False)
    found = model(oracle.from_numpy(test.data.numpy() / 255).float()).argmax(1).numpy()
    accuracy = (found == test.targets.numpy()).mean()
    assert f"Accuracy: {100 * accuracy:.1f}%" in trained[1].split("Epoch 2")[1]


def test_the_same_seed_gives_the_same_run(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["quickstart", "--epochs", "2", "--model", "mlp", "--seed", "3", "--out", "out"]) == 0
    again, before = (re.sub(r"Done in .*? s", "", text) for text in (capsys.readouterr().out, trained[1]))
    assert again == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["quickstart", "--epochs", "-1"], "--epochs: got -1; expected a whole number above 0"),
        (["quickstart", "--epochs", "two"], "--epochs: got 'two'; expected a whole number above 0"),
        (["quickstart", "--batch-size", "0"], "--batch-size: got 0; expected"),
        (["quickstart", "--workers", "-2"], "--workers: got -2; expected"),
        (["quickstart", "--lr", "nan"], "--lr: got nan; expected a finite number above 0"),
        (["quickstart", "--lr", "-1"], "--lr: got -1; expected"),
        (["quickstart", "--lr", "fast"], "--lr: got 'fast'; expected"),
        (["quickstart", "--data", "cats"], "--data: invalid choice: 'cats'"),
        (["quickstart", "--epoch", "3"], "unknown option --epoch; did you mean --epochs?"),
        (["quickstart", "--root"], "--root: expected one argument"),
        (["fly"], "'fly'"),
        (["run"], "SCRIPT.py"),
        ([], "COMMAND"),
    ],
)
def test_wrong_arguments_get_one_line_and_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    errors = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in errors and errors.count("\n") == 1


def test_missing_pictures(tmp_path, capsys):
    assert main(["quickstart", "--data", "mnist", "--root", str(tmp_path / "no"), "--out", str(tmp_path)]) == 1
    errors = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in errors and "--root" in errors and errors.count("\n") == 1


def test_out_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["quickstart", "--out", str(tmp_path / "file")]) == 1
    errors = capsys.readouterr().err
    assert "cannot write to --out" in errors and errors.count("\n") == 1


def test_a_learning_rate_that_explodes(tmp_path, capsys):
    arguments = ["--optimizer", "sgd", "--lr", "1e30", "--model", "mlp", "--epochs", "1", "--out", str(tmp_path)]
    assert main(["quickstart", *arguments]) == 1
    errors = capsys.readouterr().err
    assert "lr=1e+30 is too high" in errors and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def interrupt(process: subprocess.Popen) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=30)[1]
    return process.returncode, errors


@pytest.mark.parametrize("workers", ["0", "2"])
def test_ctrl_c_while_training(tmp_path, workers):
    process = start(tmp_path, "--epochs", "500", "--workers", workers)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Test Error"):
            break
    assert interrupt(process) == (130, "interrupted\n")
    assert set(os.listdir(tmp_path / "out")) <= {"quickstart.pth"}
    if os.listdir(tmp_path / "out"):
        assert rushlight.load(tmp_path / "out" / "quickstart.pth")["epoch"] >= 1


@pytest.mark.nightly
def test_ctrl_c_at_random_times(tmp_path):
    rng = random.Random(0)
    for number in range(40):
        process = start(tmp_path, "--epochs", "1", "--model", "mlp", "--workers", str(number % 2))
        assert process.stdout is not None
        process.stdout.readline()  # the command has begun
        time.sleep(rng.uniform(0, 2))
        code, errors = interrupt(process)
        assert (code, errors) in [(130, "interrupted\n"), (0, "")]
        assert not [n for n in os.listdir(tmp_path / "out") if n.endswith(".tmp")]


def test_info(capsys):
    assert main(["info"]) == 0
    output = capsys.readouterr().out
    for name in ("rushlight", "python", "numpy", "device", "threads", "caches", "backend"):
        assert re.search(rf"^{name} +\S", output, re.M), name


def test_ctrl_c_while_loading():
    code = (
        "import os, signal, sys; sys.argv = ['-m']; sys.orig_argv = ['python', '-m', 'rushlight', 'info']; "
        "import rushlight; os.kill(os.getpid(), signal.SIGINT); print('not reached')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_importing_the_library_leaves_ctrl_c_alone():
    code = "import rushlight, signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "True\n"
