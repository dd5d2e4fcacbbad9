"""Version strings, beside PyTorch's."""

from __future__ import annotations

import operator

import pytest

from rushlight.torch_version import TorchVersion

theirs = pytest.importorskip("torch.torch_version").TorchVersion
VERSIONS = [
    "2.13.0+rushlight.0.1.0",
    "2.13.0",
    "2.5",
    "2.13",
    "1.10.0a0",
    "1.10.0rc1",
    "1.10.0",
    "2.0.0.dev2023",
    "1.8.1+cu101",
]


@pytest.mark.parametrize("version", VERSIONS)
def test_order(version):
    for other in [*VERSIONS, (2, 13), (1,), (2, 13, 0)]:
        for compare in (operator.lt, operator.le, operator.eq, operator.ge, operator.gt):
            assert compare(TorchVersion(version), other) == compare(theirs(version), other), (compare.__name__, other)
        assert (TorchVersion(version) != other) is not (TorchVersion(version) == other)
    assert isinstance(TorchVersion(version), str) and {TorchVersion(version): 1}[version] == 1
