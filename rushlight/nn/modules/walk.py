"""Walking the tree of modules: children, parameters, buffers, lookup by dotted path, and the printed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.errors import not_a_tensor, raised_inside, show_line, user_line
from rushlight.lessons import say
from rushlight.nn.modules.guard import did_you_mean

if TYPE_CHECKING:
    from rushlight.nn.modules.module import Module
    from rushlight.nn.parameter import Parameter


class WalkMixin:
    """The part of Module that lists, finds and prints what it holds."""

    def children(self) -> Iterator[Module]:
        """The direct child modules, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) for the direct children, each module once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents before children."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted path, module) for this module (path = `prefix`) and all below it."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def _named_members(
        self,
        get_members_fn: Callable[[Any], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All learned tensors, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) pairs."""
        return self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[rushlight.Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, rushlight.Tensor]]:
        """(dotted name, buffer) pairs."""
        return self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; "" is this module. AttributeError names the step that does not exist."""
        module: Any = self
        walked = type(self).__name__
        for name in target.split(".") if target else ():
            child = module._modules.get(name)
            if child is None:
                known = [key for key, value in module._modules.items() if value is not None]
                raise AttributeError(
                    f"get_submodule({target!r}): {walked} has no child module {name!r}{did_you_mean(name, known)} "
                    f"(its children: {', '.join(known) or 'none'})"
                )
            module, walked = child, f"{walked}.{name}"
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at a dotted path; with `strict` something must already stand there."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("set_submodule: got an empty path; it cannot replace the module itself")
        if not isinstance(module, WalkMixin):
            raise ValueError(f"set_submodule({target!r}): got {type(module).__name__}; expected a Module")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"set_submodule({target!r}, strict=True): there is no {name!r} to replace")
        setattr(parent, name, module)

    def _get_member(self, target: str, table: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        entries = getattr(module, table)
        if entries.get(name) is None:
            raise AttributeError(
                f"{type(module).__name__} has no {kind} {name!r}{did_you_mean(name, entries)} "
                f"(it has: {', '.join(entries) or 'none'})"
            )
        return entries[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._get_member(target, "_parameters", "parameter")

    def get_buffer(self, target: str) -> rushlight.Tensor:
        """The buffer at a dotted path."""
        return self._get_member(target, "_buffers", "buffer")

    # -- printing -----------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What to print between the brackets; layers write their arguments here."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indent(repr(module), 2)}" for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {body}\n)"


def indent(text: str, spaces: int) -> str:
    """Indent every line but the first."""
    return text.replace("\n", "\n" + " " * spaces)


def stray_argument(module: Any, args: tuple, error: AttributeError) -> TypeError | None:
    """What to say instead when code of ours looked for a tensor's attribute in an argument that is none."""
    value = error.obj
    if not any(value is arg for arg in args) or not raised_inside(error):
        return None
    return not_a_tensor(type(module).__name__, value)


def note_module_path(module: Any, error: BaseException) -> None:
    """Add (or lengthen) the note on `error` that says where it was raised: `in module: Net.fc1 (Linear(...))`.

    Every module on the way out calls this once; each knows only the name of the child that failed.
    """
    trail = getattr(error, "_module_trail", None)
    if trail is None:
        try:
            shown = repr(module)
        except Exception:  # a broken extra_repr must not hide the error that is being reported
            shown = ""
        if "\n" in shown or not 0 < len(shown) <= 120:
            shown = type(module).__name__
        path, notes = [], []
        if raised_inside(error):  # the last line of the traceback is ours: name the one that the user wrote
            error.add_note(say("note/called-at", line=show_line(user_line())))
    else:
        child, path, shown, old = trail
        notes = [note for note in getattr(error, "__notes__", ()) if note is not old]
        if child is not module:
            name = next((name for name, each in module.named_modules() if each is child), type(child).__name__)
            path = [name, *path]
    own = ".".join([type(module).__name__, *path])
    note = say("note/in-module", path=own if own.endswith(shown) else f"{own} ({shown})")
    error._module_trail = (module, path, shown, note)
    error.__notes__ = [*notes, note] if trail is not None else [*getattr(error, "__notes__", ()), note]
