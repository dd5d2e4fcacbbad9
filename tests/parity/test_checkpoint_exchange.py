"""A checkpoint written half way by one library resumes in the other: the same bits in, the same numbers on."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here: make oracle")

OPTIMIZERS = {
    "sgd": lambda library, p: library.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adam": lambda library, p: library.optim.Adam(p, lr=1e-2),
    "adamw": lambda library, p: library.optim.AdamW(p, lr=1e-2),
    "rmsprop": lambda library, p: library.optim.RMSprop(p, lr=1e-3, momentum=0.5),
}


class Run:
    """A model, its optimiser and fixed batches in one library."""

    def __init__(self, library, optimizer: str, seed: int):
        library.manual_seed(seed)
        nn = library.nn
        self.library = library
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3))
        self.optimizer = OPTIMIZERS[optimizer](library, self.model.parameters())
        rng = np.random.default_rng(0)
        self.x = library.from_numpy(rng.standard_normal((20, 6)).astype(np.float32))
        self.y = library.from_numpy(rng.integers(0, 3, 20))

    def steps(self, count: int) -> float:
        for _ in range(count):
            self.optimizer.zero_grad()
            loss = self.library.nn.functional.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
        return loss.item()

    def save(self, path) -> None:
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "epoch": 3}
        self.library.save(state, path)

    def resume(self, path) -> None:
        state = self.library.load(path)
        assert state["epoch"] == 3
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])

    def arrays(self) -> dict[str, np.ndarray]:
        found = {f"model.{k}": v.detach().numpy() for k, v in self.model.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            for key, value in state.items():
                found[f"optimizer.{index}.{key}"] = value.numpy() if hasattr(value, "numpy") else np.array(value)
        return found


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("writer, reader", [(torch, rushlight), (rushlight, torch)], ids=["from_torch", "to_torch"])
def test_resume_in_the_other_library(tmp_path, writer, reader, optimizer):
    path = tmp_path / "half_way.pth"
    first, second = Run(writer, optimizer, seed=1), Run(reader, optimizer, seed=2)
    first.steps(3)
    first.save(path)
    second.resume(path)
    before, after = first.arrays(), second.arrays()
    assert before.keys() == after.keys()
    for key, array in before.items():
        assert array.dtype == after[key].dtype and array.tobytes() == after[key].tobytes(), key
    assert second.steps(4) == pytest.approx(first.steps(4), abs=1e-5)
