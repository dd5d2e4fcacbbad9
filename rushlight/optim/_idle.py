"""Parameters that never get a gradient, by the names that their modules give them."""

from __future__ import annotations

import gc
from typing import Any

from rushlight.lessons import say, warn


def warn_idle(op: str, groups: list[dict[str, Any]], idle: set[Any], total: int, steps: int) -> None:
    """Warn about the parameters of an optimiser that have had no gradient since it was made."""
    paths = _paths({param for group in groups for param in group["params"]})
    names = [f"{label} {tuple(param.shape)}" for param, label in _labels(groups, paths) if param in idle]
    replaced = {param for param in idle if param not in paths} if paths.keys() - idle else set()
    shown = say("comma").join(names[:8] + ["..."] * (len(names) > 8))
    if replaced:
        gone = [f"{label} {tuple(param.shape)}" for param, label in _labels(groups, paths) if param in replaced]
        fix = say("no-gradient/replaced", names=say("comma").join(gone[:8]))
    else:
        fix = say("no-gradient/unused")
    which = say("no-gradient/all" if len(idle) == total else "no-gradient/some", count=len(idle), total=total)
    warn("no-gradient", op=op, which=which, steps=steps, names=shown, fix=fix)


def _labels(groups: list[dict[str, Any]], paths: dict[Any, str]) -> list[tuple[Any, str]]:
    """Each parameter and what to call it: as the optimiser was told, as its module does, or by its place."""
    found = []
    for index, group in enumerate(groups):
        given = group.get("param_names")
        for position, param in enumerate(group["params"]):
            place = say("no-gradient/place", group=index, position=position)
            found.append((param, given[position] if given else paths.get(param, place)))
    return found


def _paths(params: set[Any]) -> dict[Any, str]:
    """The dotted names of parameters in the outermost modules that hold them. All objects are looked through, for one warning."""
    from rushlight.nn import Module

    modules: list[Any] = [
        item for item in gc.get_objects() if issubclass(type(item), Module) and "_modules" in vars(item)
    ]
    inner = {id(child) for module in modules for child in module._modules.values()}
    found: dict[Any, str] = {}
    for module in modules:
        if id(module) not in inner:
            for name, param in module.named_parameters(remove_duplicate=False):
                if param in params:
                    found.setdefault(param, f"{type(module).__name__}.{name}")
    return found
