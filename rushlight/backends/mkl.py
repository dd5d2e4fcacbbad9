"""`torch.backends.mkl`: MKL is not used."""

from __future__ import annotations


def is_available() -> bool:
    """False: no MKL is looked for."""
    return False


VERBOSE_OFF, VERBOSE_ON = 0, 1


class verbose:
    """Accepted; there is nothing that could report."""

    def __init__(self, enable: int) -> None:
        self.enable = enable

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *error: object) -> None:
        return None
