"""Damaged and malicious files: one error class that names file and offset, and nothing from the file ever runs."""

from __future__ import annotations

import io
import pickle
import random
import struct
import sys
import time

import pytest

import rushlight
from rushlight.errors import FileFormatError
from rushlight.serialization import (
    UnsafeFileError,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    load,
    safe_globals,
    save,
)
from rushlight.serialization.archive import ArchiveWriter

CALLS = []


def boom(*args):
    CALLS.append(args)


class Harmless:
    """What a program may vouch for with add_safe_globals."""

    def __init__(self, value=0):
        self.value = value


class Evil:
    def __reduce__(self):
        return boom, ("ran",)


def pack(data, storages=(b"\0" * 16,), **records):
    """A well-formed archive around the pickle `data`."""
    buffer = io.BytesIO()
    archive = ArchiveWriter(buffer.write)
    archive.add("data.pkl", data)
    for name, content in records.items():
        archive.add(name, content)
    for number, content in enumerate(storages):
        archive.add(f"data/{number}", content)
    archive.add("version", b"3\n")
    archive.close()
    return buffer.getvalue()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def storage(kind=b"ctorch\nFloatStorage\n", key="0", numel=b"K\x04"):
    return b"(" + text("storage") + kind + text(key) + text("cpu") + numel + b"tQ"


def tensor(store=None, offset=b"K\x00", size=b"K\x02K\x02\x86", stride=b"K\x02K\x01\x86", grad=b"\x89"):
    head = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return head + (store or storage()) + offset + size + stride + grad + b"ccollections\nOrderedDict\n)R" + b"tR"


def test_the_building_blocks_of_these_tests_are_sound():
    assert load(io.BytesIO(pack(b"\x80\x02" + tensor() + b"."))).tolist() == [[0.0, 0.0], [0.0, 0.0]]


