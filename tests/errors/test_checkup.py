"""The check-up is silent about what people do on purpose, tells each thing once, and can be silenced by name."""

from __future__ import annotations

import copy
import importlib
import string
import warnings
from collections.abc import Callable
from typing import Any

import mistakes_in_training as mistakes
import pytest
from mistakes import make, start_anew

import rushlight
from rushlight import config, nn, optim
from rushlight.errors import AdviceWarning
from rushlight.lazy.grow import WATCHERS
from rushlight.lessons import AdviceWarning as Advice
from rushlight.lessons import catalogue, say, warn
from rushlight.nn import functional as F
from rushlight.vision import transforms

SILENT: dict[str, Callable[[], Any]] = {}


def legitimate(function: Callable[[], Any]) -> Callable[[], Any]:
    SILENT[function.__name__] = function
    return function


@pytest.fixture(autouse=True)
def anew():
    start_anew()


def data() -> tuple[Any, Any]:
    return mistakes.data(rushlight)


def trained(last: Any = None) -> Any:
    model = mistakes.regular_net(rushlight, last)
    mistakes.train(rushlight, model)
    return model


# --- softmax and losses ---------------------------------------------------------------------------------------------


@legitimate
def log_softmax_then_nll_loss():
    inputs, targets = data()
    model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=1))
    nn.NLLLoss()(model(inputs), targets).backward()


@legitimate
def softmax_as_attention():
    inputs, targets = data()
    query = nn.Linear(4, 4)
    weights = torch_softmax(query(inputs) @ inputs.T)
    F.cross_entropy(nn.Linear(4, 3)(weights @ inputs), targets).backward()


def torch_softmax(x: Any) -> Any:
    return rushlight.softmax(x, dim=-1)


@legitimate
def softmax_of_a_teacher_as_target():
    inputs, _ = data()
    student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
    with rushlight.no_grad():
        target = torch_softmax(teacher(inputs))
    F.cross_entropy(student(inputs), target).backward()
    F.kl_div(F.log_softmax(student(inputs), 1), target, reduction="batchmean").backward()


@legitimate
def probabilities_beside_the_loss():
    inputs, targets = data()
    outputs = nn.Linear(4, 3)(inputs)
    torch_softmax(outputs).tolist()
    F.cross_entropy(outputs, targets).backward()


@legitimate
def log_of_softmax_then_nll():
    inputs, targets = data()
    F.nll_loss(torch_softmax(nn.Linear(4, 3)(inputs)).log(), targets).backward()


@legitimate
def sigmoid_then_bce():
    inputs, targets = data()
    nn.BCELoss()(nn.Linear(4, 1)(inputs).sigmoid().squeeze(1), (targets > 0).float()).backward()


@legitimate
def an_entropy_term_from_log_softmax():
    inputs, targets = data()
    logs = F.log_softmax(nn.Linear(4, 3)(inputs), 1)
    (F.nll_loss(logs, targets) + (logs.exp() * logs).sum(1).mean()).backward()


# --- modes ----------------------------------------------------------------------------------------------------------


@legitimate
def eval_mode():
    mistakes.evaluate(rushlight, trained().eval())


@legitimate
def a_model_that_was_never_trained():
    mistakes.evaluate(rushlight, mistakes.regular_net(rushlight))


@legitimate
def dropout_left_on_for_samples_of_the_prediction():
    model = trained().eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    mistakes.evaluate(rushlight, model)


@legitimate
def functional_dropout_asked_for():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return F.dropout(self.fc(x), 0.5, training=True)

    model = Net()
    mistakes.train(rushlight, model)
    mistakes.evaluate(rushlight, model)


@legitimate
def statistics_of_batch_norm_anew():
    inputs, _ = data()
    optim.swa_utils.update_bn([inputs, inputs], trained())


@legitimate
def a_generator_within_the_step_of_a_discriminator():
    inputs, _ = data()
    generator, judge = trained(), nn.Linear(3, 1)
    optimizer = optim.SGD(judge.parameters(), lr=0.1)
    with rushlight.no_grad():
        made = generator(inputs)
    judge(made).mean().backward()
    optimizer.step()


@legitimate
def pictures_of_a_generator_in_training_mode():
    generator = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3), nn.Tanh())
    mistakes.train(rushlight, generator)
    with rushlight.no_grad():
        made = generator(data()[0]).detach()
    made.abs().mean().item()


@legitimate
def a_schedule_looked_at_for_itself():
    optimizer = optim.SGD([rushlight.zeros(2, requires_grad=True)], lr=0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2)
    for _ in range(12):
        optimizer.step()
        scheduler.step()


@legitimate
def a_momentum_encoder_within_a_model():
    class Contrast(nn.Module):
        def __init__(self):
            super().__init__()
            self.query = mistakes.regular_net(rushlight)
            self.key = copy.deepcopy(self.query)

        def forward(self, x):
            query = self.query(x)
            with rushlight.no_grad():
                key = self.key(x)
                key.tolist()
            return query * key

    model = Contrast()
    mistakes.train(rushlight, model)
    model(data()[0][:5]).sum().backward()


