"""The programs that introductions to PyTorch show, with the import changed and nothing else, and the figures that they print (R16, R17).

A block is source text as a reader would type it, run with `torch` standing for Rushlight; then it is asked what it has computed. Blocks
that cannot run as they are written must raise what teaches (tests/errors has the wording).
"""

from __future__ import annotations

import math
import os
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight import vision

ROOT = os.environ.get("RUSHLIGHT_DATA", str(Path(__file__).parents[3] / "shared" / "data"))


def run(source: str, **names: Any) -> dict[str, Any]:
    space = {
        "torch": rushlight,
        "nn": rushlight.nn,
        "F": rushlight.nn.functional,
        "optim": rushlight.optim,
        "np": np,
        **names,
    }
    rushlight.manual_seed(0)
    exec(compile(textwrap.dedent(source), "document", "exec"), space)
    return space


def test_the_first_gradient_prints(capsys):
    run("""
        x = torch.tensor([2.0], requires_grad=True)
        y = x ** 2
        y.backward()
        print(x.grad)
    """)
    assert capsys.readouterr().out == "tensor([4.])\n"


def test_tensors_and_numpy_share_memory():
    found = run("""
        data = [[1, 2], [3, 4]]
        x = torch.tensor(data)
        ones = torch.ones_like(x)
        rand = torch.rand_like(x, dtype=torch.float)
        shape = (2, 3,)
        zeros = torch.zeros(shape)
        t = torch.ones(5)
        n = t.numpy()
        t.add_(1)
        a = np.ones(5)
        b = torch.from_numpy(a)
        np.add(a, 1, out=a)
        tensor = torch.ones(4, 4)
        tensor[:, 1] = 0
        joined = torch.cat([tensor, tensor, tensor], dim=1)
        agg = tensor.sum()
        text = f"{agg.item():.4f} {agg:.4f}"
        correct = 0 + torch.sum(tensor == 1)
    """)
    assert found["n"].tolist() == [2.0] * 5 and found["b"].tolist() == [2.0] * 5
    assert found["zeros"].shape == (2, 3) and found["rand"].dtype is rushlight.float32
    assert found["joined"].shape == (4, 12) and found["text"] == "12.0000 12.0000" and found["correct"].item() == 12


def test_linear_regression_by_hand():
    found = run("""
        x = torch.tensor([1.0, 2.0, 3.0, 4.0])
        y = torch.tensor([2.0, 4.0, 6.0, 8.0])
        w = torch.tensor(0.0, requires_grad=True)
        b = torch.tensor(0.0, requires_grad=True)
        for epoch in range(100):
            y_pred = w * x + b
            loss = ((y_pred - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                w -= 0.01 * w.grad
                b -= 0.01 * b.grad
            w.grad.zero_()
            b.grad.zero_()
    """)
    assert found["w"].item() == pytest.approx(1.846347, abs=1e-6)
    assert found["b"].item() == pytest.approx(0.451757, abs=1e-6)


NETWORK = """
    class Net(nn.Module):
        def __init__(self):
            super(Net, self).__init__()
            self.conv1 = nn.Conv2d(1, 32, 3, 1)
            self.conv2 = nn.Conv2d(32, 64, 3, 1)
            self.dropout1 = nn.Dropout2d(0.25)
            self.dropout2 = nn.Dropout2d(0.5)
            self.fc1 = nn.Linear(9216, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x):
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = F.max_pool2d(x, 2)
            x = self.dropout1(x)
            x = torch.flatten(x, 1)
            x = F.relu(self.fc1(x))
            x = self.dropout2(x)
            return F.log_softmax(self.fc2(x), dim=1)

    model = Net()
"""


@pytest.mark.filterwarnings("ignore")
def test_a_convolutional_network_is_trained_and_saved(tmp_path):
    found = run(
        textwrap.dedent(NETWORK)
        + textwrap.dedent("""
            images, labels = torch.randn(8, 1, 28, 28), torch.randint(0, 10, (8,))
            criterion = nn.NLLLoss()
            optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, 'min', patience=3)
            losses = []
            for epoch in range(6):
                model.train()
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
                scheduler.step(loss.item())
                losses.append(loss.item())
            model.eval()
            with torch.no_grad():
                before = model(images)
            torch.save({'epoch': epoch, 'model_state_dict': model.state_dict(), 'optimizer_state_dict': optimizer.state_dict(), 'loss': loss}, path)
            again = Net()
            checkpoint = torch.load(path)
            result = again.load_state_dict(checkpoint['model_state_dict'], strict=True)
            again.eval()
            with torch.no_grad():
                after = again(images)
            torch.nn.utils.prune.l1_unstructured(again.fc1, name='weight', amount=0.3)
        """),
        path=str(tmp_path / "model.pth"),
    )
    assert found["losses"][0] == pytest.approx(math.log(10), abs=0.4) and min(found["losses"]) < found["losses"][0]
    assert found["before"].tolist() == found["after"].tolist() and found["checkpoint"]["epoch"] == 5
    assert found["result"].missing_keys == [] and found["result"].unexpected_keys == []
    zeros = (found["again"].fc1.weight == 0).float().mean().item()
    assert zeros == pytest.approx(0.3, abs=1e-4)


