"""`torch.utils.collect_env`: what is needed to judge a report from another machine; as a program, prints it."""

from __future__ import annotations

from rushlight.cli.info import info

__all__ = ["get_pretty_env_info", "main"]


def get_pretty_env_info() -> str:
    """Versions, processor and settings, a line each.

    >>> get_pretty_env_info().split()[0]
    'rushlight'
    """
    return info()


def main() -> None:
    """Print them."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
