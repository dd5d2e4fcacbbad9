"""Find a pattern in a graph, and put something else in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rushlight.errors import explain_error
from rushlight.fx._symbolic_trace import symbolic_trace
from rushlight.fx.graph import Graph
from rushlight.fx.graph_module import GraphModule
from rushlight.fx.node import Node
from rushlight.nn import Module

__all__ = ["Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters"]


class Match(NamedTuple):
    """Where a pattern was found: the pattern's last node, and which node stands for each of the pattern's."""

    anchor: Node
    nodes_map: dict[Node, Node]


@dataclass
class ReplacedPatterns:
    """As `Match`, with the nodes that were put in its place."""

    anchor: Node
    nodes_map: dict[Node, Node]
    replacements: list[Node]


@dataclass
class InternalMatch:
    """A place of the pattern while it is being replaced."""

    anchors: list[Node]
    nodes_map: dict[Node, Node]
    placeholder_nodes: list[Node]
    returning_nodes: list[Node]


class _Matcher:
    """Compares a pattern with the nodes of a graph, from the pattern's results to its arguments."""

    def __init__(self, pattern: Graph, ignore_literals: bool = False) -> None:
        self.ignore_literals = ignore_literals
        self.pattern = pattern
        self.results = pattern.output_node().all_input_nodes
        self.arguments = [n for n in pattern.nodes if n.op == "placeholder"]
        if not self.results or all(n.op == "placeholder" for n in self.results):
            raise RuntimeError(
                explain_error(
                    "replace_pattern", got="a pattern that computes nothing", expected="one operation at least"
                )
            )
        # The results that no other result needs: where a match is begun.
        self.anchors = [n for n in self.results if not any(user.op != "output" for user in n.users)] or self.results[
            -1:
        ]

    def at(self, node: Node, graph: Graph) -> InternalMatch | None:
        """The match whose first anchor is this node."""
        found: dict[Node, Node] = {}
        if not self._same(self.anchors[0], node, found):
            return None
        for anchor in self.anchors[1:]:
            # A further result has to be looked for: it need not be connected to the first.
            for other in graph.nodes:
                attempt = dict(found)
                if self._same(anchor, other, attempt):
                    found = attempt
                    break
            else:
                return None
        inside = {other for mine, other in found.items() if mine.op != "placeholder"}
        for mine, other in found.items():
            if mine.op not in ("placeholder", "get_attr") and mine not in self.results:
                if any(user not in inside for user in other.users):
                    return None  # somebody else needs what would go away
        arguments = [found[n] for n in self.arguments if n in found]
        return InternalMatch(self.anchors, found, arguments, [found[n] for n in self.results])

    def _same(self, mine: Node, other: Any, found: dict[Node, Node]) -> bool:
        if mine in found:
            return found[mine] is other
        if mine.op == "placeholder":
            found[mine] = other
            return True
        if not isinstance(other, Node) or other.op != mine.op or other.target != mine.target and mine.op != "get_attr":
            return False
        if mine.op == "get_attr" and mine.target != other.target:
            return False
        if other in found.values():
            return False
        if len(mine.args) != len(other.args) or set(mine.kwargs) != set(other.kwargs):
            return False
        found[mine] = other
        return self._same_argument(mine.args, other.args, found) and all(
            self._same_argument(value, other.kwargs[name], found) for name, value in mine.kwargs.items()
        )

    def _same_argument(self, mine: Any, other: Any, found: dict[Node, Node]) -> bool:
        if isinstance(mine, Node):
            return self._same(mine, other, found)
        if isinstance(mine, (tuple, list)):
            return (
                isinstance(other, (tuple, list)) and len(mine) == len(other)
                and all(self._same_argument(a, b, found) for a, b in zip(mine, other, strict=True))
            )  # fmt: skip
        if isinstance(mine, dict):
            return (
                isinstance(other, dict) and mine.keys() == other.keys()
                and all(self._same_argument(value, other[key], found) for key, value in mine.items())
            )  # fmt: skip
        if isinstance(mine, slice):
            return isinstance(other, slice) and self._same_argument(
                (mine.start, mine.stop, mine.step), (other.start, other.stop, other.step), found
            )
        if isinstance(other, Node):
            return False
        return self.ignore_literals or type(mine) is type(other) and mine == other


def _graph_of(source: Any) -> Graph:
    if isinstance(source, GraphModule):
        return source.graph
    return source if isinstance(source, Graph) else symbolic_trace(source).graph


def _find(matcher: _Matcher, graph: Graph) -> list[InternalMatch]:
    """Matches that share no node."""
    taken: set[Node] = set()
    matches = []
    for node in graph.nodes:
        if node in taken:
            continue
        match = matcher.at(node, graph)
        if match is None:
            continue
        inside = {other for mine, other in match.nodes_map.items() if mine.op != "placeholder"}
        if not inside & taken:
            taken |= inside
            matches.append(match)
    return matches


