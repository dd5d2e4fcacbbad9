"""The hook of mkdocs that makes the pages which are not files of docs/: start, mistakes, reference."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from mkdocs.structure.files import File, Files

import rushlight
from rushlight.lessons import catalogue
from tools.docs import rooms
from tools.docs.render import documentation, entry, plain, prose

TOP = Path(__file__).parents[2]
NAV: list[Any] = [
    {"Start": "index.md"},
    {"Guides": [
        {"Coming from PyTorch": "coming-from-pytorch.md"},
        {"Mistakes, and what to do": "mistakes.md"},
        {"How it works": "architecture.md"},
        {"PyTorch's names": "names.md"},
    ]},
]  # fmt: skip


def on_config(config: Any) -> Any:
    reference: list[Any] = [{"All rooms": "reference/index.md"}]
    reference.append({"torch": [{title: f"reference/{slug('torch ' + title)}.md"} for title in rooms.pages_of_torch()]})
    reference.append({"torch.Tensor": "reference/Tensor.md"})
    reference += [{f"torch.{room}": f"reference/{room}.md"} for room in rooms.ROOMS]
    config.nav = [*NAV, {"Reference": reference}]
    return config


def on_files(files: Files, config: Any) -> Files:
    for path, text in all_pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower())


def all_pages() -> dict[str, str]:
    """By path: the text of every page that is made."""
    found = {"index.md": start(), "mistakes.md": mistakes(), "reference/Tensor.md": tensor()}
    listing = ["# Reference\n", "Each name is PyTorch's. `import rushlight as torch`.\n"]
    for title, names in rooms.pages_of_torch().items():
        path = f"{slug('torch ' + title)}.md"
        sections = [entry(f"torch.{name}", value, stub="__init__.pyi") for name, value in names.items()]
        found[f"reference/{path}"] = "\n".join([f"# torch: {title.lower()}\n", *sections])
        listing.append(summary(f"torch: {title.lower()}", path, "torch", names))
    listing.append(summary("torch.Tensor", "Tensor.md", "torch.Tensor", methods()))
    for room in rooms.ROOMS:
        names, module = rooms.names_of(room), importlib.import_module(f"rushlight.{room}")
        file = Path(str(module.__file__)).relative_to(TOP / "rushlight").with_suffix(".pyi")
        stub = str(file) if (TOP / "rushlight" / file).exists() else None
        sections = [entry(f"torch.{room}.{name}", value, stub=stub) for name, value in names.items()]
        found[f"reference/{room}.md"] = "\n".join([f"# torch.{room}\n", prose(documentation(module)), *sections])
        listing.append(summary(f"torch.{room}", f"{room}.md", f"torch.{room}", names))
    found["reference/index.md"] = "\n".join(listing)
    return found


def summary(title: str, path: str, prefix: str, names: dict[str, Any]) -> str:
    links = ", ".join(f"[`{name}`]({path}#{prefix}.{name})" for name in names)
    return f"## {title}\n\n{links}\n"


def methods() -> dict[str, Any]:
    """The public methods and properties of tensors."""
    found = {
        n: v for n, v in vars(rushlight.Tensor).items() if not n.startswith("_") and type(v).__name__ != "_Elsewhere"
    }
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def tensor() -> str:
    parts = ["# torch.Tensor\n", prose(documentation(rushlight.Tensor))]
    for name, value in methods().items():
        if isinstance(value, property):
            parts.append(f"## `torch.Tensor.{name}` {{ #torch.Tensor.{name} }}\n")
            parts.append(prose(inspect.getdoc(value) or ""))
        else:
            parts.append(entry(f"torch.Tensor.{name}", value, stub="tensor.pyi"))
    return "\n".join(parts)


def start() -> str:
    """The README, with its links as the site has them."""
    text = (TOP / "README.md").read_text()
    text = re.sub(r"\]\(docs/([\w-]+\.md)\)", r"](\1)", text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)(?![\w-]+\.md\))([^)]+)\)", r"`\1`", text).replace(
        "[CHANGELOG.md](CHANGELOG.md)", "`CHANGELOG.md`"
    )


def mistakes() -> str:
    """The catalogue of messages: what is said of a mistake, and what to do about it."""
    parts = [
        "# Mistakes, and what to do\n",
        "What Rushlight says when it sees one. The words in braces are filled in.\n",
    ]
    for name, lesson in sorted(catalogue().items()):
        if "/" in name:  # a part of another entry
            continue
        parts.append(f"## {name} {{ #{name} }}\n")
        parts.append(lines_of(lesson.en))
        if lesson.fix_en:
            parts.append(f"**Fix:** {plain(lesson.fix_en)}\n")
        parts.append(
            "> "
            + lines_of("\n".join(text for text in (lesson.zh, lesson.fix_zh) if text))
            .replace("\n", "\n> ")
            .rstrip("> ")
            + "\n"
        )
    return "\n".join(parts)


def lines_of(text: str) -> str:
    """A message whose lines stay lines."""
    return "  \n".join(plain(line) for line in text.split("\n")) + "\n"
