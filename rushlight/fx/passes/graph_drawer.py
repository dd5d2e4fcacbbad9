"""Pictures of graphs are not drawn here; their text is."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error

__all__ = ["FxGraphDrawer"]


class FxGraphDrawer:
    """NotImplementedError: drawing needs Graphviz. Print the graph in its place."""

    def __init__(self, graph_module: Any, name: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            explain_error(
                "FxGraphDrawer", got=f"the graph {name!r} to draw", expected="a text: there is no drawing here",
                fix="print(gm.graph), gm.graph.print_tabular(), or gm.print_readable()",
            )
        )  # fmt: skip
