"""What the commands accept. Wrong arguments end with one line and exit code 2."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def known_options(self) -> list[str]:
        return [name for action in self._actions for name in action.option_strings]


def _number(kind: type, text: str, holds: Callable[[Any], bool], expected: str) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected {expected}") from None
    if not holds(value):
        raise argparse.ArgumentTypeError(f"got {text}; expected {expected}")
    return value


def positive_int(text: str) -> int:
    """
    >>> positive_int("64")
    64
    """
    return _number(int, text, lambda value: value > 0, "a whole number above 0")


def natural_int(text: str) -> int:
    """
    >>> natural_int("0")
    0
    """
    return _number(int, text, lambda value: 0 <= value < 2**63, "a whole number from 0")


def positive_float(text: str) -> float:
    """
    >>> positive_float("1e-3")
    0.001
    """
    return _number(float, text, lambda value: value > 0 and math.isfinite(value), "a finite number above 0")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of one command, with the function to call as `command`."""
    from rushlight import __version__

    parser = _Parser(prog="rushlight", description="PyTorch's Python API rebuilt in Python.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"rushlight {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    quickstart = _quickstart(commands)
    _run(commands)
    _info(commands)
    _cache(commands)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].partition("=")[0]
        near = difflib.get_close_matches(name, quickstart.known_options(), 1)
        hint = f"; did you mean {near[0]}?" if near and options.command is _train else ""
        parser.error(f"unknown option {name}{hint}")
    return options


def _quickstart(commands: Any) -> _Parser:
    parser = commands.add_parser(
        "quickstart",
        help="train a small network, draw its curves, save it and use it",
        description="Trains a network on pictures in an ordinary PyTorch loop, prints its progress, writes a "
        "checkpoint (torch format) and a picture of the curves, and lets the reloaded network read one test picture.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--data", choices=("digits", "mnist", "fashion_mnist"), default="digits", help="digits come with the package")
    add("--root", default="data", metavar="DIR", help="where MNIST/raw or FashionMNIST/raw lie (data)")
    add("--model", choices=("mlp", "cnn"), default="cnn", help="three linear layers, or two convolutions (cnn)")
    add("--epochs", type=positive_int, metavar="N", help="passes over the pictures (digits 20, others 5)")
    add("--batch-size", type=positive_int, metavar="N", help="pictures per step (digits 32, others 64)")
    add("--lr", type=positive_float, metavar="X", help="learning rate (adam 0.004, rmsprop 0.001, sgd 0.05)")
    add("--optimizer", choices=("adam", "adamw", "rmsprop", "sgd"), default="adam", help="sgd has momentum 0.9 (adam)")
    add("--seed", type=natural_int, default=0, metavar="N", help="the same seed gives the same run (0)")
    add("--workers", type=natural_int, default=0, metavar="N", help="processes that load pictures (0: none)")
    add("--out", default="runs", metavar="DIR", help="where the checkpoint and the picture go (runs)")
    parser.set_defaults(command=_train)
    return parser


def _run(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="run an unmodified PyTorch script on Rushlight",
        description="Runs SCRIPT as __main__; its imports of torch, torchvision and torchaudio mean Rushlight.",
        allow_abbrev=False,
    )
    parser.add_argument("script", metavar="SCRIPT.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="passed to the script")
    parser.set_defaults(command=_run_script)


def _info(commands: Any) -> None:
    parser = commands.add_parser("info", help="versions, device, threads, settings", allow_abbrev=False)
    parser.set_defaults(command=_show_info)


def _cache(commands: Any) -> None:
    parser = commands.add_parser("cache", help="compiled kernels on disk: where, how many", allow_abbrev=False)
    parser.add_argument("--clear", action="store_true", help="delete them")
    parser.set_defaults(command=_show_cache)


# Each command's code loads when it is called: `--help` and mistakes answer at once.


def _train(options: argparse.Namespace) -> int:
    from rushlight.cli.quickstart import quickstart

    return quickstart(options)


def _run_script(options: argparse.Namespace) -> int:
    from rushlight.cli.run import run_script

    return run_script(options.script, options.arguments)


def _show_info(options: argparse.Namespace) -> int:
    from rushlight.cli.info import info

    print(info(), file=sys.stdout)
    return 0


def _show_cache(options: argparse.Namespace) -> int:
    from rushlight.cli.cache import show

    print(show(options.clear), file=sys.stdout)
    return 0
