"""Saving survives kills, full disks and failing devices: the path holds the old file or the new one, never a part."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import time

import pytest

import rushlight
from rushlight.serialization import load, save
from rushlight.serialization.atomic import atomic_write

# Larger than the write buffer, so that one save takes several writes.
OLD = {"n": 1, "w": rushlight.zeros(400_000), "v": rushlight.ones(500_000)}
NEW = {"n": 2, "w": rushlight.ones(400_000), "v": rushlight.zeros(500_000)}


def what_is_there(path):
    """1 for exactly the old state, 2 for exactly the new one."""
    found = load(path)
    for state in (OLD, NEW):
        if found["n"] == state["n"] and all(bool((found[key] == state[key]).all()) for key in "wv"):
            return state["n"]
    raise AssertionError("a mixture of two files")


class Fault:
    """Lets a function of `os` fail at its k-th call."""

    def __init__(self, monkeypatch, name, k, make):
        self.calls, self.k, self.make, self.real = 0, k, make, getattr(os, name)
        monkeypatch.setattr(os, name, self)

    def __call__(self, *args):
        self.calls += 1
        if self.calls == self.k:
            return self.make(self.real, *args)
        return self.real(*args)


def fail(number):
    def make(real, *args):
        raise OSError(number, os.strerror(number))

    return make


@pytest.mark.parametrize("name", ["write", "fsync", "replace", "open", "close"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failing_call_leaves_a_complete_file_and_names_it(name, number, tmp_path, monkeypatch):
    path = tmp_path / "model.pth"
    failures = 0
    for k in range(1, 20):
        save(OLD, path)
        with monkeypatch.context() as patch:
            fault = Fault(patch, name, k, fail(number))
            try:
                save(NEW, path)
            except OSError as error:
                failures += 1
                assert error.errno == number
                assert isinstance(error, PermissionError) == (number == errno.EACCES)
                assert "model.pth" in str(error)
            failed = fault.calls >= k
        assert os.listdir(tmp_path) == ["model.pth"]
        there = what_is_there(path)
        if not failed:
            assert there == 2
            break
    assert failures >= {"write": 3, "fsync": 2, "replace": 1, "open": 2, "close": 2}[name]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[: max(1, len(data) // 2)]))
    save(OLD, tmp_path / "model.pth")
    monkeypatch.undo()
    assert what_is_there(tmp_path / "model.pth") == 1


def test_a_device_that_takes_nothing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda descriptor, data: 0)
    with pytest.raises(OSError, match="accepted no bytes"):
        save(OLD, tmp_path / "model.pth")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["write", "fsync", "replace"])
def test_ctrl_c_leaves_the_old_file(name, tmp_path, monkeypatch):
    def interrupt(real, *args):
        raise KeyboardInterrupt

    path = tmp_path / "model.pth"
    save(OLD, path)
    Fault(monkeypatch, name, 1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(NEW, path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["model.pth"]
    assert what_is_there(path) == 1


def test_values_that_cannot_be_saved_touch_nothing(tmp_path):
    path = tmp_path / "model.pth"
    save(OLD, path)
    with pytest.raises(Exception, match="a function"):
        save({"w": OLD["w"], "f": lambda: 0}, path)
    assert os.listdir(tmp_path) == ["model.pth"]
    assert what_is_there(path) == 1


def kill_while_saving(path, seconds):
    """Kill a process that saves one state after the other."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                save(NEW, path)
                save(OLD, path)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def check_kills(folder, count):
    path = folder / "model.pth"
    save(OLD, path)
    rng = random.Random(4)
    seen = set()
    for _ in range(count):
        kill_while_saving(path, rng.uniform(0.002, 0.06))
        seen.add(what_is_there(path))
        for left in folder.glob(".*.tmp"):
            left.unlink()
    return seen


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_processes_leave_the_old_or_the_new_file(tmp_path):
    assert check_kills(tmp_path, 12) <= {1, 2}


@pytest.mark.nightly
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_thousand_kills(tmp_path):
    assert check_kills(tmp_path, 2000) == {1, 2}


def test_missing_folders_say_so_as_both_classes(tmp_path):
    path = tmp_path / "runs" / "model.pth"
    with pytest.raises(FileNotFoundError, match=r"makedirs"):
        save(1, path)
    with pytest.raises(RuntimeError, match="does not exist"):
        save(1, path)


def test_links_modes_and_special_files(tmp_path):
    path, link = tmp_path / "real.pth", tmp_path / "link.pth"
    save({"n": 0}, path)
    os.chmod(path, 0o640)
    os.symlink(path, link)
    save({"n": 1}, link)
    assert link.is_symlink()
    assert load(path) == {"n": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    save({"n": 2}, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "note"
    with atomic_write(path) as write:
        write(b"x" * 3_000_000)
        assert not path.exists()
    assert path.stat().st_size == 3_000_000
