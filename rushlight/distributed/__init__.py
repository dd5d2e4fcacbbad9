"""`torch.distributed` for a group of one process, which is what runs here: collectives give what one member gives them.

`is_available()` is False, as in a PyTorch that was built without: libraries then keep to one process. Scripts that begin a
group of one (`torchrun --nproc-per-node 1`, or `world_size=1`) run as they are; a larger group is refused.

>>> import rushlight as torch
>>> import rushlight.distributed as dist
>>> dist.init_process_group("gloo", rank=0, world_size=1)
>>> gathered = [None]
>>> dist.all_gather_object(gathered, {"loss": 0.5})
>>> dist.get_rank(), dist.get_world_size(), gathered
(0, 1, [{'loss': 0.5}])
>>> dist.destroy_process_group()
"""

from __future__ import annotations

import enum
import os
from typing import Any

from rushlight.autograd.modes import no_grad
from rushlight.errors import explain_error

__all__ = [
    "ProcessGroup", "ReduceOp", "Work", "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all",
    "all_to_all_single", "barrier", "broadcast", "broadcast_object_list", "destroy_process_group", "gather", "gather_object",
    "get_backend", "get_rank", "get_world_size", "group", "init_process_group", "is_available", "is_gloo_available",
    "is_initialized", "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "monitored_barrier", "new_group",
    "reduce", "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list",
]  # fmt: skip


class ReduceOp(enum.Enum):
    """How the members' values become one; with one member all of them leave the value as it is."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


class ProcessGroup:
    """The group of this process alone."""

    def __init__(self, backend: str) -> None:
        self._backend = backend

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1


class group:
    """`WORLD`: the group that `init_process_group` began, or None."""

    WORLD: ProcessGroup | None = None


GroupMember = group


class Work:
    """What a collective with `async_op=True` returns: it is done already."""

    def wait(self, timeout: Any = None) -> bool:
        """True."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True

    is_success = is_completed


def is_available() -> bool:
    """False: there are no groups of several processes."""
    return False


def _no_backend() -> bool:
    """False."""
    return False


is_nccl_available = is_gloo_available = is_mpi_available = _no_backend


def is_torchelastic_launched() -> bool:
    """Whether `torchrun` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return group.WORLD is not None


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Begin the group of one. Size and rank come from the arguments, or else from WORLD_SIZE and RANK in the environment.

    Errors: ValueError when there is a group, or when neither says how large it is; NotImplementedError for a larger one.
    """
    if is_initialized():
        raise ValueError(
            explain_error(
                "init_process_group", got="a second call", expected="one", fix="call destroy_process_group() first"
            )
        )
    size, mine = (_told(name, given) for name, given in (("WORLD_SIZE", world_size), ("RANK", rank)))
    if size != 1 or mine != 0:
        raise NotImplementedError(
            explain_error(
                "init_process_group",
                got=f"rank {mine} of {size} processes",
                expected="one process: every step uses all cores through threads (torch.set_num_threads)",
                fix="start the script as one process (world_size=1, rank=0)",
            )
        )
    group.WORLD = ProcessGroup(backend or "gloo")


def _told(name: str, given: int) -> int:
    if given >= 0:
        return given
    if name not in os.environ:
        raise ValueError(
            explain_error(
                "init_process_group",
                got=f"no {name}, as an argument or in the environment",
                expected=f"{name.lower()}=",
                fix="init_process_group(backend, rank=0, world_size=1)",
            )
        )
    return int(os.environ[name])


def destroy_process_group(group: Any = None) -> None:
    """End the group."""
    _one(group, "destroy_process_group")
    globals()["group"].WORLD = None


def _one(given: Any, name: str) -> ProcessGroup:
    found = given if given is not None else group.WORLD
    if found is None:
        raise ValueError(
            explain_error(
                name,
                got="no process group",
                expected="one",
                fix="call init_process_group(backend, rank=0, world_size=1) first, or ask is_initialized()",
            )
        )
    return found


def new_group(ranks: Any = None, *args: Any, **kwargs: Any) -> ProcessGroup:
    """A group of this process, the only member there can be."""
    return ProcessGroup(_one(None, "new_group")._backend)


def get_rank(group: Any = None) -> int:
    """0. Errors: ValueError before `init_process_group`."""
    return _one(group, "get_rank").rank()