HERE = __name__.encode()
BIG = b"\x8a\x08" + struct.pack("<q", 1 << 61)
EMPTY = b"ccollections\nOrderedDict\n)R"
MALICIOUS = {
    "reduce os.system": b"\x80\x02cos\nsystem\n" + text("echo hi") + b"\x85R.",
    "reduce posix.system": b"\x80\x02cposix\nsystem\n" + text("echo hi") + b"\x85R.",
    "stack global": b"\x80\x04" + text("os") + text("system") + b"\x93" + text("id") + b"\x85R.",
    "stack global of numbers": b"\x80\x04K\x01K\x02\x93.",
    "builtins eval": b"\x80\x02cbuiltins\neval\n" + text("1+1") + b"\x85R.",
    "python 2 eval": b"\x80\x02c__builtin__\neval\n" + text("1+1") + b"\x85R.",
    "builtins exec": b"\x80\x02c__builtin__\nexec\n" + text("x=1") + b"\x85R.",
    "getattr": b"\x80\x02c__builtin__\ngetattr\n" + text("a") + text("upper") + b"\x86R.",
    "import": b"\x80\x02c__builtin__\n__import__\n" + text("antigravity") + b"\x85R.",
    "open": b"\x80\x02c__builtin__\nopen\n" + text("/etc/passwd") + b"\x85R.",
    "subprocess": b"\x80\x02csubprocess\nPopen\n(" + text("id") + b"tR.",
    "socket": b"\x80\x02csocket\ncreate_connection\n(" + text("h") + b"K\x50\x86tR.",
    "runpy": b"\x80\x02crunpy\nrun_path\n" + text("x.py") + b"\x85R.",
    "this test's function": b"\x80\x02c" + HERE + b"\nboom\n)R.",
    "dotted name": b"\x80\x04" + text("collections") + text("OrderedDict.fromkeys") + b"\x93)R.",
    "nested in a dict": b"\x80\x02}" + text("k") + b"cos\nsystem\n" + text("id") + b"\x85Rs.",
    "a global as value": b"\x80\x02}" + text("k") + b"ctorch._utils\n_rebuild_tensor_v2\ns.",
    "a factory as value": b"\x80\x02c__builtin__\nlist\n.",
    "INST": b"\x80\x02(" + text("id") + b"ios\nsystem\n.",
    "OBJ": b"\x80\x02(cos\nsystem\n" + text("id") + b"o.",
    "NEWOBJ": b"\x80\x02c" + HERE + b"\nHarmless\n)\x81.",
    "NEWOBJ of a function": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04c" + HERE + b"\nHarmless\n)}\x92.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "PERSID": b"\x80\x02Px\n.",
    "protocol 0 text": b"\x80\x02S'a'\n.",
    "DUP": b"\x80\x02K\x01202.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "call of a value": b"\x80\x02" + text("a") + b")R.",
    "call without a tuple": b"\x80\x02ccollections\nOrderedDict\n]R.",
    "BUILD of a list": b"\x80\x02]}b.",
    "BUILD of a tensor": b"\x80\x02" + tensor() + b"}" + text("data") + b"K\x01sb.",
    "BUILD of a global": b"\x80\x02ctorch._utils\n_rebuild_parameter\n}b.",
    "BUILD hides a method": b"\x80\x02" + EMPTY + b"}" + text("items") + b"K\x01sb.",
    "BUILD with class": b"\x80\x02" + EMPTY + b"}" + text("__class__") + b"K\x01sb.",
    "SETITEM on a list": b"\x80\x02]K\x00K\x01s.",
    "SETITEM on a tensor": b"\x80\x02" + tensor() + b"K\x00K\x01s.",
    "SETITEMS on a tuple": b"\x80\x02)(K\x00K\x01u.",
    "SETITEM on bytes": b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00xK\x00K\x01s.",
    "APPEND on a dict": b"\x80\x02}K\x01a.",
    "APPENDS on a tensor": b"\x80\x02" + tensor() + b"(K\x01e.",
    "ADDITEMS on a dict": b"\x80\x04}(K\x01\x90.",
    "storage larger than its record": b"\x80\x02" + tensor(storage(numel=b"K\x05")) + b".",
    "storage of 2**61 elements": b"\x80\x02" + tensor(storage(numel=BIG)) + b".",
    "storage of -1 elements": b"\x80\x02" + tensor(storage(numel=b"J\xff\xff\xff\xff")) + b".",
    "storage of True elements": b"\x80\x02" + tensor(storage(numel=b"\x88")) + b".",
    "storage that is not there": b"\x80\x02" + tensor(storage(key="7")) + b".",
    "storage by a path": b"\x80\x02" + tensor(storage(key="../data.pkl")) + b".",
    "storage class os.system": b"\x80\x02" + tensor(storage(kind=b"cos\nsystem\n")) + b".",
    "storage class dict": b"\x80\x02" + tensor(storage(kind=b"}")) + b".",
    "bare storage": b"\x80\x02" + storage() + b".",
    "storage in a list": b"\x80\x02]" + storage() + b"a.",
    "negative offset": b"\x80\x02" + tensor(offset=b"J\xff\xff\xff\xff") + b".",
    "offset outside": b"\x80\x02" + tensor(offset=b"K\x01") + b".",
    "negative stride": b"\x80\x02" + tensor(stride=b"J\xfe\xff\xff\xffK\x01\x86") + b".",
    "stride outside": b"\x80\x02" + tensor(stride=b"K\x04K\x01\x86") + b".",
    "size overflow": b"\x80\x02" + tensor(size=BIG + BIG + b"\x86", stride=b"K\x00K\x00\x86") + b".",
    "size of floats": b"\x80\x02" + tensor(size=b"G" + b"\0" * 8 + b"K\x02\x86") + b".",
    "lengths differ": b"\x80\x02" + tensor(stride=b"K\x01\x85") + b".",
    "integers that want gradients": b"\x80\x02" + tensor(storage(b"ctorch\nIntStorage\n"), grad=b"\x88") + b".",
    "parameter over a dict": b"\x80\x02ctorch._utils\n_rebuild_parameter\n}\x88)\x87R.",
    "tensor type os.system": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNNNtR.",
    "tensor built by set": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(c__builtin__\nset\nctorch\nTensor\n)}tR.",
    "defaultdict of os.system": b"\x80\x02ccollections\ndefaultdict\ncos\nsystem\n\x85R.",
    "defaultdict of a rebuild": b"\x80\x02ccollections\ndefaultdict\nctorch._utils\n_rebuild_tensor\n\x85R.",
    "counter of a tensor": b"\x80\x02ccollections\nCounter\n" + tensor() + b"\x85R.",
    "bytearray of 2**61": b"\x80\x02c__builtin__\nbytearray\n" + BIG + b"\x85R.",
    "bytes of 2**61": b"\x80\x02c__builtin__\nbytes\n" + BIG + b"\x85R.",
    "encode with a codec": b"\x80\x02c_codecs\nencode\n" + text("x") + text("zlib") + b"\x86R.",
    "numpy of objects": b"\x80\x02cnumpy\ndtype\n" + text("O8") + b"\x89\x88\x87R.",
    "huge memo index": b"\x80\x02j\xff\xff\xff\xff.",
    "memo of nothing": b"\x80\x02q\x00.",
    "memo flood": b"\x80\x04N" + b"\x94" * 1_200_000 + b".",
    "container flood": b"\x80\x02(" + b"}" * 2_000_000 + b"t.",
    "mark flood": b"\x80\x02" + b"(" * 100_000 + b".",
    "deep tuples": b"\x80\x02)" + b"\x85" * 50_000 + b".",
    "deep lists": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
    "exponential key": b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",
    "exponential message": b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b")R.",
    "colliding keys": b"\x80\x02}("
    + b"".join(b"\x8a\x20" + (k * ((1 << 61) - 1) + 2**70).to_bytes(32, "little") + b"N" for k in range(3000)) + b"u.",
    "a dict as key": b"\x80\x02}}K\x01s.",
    "endless text": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "endless bytes": b"\x80\x04\x8e" + b"\xff" * 8 + b".",
    "endless integer": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "endless frame": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "two values": b"\x80\x02NN.",
    "no value": b"\x80\x02.",
    "no STOP": b"\x80\x02N",
    "bytes after STOP": b"\x80\x02N.N.",
    "no PROTO": b"N.",
    "protocol 9": b"\x80\x09N.",
    "bad UTF-8": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "empty": b"",
}  # fmt: skip