def replace_pattern(
    gm: GraphModule, pattern: Callable[..., Any] | GraphModule, replacement: Callable[..., Any] | GraphModule
) -> list[Match]:
    """Put `replacement` wherever `pattern` occurs; the places that were found. Both take the same arguments.

    A pattern's argument stands for anything. Numbers and text in it must be the same in the graph; a value inside of a
    match that something else uses is no match. What is found does not overlap.

    >>> import rushlight as torch
    >>> gm = torch.fx.symbolic_trace(lambda x, y: torch.relu(x + y) * 2)
    >>> found = replace_pattern(gm, lambda a, b: torch.relu(a + b), lambda a, b: torch.sigmoid(a - b))
    >>> len(found), gm(torch.ones(1), torch.ones(1))
    (1, tensor([1.]))
    """
    return [Match(found.anchor, found.nodes_map) for found in replace_pattern_with_filters(gm, pattern, replacement)]


def replace_pattern_with_filters(
    gm: GraphModule, pattern: Callable[..., Any] | Graph | GraphModule,
    replacement: Callable[..., Any] | Graph | GraphModule | None = None,
    match_filters: list[Callable[[Any, Graph, Graph], bool]] | None = None, ignore_literals: bool = False,
    replacement_callback: Callable[[Any, Graph, Graph], Graph] | None = None,
) -> list[ReplacedPatterns]:  # fmt: skip
    """As `replace_pattern`, for matches that every filter(match, graph, pattern) accepts.

    ignore_literals       numbers and text in the pattern stand for any
    replacement_callback  makes the graph to put there, from (match, graph, pattern)
    """
    graph, pattern_graph = gm.graph, _graph_of(pattern)
    if replacement_callback is None and replacement is None:
        raise AssertionError(
            explain_error(
                "replace_pattern_with_filters", got="no replacement", expected="replacement or replacement_callback"
            )
        )
    fixed = None if replacement is None else _graph_of(replacement)
    matcher = _Matcher(pattern_graph, ignore_literals)
    matches = [
        match for match in _find(matcher, graph) if all(f(match, graph, pattern_graph) for f in match_filters or ())
    ]  # fmt: skip
    replaced: list[ReplacedPatterns] = []
    instead: dict[Node, Node] = {}  # results of earlier replacements, which may be arguments of later matches
    for match in matches:
        new = replacement_callback(match, graph, pattern_graph) if replacement_callback is not None else fixed
        replaced.append(_replace(graph, matcher, match, new, instead))
    if isinstance(replacement, Module):
        _take_modules(gm, replacement)
    graph.lint()
    gm.recompile()
    return replaced


def _replace(
    graph: Graph, matcher: _Matcher, match: InternalMatch, new: Any, instead: dict[Node, Node]
) -> ReplacedPatterns:
    for mine, other in match.nodes_map.items():
        if mine.op == "placeholder" and isinstance(other, Node):
            while match.nodes_map[mine] in instead:
                match.nodes_map[mine] = instead[match.nodes_map[mine]]
    inputs = [n for n in new.nodes if n.op == "placeholder"]
    if len(inputs) != len(matcher.arguments):
        raise AssertionError(
            explain_error(
                "replace_pattern", got=f"a replacement of {len(inputs)} arguments for a pattern of {len(matcher.arguments)}",
                expected="the same number",
            )
        )  # fmt: skip
    known = {
        n: match.nodes_map[mine] for n, mine in zip(inputs, matcher.arguments, strict=True) if mine in match.nodes_map
    }
    inside = [other for mine, other in match.nodes_map.items() if mine.op != "placeholder"]
    place = _place(graph, match)
    before = set(graph.nodes)
    with graph.inserting_before(place):
        result = graph.graph_copy(new, dict(known))
    made = [n for n in graph.nodes if n not in before]
    results = [result] if isinstance(result, Node) else list(result)
    if len(results) != len(match.returning_nodes):
        raise AssertionError(
            explain_error(
                "replace_pattern", got=f"a replacement of {len(results)} results for a pattern of {len(match.returning_nodes)}",
                expected="the same number",
            )
        )  # fmt: skip
    for old, node in zip(match.returning_nodes, results, strict=True):
        old.replace_all_uses_with(node)
        instead[old] = node
    for node in reversed(list(graph.nodes)):
        if node in inside:
            graph.erase_node(node)
    return ReplacedPatterns(match.anchors[0], match.nodes_map, made)


def _place(graph: Graph, match: InternalMatch) -> Node:
    """The first node that uses a result of the match, or what follows the match if none does."""
    users = {user for node in match.returning_nodes for user in node.users}
    for node in graph.nodes:
        if node in users:
            return node
    return match.nodes_map[match.anchors[0]].next


def _take_modules(gm: GraphModule, source: Module) -> None:
    """Give `gm` what its graph names and a replacement has."""
    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr"):
            continue
        *way, last = node.target.split(".")
        found: Any = gm
        for part in node.target.split("."):
            found = getattr(found, part, None)
        if found is not None:
            continue
        value: Any = source
        for part in node.target.split("."):
            value = getattr(value, part, None)
        if isinstance(value, Module):
            gm.add_submodule(node.target, value)
        elif value is not None and not way:
            setattr(gm, last, value)
