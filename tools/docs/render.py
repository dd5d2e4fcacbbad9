"""Docstrings and signatures as Markdown."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / "rushlight"


def entry(name: str, value: Any, level: int = 2, stub: str | None = None) -> str:
    """The section of one public name; `stub` is the stub that has its signature."""
    short = name.rpartition(".")[2]
    parts = [f"{'#' * level} `{name}` {{ #{name} }}\n", code("python", signature(name, short, value, stub))]
    parts.append(prose(documentation(value)))
    if isinstance(value, type):
        for method, function in vars(value).items():
            shown_elsewhere = method.startswith("_") or method in ("forward", "extra_repr")
            if inspect.isfunction(function) and function.__doc__ and not shown_elsewhere:
                parts.append(f"**`{method}`**\n")
                parts.append(code("python", one_signature(method, function)))
                parts.append(prose(documentation(function)))
    return "\n".join(part for part in parts if part)


def documentation(value: Any) -> str:
    """A docstring of its own: not that of a base class, nor one that Python made up."""
    text = (value.__doc__ if isinstance(value, type) else getattr(value, "__doc__", "")) or ""
    return "" if text.startswith("Alias for field") else inspect.cleandoc(text)


def code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def prose(text: str) -> str:
    """A docstring as Markdown: doctests are blocks, indented lines too; elsewhere Markdown's signs mean themselves."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.split("\n")
        start = next((n for n, line in enumerate(lines) if line.lstrip().startswith(">>>")), len(lines))
        if lines[:start]:
            words = lines[:start]
            if all(line.startswith("    ") for line in words):
                out.append(code("text", textwrap.dedent("\n".join(words))))
            else:
                out.append("\n".join(plain(line) for line in words) + "\n")
        if lines[start:]:
            out.append(code("pycon", textwrap.dedent("\n".join(lines[start:]))))
    return "\n".join(out)


def plain(line: str) -> str:
    """Markdown's signs as themselves, but for `code` and lists."""
    pieces = re.split(r"(`[^`]*`)", line.strip())
    escaped = [p if p.startswith("`") else re.sub(r"([\\*_<>\[\]|#~])", r"\\\1", p) for p in pieces]
    text = "".join(escaped)
    return text + "  " if re.search(r"^\S+  ", line) else text


def signature(name: str, short: str, value: Any, stub: str | None) -> str:
    """How it is called; what the stub says of it where there is one."""
    if stub is not None and (found := definitions(stub).get(short)):
        return "\n".join(shown(name, text) for text in found)
    return one_signature(name, value)


def one_signature(name: str, value: Any) -> str:
    try:
        found = inspect.signature(value.__init__ if isinstance(value, type) else value)
    except (TypeError, ValueError):
        return name
    text = str(found).replace("'", "").replace("(self, ", "(").replace("(self)", "()")
    text = re.sub(r"\btyping\.|\bcollections\.abc\.|\brushlight(\.\w+)*\.", "", text)
    if isinstance(value, type):
        text = text.replace(" -> None", "")
    return shown(name, text.replace(": Any", "").replace(" -> Any", ""))


def shown(name: str, text: str) -> str:
    """A signature on one line, or a line for each argument."""
    if len(name + text) <= 100:
        return name + text
    match = re.fullmatch(r"\((.*)\)( -> .*)?", text, re.S)
    if match is None:
        return name + text
    arguments, depth, current = [], 0, ""
    for sign in match[1]:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
        else:
            current += sign
    lines = "".join(f"    {argument},\n" for argument in [*arguments, current.strip()])
    return f"{name}(\n{lines}){match[2] or ''}"


@functools.cache
def definitions(stub: str) -> dict[str, list[str]]:
    """By name: the signatures that a stub has, as users would write them."""
    body: list[ast.stmt] = ast.parse((PACKAGE / stub).read_text()).body
    if stub == "tensor.pyi":
        body = next(node.body for node in body if isinstance(node, ast.ClassDef))
    found: dict[str, list[str]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            text = f"({ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
            text = re.sub(r"\b_builtins\.|\b_(?=[A-Za-z]\w*\b)(?!_)", "", text)
            text = re.sub(r"(?<=[\w\]])=(?=\S)", " = ", re.sub(r"\(self(, )?", "(", text))
            found.setdefault(node.name, []).append(text)
    return found