_WATCHED = (
    "exec", "compile", "import", "open", "os.", "subprocess", "socket", "ctypes", "pickle", "shutil", "marshal",
)  # fmt: skip
_EVENTS = []
_WATCHING = []


def _watch(event, args):
    if _WATCHING and event.startswith(_WATCHED):
        _EVENTS.append((event, str(args)[:80]))


sys.addaudithook(_watch)


def watched_load(data, **options):
    """(result or error, CPU seconds); fails when anything was imported, opened or run meanwhile."""
    _EVENTS.clear()
    file = io.BytesIO(data)
    start = time.process_time()
    _WATCHING.append(1)
    try:
        result = load(file, **options)
    except FileFormatError as error:
        result = error
    finally:
        _WATCHING.clear()
    seconds = time.process_time() - start
    assert not _EVENTS
    assert not CALLS
    return result, seconds


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported_before_events_are_watched():
    load(io.BytesIO(pack(b"\x80\x02" + tensor() + b".")), weights_only=False)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_pickles_run_nothing(name, weights_only):
    error, seconds = watched_load(pack(MALICIOUS[name]), weights_only=weights_only)
    assert isinstance(error, FileFormatError), error
    assert "<BytesIO>, byte " in str(error)
    assert seconds < 1


def test_pickles_made_by_pickle_itself_run_nothing():
    for protocol in range(2, 6):
        for value in (Evil(), [Evil()], {"k": (Evil(),)}, Harmless()):
            error, _ = watched_load(pack(pickle.dumps(value, protocol)))
            assert isinstance(error, UnsafeFileError)
            assert isinstance(error, pickle.UnpicklingError)


def test_disallowed_globals_say_what_to_do():
    with pytest.raises(pickle.UnpicklingError, match=r"global .*Harmless.*add_safe_globals\(\[Harmless\]\)"):
        load(io.BytesIO(pack(pickle.dumps(Harmless(), 2))))


def test_safe_globals_let_named_classes_in():
    buffer = io.BytesIO()
    save({"config": Harmless(5)}, buffer)
    with safe_globals([Harmless]):
        assert load(io.BytesIO(buffer.getvalue()))["config"].value == 5
    with pytest.raises(UnsafeFileError):
        load(io.BytesIO(buffer.getvalue()))
    add_safe_globals([(Harmless, f"{__name__}.Harmless")])
    assert get_safe_globals() == [Harmless]
    assert load(io.BytesIO(buffer.getvalue()))["config"].value == 5
    clear_safe_globals()
    assert get_safe_globals() == []
    with pytest.raises(ValueError, match="let a file do anything"):
        add_safe_globals([__import__("os").system])


def small_file():
    buffer = io.BytesIO()
    state = {"w": rushlight.ones(2, 2), "n": [1, "two", (3.0, None)], "p": rushlight.nn.Parameter(rushlight.zeros(1))}
    save(state, buffer)
    return buffer.getvalue()


def test_truncation_at_every_byte():
    data = small_file()
    for cut in range(len(data)):
        error, seconds = watched_load(data[:cut])
        assert isinstance(error, FileFormatError), cut
        assert "byte" in str(error)
        assert seconds < 1


