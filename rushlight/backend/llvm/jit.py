"""From text to machine code that can be called: `address` and `addresses`.

    address(text) -> int                the address of the function `kernel` of a module
    addresses(texts) -> list[int]       the same for many; those that are not yet loaded are linked in one go
    name(text) -> str                   what a kernel is known by, in memory and on disk
    known(names) -> dict | None         the addresses of kernels compiled before; None if one of them is neither in memory nor on disk
    library(text, exports) -> dict      the addresses of a module's symbols; it may call functions of this process
    verify(text)                        raises ValueError where LLVM finds the module wrong; for tests
    object_for(text, target, cpu)       the object file that a module becomes on any target of the table
    assembly_for(text, target, cpu)     the same as assembly

Code is looked up by a hash of its text in memory, then on disk (`diskcache`), then compiled: 4 to 40 ms a kernel against 0.1 ms
from disk. Kernels that are new at once are compiled on as many threads as `config.threads` says. What has been loaded
stays loaded until the process ends, since Programs and threads may be inside it at any time. All functions may be
called from any thread. There is no pass pipeline: the generators write what they want executed, and LLVM selects the
instructions.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import itertools
import os
import threading
from collections.abc import Sequence
from typing import Any

from rushlight import config
from rushlight.backend.llvm import diskcache, target
from rushlight.backend.llvm.target import Target

_FORMAT = 1  # of what is compiled from a text; raise it when the same text should become other machine code
_TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}

# LLVM's bindings have one lock of their own, which a fork would copy in whatever state it is: no fork while we are
# inside.
lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

_addresses: dict[str, int] = {}  # by name
_libraries = itertools.count()


def address(text: str) -> int:
    """The address of `kernel`, compiled from a module's text. ValueError if LLVM finds the text wrong."""
    return addresses([text])[0]


def addresses(texts: Sequence[str]) -> list[int]:
    """The address of each module's `kernel`; equal texts have equal addresses."""
    names = list(map(name, texts))
    if not _addresses.keys() >= set(names):
        with lock:
            missing = {n: text for n, text in zip(names, texts, strict=True) if n not in _addresses}
            if missing:
                _addresses.update(
                    _link(_objects(list(missing.values()), [{"kernel": n} for n in missing]), list(missing))
                )
    return [_addresses[n] for n in names]


def known(names: Sequence[str]) -> dict[str, int] | None:
    """The addresses of kernels that have been compiled before, by name; None if the machine code of one is gone."""
    with lock:
        missing = list(dict.fromkeys(n for n in names if n not in _addresses))
        objects = [diskcache.load(n, fingerprint()) for n in missing]
        if None in objects:
            return None
        if missing:
            _addresses.update(_link([data for data in objects if data is not None], missing))
    return {n: _addresses[n] for n in names}


def library(text: str, exports: Sequence[str]) -> dict[str, int]:
    """The addresses of a module's symbols. What it declares without defining is looked up in this process."""
    with lock:
        return _link(_objects([text], [{symbol: symbol for symbol in exports}]), exports)


def verify(text: str) -> None:
    """ValueError if LLVM finds the module wrong."""
    with lock:
        _initialise()
        _parse(text)


def object_for(text: str, to: Target | None = None, cpu: str = "") -> bytes:
    """The object file for a target of the table (the one in use by default), which need not be this machine's."""
    with lock:
        _initialise(everywhere=True)
        return _machine_for(to, cpu).emit_object(_parse(text))


def assembly_for(text: str, to: Target | None = None, cpu: str = "") -> str:
    """As `object_for`, as text to read."""
    with lock:
        _initialise(everywhere=True)
        return _machine_for(to, cpu).emit_assembly(_parse(text))


@functools.lru_cache(8192)
def name(text: str) -> str:
    """The kernel's symbol: modules linked together must not share one."""
    return "kernel_" + hashlib.sha256(text.encode()).hexdigest()[:32]


# -- compiling ---------------------------------------------------------------------------------------------------------


@functools.cache
def _initialise(everywhere: bool = False) -> None:
    import llvmlite.binding as llvm

    if everywhere:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()


def _machine() -> Any:
    """Compiles for this processor. The small code model will do: JITLink keeps a module together."""
    import llvmlite.binding as llvm

    _initialise()
    triple = llvm.Target.from_triple(llvm.get_process_triple())
    return triple.create_target_machine(
        cpu=target.host_cpu(), features=_host_features(), opt=2, reloc="pic", codemodel="small"
    )


def _machine_for(to: Target | None, cpu: str) -> Any:
    import llvmlite.binding as llvm

    to = to or target.current()
    triple = llvm.Target.from_triple(_TRIPLES[to.arch])
    return triple.create_target_machine(cpu=cpu, features=to.features, opt=2, reloc="pic", codemodel="small")


