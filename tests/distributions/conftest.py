"""Most tests run on the NumPy backend: they are about formulas, and compile nothing."""

from __future__ import annotations

import pytest
from two_libraries import Side, torch

import rushlight
from rushlight import config


@pytest.fixture(autouse=True)
def _reference_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "backend", "numpy")


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """Ours, and PyTorch's."""
    return Side(rushlight), Side(torch)
