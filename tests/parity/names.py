"""Which of PyTorch's public names exist here: `python -m tests.parity.names` prints the table of docs/names.md.

Needs PyTorch. A name that does not exist is listed with the reason of the first pattern that it matches.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

ROOMS = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils", "torch.nn.utils.rnn",
    "torch.nn.utils.parametrize", "torch.nn.utils.parametrizations", "torch.nn.utils.prune", "torch.optim", "torch.optim.lr_scheduler",
    "torch.sparse", "torch.linalg", "torch.fft", "torch.special", "torch.signal.windows", "torch.masked", "torch.func", "torch.autograd",
    "torch.autograd.forward_ad", "torch.autograd.functional", "torch.amp", "torch.distributions", "torch.utils.data",
    "torch.testing", "torch.random", "torch.hub", "torch.overrides", "torch.compiler", "torch.profiler",
)  # fmt: skip
REASONS = (
    (r"(indices|values)_copy$|sparse_support", "copies of a sparse tensor's parts, and text"),
    (r"Semi|semi_structured|^solve$|sparse_grad", "semi-structured sparsity and sparse solvers"),
    (r"quant|q_scale|q_zero|q_per|qscheme|int_repr|fbgemm|fake_|qint|quint|float8|_scaled|ScalingType|SwizzleType|scaled_(grouped_)?mm", "quantised and 8-bit types are not here"),
    (r"cuda|cudnn|miopen|mkldnn|hip|xpu|ipu|xla|mtia|maia|mps|vulkan|cufft|stream|Stream|nccl|pin_memory", "hardware that is not here"),
    (r"^(jit|ScriptFunction|ScriptModule|parse_|import_ir|merge_type|unify_type|fork|wait|compile_unit|Compil|CompilationUnit|.*JITType|.*Type$|Graph|Node|Block|Value|Code|LiteScript|.*Argument)", "TorchScript and its types"),
    (r"^sym_|Sym|dynamic|export|aot|vmap_$", "symbolic shapes of torch.compile and export"),
    (r"Storage$|Tensor$|storage_type|_typed", "typed storages and tensor types, long deprecated"),
    (r"datapipe|DataPipe|DataChunk|IterDataPipe|validation|determinism", "data pipes are left out"),
    (r"autocast|amp", "switches of autocast beside `torch.autocast`"),
    (r"^(bit|bits\d.*|u?int[1-7]|float4.*)$", "types of less than a byte, and bare bits"),
    (r"^(Optional|Callable|TYPE_CHECKING|ABC|abstractmethod|BroadcastingList.|factory_kwargs)$|_notes$", "not PyTorch's own, or text only"),
    (r"^(eig|lstsq|solve|symeig|variable|volatile|new|resize|resize_as|reinforce|Container)$", "removed or long deprecated in PyTorch"),
    (r"^[A-Z]|Error$", "classes of PyTorch's internals"),
    (r"batch_norm_(elemt|stats|gather|update|backward)|native_|_backward|_forward", "internal kernels of PyTorch"),
)  # fmt: skip


def public(module: Any) -> list[str]:
    names = getattr(module, "__all__", None) or dir(module)
    return sorted({n for n in names if not n.startswith("_") and not _is_room(module, n)})


def _is_room(module: Any, name: str) -> bool:
    return type(getattr(module, name, None)).__name__ == "module"


def resolved(path: str, library: str) -> Any:
    """The module or class of that dotted path in a library."""
    parts = path.split(".")[1:]
    for cut in range(len(parts), -1, -1):
        try:
            found: Any = importlib.import_module(".".join([library, *parts[:cut]]))
        except ImportError:
            continue
        try:
            for part in parts[cut:]:
                found = getattr(found, part)
        except AttributeError:
            return None
        return found
    return None


def has(room: Any, name: str) -> bool:
    try:
        return room is not None and hasattr(room, name)
    except Exception:  # a name that says why it is not here
        return False


def compared() -> dict[str, tuple[list[str], list[str]]]:
    """By room: PyTorch's names, and those that are missing here."""
    found = {}
    for path in ROOMS:
        theirs, ours = resolved(path, "torch"), resolved(path, "rushlight")
        names = public(theirs)
        found[path] = names, [n for n in names if not has(ours, n)]
    return found


def reason(name: str) -> str:
    return next((why for pattern, why in REASONS if re.search(pattern, name)), "not written yet")


def table() -> str:
    rooms = compared()
    lines = [
        "# Names",
        "",
        "PyTorch 2.13's public names, and those of them that exist here. Made by `python -m tests.parity.names`.",
        "",
    ]
    lines += ["| Room | Names | Here | Share |", "|---|---|---|---|"]
    every = missing = 0
    for path, (names, absent) in rooms.items():
        every, missing = every + len(names), missing + len(absent)
        lines.append(
            f"| `{path}` | {len(names)} | {len(names) - len(absent)} | {1 - len(absent) / max(len(names), 1):.0%} |"
        )
    lines += [f"| all | {every} | {every - missing} | {1 - missing / every:.1%} |", "", "## Not here, and why", ""]
    for path, (_, absent) in rooms.items():
        by_reason: dict[str, list[str]] = {}
        for name in absent:
            by_reason.setdefault(reason(name), []).append(f"`{name}`")
        if by_reason:
            lines.append(f"**`{path}`**")
            lines += [f"- {why}: {', '.join(listed)}" for why, listed in by_reason.items()] + [""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