def mutate(rng, data):
    piece = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(piece))
        choice = rng.randrange(5)
        if choice == 0:
            piece[at] = rng.randrange(256)
        elif choice == 1:
            piece[at] ^= 1 << rng.randrange(8)
        elif choice == 2:
            piece[at : at + rng.choice([1, 4, 8])] = rng.choice([b"\xff" * 8, b"\0" * 4, b"\xff\xff\xff\x7f", b""])
        elif choice == 3:
            end = rng.randrange(at, min(at + 40, len(piece))) + 1
            piece[at:at] = piece[at:end]
        else:
            piece[at:at] = bytes([rng.choice(b".(]})ebstuRQ\x81\x85\x86\x87\x93\x94hqNK\x88")])
        if not piece:
            piece = bytearray(data)
    return bytes(piece)


def check_mutations(seed, count):
    """Damage whole files, and pickles inside sound archives (so that the check sums do not shield the reader)."""
    rng = random.Random(seed)
    whole = small_file()
    start = whole.index(b"\x80\x02")
    inner = whole[start : whole.index(b"PK", start)]
    refused = 0
    for number in range(count):
        data = mutate(rng, whole) if number % 3 == 0 else pack(mutate(rng, inner), (b"\0" * 16, b"\0" * 4))
        result, seconds = watched_load(data, weights_only=number % 2 == 0)
        refused += isinstance(result, FileFormatError)
        assert seconds < 1
    return refused


def test_random_damage_has_one_error_class():
    assert check_mutations(seed=1, count=900) > 500


@pytest.mark.nightly
def test_twenty_thousand_damaged_files():
    assert check_mutations(seed=2, count=20_000) > 10_000


def test_damaged_tensor_bytes_are_noticed():
    data = bytearray(small_file())
    at = data.index(struct.pack("<f", 1.0) * 4)
    data[at] ^= 1
    with pytest.raises(FileFormatError, match=rf"byte {at}: got damaged bytes in the record 'data/0'"):
        load(io.BytesIO(bytes(data)))


def entry_at(data, name, nth=0):
    at = -1
    for _ in range(nth + 1):
        at = data.index(b"PK\1\2", at + 1)
        while data[at + 46 : at + 46 + len(name)] != name:
            at = data.index(b"PK\1\2", at + 1)
    return at


def patched(field, value, name=b"archive/data/0", form="<I"):
    data = bytearray(small_file())
    struct.pack_into(form, data, entry_at(data, name) + field, value)
    return bytes(data)


def twice():
    data = small_file()
    return data.replace(b"archive/data/1", b"archive/data/0")


@pytest.mark.parametrize(
    "data, words",
    [
        (patched(10, 8, form="<H"), "compressed"),
        (patched(8, 0x801, form="<H"), "encrypted"),
        (patched(24, 10_000), "sizes"),
        (patched(42, 10), "overlap|end before|disagrees"),
        (patched(42, 0x7FFFFFFF), "end before"),
        (patched(16, 1), "disagrees"),
        (twice(), "twice"),
        (pack(b"\x80\x02N.", byteorder=b"big"), "'big' in the record 'byteorder'.*'little'"),
        (pack(b"\x80\x02N.", **{"constants.pkl": b"x"}), "torch.jit.load"),
        (pack(b"\x80\x02N.", **{".format_version": b"9"}), "format_version"),
        (pack(b"\x80\x02N.", **{"sub/data.pkl": b"x"}), "exactly one"),
        (small_file() + b"\0", "no zip directory"),
        (b"", "empty file"),
        (b"PK\3\4" + b"\0" * 100, "cut off"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", r"before 1.6.*torch.save\(torch.load"),
        (pickle.dumps({"a": 1}), "bare pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "download failed"),
        (struct.pack("<Q", 20) + b'{"w":{}}', "safetensors"),
        (b"random bytes that are nothing", "begins with PK"),
    ],
)
def test_files_that_are_something_else_or_lie_about_themselves(data, words):
    with pytest.raises(FileFormatError, match=rf"(?s)byte \d+.*({words})"):
        load(io.BytesIO(data))


def test_check_sums_may_be_absent_as_pytorch_can_leave_them_out():
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(torch.arange(3), buffer)
    finally:
        torch.serialization.set_crc32_options(True)
    assert load(io.BytesIO(buffer.getvalue())).tolist() == [0, 1, 2]


def test_legacy_files_of_pytorch_are_explained():
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save(torch.arange(3), buffer, _use_new_zipfile_serialization=False)
    with pytest.raises(FileFormatError, match="legacy format"):
        load(io.BytesIO(buffer.getvalue()))
