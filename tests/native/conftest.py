"""These tests look at how graphs are compiled, so none is taken from the disk: see test_plans.py for that."""

from __future__ import annotations

import pytest

from rushlight.backend.llvm import plans


@pytest.fixture(autouse=True)
def compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "load", lambda key, graph: None)
