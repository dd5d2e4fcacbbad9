"""Move batches between processes.

An object is pickled with its tensors taken apart into NumPy arrays (pickle protocol 5, buffers out of band). Small
messages go through the connection. Large buffers go into one anonymous memory file (`memfd_create`) whose descriptor
crosses the connection: the receiver maps it, so nothing is copied twice, and as the file has no name, nothing is left
behind however a process dies. Where there is no `memfd_create` the bytes themselves cross the connection.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
from multiprocessing import reduction
from typing import Any

import numpy as np

import rushlight

_SHARE_FROM = 64 * 1024  # bytes of buffers; below it a copy through the connection is quicker than a new mapping
_ALIGN = 64
_CAN_SHARE = hasattr(os, "memfd_create") and hasattr(mmap, "MAP_POPULATE")
_HEADER = struct.Struct("<?qq")  # in a memory file?, length of the pickle, number of buffers

# What a receive raises when the process at the other end is gone.
Gone = (EOFError, OSError)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, rushlight.Tensor):
            return _rebuild, _take_apart(value)
        return NotImplemented


def _take_apart(tensor: Any) -> tuple[np.ndarray, bool, bool, str]:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "DataLoader: got a sample that is the result of a computation with gradients, which cannot leave its "
            "worker process. Fix: return tensor.detach(), compute under no_grad(), or use num_workers=0."
        )
    values = tensor.detach() if tensor.requires_grad else tensor
    device = "" if values.device.type == "cpu" else str(values.device)
    if device:
        values = values.cpu()
    bits = values.dtype == rushlight.bfloat16  # NumPy has no such type, its bits travel as int16
    array = (values.view(rushlight.int16) if bits else values).numpy()
    if not array.flags.c_contiguous:
        array = array.copy()
    return array, bits, tensor.requires_grad, device


def _rebuild(array: np.ndarray, bits: bool, requires_grad: bool, device: str) -> Any:
    # What the array lies in was mapped or read for it alone.
    tensor = rushlight.Tensor._of_array(array if array.flags.writeable else array.copy())
    if bits:
        tensor = tensor.view(rushlight.bfloat16)
    if device:
        tensor = tensor.to(device)
    return tensor.requires_grad_() if requires_grad else tensor


def pack(value: Any) -> tuple[memoryview, list[memoryview]]:
    """The pickle of a value and the buffers it refers to."""
    sink = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    _Pickler(sink, protocol=5, buffer_callback=buffers.append).dump(value)
    return sink.getbuffer(), [buffer.raw() for buffer in buffers]


def unpack(head: Any, buffers: list[Any]) -> Any:
    """The value again; its arrays live in `buffers`."""
    return pickle.loads(head, buffers=buffers)


def send(connection: Any, packed: tuple[memoryview, list[memoryview]]) -> None:
    """Write a packed value to a `multiprocessing` connection."""
    head, buffers = packed
    sizes = [buffer.nbytes for buffer in buffers]
    share = _CAN_SHARE and sum(sizes) >= _SHARE_FROM
    parts: list[Any] = [_HEADER.pack(share, head.nbytes, len(sizes)), struct.pack(f"<{len(sizes)}q", *sizes), head]
    if not share:
        connection.send_bytes(b"".join(parts + buffers))
        return
    connection.send_bytes(b"".join(parts))
    descriptor = os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
    try:
        offsets, end = _layout(sizes)
        os.ftruncate(descriptor, end)
        for buffer, offset in zip(buffers, offsets, strict=True):
            _write_all(descriptor, buffer, offset)
        reduction.send_handle(connection, descriptor, None)
    finally:
        os.close(descriptor)


def receive(connection: Any) -> tuple[Any, list[Any]]:
    """Read one packed value; raises one of `Gone` when the sender is gone."""
    message = memoryview(connection.recv_bytes())
    share, head_size, count = _HEADER.unpack_from(message)
    sizes = struct.unpack_from(f"<{count}q", message, _HEADER.size)
    start = _HEADER.size + 8 * count
    head = message[start : start + head_size]
    if share:
        return head, _map_file(_receive_descriptor(connection), sizes)
    buffers = []
    start += head_size
    for size in sizes:
        buffers.append(bytearray(message[start : start + size]))  # a copy of its own: aligned and writable
        start += size
    return head, buffers


def _layout(sizes: Any) -> tuple[list[int], int]:
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // _ALIGN) * _ALIGN
    return offsets, end


def _write_all(descriptor: int, buffer: memoryview, offset: int) -> None:
    while buffer.nbytes:
        written = os.pwrite(descriptor, buffer, offset)
        buffer, offset = buffer[written:], offset + written


def _receive_descriptor(connection: Any) -> int:
    try:
        return reduction.recv_handle(connection)
    except RuntimeError as error:  # the sender died between the message and its descriptor
        raise EOFError(str(error)) from error


def _map_file(descriptor: int, sizes: Any) -> list[Any]:
    offsets, end = _layout(sizes)
    try:
        # Populate: one call in place of a page fault every 4 kB.
        pages = memoryview(mmap.mmap(descriptor, end, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE))
    finally:
        os.close(descriptor)
    return [pages[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