@legitimate
def checkpointed_blocks():
    from rushlight.utils.checkpoint import checkpoint

    block = trained()
    inputs, _ = data()
    for count in (8, 5):
        checkpoint(block, inputs[:count].clone().requires_grad_(), use_reentrant=True).sum().backward()


@legitimate
def a_block_called_by_a_function_of_ones_own():
    class Straight(rushlight.autograd.Function):
        @staticmethod
        def forward(ctx, x, block):
            x.tolist()
            y = block(x)
            y.tolist()
            return y

        @staticmethod
        def backward(ctx, grad):
            return grad @ rushlight.ones(3, 4), None

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.block = nn.Linear(4, 4), trained()

        def forward(self, x):
            return Straight.apply(self.fc(x), self.block)

    Net()(data()[0]).sum().backward()


@legitimate
def the_training_loss_printed_before_its_backward():
    model = trained()
    inputs, targets = data()
    for count in (8, 5):
        loss = F.cross_entropy(model(inputs[:count]), targets[:count])
        loss.item()
        loss.backward()


# --- gradients and sums of losses -------------------------------------------------------------------------------------


def loop(after: Callable[[Any, int], Any], micro_batches: int = 1, steps: int = 6) -> None:
    model = nn.Linear(4, 3)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    inputs, targets = data()
    for step in range(steps):
        optimizer.zero_grad()
        for _ in range(micro_batches):
            loss = F.cross_entropy(model(inputs), targets)
            (loss / micro_batches).backward()
            after(loss, step)
        optimizer.step()


@legitimate
def gradients_accumulated_over_micro_batches():
    loop(lambda loss, step: None, micro_batches=4)


@legitimate
def the_total_of_numbers():
    totals = [0.0, 0.0]

    def add(loss, step):
        totals[0] += loss.item()
        totals[1] += loss.detach()

    loop(add)


@legitimate
def the_total_under_no_grad():
    totals = [rushlight.zeros(())]

    def add(loss, step):
        with rushlight.no_grad():
            totals[0] += loss

    loop(add)


@legitimate
def two_losses_added_to_be_printed():
    first, second = nn.Linear(4, 1), nn.Linear(4, 1)
    inputs, _ = data()
    for _ in range(4):
        a, b = first(inputs).mean() + 1, second(inputs).mean()
        a.backward()
        b.backward()
        (a + b).item()


@legitimate
def a_sum_of_losses_differentiated_at_the_end():
    cell = nn.Linear(3, 3)
    for _ in range(3):
        state, total = rushlight.ones(2, 3), 0
        for _ in range(4):
            state = cell(state).tanh()
            total += state.mean()
            state.tolist()
        total.backward()


@legitimate
def one_graph_used_by_two_backwards():
    weight, total = rushlight.ones(3, requires_grad=True), 0
    for _ in range(3):
        loss = (weight * weight).sum()
        loss.backward(retain_graph=True)
        total = total + loss
    total.backward()


@legitimate
def frozen_parameters():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    mistakes.train(rushlight, model, 12, optim.SGD(model.parameters(), lr=0.1))


@legitimate
def two_parts_trained_in_turn():
    first, second = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    inputs, targets = data()
    for step in range(14):
        optimizer.zero_grad()
        F.cross_entropy((first, second)[step % 2](inputs), targets).backward()
        optimizer.step()


@legitimate
def converted_before_the_optimiser_is_made():
    model = nn.Linear(4, 3).double()
    optimizer = optim.Adam(model.parameters())
    for _ in range(2):
        model(rushlight.ones(2, 4, dtype=rushlight.float64)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()


@legitimate
def one_number_in_double_precision():
    temperature = nn.Parameter(rushlight.tensor(1.0, dtype=rushlight.float64))
    optimizer = optim.NAdam([temperature])  # which keeps a product in single precision
    temperature.square().backward()
    optimizer.step()


@legitimate
def a_state_that_was_loaded_after_the_conversion():
    model = nn.Linear(4, 3)
    optimizer = optim.Adam(model.parameters())
    mistakes.train(rushlight, model, 2, optimizer)
    state = optimizer.state_dict()
    model.double()
    optimizer = optim.Adam(model.parameters())
    optimizer.load_state_dict(state)
    model(rushlight.ones(2, 4, dtype=rushlight.float64)).sum().backward()
    optimizer.step()


# --- data -----------------------------------------------------------------------------------------------------------

_FLIP = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])


def read(dataset: Any) -> None:
    for _ in rushlight.utils.data.DataLoader(dataset, batch_size=4):
        pass


@legitimate
def augmentation_of_what_is_trained_on():
    trained()
    pictures = mistakes.Pictures(_FLIP)
    read(pictures)
    with rushlight.no_grad():
        read(pictures)  # the accuracy on the training set


@legitimate
def evaluation_without_random_steps():
    trained()
    steps = [
        transforms.Resize((8, 8)),
        transforms.CenterCrop(8),
        transforms.RandomHorizontalFlip(p=0),
        transforms.ToTensor(),
    ]
    with rushlight.no_grad():
        read(mistakes.Pictures(transforms.Compose(steps)))
        read([(rushlight.ones(2), 0)] * 8)


