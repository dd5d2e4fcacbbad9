"""Functions whose arguments are nested: the code takes them apart first, and puts the result together at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.func import tree
from rushlight.fx._codegen import CodeGen


class _Flatten:
    """`fx_pytree` of generated code."""

    @staticmethod
    def tree_flatten_spec(values: list[Any], spec: Any) -> list[Any]:
        """The leaves of values that have this structure; ValueError if they have another."""
        leaves, found = tree.flatten(values)
        if found != spec:
            raise ValueError(f"expected arguments of the structure {spec}, got {found}")
        return leaves


class _Unflatten:
    """`pytree` of generated code."""

    @staticmethod
    def tree_unflatten(leaves: list[Any], spec: Any) -> Any:
        """The tree of this structure with these leaves."""
        return tree.unflatten(leaves, spec)


class PyTreeCodeGen(CodeGen):
    """Takes arguments of a known structure (`in_spec`, of their list) and returns one of a known structure."""

    def __init__(self, names: list[str], in_spec: Any) -> None:
        super().__init__()
        self.names, self.in_spec, self.out_spec = names, in_spec, None

    def process_inputs(self, *args: Any) -> Any:
        """The leaves of the arguments."""
        return _Flatten.tree_flatten_spec(list(args), self.in_spec)

    def process_outputs(self, outputs: Any) -> Any:
        """The graph's list of leaves as the function's result."""
        return tree.unflatten(outputs, self.out_spec)

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The definition, and the line that takes the arguments apart."""
        head = super().gen_fn_def(list(self.names), maybe_return_annotation)
        leaves = [name.partition(" ")[0] for name in free_vars]
        return (
            f"{head}\n    {', '.join(leaves)}, = fx_pytree.tree_flatten_spec([{', '.join(self.names)}], self._in_spec)"
        )

    def generate_output(self, output_args: Any, *, repr_fn: Callable[[Any], str] = repr) -> str:
        """The line that puts the result together."""
        return f"return pytree.tree_unflatten({repr_fn(output_args)}, self._out_spec)"

    def additional_globals(self) -> list[tuple[str, Any]]:
        """The two functions' homes."""
        return [("fx_pytree", _Flatten), ("pytree", _Unflatten)]
