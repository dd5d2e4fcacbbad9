"""Every mistake of the source documents that must get an answer that teaches (M numbers of the specification).

Each case makes the mistake in the documents' own form, under Rushlight and, where PyTorch raises too, under PyTorch: the
class must be PyTorch's, and the whole message is compared with the one in snapshots.json, in English and in Chinese. After a
change of the words: `python tests/errors/test_teaching.py` writes that file anew; read the difference.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mistakes_in_training  # noqa: F401  its cases join the others
import pytest
from mistakes import CASES, SNAPSHOTS, answer, case, make, start_anew

import rushlight
from rushlight.vision import datasets, transforms

ROOT = str(Path(rushlight.__file__).parents[1])


# --- M1, M2: shapes -------------------------------------------------------------------------------------------------


def small_net(torch: Any, features: int, channels: int = 1) -> Any:
    """The network of the documents: two convolutions, two pools, one wrong number."""
    nn = torch.nn

    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, 6, 5)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.pool = nn.MaxPool2d(2, 2)

        def forward(self, x):
            x = self.pool(torch.relu(self.conv1(x)))
            return self.pool(torch.relu(self.conv2(x)))

    class Net(nn.Module):
        def __init__(self, flatten):
            super().__init__()
            self.features = Features()
            self.head = nn.Sequential(nn.Linear(features, 10))
            self.flatten = flatten

        def forward(self, x):
            x = self.features(x)
            x = torch.flatten(x, 1) if self.flatten else x.view(-1, 16 * 5 * 5)
            return self.head(x)

    return Net


@case("M1 Linear behind a flatten has the wrong in_features")
def _(torch):
    small_net(torch, 400)(flatten=True)(torch.randn(2, 1, 224, 224))


@case("M1 matmul of plain tensors")
def _(torch):
    torch.ones(2, 3) @ torch.ones(4, 5)


@case("M1 Conv2d(1, ...) on pictures with three channels")
def _(torch):
    torch.nn.Conv2d(1, 32, 3, 1)(torch.randn(4, 3, 32, 32))


@case("M1 64*14*14 features for Linear(9216, 128)")
def _(torch):
    fc1 = torch.nn.Linear(9216, 128)
    fc1(torch.flatten(torch.ones(4, 64, 14, 14), 1))


@case("M2 view(-1, 16*5*5) of a 224x224 picture")
def _(torch):
    small_net(torch, 400)(flatten=False)(torch.randn(1, 1, 224, 224))


@case("M2 view(-1, 16*5*5) mixes the samples of a batch", raises_in_pytorch=False)
def _(torch):
    outputs = small_net(torch, 400)(flatten=False)(torch.randn(100, 1, 28, 28))
    assert tuple(outputs.shape) == (64, 10)


# --- M3, M4: devices ------------------------------------------------------------------------------------------------


@case("M3 two tensors on two devices")
def _(torch):
    torch.ones(2, 3, device="meta") + torch.ones(2, 3)


@case("M3 the model was not moved")
def _(torch):
    torch.nn.Linear(3, 4)(torch.ones(2, 3, device="meta"))


@case("M4 tensor.cuda()")
def _(torch):
    torch.ones(2).cuda()


@case("M4 model.to('cuda')")
def _(torch):
    torch.nn.Linear(2, 2).to("cuda")


@case("M4 torch.cuda.get_device_name(0)")
def _(torch):
    torch.cuda.get_device_name(0)


# --- M5 ... M11: autograd -------------------------------------------------------------------------------------------


@case("M5 forgot requires_grad=True")
def _(torch):
    w = torch.tensor([1.0, 2.0])
    x = torch.randn(3, 2)
    loss = (x * w).sum()
    loss.backward()


@case("M6 backward() on a vector")
def _(torch):
    x = torch.ones(3, requires_grad=True)
    (x * 2).backward()


@case("M7 second backward through a freed graph")
def _(torch):
    x = torch.ones(3, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    loss.backward()


@case("M8 .grad of a tensor that is not a leaf", raises_in_pytorch=False)
def _(torch):
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.sum().backward()
    assert y.grad is None


@case("M9 zero_grad was forgotten", raises_in_pytorch=False)
def _(torch):
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.01)
    for _ in range(6):
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()


@case("M10 a result that its own gradient needs was changed in place")
def _(torch):
    w = torch.ones(3, requires_grad=True)
    y = torch.exp(w)
    y.add_(1)
    y.sum().backward()


@case("M10 an operand was changed after it was used")
def _(torch):
    w = torch.ones(3, requires_grad=True)
    x = w * 2
    loss = (x * x).sum()
    x.zero_()
    loss.backward()


@case("M11 model.forward(x)", raises_in_pytorch=False)
def _(torch):
    model = small_net(torch, 400)(flatten=True)
    model.forward(torch.randn(2, 1, 32, 32))
    model.forward(torch.randn(2, 1, 32, 32))


# --- M17, M18: dtypes and broadcasting ------------------------------------------------------------------------------


@case("M17 int32 targets")
def _(torch):
    torch.nn.CrossEntropyLoss()(torch.randn(4, 10), torch.zeros(4, dtype=torch.int32))


@case("M17 float targets")
def _(torch):
    torch.nn.CrossEntropyLoss()(torch.randn(4, 10), torch.zeros(4))


@case("M17 integers from JSON into Linear")
def _(torch):
    torch.nn.Linear(3, 2)(torch.tensor([[1, 2, 3]]))


@case("M17 float64 from NumPy into Linear")
def _(torch):
    torch.nn.Linear(3, 2)(torch.zeros(1, 3, dtype=torch.float64))


@case("M18 MSELoss of (N,) and (N, 1)", raises_in_pytorch=False)
def _(torch):
    torch.nn.MSELoss()(torch.randn(4), torch.randn(4, 1))


@case("M18 the same in a loss written by hand", raises_in_pytorch=False)
def _(torch):
    model = torch.nn.Linear(3, 1)
    loss = ((model(torch.randn(6, 3)) - torch.randn(6)) ** 2).mean()
    loss.backward()


@case("M18 a result much larger than its operands", raises_in_pytorch=False)
def _(torch):
    torch.ones(16_384, 1) + torch.ones(16_384)


# --- M19 ... M22: data ----------------------------------------------------------------------------------------------


@case("M19 Dataset without __len__")
def _(torch):
    class Pictures(torch.utils.data.Dataset):
        def __getitem__(self, index):
            return torch.zeros(3)

    next(iter(torch.utils.data.DataLoader(Pictures(), batch_size=2)))


@case("M19 Dataset without __getitem__")
def _(torch):
    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return 4

    next(iter(torch.utils.data.DataLoader(Pictures(), batch_size=2)))


def uneven(torch: Any, transform: Any = None) -> Any:
    class Pictures(torch.utils.data.Dataset):
        def __init__(self):
            self.transform = transform

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.zeros(3, 32, 32 + 8 * (index == 2)), index

    return Pictures()


@case("M19 shapes that differ inside a batch")
def _(torch):
    next(iter(torch.utils.data.DataLoader(uneven(torch), batch_size=4)))


@case("M20 Resize with an int keeps the aspect ratio", raises_in_pytorch=False)
def _(torch):
    transform = transforms.Compose([transforms.Resize(32), transforms.ToTensor()])
    next(iter(torch.utils.data.DataLoader(uneven(torch, transform), batch_size=4)))


@case("M20 an augmentation resizes some pictures", raises_in_pytorch=False)
def _(torch):
    pytest.importorskip("PIL")
    sometimes = transforms.RandomApply([transforms.Resize((40, 40))])
    data = datasets.FakeData(16, (3, 32, 32), transform=transforms.Compose([sometimes, transforms.ToTensor()]))
    torch.manual_seed(0)
    next(iter(torch.utils.data.DataLoader(data, batch_size=16)))


@case("M21 a lambda that worker processes cannot get")
def _(torch):
    spawned = {"num_workers": 2, "multiprocessing_context": "spawn"}  # the only way there is on Windows
    next(iter(torch.utils.data.DataLoader(range(4), collate_fn=lambda batch: batch, **spawned)))


def picture(mode: str) -> Any:
    return pytest.importorskip("PIL.Image").new(mode, (8, 8))


@case("M22 Normalize before ToTensor", raises_in_pytorch=False)
def _(torch):
    transforms.Compose([transforms.Normalize((0.5,), (0.5,)), transforms.ToTensor()])(picture("RGB"))


@case("M22 no ToTensor at all", raises_in_pytorch=False)
def _(torch):
    next(iter(torch.utils.data.DataLoader(datasets.FakeData(4, (3, 8, 8)), batch_size=4)))


@case("M22 three means for a grey picture", raises_in_pytorch=False)
def _(torch):
    transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])(picture("L"))


@case("M22 ToTensor twice", raises_in_pytorch=False)
def _(torch):
    transforms.Compose([transforms.ToTensor(), transforms.ToTensor()])(picture("L"))


@case("M22 ToPILImage of a picture", raises_in_pytorch=False)
def _(torch):
    transforms.ToPILImage()(picture("RGB"))


# --- M23, M24: files ------------------------------------------------------------------------------------------------


@case("M23 the structure differs at load")
def _(torch):
    nn = torch.nn
    saved = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Linear(1, 1))
    nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).load_state_dict(saved.state_dict())


@case("M23 saved from DataParallel")
def _(torch):
    model = torch.nn.Linear(2, 2)
    model.load_state_dict({f"module.{name}": value for name, value in model.state_dict().items()})


@case("M23 a whole checkpoint in place of its model entry")
def _(torch):
    model = torch.nn.Linear(2, 2)
    model.load_state_dict({"epoch": 3, "model_state_dict": model.state_dict()})


def saved_model(torch: Any, folder: str) -> tuple[str, Any]:
    """A whole model in a file, and the module `mynet` that its class Classifier lives in."""
    source = (
        "class Classifier(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(2, 2)\n\n"
        "    def forward(self, x):\n        return self.fc(x)\n"
    )
    module = types.ModuleType("mynet")
    vars(module)["nn"] = torch.nn
    exec(source, vars(module))
    sys.modules["mynet"] = module
    path = str(Path(folder, "model.pth"))
    torch.save(module.Classifier(), path)
    return path, module


@case("M24 bare torch.load of a whole model")
def _(torch):
    with tempfile.TemporaryDirectory() as folder:
        path, _ = saved_model(torch, folder)
        torch.load(path)


@case("M24 the class was moved")
def _(torch):
    with tempfile.TemporaryDirectory() as folder:
        path, module = saved_model(torch, folder)
        module.Classifier.__module__ = "mynet.models"
        del module.Classifier
        torch.load(path, weights_only=False)


@case("M24 the class was changed", raises_in_pytorch=False)
def _(torch):
    with tempfile.TemporaryDirectory() as folder:
        path, module = saved_model(torch, folder)

        def __init__(self):
            super(module.Classifier, self).__init__()
            self.fc = torch.nn.Linear(2, 2)
            self.dropout = torch.nn.Dropout(0.2)

        module.Classifier.__init__ = __init__
        torch.load(path, weights_only=False)


# --- M25, M27: training ---------------------------------------------------------------------------------------------


@case("M25 the loss is nan: an op made it", raises_in_pytorch=False)
def _(torch):
    w = torch.tensor([0.0, 1.0], requires_grad=True)
    probabilities = w * 1
    entropy = probabilities * torch.log(probabilities)
    loss = entropy.sum()
    loss.item()


@case("M25 the loss is nan: an op inside a module made it", raises_in_pytorch=False)
def _(torch):
    class Entropy(torch.nn.Module):
        def forward(self, x):
            return x * torch.log(x - x)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Sequential(torch.nn.ReLU(), Entropy())

        def forward(self, x):
            return self.head(x)

    Net()(torch.tensor([0.0, 1.0], requires_grad=True)).sum().item()


@case("M25 the loss is nan: the learning rate was too high", raises_in_pytorch=False)
def _(torch):
    w = torch.tensor([5.0, 1.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1e30)
    for _ in range(3):
        optimizer.zero_grad()
        loss = ((w * 3 - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
    loss = ((w * 3 - 1) ** 2).mean()
    loss.item()


@case("M27 scheduler.step() before optimizer.step()", raises_in_pytorch=False)
def _(torch):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    scheduler.step()


@case("M27 an optimiser over no parameters")
def _(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [torch.nn.Linear(2, 2)]

    torch.optim.SGD(Net().parameters(), lr=0.1)


@case("M27 an optimiser over another model's parameters", raises_in_pytorch=False)
def _(torch):
    model, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(other.named_parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()


@case("M27 an optimiser over results of operations")
def _(torch):
    torch.optim.SGD([torch.nn.Linear(2, 2).weight * 2], lr=0.1)


# --- M31: slips -----------------------------------------------------------------------------------------------------


@case("M31 model.parameters without ()")
def _(torch):
    torch.optim.SGD(torch.nn.Linear(2, 2).parameters, lr=1e-3)


@case("M31 loss.backwards()")
def _(torch):
    torch.ones(2, requires_grad=True).sum().backwards()


@case("M31 x.copy(y)")
def _(torch):
    torch.ones(2).copy(torch.zeros(2))


@case("M31 a name of torch mistyped")
def _(torch):
    torch.ons(2)


@case("M31 a layer mistyped")
def _(torch):
    torch.nn.Liner(2, 2)


@case("M31 a module's method mistyped")
def _(torch):
    torch.nn.Linear(2, 2).paramters()


@case("M31 X.to(torch.tensor)")
def _(torch):
    torch.ones(2).to(torch.tensor)


@case("M31 model.to(labels)")
def _(torch):
    torch.nn.Linear(2, 2).to(torch.zeros(2, dtype=torch.int64))


@case("M31 a tensor as a device")
def _(torch):
    torch.device(torch.ones(2))


# --- the fixed forms ------------------------------------------------------------------------------------------------

FIXED: dict[str, Callable[[], Any]] = {}


def fixed(name: str) -> Callable[[Callable], Callable]:
    def register(function: Callable) -> Callable:
        FIXED[name] = function
        return function

    return register


@fixed("M1 Linear(44944, 10)")
def _():
    assert small_net(rushlight, 44944)(flatten=True)(rushlight.randn(2, 1, 224, 224)).shape == (2, 10)


@fixed("M2 pictures of 32 and of 35 pixels")
def _():
    model = small_net(rushlight, 400)(flatten=False)
    assert model(rushlight.randn(3, 1, 32, 32)).shape == model(rushlight.randn(3, 1, 35, 35)).shape == (3, 10)


@fixed("M2 a view that splits every sample alike")
def _():
    assert rushlight.zeros(4, 3, 8, 8).view(-1, 64).shape == (12, 64)


@fixed("M4 device = 'cuda' if torch.cuda.is_available() else 'cpu'")
def _():
    device = rushlight.device("cuda" if rushlight.cuda.is_available() else "cpu")
    assert rushlight.nn.Linear(2, 2).to(device)(rushlight.ones(1, 2).to(device)).shape == (1, 2)


@fixed("M5, M6, M7, M8 as the messages say")
def _():
    x = rushlight.ones(3, requires_grad=True)
    y = x * x
    y.retain_grad()
    y.mean().backward(retain_graph=True)
    y.backward(rushlight.ones_like(y))
    assert x.grad.tolist() == pytest.approx([2 + 2 / 3] * 3)
    assert y.grad.tolist() == pytest.approx([1 + 1 / 3] * 3)


def train(batches: int, accumulate: int, zero: Callable[[Any, Any], None]) -> None:
    w = rushlight.ones(3, requires_grad=True)
    optimizer = rushlight.optim.Adam([w], lr=0.01)
    for _ in range(batches):
        zero(optimizer, w)
        for _ in range(accumulate):
            (w * w).sum().backward()
        optimizer.step()


@fixed("M9 zero_grad, in all its forms")
def _():
    train(6, 1, lambda optimizer, w: optimizer.zero_grad())
    train(6, 1, lambda optimizer, w: optimizer.zero_grad(set_to_none=False))
    train(6, 1, lambda optimizer, w: w.grad is not None and w.grad.zero_())
    train(6, 1, lambda optimizer, w: w.grad is not None and w.grad.data.zero_())


@fixed("M9 gradients accumulated on purpose")
def _():
    train(6, 4, lambda optimizer, w: optimizer.zero_grad())


@fixed("M10 out of place")
def _():
    w = rushlight.ones(3, requires_grad=True)
    (rushlight.exp(w) + 1).sum().backward()


@fixed("M17 target.long(), x.float()")
def _():
    rushlight.nn.CrossEntropyLoss()(rushlight.randn(4, 10), rushlight.zeros(4, dtype=rushlight.int32).long())
    rushlight.nn.Linear(3, 2)(rushlight.tensor([[1, 2, 3]]).float())


@fixed("M18 equal shapes, and pairwise differences that are meant")
def _():
    model = rushlight.nn.Linear(3, 1)
    output = model(rushlight.randn(5, 3))
    rushlight.nn.MSELoss()(output, rushlight.randn(5, 1)).backward()
    points = model(rushlight.randn(5, 3))
    (points - points.squeeze(1)).abs().sum().backward()


@fixed("M22 random transforms behind ToTensor work on tensors")
def _():
    steps = [transforms.ToTensor(), transforms.RandomHorizontalFlip(), transforms.Normalize((0.5,), (0.5,))]
    assert transforms.Compose(steps)(picture("L")).shape == (1, 8, 8)


@fixed("M25 a loss that is large and finite")
def _():
    assert (rushlight.tensor([1e15], requires_grad=True) ** 2).sum().item() > 1e29


@fixed("M31 flatten is not only for NumPy")
def _():
    assert rushlight.ones(2, 3, 4).flatten(1).shape == (2, 12)


# --- the checks -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_driver(monkeypatch):
    monkeypatch.setattr(importlib.import_module("rushlight.device"), "nvidia_driver", lambda: False)
    yield
    sys.modules.pop("mynet", None)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", CASES)
def test_answer_is_the_one_that_was_agreed(name, language):
    expected = json.loads(SNAPSHOTS.read_text(encoding="utf-8"))
    assert answer(CASES[name][0], language) == expected[name][language]


def test_no_answer_without_a_mistake():
    assert set(json.loads(SNAPSHOTS.read_text(encoding="utf-8"))) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_answer_says_what_to_do(name):
    said = json.loads(SNAPSHOTS.read_text(encoding="utf-8"))[name]
    assert "Fix: " in said["en"] or re.search("[Dd]id you mean", said["en"])
    assert "修复：" in said["zh"] or "是不是想写" in said["zh"]
    for line in said["en"].splitlines():  # what can be silenced ends with how
        assert ("AdviceWarning: " in line) == bool(
            re.search(r'\(To silence it: torch.config.silenced \+= " [a-z-]+"\.\)$', line)
        )


@pytest.mark.parametrize("name", [name for name, (_, raises) in CASES.items() if raises])
def test_class_is_pytorchs(name, oracle):
    function = CASES[name][0]
    theirs, _ = make(function, oracle)
    ours, _ = make(function, rushlight)
    assert isinstance(ours, type(theirs)), (repr(theirs), repr(ours))
    assert type(ours).__module__ != "builtins" or type(ours) is type(theirs)


WARNINGS = [name for name, (_, raises) in CASES.items() if not raises and name[:3] not in ("M20", "M22", "M24")]


@pytest.mark.parametrize("name", WARNINGS)
def test_warning_stands_at_the_users_line(name):
    start_anew()
    error, said = make(CASES[name][0], rushlight)
    assert error is None
    assert {Path(w.filename).parent for w in said} == {Path(__file__).parent}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_form_runs_and_is_silent(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FIXED[name]()


def test_python_itself_answers_for_a_mistyped_torch():
    script = "import rushlight as torch\ntoech.randn(2)"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert "name 'toech' is not defined. Did you mean: 'torch'?" in ran.stderr


if __name__ == "__main__":
    importlib.import_module("rushlight.device").nvidia_driver = lambda: False
    snapshots = {
        name: {language: answer(function, language) for language in ("en", "zh")}
        for name, (function, _) in CASES.items()
    }
    SNAPSHOTS.write_text(json.dumps(snapshots, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
