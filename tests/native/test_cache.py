"""Kernels on disk: shared by processes, never trusted blindly, never in the way."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from small_kernels import add_text

from rushlight import cli, config
from rushlight.backend.llvm import diskcache, jit

MARK = "1|a processor"


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "cache"))
    monkeypatch.setattr(jit, "_addresses", {})
    return tmp_path / "cache" / "kernels"


def entry(folder: Path) -> Path:
    (only,) = folder.glob("*.o")
    return only


def compiled(monkeypatch) -> list[str]:
    """The texts that are compiled, not loaded, from now on."""
    texts: list[str] = []
    parse = jit._parse
    monkeypatch.setattr(jit, "_parse", lambda text, *more: texts.append(text) or parse(text, *more))
    return texts


def works(text: str, constant: float) -> bool:
    x, number = np.zeros(3), ctypes.c_double(1.0)
    args = np.array([x.ctypes.data, ctypes.addressof(number)], np.int64)
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    kernel(jit.address(text))(args.ctypes.data, 0, 3, None)
    return x.tolist() == [1.0 + constant] * 3


# -- one process -------------------------------------------------------------------------------------------------------


def test_what_was_stored_is_loaded(folder):
    data = bytes(range(256)) * 20
    diskcache.store("text", MARK, data)
    assert diskcache.load("text", MARK) == data
    assert diskcache.load("text ", MARK) is None
    diskcache.store("empty", MARK, b"")
    assert diskcache.load("empty", MARK) == b""
    assert diskcache.usage()[0] == 2 and not list(folder.glob("*.tmp"))


def test_a_second_process_compiles_nothing(monkeypatch):
    texts = [add_text(float(i)) for i in range(3)]
    jit.addresses(texts)
    jit._addresses.clear()
    new = compiled(monkeypatch)
    assert all(works(text, float(i)) for i, text in enumerate(texts)) and new == []


def test_damage_of_any_kind_is_noticed_and_repaired(folder, monkeypatch):
    """Every kind of damage at random places: the entry is deleted, compiled again, and right."""
    text = add_text(7.0)
    jit.address(text)
    path = entry(folder)
    sound = path.read_bytes()
    chance = random.Random(0)
    new = compiled(monkeypatch)
    damages = [b"", sound[:10], sound[:-1], sound + b"\0", bytes(len(sound)), sound[1:]]
    for _ in range(40):
        damaged = bytearray(sound)
        damaged[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
        damages.append(bytes(damaged))
        damages.append(sound[: chance.randrange(len(sound))])
    for count, damaged in enumerate(damages, 1):
        path.write_bytes(damaged)
        jit._addresses.clear()
        assert works(text, 7.0)
        assert len(new) == count and path.read_bytes() == sound


def test_an_entry_for_another_processor_is_never_used(folder, monkeypatch):
    """Neither found under its own name, nor believed under ours."""
    text = add_text(8.0)
    mine = jit.fingerprint()
    monkeypatch.setattr(jit, "fingerprint", lambda: mine.replace("|", "|another-", 1))
    jit.address(text)
    foreign = entry(folder)
    foreign_bytes = foreign.read_bytes()
    monkeypatch.setattr(jit, "fingerprint", lambda: mine)
    assert diskcache.load(jit.name(text), mine) is None
    os.rename(foreign, diskcache._path(jit.name(text), mine))
    assert diskcache.load(jit.name(text), mine) is None, "the fingerprint inside the file decides"
    jit._addresses.clear()
    assert works(text, 8.0) and entry(folder).read_bytes() != foreign_bytes


def test_the_fingerprint_names_compiler_processor_and_features():
    import llvmlite

    from rushlight.backend.llvm import target

    mark = jit.fingerprint()
    assert llvmlite.__version__ in mark and target.host_cpu() in mark and jit._host_features() in mark


def test_the_least_recently_used_go_first(folder, monkeypatch):
    for i in range(10):
        diskcache.store(f"text {i}", MARK, bytes(1000))
        os.utime(diskcache._path(f"text {i}", MARK), (i, i))
    assert diskcache.load("text 0", MARK), "which makes it the most recent"
    size = diskcache.usage()[1]
    diskcache.prune(size)
    assert diskcache.usage()[0] == 10
    diskcache.prune(size * 5 // 10)
    assert [i for i in range(10) if diskcache.load(f"text {i}", MARK)] == [0, 7, 8, 9]


def test_many_stores_stay_near_the_limit(monkeypatch):
    monkeypatch.setattr(config, "cache_limit", 100_000)
    for i in range(2000):
        diskcache.store(f"text {i}", MARK, bytes(1000))
    assert diskcache.usage()[1] < 2_000_000
    diskcache.prune(config.cache_limit)
    assert diskcache.usage()[1] <= 100_000


def test_what_a_killed_writer_leaves_is_removed_in_time(folder):
    diskcache.store("text", MARK, b"data")
    old, new = folder / "0.old.tmp", folder / "0.new.tmp"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (1, 1))
    diskcache.prune(1 << 20)
    assert not old.exists() and new.exists() and diskcache.load("text", MARK) == b"data"


# -- folders that cannot be used ---------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_means_memory_only(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "file"))
    assert works(add_text(9.0), 9.0)
    assert diskcache.usage() == (0, 0) and "Not a directory" in diskcache.problem()
    assert cli.main(["cache"]) == 0
    assert "memory only" in capsys.readouterr().out
    assert cli.main(["info"]) == 0
    assert "none on disk" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of Unix")
def test_a_folder_that_everybody_can_write_is_not_trusted(folder):
    text = add_text(10.0)
    jit.address(text)
    folder.chmod(0o777)
    assert diskcache.load(jit.name(text), jit.fingerprint()) is None and "every user" in diskcache.problem()
    diskcache.store("text", MARK, b"")
    assert diskcache.usage()[0] == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of Unix")
def test_a_folder_of_another_user_is_not_trusted(monkeypatch):
    diskcache.store("text", MARK, b"data")
    monkeypatch.setattr(os, "getuid", lambda: 1_234_567)
    owned_by_root = os.stat(diskcache.folder()).st_uid == 0
    assert (diskcache.load("text", MARK) == b"data") is owned_by_root


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    assert works(add_text(11.0), 11.0) and diskcache.problem()


def test_a_full_disk(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diskcache.os, "replace", full)
    assert works(add_text(12.0), 12.0)
    assert list(folder.iterdir()) == []


def test_no_limit_no_files(monkeypatch, folder):
    monkeypatch.setattr(config, "cache_limit", 0)
    assert works(add_text(13.0), 13.0) and not folder.exists()
    assert "RUSHLIGHT_CACHE_LIMIT" in diskcache.problem()


def test_the_users_cache_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "cache_dir", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert diskcache.folder() == tmp_path / "xdg" / "rushlight" / "kernels"


def test_the_command(folder, capsys):
    diskcache.store("text", MARK, bytes(100))
    assert cli.main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert str(folder) in shown and "entries  1 " in shown
    assert cli.main(["cache", "--clear"]) == 0
    shown = capsys.readouterr().out
    assert "deleted  1" in shown and "entries  0 " in shown and diskcache.usage() == (0, 0)


# -- many processes ----------------------------------------------------------------------------------------------------


def race(seed: int) -> None:
    """Load, store, prune and clear at random; AssertionError if anything but a whole entry is ever loaded."""
    chance = random.Random(seed)
    for _ in range(300):
        i = chance.randrange(20)
        data = bytes([i]) * (5000 + i)
        found = diskcache.load(f"text {i}", MARK)
        assert found is None or found == data
        if found is None or chance.random() < 0.3:
            diskcache.store(f"text {i}", MARK, data)
        if chance.random() < 0.02:
            diskcache.prune(50_000)
        if chance.random() < 0.005:
            diskcache.clear()


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = dict(os.environ, RUSHLIGHT_CACHE_DIR=config.cache_dir, PYTHONPATH=str(Path(cli.__file__).parents[2]))
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_32_processes_at_once(folder):
    children = []
    for seed in range(32):
        child = os.fork()
        if not child:
            try:
                race(seed)
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 32
    assert not list(folder.glob("*.tmp"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_32_processes_compile_the_same_kernels(folder):
    """Whoever comes first; all get code that works, and the entries are whole."""
    texts = [add_text(float(i)) for i in range(4)]
    children = []
    for _ in range(32):
        child = os.fork()
        if not child:
            os._exit(0 if all(works(text, float(i)) for i, text in enumerate(texts)) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 32
    assert all(diskcache.load(jit.name(text), jit.fingerprint()) for text in texts) and len(list(folder.iterdir())) == 4


def test_writers_that_are_killed(folder):
    """Killed at any moment, they leave whole entries and at most a temporary file each."""
    code = "import itertools\nfrom rushlight.backend.llvm import diskcache\n"
    code += "for i in itertools.count():\n    diskcache.store(f'text {i % 50}', 'mark', bytes([i % 50]) * 300_000)\n"
    processes = [start(code) for _ in range(4)]
    for process in processes:
        while not folder.exists() or process.poll() is not None:
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    whole = 0
    for i in range(50):
        found = diskcache.load(f"text {i}", "mark")
        assert found is None or found == bytes([i]) * 300_000
        whole += found is not None
    assert whole and len(list(folder.glob("*.tmp"))) <= 4
