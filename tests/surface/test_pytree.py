"""Nested containers, beside PyTorch's."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

import rushlight.utils._pytree as ours

theirs = pytest.importorskip("torch.utils._pytree")
Point = namedtuple("Point", "x y")
TREES = [
    5,
    None,
    [],
    (1, [2, {"b": 3, "a": None}]),
    {"o": OrderedDict(z=4), "n": Point(5, (6,)), "d": defaultdict(int, {"x": deque([1, []], 3)}), "e": ()},
]


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_flatten_and_unflatten(tree):
    (leaves, spec), (wanted, structure) = ours.tree_flatten(tree), theirs.tree_flatten(tree)
    assert leaves == wanted and ours.tree_unflatten(leaves, spec) == tree
    assert ours.tree_structure(ours.tree_unflatten(leaves, spec)) == spec
    assert repr(spec) == repr(structure)
    for name in ("num_leaves", "num_nodes", "num_children"):
        assert getattr(spec, name) == getattr(structure, name)
    marked = [ours.tree_map(lambda x: (x, "seen"), tree), theirs.tree_map(lambda x: (x, "seen"), tree)]
    assert marked[0] == marked[1]


def test_map_over_several_trees_and_some_leaves():
    assert ours.tree_map(lambda a, b: a - b, {"x": [5, 6], "y": 7}, {"y": 1, "x": [2, 3]}) == {"x": [3, 3], "y": 6}
    assert ours.tree_map(len, [[1, 2], [3]], is_leaf=lambda x: x and isinstance(x[0], int)) == [2, 1]
    assert ours.tree_map_only((int, float), lambda x: -x, [1, "a", 2.5]) == [-1, "a", -2.5]
    assert ours.tree_map_only(lambda x: x == 1, lambda x: 0, [1, 2]) == [0, 2]
    seen = []
    assert ours.tree_map_(seen.append, (1, 2)) == (1, 2) and seen == [1, 2]
    assert ours.tree_any(lambda x: x > 1, [1, 2]) and not ours.tree_all(lambda x: x > 1, [1, 2])
    assert ours.tree_all_only(int, lambda x: x > 0, [1, "a"]) and not ours.tree_any_only(
        str, lambda x: x > "b", [1, "a"]
    )


def test_a_registered_class():
    class Pair:
        def __init__(self, left, right):
            self.left, self.right = left, right

    ours.register_pytree_node(Pair, lambda p: ([p.left, p.right], None), lambda children, context: Pair(*children))
    doubled = ours.tree_map(lambda x: 2 * x, {"p": Pair(1, [2])})
    assert doubled["p"].left == 2 and doubled["p"].right == [4]
    with pytest.raises(ValueError, match="Pair again"):
        ours.register_pytree_node(Pair, lambda p: ([], None), lambda children, context: Pair(1, 2))


def test_trees_that_do_not_fit():
    spec = ours.tree_structure({"a": 1, "b": (2, 3)})
    with pytest.raises(ValueError, match="2 leaves.*expected.*3"):
        ours.tree_unflatten([1, 2], spec)
    for other in ({"a": 1}, {"a": 1, "c": (2, 3)}, [1, (2, 3)], {"a": 1, "b": (2,)}):
        with pytest.raises(ValueError, match="tree_map"):
            ours.tree_map(lambda x, y: x, {"a": 1, "b": (2, 3)}, other)
    with pytest.raises(TypeError, match="TreeSpec"):
        ours.tree_unflatten(spec, [1, 2, 3])