@functools.cache
def _host_features() -> str:
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_features().flatten()


@functools.cache
def fingerprint() -> str:
    """Everything beside the text that decides the machine code."""
    import llvmlite

    return f"{_FORMAT}|llvmlite {llvmlite.__version__}|{target.host_cpu()}|{_host_features()}"


def _parse(text: str, context: Any = None) -> Any:
    import llvmlite.binding as llvm

    try:
        module = llvm.parse_assembly(text, context)
        module.verify()
    except RuntimeError as error:
        raise ValueError(f"LLVM: {str(error).strip()}") from None
    return module


def _objects(texts: Sequence[str], exports: Sequence[dict[str, str]]) -> list[bytes]:
    """Each module's object, from the disk or new. Exports get other names; all else becomes internal."""
    mark = fingerprint()
    objects = [diskcache.load(name(text), mark) for text in texts]
    # The longest first, so that the threads end at about the same time.
    work = sorted((i for i, data in enumerate(objects) if data is None), key=lambda i: len(texts[i]))
    errors: list[BaseException] = []

    def compile_some() -> None:
        machine = _machine()
        while not errors:
            try:
                index = work.pop()
            except IndexError:
                return
            try:
                objects[index] = data = _compiled(machine, texts[index], exports[index])
                diskcache.store(name(texts[index]), mark, data)
            except BaseException as error:
                errors.append(error)

    if work:
        _initialise()
        helpers = [threading.Thread(target=compile_some) for _ in range(min(len(work), config.threads) - 1)]
        for helper in list(helpers):
            try:
                helper.start()
            except RuntimeError:  # the system refuses another thread
                helpers.remove(helper)
        compile_some()
        for helper in helpers:
            helper.join()
        if errors:
            raise errors[0]
    return [data for data in objects if data is not None]


def _compiled(machine: Any, text: str, exports: dict[str, str]) -> bytes:
    """A module's object; in a context of its own, so that threads do not meet."""
    import llvmlite.binding as llvm

    context = llvm.create_context()
    try:
        with _parse(text, context) as module:
            for value in (*module.functions, *module.global_variables):
                if value.name in exports:
                    value.name = exports[value.name]
                elif not value.is_declaration:
                    value.linkage = "internal"
            return _emitted(machine, module)
    finally:
        context.close()


def _emitted(machine: Any, module: Any) -> bytes:
    """`machine.emit_object(module)` without llvmlite's lock around it: nearly all the time of compiling goes here."""
    library = _library()
    error = ctypes.c_char_p()
    pointer = (ctypes.cast(value._ptr, ctypes.c_void_p) for value in (machine, module))
    buffer = library.LLVMPY_TargetMachineEmitToMemory(*pointer, 1, ctypes.byref(error))
    if not buffer:
        raise RuntimeError(f"LLVM: {(error.value or b'no object').decode()}")
    try:
        return ctypes.string_at(library.LLVMPY_GetBufferStart(buffer), library.LLVMPY_GetBufferSize(buffer))
    finally:
        library.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _library() -> Any:
    """llvmlite's library, called directly."""
    import llvmlite.binding as llvm

    library = ctypes.CDLL(llvm.ffi.lib._name)
    address, number = ctypes.c_void_p, ctypes.c_size_t
    types: dict[str, tuple[Any, list[Any]]] = {
        "LLVMPY_TargetMachineEmitToMemory": (
            address,
            [address, address, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)],
        ),
        "LLVMPY_GetBufferStart": (address, [address]),
        "LLVMPY_GetBufferSize": (number, [address]),
        "LLVMPY_DisposeMemoryBuffer": (None, [address]),
    }
    for symbol, (result, arguments) in types.items():
        function = getattr(library, symbol)
        function.restype, function.argtypes = result, arguments
    return library


# -- loading -----------------------------------------------------------------------------------------------------------


@functools.cache
def _engine() -> Any:
    import llvmlite.binding as llvm

    _initialise()
    engine = llvm.create_lljit_compiler(use_jit_link=True)
    # Threads stay inside the code until the process ends, so it is never unloaded.
    atexit.register(engine.detach)
    return engine


def _link(objects: Sequence[bytes], names: Sequence[str]) -> dict[str, int]:
    import llvmlite.binding as llvm

    builder = llvm.JITLibraryBuilder().add_current_process()
    for data in objects:
        builder.add_object_img(data)
    for symbol in names:
        builder.export_symbol(symbol)
    tracker = builder.link(_engine(), f"library_{next(_libraries)}")
    found = {symbol: tracker[symbol] for symbol in names}
    tracker.detach()
    return found