def test_metrics_and_splits_of_scikit_learn():
    pytest.importorskip("sklearn")
    found = run("""
        from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
        from sklearn.model_selection import train_test_split
        outputs = torch.tensor([[0.1, 2.0], [1.5, 0.2], [0.3, 0.4], [2.0, 1.0]])
        labels = torch.tensor([1, 0, 0, 0])
        _, predicted = torch.max(outputs, 1)
        accuracy = accuracy_score(labels.numpy(), predicted.numpy())
        scores = [score(labels, predicted) for score in (precision_score, recall_score, f1_score)]
        train, test = train_test_split(list(range(10)), test_size=0.2, random_state=42)
    """)
    assert found["accuracy"] == 0.75 and found["scores"] == pytest.approx([0.5, 1.0, 2 / 3])
    assert (len(found["train"]), len(found["test"])) == (8, 2)


def test_transforms_and_sizes():
    found = run(
        """
        transform = transforms.Compose([
            transforms.ToPILImage(), transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ])
        picture = transform(torch.full((3, 300, 400), 0.5))
        one_hot = transforms.Lambda(lambda y: torch.zeros(10, dtype=torch.float).scatter_(0, torch.tensor(y), value=1))(3)
        """,
        transforms=vision.transforms,
    )
    assert found["picture"].shape == (3, 224, 224) and found["one_hot"].tolist() == [0.0] * 3 + [1.0] + [0.0] * 6
    half = math.floor(0.5 * 255) / 255  # as a picture of bytes holds it
    assert found["picture"][0, 5, 5].item() == pytest.approx((half - 0.485) / 0.229, abs=1e-2)


SLIPS = {
    "a network for one channel gets three": (NETWORK + "    model(torch.randn(1, 3, 32, 32))", RuntimeError, "channel"),
    "a picture too large for the linear layer": (NETWORK + "    model(torch.randn(1, 1, 32, 32))", RuntimeError, "9216"),
    "pixels that do not fill the view": ("x = torch.randn(1, 44944)\nx.view(-1, 16 * 5 * 5)", RuntimeError, "44944"),
    "parameters, not called": ("model = nn.Linear(2, 2)\noptim.SGD(model.parameters, lr=0.1)", TypeError, "call it"),
    "backwards": ("x = torch.ones(1, requires_grad=True)\n(x * 2).sum().backwards()", AttributeError, "backward"),
    "copy": ("torch.ones(2).copy(torch.zeros(2))", AttributeError, "copy_"),
    "to a tensor's device": ("torch.ones(2).to('tensor')", RuntimeError, "device"),
    "a second backward": ("x = torch.ones(1, requires_grad=True)\ny = (x * x).sum()\ny.backward()\ny.backward()", RuntimeError, "retain_graph"),
    "no gradient asked for": ("(torch.ones(2) * 2).sum().backward()", RuntimeError, "requires_grad"),
    "a vector's backward": ("(torch.ones(2, requires_grad=True) * 2).backward()", RuntimeError, "scalar"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_block_that_cannot_run_says_why(slip):
    source, kind, text = SLIPS[slip]
    with pytest.raises(kind, match=text):
        run(source)


def test_fashion_mnist_after_five_epochs_from_a_fresh_start():
    """64.9 % after the fifth epoch; needs the whole data set."""
    import parity_programs as programs

    try:
        data = [vision.datasets.FashionMNIST(ROOT, train=train) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        pytest.skip(f"needs FashionMNIST (RUSHLIGHT_DATA=DIR says where): {error}")
    if len(data[0]) != 60_000:
        pytest.skip(f"needs all 60,000 pictures: {len(data[0]):,} are here, and fewer steps reach less")
    train, test = ((d.data.numpy(), d.targets.numpy()) for d in data)
    printed = programs.fashion(rushlight, train, test, epochs=5, shuffle=True, every=100)
    accuracies = [value for name, value in printed if name == "accuracy"]
    assert accuracies[-1] == pytest.approx(64.9, abs=2.0)
