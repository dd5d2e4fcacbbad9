"""`torch.utils._pytree`: containers inside containers, flattened to a list of leaves and put together again.

A leaf is everything whose class is not registered; tuples, lists, dicts, named tuples, `OrderedDict`, `defaultdict` and
`deque` are, and `register_pytree_node` adds classes. Not here: paths of leaves, and a structure's form as JSON.

>>> leaves, spec = tree_flatten({"a": (1, [2]), "b": 3})
>>> leaves, tree_unflatten([10, 20, 30], spec)
([1, 2, 3], {'a': (10, [20]), 'b': 30})
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from rushlight.errors import explain_error

__all__ = [
    "Context", "FlattenFn", "LeafSpec", "PyTree", "TreeSpec", "UnflattenFn", "is_namedtuple", "is_namedtuple_class",
    "is_namedtuple_instance", "register_pytree_node", "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten",
    "tree_is_leaf", "tree_iter", "tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_map_only_", "tree_structure",
    "tree_unflatten",
]  # fmt: skip

PyTree: TypeAlias = Any
Context: TypeAlias = Any
FlattenFn = Callable[[Any], tuple[list[Any], Any]]
UnflattenFn = Callable[[Iterable[Any], Any], Any]
IsLeaf = Callable[[Any], bool] | None


class NodeDef(NamedTuple):
    """How a class is taken apart, to its children and what else it takes to build one, and put together."""

    type: type
    flatten_fn: FlattenFn
    unflatten_fn: UnflattenFn


def _values(tree: Any) -> tuple[list[Any], Any]:
    return list(tree.values()), list(tree)


def _default_values(tree: Any) -> tuple[list[Any], Any]:
    return list(tree.values()), [tree.default_factory, list(tree)]


SUPPORTED_NODES: dict[type, NodeDef] = {
    node.type: node
    for node in (
        NodeDef(tuple, lambda tree: (list(tree), None), lambda children, context: tuple(children)),
        NodeDef(list, lambda tree: (list(tree), None), lambda children, context: list(children)),
        NodeDef(deque, lambda tree: (list(tree), tree.maxlen), lambda children, context: deque(children, context)),
        NodeDef(dict, _values, lambda children, keys: dict(zip(keys, children, strict=True))),
        NodeDef(OrderedDict, _values, lambda children, keys: OrderedDict(zip(keys, children, strict=True))),
        NodeDef(
            defaultdict,
            _default_values,
            lambda children, context: defaultdict(context[0], zip(context[1], children, strict=True)),
        ),
        NodeDef(namedtuple, lambda tree: (list(tree), type(tree)), lambda children, kind: kind(*children)),  # type: ignore[arg-type]
    )
}


def register_pytree_node(
    cls: type,
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: Callable[[Any], Any] | None = None,
) -> None:
    """From now on, instances of `cls` are taken apart: `flatten_fn(x)` gives (children, context), `unflatten_fn(children,
    context)` the instance. The other arguments, which say how a structure is written to a file, are kept by nobody.

    Errors: ValueError for a class that is registered already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(
            explain_error(
                "register_pytree_node",
                got=f"{cls.__name__} again",
                expected="a class that is not registered",
                fix="register a class once, or a subclass under its own name",
            )
        )
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node  # the name that scripts for PyTorch before 2.2 use


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class comes from `collections.namedtuple` or `typing.NamedTuple`."""
    return isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def is_namedtuple_instance(obj: object) -> bool:
    """Whether an object is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: object) -> bool:
    """Whether an object is a named tuple, or a class of them."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def _node_type(tree: Any) -> Any:
    kind = type(tree)
    return namedtuple if kind not in SUPPORTED_NODES and is_namedtuple_class(kind) else kind


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a value has no children: its class is not registered, or `is_leaf` says so."""
    return is_leaf is not None and is_leaf(tree) or _node_type(tree) not in SUPPORTED_NODES


