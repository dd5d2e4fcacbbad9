"""What the check-up of a training loop says (M12 to M16, M27 to M29), each mistake as people make it."""

from __future__ import annotations

from typing import Any

from mistakes import case

from rushlight.vision import datasets, transforms


def regular_net(torch: Any, last: Any = None) -> Any:
    """A network with Dropout and BatchNorm, whose last layer may be one too many."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 6)
            self.norm = nn.BatchNorm1d(6)
            self.drop = nn.Dropout(0.5)
            self.head = nn.Sequential(nn.Linear(6, 3), *([last] if last is not None else []))

        def forward(self, x):
            return self.head(self.drop(torch.relu(self.norm(self.fc(x)))))

    return Net()


def data(torch: Any) -> tuple[Any, Any]:
    return torch.randn(8, 4), torch.arange(8) % 3


def train(torch: Any, model: Any, steps: int = 2, optimizer: Any = None) -> None:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, targets = data(torch)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


def evaluate(torch: Any, model: Any) -> int:
    inputs, targets = data(torch)
    with torch.no_grad():
        outputs = model(inputs)
        return (outputs.argmax(1) == targets).sum().item()


@case("M12 model.eval() was forgotten: Dropout and BatchNorm", raises_in_pytorch=False)
def _(torch):
    model = regular_net(torch)
    train(torch, model)
    for _ in range(3):
        evaluate(torch, model)


@case("M12 model.eval() was forgotten: Dropout alone", raises_in_pytorch=False)
def _(torch):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout())
    train(torch, model)
    evaluate(torch, model)


@case("M13 softmax, then CrossEntropyLoss, seen through a view", raises_in_pytorch=False)
def _(torch):
    model = regular_net(torch, torch.nn.Softmax(dim=1))
    inputs, targets = data(torch)
    outputs = model(inputs).view(-1, 3)
    loss = torch.nn.CrossEntropyLoss()(outputs, targets)
    loss.backward()


@case("M13 softmax, then CrossEntropyLoss, with a print between", raises_in_pytorch=False)
def _(torch):
    inputs, targets = data(torch)
    weight = torch.randn(4, 3, requires_grad=True)
    probabilities = torch.softmax(inputs @ weight, dim=1)
    str(probabilities)
    torch.nn.functional.cross_entropy(probabilities, targets).backward()


@case("M13 softmax, then CrossEntropyLoss with probabilities as targets", raises_in_pytorch=False)
def _(torch):
    inputs, targets = data(torch)
    weight = torch.randn(4, 3, requires_grad=True)
    outputs = torch.softmax(inputs @ weight, dim=1)
    torch.nn.functional.cross_entropy(outputs, torch.nn.functional.one_hot(targets, 3).float()).backward()


@case("M13 softmax, then NLLLoss", raises_in_pytorch=False)
def _(torch):
    model = regular_net(torch, torch.nn.Softmax(dim=1))
    inputs, targets = data(torch)
    torch.nn.NLLLoss()(model(inputs), targets).backward()


@case("M13 sigmoid, then BCEWithLogitsLoss", raises_in_pytorch=False)
def _(torch):
    model = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid())
    inputs, targets = data(torch)
    torch.nn.BCEWithLogitsLoss()(model(inputs).squeeze(1), (targets > 0).float()).backward()


@case("M14 log_softmax, then CrossEntropyLoss", raises_in_pytorch=False)
def _(torch):
    model = regular_net(torch, torch.nn.LogSoftmax(dim=1))
    inputs, targets = data(torch)
    torch.nn.CrossEntropyLoss()(model(inputs), targets).backward()


@case("M15 BCELoss on raw outputs")
def _(torch):
    outputs = torch.tensor([[-1.5], [0.25], [3.0]], requires_grad=True)
    loss = torch.nn.BCELoss()(outputs, torch.ones(3, 1))
    loss.item()


@case("M15 BCELoss with targets that are class numbers")
def _(torch):
    torch.nn.BCELoss()(torch.full((3,), 0.5), torch.tensor([0.0, 1.0, 2.0])).item()


@case("M16 target 12 with 10 outputs")
def _(torch):
    model = torch.nn.Linear(4, 10)
    targets = torch.tensor([0, 12, 3])
    torch.nn.CrossEntropyLoss()(model(torch.ones(3, 4)), targets).item()


@case("M16 a negative target")
def _(torch):
    torch.nn.CrossEntropyLoss()(torch.zeros(2, 10), torch.tensor([0, -1])).item()


@case("M27 a layer that the loss does not use", raises_in_pytorch=False)
def _(torch):
    model = regular_net(torch)
    model.head.add_module("spare", torch.nn.Identity())
    model.aside = torch.nn.Linear(2, 2)
    train(torch, model, 12)


@case("M27 a layer replaced after the optimiser was made", raises_in_pytorch=False)
def _(torch):
    model = regular_net(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.fc = torch.nn.Linear(4, 6)
    train(torch, model, 12, optimizer)


@case("M27 the model is converted after the optimiser has made its state", raises_in_pytorch=False)
def _(torch):
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    train(torch, model, 2, optimizer)
    model.double()
    model(torch.ones(2, 4, dtype=torch.float64)).sum().backward()
    optimizer.step()


@case("total += loss keeps the history", raises_in_pytorch=False)
def _(torch):
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, targets = data(torch)
    total = 0.0
    for _ in range(4):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        total += loss * len(inputs)


class Pictures(datasets.FakeData):
    """Eight grey pictures; no download."""

    def __init__(self, transform: Any) -> None:
        super().__init__(8, (1, 8, 8), 3, transform)


@case("M28 augmentation on the test set", raises_in_pytorch=False)
def _(torch):
    train(torch, torch.nn.Linear(4, 3))
    flips = [transforms.RandomHorizontalFlip(), transforms.ColorJitter(), transforms.ToTensor()]
    loader = torch.utils.data.DataLoader(Pictures(transforms.Compose(flips)), batch_size=4)
    with torch.no_grad():
        for _ in range(2):
            for _pictures, _labels in loader:
                pass


@case("M28 a part of the training set, split off with its augmentation", raises_in_pytorch=False)
def _(torch):
    train(torch, torch.nn.Linear(4, 3))
    whole = Pictures(transforms.Compose([transforms.RandomRotation(15), transforms.ToTensor()]))
    training, validation = torch.utils.data.random_split(whole, [4, 4])
    for _batch in torch.utils.data.DataLoader(training):
        pass
    with torch.no_grad():
        for _batch in torch.utils.data.DataLoader(validation):
            pass


@case("M29 a pruned layer is no smaller", raises_in_pytorch=False)
def _(torch):
    prune = torch.nn.utils.prune
    layer = torch.nn.Linear(10, 4)
    prune.l1_unstructured(layer, name="weight", amount=0.3)
    prune.remove(layer, "weight")