def get_world_size(group: Any = None) -> int:
    """1. Errors: ValueError before `init_process_group`."""
    return _one(group, "get_world_size").size()


def get_backend(group: Any = None) -> str:
    """The name that was given to `init_process_group`."""
    return _one(group, "get_backend")._backend


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Nobody to wait for."""
    return _done("barrier", group, async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Nobody to wait for."""
    _one(group, "monitored_barrier")


def _done(name: str, group: Any, async_op: bool) -> Work | None:
    _one(group, name)
    return Work() if async_op else None


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """The tensor stays as it is: it is the sum, mean or extreme of itself."""
    return _done("all_reduce", group, async_op)


def reduce(tensor: Any, dst: int = 0, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """As `all_reduce`."""
    return _done("reduce", group, async_op)


def broadcast(tensor: Any, src: int = 0, group: Any = None, async_op: bool = False) -> Work | None:
    """The tensor stays as it is."""
    return _done("broadcast", group, async_op)


def _into(name: str, targets: Any, sources: Any, group: Any, async_op: bool) -> Work | None:
    """Copy a list of tensors, or one, to another; both have an entry for each member."""
    _one(group, name)
    if isinstance(targets, (list, tuple)):
        if len(targets) != 1:
            raise ValueError(
                explain_error(name, got=f"a list of {len(targets)} tensors", expected="one for each process: 1")
            )
        targets = targets[0]
    with no_grad():
        targets.copy_(sources[0] if isinstance(sources, (list, tuple)) else sources)
    return Work() if async_op else None


def all_gather(tensor_list: list[Any], tensor: Any, group: Any = None, async_op: bool = False) -> Work | None:
    """`tensor_list[0]` becomes the tensor."""
    return _into("all_gather", tensor_list, tensor, group, async_op)


def all_gather_into_tensor(
    output_tensor: Any, input_tensor: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """The output becomes the input."""
    return _into("all_gather_into_tensor", output_tensor, input_tensor.reshape(output_tensor.shape), group, async_op)


def gather(
    tensor: Any, gather_list: list[Any] | None = None, dst: int = 0, group: Any = None, async_op: bool = False
) -> Work | None:
    """`gather_list[0]` becomes the tensor."""
    return _into("gather", gather_list or [], tensor, group, async_op)


def scatter(
    tensor: Any, scatter_list: list[Any] | None = None, src: int = 0, group: Any = None, async_op: bool = False
) -> Work | None:
    """The tensor becomes `scatter_list[0]`."""
    return _into("scatter", tensor, scatter_list, group, async_op)


def reduce_scatter(
    output: Any, input_list: list[Any], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """The output becomes `input_list[0]`."""
    return _into("reduce_scatter", output, input_list, group, async_op)


def reduce_scatter_tensor(
    output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """The output becomes the input."""
    return _into("reduce_scatter_tensor", output, input.reshape(output.shape), group, async_op)


def all_to_all(
    output_tensor_list: list[Any], input_tensor_list: list[Any], group: Any = None, async_op: bool = False
) -> Work | None:
    """`output_tensor_list[0]` becomes `input_tensor_list[0]`."""
    return _into("all_to_all", output_tensor_list, input_tensor_list, group, async_op)


def all_to_all_single(
    output: Any,
    input: Any,
    output_split_sizes: Any = None,
    input_split_sizes: Any = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """The output becomes the input."""
    return _into("all_to_all_single", output, input, group, async_op)


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """`object_list[0]` becomes the object."""
    _one(group, "all_gather_object")
    object_list[0] = obj


def gather_object(obj: Any, object_gather_list: list[Any] | None = None, dst: int = 0, group: Any = None) -> None:
    """`object_gather_list[0]` becomes the object."""
    _one(group, "gather_object")
    if object_gather_list is not None:
        object_gather_list[0] = obj


def broadcast_object_list(object_list: list[Any], src: int = 0, group: Any = None, device: Any = None) -> None:
    """The list stays as it is."""
    _one(group, "broadcast_object_list")


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int = 0,
    group: Any = None,
) -> None:
    """`scatter_object_output_list[0]` becomes `scatter_object_input_list[0]`."""
    _one(group, "scatter_object_list")
    scatter_object_output_list[0] = (scatter_object_input_list or [None])[0]
