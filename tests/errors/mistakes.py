"""The registry of mistakes, and what is said when one is made; its cases are in the other files of this folder."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rushlight
from rushlight import config
from rushlight.lazy.record import fresh_trace, local
from rushlight.lazy.step import flush
from rushlight.lazy.trie import clear
from rushlight.lessons import forget_told

SNAPSHOTS = Path(__file__).with_name("snapshots.json")
CASES: dict[str, tuple[Callable[[Any], Any], bool]] = {}


def case(name: str, *, raises_in_pytorch: bool = True) -> Callable[[Callable], Callable]:
    """Register a mistake: a function of the `torch` module to make it with."""

    def register(function: Callable) -> Callable:
        CASES[name] = (function, raises_in_pytorch)
        return function

    return register


def make(function: Callable[[Any], Any], torch: Any) -> tuple[BaseException | None, list[warnings.WarningMessage]]:
    """What a mistake raises, and what it warns about."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            function(torch)
        except Exception as error:
            return error, said
    return None, said


def start_anew() -> None:
    """Forget what was recorded and said: an entry names the line that recorded it first, and some advice is given once."""
    flush()
    local.backwards = 0
    clear()
    fresh_trace()
    forget_told()


def answer(function: Callable[[Any], Any], language: str = "en") -> str:
    """The whole answer as the user reads it, without what differs from machine to machine."""
    start_anew()
    config.language, before = language, config.language
    try:
        return _answer(function)
    finally:
        config.language = before


def _answer(function: Callable[[Any], Any]) -> str:
    error, said = make(function, rushlight)
    parts = [f"{w.category.__name__}: {w.message}" for w in said]
    if error is not None:
        text = "".join(traceback.format_exception_only(error)).strip()
        parts.append(text.removeprefix(f"{type(error).__module__}."))
    text = re.sub(r"[^\s`'(（：]*?(\w+\.py):\d+", r"\1:N", "\n".join(parts))
    text = re.sub(r"/\S*/(model\.pth)", r"\1", text)
    text = text.replace("Can't get local object", "Can't pickle local object")  # pickle's words since Python 3.12
    return re.sub(r"\b0x[0-9a-f]{6,}", "0x…", text)