class TreeSpec:
    """The structure of a tree without its leaves: `type`, `context`, and the specs of its children. Comparable by `==`."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]):
        self.type, self.context, self.children_specs = type, context, children_specs
        leaf = type is None
        self.num_children = len(children_specs)
        self.num_nodes = 1 + sum(child.num_nodes for child in children_specs)
        self.num_leaves = 1 if leaf else sum(child.num_leaves for child in children_specs)

    def is_leaf(self) -> bool:
        """Whether this is the structure of a single leaf."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The specs of the children."""
        return list(self.children_specs)

    def child(self, index: int) -> TreeSpec:
        """The spec of one child."""
        return self.children_specs[index]

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """What stands in another tree where this structure has leaves. Errors: ValueError where it has another structure."""
        if self.type is None:
            return [tree]
        kind = _node_type(tree)
        if kind is not self.type:
            raise ValueError(_mismatch(f"a {type(tree).__name__}", f"a {self.type.__name__}"))
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(_mismatch(f"{len(children)} children", f"{self.num_children}, in {self.type.__name__}"))
        if kind in (dict, OrderedDict) and context != self.context:
            if set(context) != set(self.context):
                raise ValueError(_mismatch(f"the keys {context}", f"{self.context}"))
            children = [tree[key] for key in self.context]
        elif kind not in (defaultdict, deque) and context != self.context:
            raise ValueError(_mismatch(f"{kind.__name__} with {context}", f"{self.context}"))
        return [x for child, spec in zip(children, self.children_specs, strict=True) for x in spec.flatten_up_to(child)]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with these leaves. Errors: ValueError for another number of them."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                explain_error(
                    "tree_unflatten",
                    got=f"{len(leaves)} leaves",
                    expected=f"{self.num_leaves}, for {self!r}",
                    fix="give one value for each leaf of the tree that the structure is from",
                )
            )
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator[Any]) -> Any:
        if self.type is None:
            return next(leaves)
        return SUPPORTED_NODES[self.type].unflatten_fn([c._build(leaves) for c in self.children_specs], self.context)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        mine, others = (self.type, self.context, self.children_specs), (other.type, other.context, other.children_specs)
        return mine == others

    def __hash__(self) -> int:
        return hash((self.type, self.num_children, self.num_leaves))

    def __repr__(self, indent: int = 0) -> str:
        if self.type is None:
            return "*"
        space = " " * (indent + 2)
        below = f",\n{space}".join(child.__repr__(indent + 2) for child in self.children_specs)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{below}])"


def _mismatch(got: str, expected: str) -> str:
    return explain_error("tree_map", got=got, expected=expected, fix="give trees of one structure")


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, [])


_LEAF = LeafSpec()


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and the structure."""
    leaves: list[Any] = []
    return leaves, _walk(tree, leaves, is_leaf)


def _walk(tree: Any, leaves: list[Any], is_leaf: IsLeaf) -> TreeSpec:
    if tree_is_leaf(tree, is_leaf):
        leaves.append(tree)
        return _LEAF
    kind = _node_type(tree)
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_walk(child, leaves, is_leaf) for child in children])


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of a structure with these leaves. Errors: TypeError for no structure, ValueError for another number."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            explain_error(
                "tree_unflatten",
                got=f"treespec of type {type(treespec).__name__}",
                expected="a TreeSpec",
                fix="leaves come first: tree_unflatten(leaves, spec)",
            )
        )
    return treespec.unflatten(leaves)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves, one after the other."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """The tree of `func(leaf, *what the other trees have there)`.

    >>> tree_map(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]})
    {'x': [11, 22]}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *(spec.flatten_up_to(rest) for rest in rests)))


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """Call `func` for each leaf, for what it does to it; the tree itself comes back."""
    leaves, spec = tree_flatten(tree, is_leaf)
    for values in zip(leaves, *(spec.flatten_up_to(rest) for rest in rests), strict=True):
        func(*values)
    return tree


def _holds(wanted: Any) -> Callable[[Any], bool]:
    """A test of a leaf, from a class, several, or the test itself."""
    if callable(wanted) and not isinstance(wanted, type):
        return wanted
    return lambda leaf: isinstance(leaf, wanted)


def _only(wanted: Any, func: Callable[[Any], Any] | None) -> Callable[..., Any]:
    holds = _holds(wanted)
    if func is None:  # used as map_only(Tensor)(func)
        return lambda func: _only(wanted, func)
    return lambda leaf: func(leaf) if holds(leaf) else leaf


def map_only(type_or_types_or_pred: Any, /) -> Callable[..., Any]:
    """A decorator: a function of a leaf, applied to leaves of these classes (or that pass a test) and to no others."""
    return _only(type_or_types_or_pred, None)


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """The tree with `func` of each leaf of these classes (or that passes a test), and the other leaves as they are.

    >>> tree_map_only(int, lambda n: n + 1, (1, "one"))
    (2, 'one')
    """
    return tree_map(_only(type_or_types_or_pred, func), tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Call `func` for each leaf of these classes (or that passes a test); the tree itself comes back."""
    return tree_map_(_only(type_or_types_or_pred, func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether every leaf passes."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether some leaf passes."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether every leaf of these classes passes."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether some leaf of these classes passes."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))
