"""These tests look at how graphs are compiled, so none is taken from the disk or from another step: see test_plans.py for that."""

from __future__ import annotations

import pytest

from rushlight.backend.llvm import plans
from rushlight.compile import native


class Forgetful(dict):
    """Keeps nothing."""

    def __setitem__(self, key: object, value: object) -> None:
        pass


@pytest.fixture(autouse=True)
def compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "load", lambda key, graph: None)
    monkeypatch.setattr(native, "_codes", Forgetful())