@legitimate
def pictures_looked_at_before_anything_is_trained():
    with rushlight.no_grad():
        read(mistakes.Pictures(_FLIP))


@pytest.mark.parametrize("name", SILENT)
def test_says_nothing_about(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SILENT[name]()


# --- once, and silenced ---------------------------------------------------------------------------------------------


def forget_eval() -> None:
    model = trained()
    for count in (8, 6, 5):  # structures of their own, from one line
        with rushlight.no_grad():
            model(rushlight.randn(count, 4)).sum().item()


def heard(function: Callable[[], Any]) -> list[warnings.WarningMessage]:
    error, said = make(lambda torch: function(), rushlight)
    assert error is None
    return said


def test_each_thing_is_told_once_for_each_place():
    (only,) = heard(forget_eval)
    assert only.category is AdviceWarning is Advice and issubclass(AdviceWarning, UserWarning)
    assert heard(forget_eval) == []


@pytest.mark.parametrize("silenced", ["eval-forgotten", "other, eval-forgotten", "other eval-forgotten"])
def test_silenced_by_name(monkeypatch, silenced):
    monkeypatch.setattr(config, "silenced", silenced)
    assert heard(forget_eval) == []


def test_other_names_do_not_silence(monkeypatch):
    monkeypatch.setattr(config, "silenced", "eval")
    assert len(heard(forget_eval)) == 1


def test_the_words_that_silence_do():
    text = str(heard(forget_eval)[0].message)
    before = config.silenced
    try:
        exec(text.partition("To silence it: ")[2].removesuffix(".)"), {"torch": rushlight})
        start_anew()
        assert heard(forget_eval) == []
    finally:
        config.silenced = before


def test_a_repeated_step_is_not_looked_at(monkeypatch):
    looks = []
    backward = importlib.import_module("rushlight.autograd.backward")
    monkeypatch.setattr(backward, "advise", lambda *given: looks.append("advise"))
    for op in list(WATCHERS):
        monkeypatch.setitem(WATCHERS, op, lambda trace, entry: looks.append(entry.op.name))
    model = mistakes.regular_net(rushlight)
    optimizer = optim.Adam(model.parameters())
    inputs, targets = data()

    def steps(count):
        looks.clear()
        for _ in range(count):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    steps(3)
    assert "advise" in looks and "batch_norm_op" in looks and "bernoulli_op" in looks
    steps(4)
    assert looks == []


def test_a_filter_of_the_class_silences_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=rushlight.errors.AdviceWarning)
        forget_eval()


def test_a_language_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(config, "language", "de")
    assert say("backward-not-scalar", shape=[2]).count("config.language: got 'de'") == 1
    assert say("comma") == ", "


@pytest.mark.parametrize("setting", ["zh", "zh_CN", "ZH-hans"])
def test_spellings_of_chinese(monkeypatch, setting):
    monkeypatch.setattr(config, "language", setting)
    assert say("no-accelerator/none") == "没有"


def test_settings_from_the_environment(tmp_path):
    import os
    import subprocess
    import sys

    code = "import rushlight as torch\nprint(torch.config.silenced)\nx = torch.ones(2, requires_grad=True) * 2\nx.backward()"
    variables = {"RUSHLIGHT_LANGUAGE": "zh", "RUSHLIGHT_SILENCED": "a b", "PYTHONUTF8": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=os.environ | variables
    )
    assert ran.stdout == "a b\n" and "形状为 [2]" in ran.stderr


# --- the catalogue --------------------------------------------------------------------------------------------------


def fields(text: str | None) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text or "") if name is not None}


@pytest.mark.parametrize("name", catalogue())
def test_both_languages_say_the_same_facts(name):
    lesson = catalogue()[name]
    assert (lesson.fix_en is None) == (lesson.fix_zh is None)
    known = fields(lesson.en) | fields(lesson.fix_en)
    chinese = fields(lesson.zh) | fields(lesson.fix_zh)
    assert known == chinese
    for text in (lesson.en, lesson.fix_en):
        assert text is None or text.isascii()


def test_nothing_is_loaded_before_something_is_said():
    import subprocess
    import sys

    code = "import sys, rushlight, rushlight.nn, rushlight.optim; print([m for m in sys.modules if m.startswith('rushlight.lessons.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_warnings_name_the_module_that_was_running():
    class Net(nn.Module):
        def forward(self, x):
            warn("forward-called", name="Other")
            return x

    (said,) = heard(lambda: nn.Sequential(Net())(rushlight.ones(1)))
    assert "In module: Sequential.0 (Net)." in str(said.message)


def test_explain_prints_the_recorded_graph():  # M30: the graph is made anew by every run of the code
    x = rushlight.ones(3)
    for scale in (2, -2):
        y = x * scale
        (y + 1 if y.sum() > 0 else y - 1).tolist()
    text = repr(rushlight.explain())
    assert "sub(" in text and "left the known path" in text and importlib.import_module(__name__).__file__ in text
