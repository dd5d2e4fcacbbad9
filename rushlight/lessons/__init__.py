"""What Rushlight says about mistakes: one catalogue, in English and Chinese. Only the wording lives here; code finds the mistake.

How to use it: add an entry to the table of the file of this room that fits, and say it by its name.

    raise RuntimeError(say("freed-graph", op="mul", line=show_line(where)))     # an error
    warn("zero-grad-forgotten", op="SGD.step", steps=3)                         # a warning, which can be silenced by name
    warn("train-mode", once=where, module="Net")                                # ... told once a process and place

An entry is `Lesson(en, zh, fix_en, fix_zh)`, templates of `str.format` with named facts; every fact must be in both. `say` ends
it with "Fix: ...". Facts are values, shapes, source lines and names; words that depend on the language are entries of their
own without a fix, by convention named `lesson/part`. Where PyTorch's users search for its wording, or match it in
`except`, a text of either language begins with those words.

The tables are imported when something is said for the first time. `config.language` ("en", "zh") chooses the language,
`config.silenced` (names, with spaces or commas between) which warnings are not given.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, NamedTuple

from rushlight import config
from rushlight.errors import AdviceWarning, calling_module, warn_user

__all__ = ["AdviceWarning", "Lesson", "catalogue", "forget_told", "is_silenced", "say", "warn"]


class Lesson(NamedTuple):
    """The templates of one message, and of what to do about it where that is not in the text itself."""

    en: str
    zh: str
    fix_en: str | None = None
    fix_zh: str | None = None


@functools.cache
def catalogue() -> dict[str, Lesson]:
    """Every entry by its name.

    >>> from rushlight.lessons import catalogue
    >>> catalogue()["zero-grad-forgotten"].fix_en
    'call optimizer.zero_grad() before loss.backward()'
    """
    from rushlight.lessons import (
        anomaly,
        around,
        data,
        devices,
        files,
        gradients,
        layers,
        losses,
        shapes,
        slips,
        training,
    )

    found: dict[str, Lesson] = {}
    for room in (around, shapes, devices, gradients, anomaly, losses, layers, data, files, training, slips):
        assert not found.keys() & room.LESSONS.keys(), f"{room.__name__} repeats a name"
        found.update(room.LESSONS)
    return found


def say(name: str, /, **facts: Any) -> str:
    """The text of a lesson in the language of `config.language`.

    >>> from rushlight.lessons import say
    >>> say("backward-not-scalar", shape=[3])[:65]
    'grad can be implicitly created only for scalar outputs: backward('
    """
    lesson = catalogue()[name]
    chinese = config.language.lower().startswith("zh")
    text, fix = (lesson.zh, lesson.fix_zh) if chinese else (lesson.en, lesson.fix_en)
    text = text.format(**facts)
    if fix is not None:
        fix = fix.format(**facts)
        stop, label = ("。", "修复：") if chinese else (". ", "Fix: ")
        text += ("" if text.endswith("\n") else stop) + f"{label}{fix}{stop.strip()}"
        if not chinese and not config.language.lower().startswith("en"):
            text += f" (config.language: got {config.language!r}; expected 'en' or 'zh'.)"
    return text


def is_silenced(name: str) -> bool:
    """Whether the user asked not to hear this one."""
    return bool(config.silenced) and name in config.silenced.replace(",", " ").split()


_told: set[Hashable] = set()


def warn(name: str, /, *, once: Hashable = None, **facts: Any) -> None:
    """Warn about the user's line; with `once`, only the first time for that value."""
    if is_silenced(name):
        return
    if once is not None:
        if (name, once) in _told:
            return
        _told.add((name, once))
    text, module = say(name, **facts), calling_module()
    if module and module not in text:
        text += say("warning/in-module", path=module)
    warn_user(text + say("silence", name=name), AdviceWarning)


def forget_told() -> None:
    """Say everything once more; for tests."""
    _told.clear()
