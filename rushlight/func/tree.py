"""Nested tuples, lists and dicts of values ("pytrees"): flattened to a list of leaves, and put together again.

Everything that is not a tuple, list or dict is a leaf, None too.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

LEAF = object()
_DICTS = (dict, OrderedDict, defaultdict)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves in order, and the structure: comparable by `==`.

    >>> leaves, spec = flatten({"a": (1, [2]), "b": 3})
    >>> leaves, unflatten([10, 20, 30], spec)
    ([1, 2, 3], {'a': (10, [20]), 'b': 30})
    """
    leaves: list[Any] = []
    return leaves, _walk(tree, leaves)


def _walk(tree: Any, leaves: list[Any]) -> Any:
    kind = type(tree)
    if kind in _DICTS:
        return (kind, tuple(tree), [_walk(v, leaves) for v in tree.values()])
    if kind in (tuple, list) or isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return (kind, len(tree), [_walk(v, leaves) for v in tree])
    leaves.append(tree)
    return LEAF


def unflatten(leaves: Sequence[Any], spec: Any) -> Any:
    """The tree of this structure with these leaves."""
    return _build(iter(leaves), spec)


def _build(leaves: Any, spec: Any) -> Any:
    if spec is LEAF:
        return next(leaves)
    kind, keys, parts = spec
    values = [_build(leaves, part) for part in parts]
    if kind in _DICTS:
        pairs = zip(keys, values, strict=True)
        return kind(pairs) if kind is not defaultdict else defaultdict(None, pairs)
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def count(spec: Any) -> int:
    """How many leaves a structure has."""
    return 1 if spec is LEAF else sum(map(count, spec[2]))


def spread(prefix: Any, spec: Any) -> list[Any] | None:
    """One value for each leaf of a structure, from a tree that may end earlier: a leaf of it counts for all below.
    None when it has another structure."""
    if spec is LEAF:
        return [prefix] if _walk(prefix, []) is LEAF else None
    kind, keys, parts = spec
    if isinstance(prefix, dict) and kind in _DICTS:
        if set(prefix) != set(keys):
            return None
        given = [prefix[k] for k in keys]
    elif isinstance(prefix, (tuple, list)) and kind not in _DICTS:
        if len(prefix) != keys:
            return None
        given = list(prefix)
    elif isinstance(prefix, (tuple, list, dict)):
        return None
    else:
        return [prefix] * count(spec)
    found: list[Any] = []
    for one, part in zip(given, parts, strict=True):
        below = spread(one, part)
        if below is None:
            return None
        found += below
    return found


def tree_map(fn: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `fn` of each leaf."""
    leaves, spec = flatten(tree)
    return unflatten([fn(x) for x in leaves], spec)
