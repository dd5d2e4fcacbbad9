"""Shared by all tests: the `nightly` marker, and real PyTorch as an oracle where it is installed."""

from __future__ import annotations

import warnings

import pytest

# Scripts are run as programs, under both libraries; fixtures hold no examples.
collect_ignore_glob = ["parity/scripts/*", "conftest.py", "*/conftest.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "nightly: long runs; left out unless asked for with -m nightly")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "nightly" in (config.getoption("markexpr") or ""):
        return
    skip = pytest.mark.skip(reason="nightly; run with -m nightly")
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def oracle():
    """Real PyTorch; tests that ask for it are skipped where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture
def clean_modes():
    """Leave grad mode, default dtype and pending work as they were found."""
    import rushlight
    from rushlight.lazy.step import flush

    kind = rushlight.get_default_dtype()
    yield
    flush()
    rushlight.set_default_dtype(kind)
