"""Files go both ways between PyTorch and Rushlight, bit for bit."""

from __future__ import annotations

import collections
import io
import random
import zipfile

import numpy as np
import pytest

import rushlight
from rushlight.errors import FileFormatError
from rushlight.serialization import load, safetensors, save, tensors

DTYPES = sorted(tensors.STORAGE_NAMES)


def roundtrip(value, write=save, read=load, **options):
    buffer = io.BytesIO()
    write(value, buffer)
    return read(io.BytesIO(buffer.getvalue()), **options)


def bits(tensor):
    """(dtype, shape, raw bytes) of a tensor of either library."""
    plain = tensor.detach()
    name = str(plain.dtype).removeprefix("torch.")
    flat = plain.contiguous().reshape(-1)
    if name == "bfloat16":
        package = rushlight if isinstance(tensor, rushlight.Tensor) else pytest.importorskip("torch")
        flat = flat.view(package.int16)
    return name, tuple(plain.shape), flat.numpy().tobytes()


def raw(rng, name, count):
    """`count` random elements as bytes: NaN payloads, infinities and -0 among them."""
    item = rushlight.empty(0, dtype=getattr(rushlight, name)).dtype.itemsize
    if name == "bool":
        return np.frombuffer(bytes(rng.randrange(2) for _ in range(count)), np.uint8).copy()
    return np.frombuffer(rng.randbytes(count * item), np.uint8).copy()


def make(rng, name, shape):
    return tensors.from_bytes(raw(rng, name, int(np.prod(shape))), name, shape)


@pytest.fixture
def oracle():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_both_ways_bit_for_bit(name, oracle):
    tensor = make(random.Random(name), name, (5, 7))
    ours = {"whole": tensor, "turned": tensor.t(), "part": tensor[1:4:2, 2:5], "none": tensor[:0], "one": tensor[2, 3]}
    theirs = roundtrip(ours, read=oracle.load)
    assert {key: bits(value) for key, value in theirs.items()} == {key: bits(value) for key, value in ours.items()}
    again = roundtrip(theirs, write=oracle.save)
    assert {key: bits(value) for key, value in again.items()} == {key: bits(value) for key, value in ours.items()}
    assert [again[key].stride() for key in ours] == [tuple(theirs[key].stride()) for key in ours]
    assert again["part"].storage_offset() == theirs["part"].storage_offset()


def test_containers_and_plain_values():
    value = {
        "numbers": [0, 255, 256, 65536, -1, 2**31, -(2**63), 2**200, 1.5, float("inf"), -0.0, True, None, 1 - 2j],
        "text": "naïve \ud800 \n", "bytes": b"\x00\xff", "empty": b"", "array": bytearray(b"ab"),
        ("tuple", 1): (), "nested": ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[], {}]),
        "sets": [{1, "a"}, set(), frozenset({2})], "size": rushlight.Size([2, 3]), "dtype": rushlight.bfloat16,
        "device": rushlight.device("cuda:1"), "count": collections.Counter("abca"),
        "default": collections.defaultdict(list, {"k": [1]}), 3: {0.5: "float key", None: 1},
    }  # fmt: skip
    back = roundtrip(value)
    assert back == value
    assert repr(back["numbers"]) == repr(value["numbers"])
    assert [type(back[key]) for key in value] == [type(value[key]) for key in value]
    assert back["default"].default_factory is list
    assert rushlight.float32 is roundtrip(rushlight.float32)


def test_plain_values_as_pytorch_sees_them(oracle):
    value = {"a": [1, -5, 2**80, 1.5, "é", b"\xff", bytearray(b"x"), {1, 2}, 1j, None, True], "n": (1, (2, 3, 4, 5))}
    assert roundtrip(value, read=oracle.load) == value
    assert roundtrip(value, write=oracle.save) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_pytorch_is_read(protocol, oracle):
    value = {"w": oracle.arange(3), "t": ("a", b"b", 2**70, frozenset({1}), [None])}
    back = roundtrip(value, write=lambda obj, f: oracle.save(obj, f, pickle_protocol=protocol))
    assert bits(back["w"]) == bits(value["w"])
    assert back["t"] == value["t"]


def test_numpy_values():
    value = {"best": np.float64(0.5), "flag": np.bool_(True), "none": np.zeros((0, 2))}
    value["turned"] = np.arange(6).reshape(2, 3).T
    back = roundtrip(value)
    assert all(np.array_equal(back[key], value[key]) and back[key].dtype == value[key].dtype for key in value)
    back["turned"][0, 0] = 9


def test_recursive_containers():
    value = []
    value.append((value, {"self": value}))
    back = roundtrip(value)
    assert back[0][0] is back
    assert back[0][1]["self"] is back


def test_a_training_checkpoint_of_pytorch(oracle):
    model = oracle.nn.Sequential(oracle.nn.Linear(3, 4), oracle.nn.BatchNorm1d(4))
    optimiser = oracle.optim.Adam(model.parameters(), lr=0.1)
    schedule = oracle.optim.lr_scheduler.MultiStepLR(optimiser, [2, 5])
    model(oracle.randn(5, 3)).sum().backward()
    optimiser.step()
    schedule.step()
    states = {"model": model.state_dict(), "opt": optimiser.state_dict(), "lr": schedule.state_dict(), "epoch": 3}
    back = roundtrip(states, write=oracle.save)
    assert isinstance(back["model"], collections.OrderedDict)
    assert back["model"]._metadata == states["model"]._metadata
    assert {k: bits(v) for k, v in back["model"].items()} == {k: bits(v) for k, v in states["model"].items()}
    assert bits(back["opt"]["state"][0]["exp_avg"]) == bits(states["opt"]["state"][0]["exp_avg"])
    assert back["opt"]["param_groups"] == states["opt"]["param_groups"]
    assert back["lr"] == states["lr"]
    # And back again through our writer.
    third = roundtrip(back, read=oracle.load)
    model.load_state_dict(third["model"])
    optimiser.load_state_dict(third["opt"])
    assert third["model"]._metadata == states["model"]._metadata


def test_parameters_and_requires_grad(oracle):
    value = {"p": rushlight.nn.Parameter(rushlight.ones(2)), "g": rushlight.zeros(2, requires_grad=True)}
    value["frozen"] = rushlight.nn.Parameter(rushlight.ones(1), requires_grad=False)
    for back, package in ((roundtrip(value), rushlight), (roundtrip(value, read=oracle.load), oracle)):
        assert isinstance(back["p"], package.nn.Parameter)
        assert [back[key].requires_grad for key in ("p", "g", "frozen")] == [True, True, False]
    assert roundtrip(oracle.nn.Parameter(oracle.ones(2)), write=oracle.save).requires_grad


def test_one_object_stays_one_object():
    weight = rushlight.nn.Parameter(rushlight.ones(3))
    back = roundtrip({"encoder": weight, "decoder": weight})
    assert back["encoder"] is back["decoder"]


def test_shared_storage_is_stored_once_and_shared_again(oracle):
    base = rushlight.zeros(1000)
    value = {"base": base, "rows": base.view(10, 100)[3:5], "turned": base.view(100, 10).t()}
    buffer = io.BytesIO()
    save(value, buffer)
    assert len(buffer.getvalue()) < 4000 + 4096
    for back in (load(io.BytesIO(buffer.getvalue())), roundtrip(roundtrip(value, read=oracle.load), write=oracle.save)):
        back["rows"][0, 0] = 7.0
        assert back["base"][300].item() == 7.0
        assert back["turned"].stride() == (1, 10)
        back["base"][10] = 5.0
        assert back["turned"][0, 1].item() == 5.0


def test_first_view_of_a_storage_may_be_the_smaller_one():
    base = rushlight.arange(6)
    back = roundtrip([base[4:], base])
    back[1][5] = 50
    assert back[0].tolist() == [4, 50]


def test_expanded_tensors_stay_small():
    buffer = io.BytesIO()
    save(rushlight.ones(1).expand(100_000), buffer)
    assert len(buffer.getvalue()) < 4096
    back = load(io.BytesIO(buffer.getvalue()))
    assert back.stride() == (0,)
    assert back[99_999].item() == 1.0


def test_the_container_is_an_aligned_zip_with_pytorchs_records():
    buffer = io.BytesIO()
    save({"a": rushlight.ones(3), "b": rushlight.zeros(70)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"archive/{name}"
            for name in ("data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1",
                         "version", ".data/serialization_id")
        ]  # fmt: skip
        read = {name.removeprefix("archive/"): archive.read(name) for name in archive.namelist()}
        for info in archive.infolist():
            with archive.open(info) as entry:
                assert (info.header_offset + 30 + len(info.filename) + _extra(buffer, info)) % 64 == 0
                assert len(entry.read()) == info.file_size
    assert (read["version"], read["byteorder"], read[".format_version"]) == (b"3\n", b"little", b"1")
    assert read["data/0"] == np.ones(3, np.float32).tobytes()
    assert len(read[".data/serialization_id"]) == 40


def _extra(buffer, info):
    return int.from_bytes(buffer.getvalue()[info.header_offset + 28 : info.header_offset + 30], "little")


def test_equal_contents_give_equal_files():
    files = []
    for _ in range(2):
        buffer = io.BytesIO()
        save({"w": rushlight.arange(5)}, buffer)
        files.append(buffer.getvalue())
    assert files[0] == files[1]


def test_paths_open_files_and_offsets(tmp_path):
    value = {"w": rushlight.arange(3)}
    path = tmp_path / "a.pth"
    save(value, path)
    save(value, str(path))
    with open(path, "rb") as file:
        assert load(file)["w"].tolist() == [0, 1, 2]
    with open(tmp_path / "b.pth", "wb", buffering=0) as file:
        file.write(b"front")
        save(value, file)
    with open(tmp_path / "b.pth", "rb") as file:
        file.seek(5)
        assert load(file)["w"].tolist() == [0, 1, 2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pth", "b.pth"]


def test_mmap_reads_the_same_and_never_writes_back(tmp_path):
    path = tmp_path / "a.pth"
    save({"w": rushlight.ones(4), "n": rushlight.arange(3)}, path)
    before = path.read_bytes()
    back = load(path, mmap=True)
    back["w"][0] = 5.0
    assert back["w"].tolist() == [5.0, 1.0, 1.0, 1.0]
    assert back["n"].tolist() == [0, 1, 2]
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="pass the path"):
        load(io.BytesIO(before), mmap=True)


def gpu_file():
    """A file whose tensors say that they lived on a GPU, as the bytes of the location are the only difference."""
    from rushlight.serialization.archive import ArchiveWriter

    pickled = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x06\x00\x00\x00cuda:0K\x02tQK\x00K\x02\x85K\x01\x85\x89)tR."
    )
    buffer = io.BytesIO()
    archive = ArchiveWriter(buffer.write)
    for name, data in (("data.pkl", pickled), ("data/0", np.float32([1, 2]).tobytes()), ("version", b"3\n")):
        archive.add(name, data)
    archive.close()
    return io.BytesIO(buffer.getvalue())


@pytest.mark.parametrize(
    "where", ["cpu", rushlight.device("cpu"), {"cuda:0": "cpu"}, {"cuda:0": rushlight.device("cpu")}, lambda s, loc: s]
)
def test_map_location_brings_gpu_files_to_the_cpu(where):
    assert load(gpu_file(), map_location=where).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("where", [None, "cuda", {"cuda:0": "cuda:1"}, {"cuda:5": "cpu"}, lambda s, loc: None])
def test_gpu_files_without_a_gpu_say_what_to_write(where):
    with pytest.raises(RuntimeError, match=r"cuda.*map_location='cpu'") as found:
        load(gpu_file(), map_location=where)
    assert not isinstance(found.value, FileFormatError)


def test_map_location_calls_and_their_errors_are_the_callers():
    seen = []

    def place(storage, location):
        seen.append((storage.nbytes(), location))

    save_to = io.BytesIO()
    save(rushlight.ones(2), save_to)
    load(io.BytesIO(save_to.getvalue()), map_location=place)
    assert seen == [(8, "cpu")]
    with pytest.raises(KeyError, match="mine"):
        load(gpu_file(), map_location=lambda s, loc: {}["mine"])
    with pytest.raises(TypeError, match="map_location of type float"):
        load(gpu_file(), map_location=1.5)


def test_map_location_meta_keeps_shapes_only():
    found = load(gpu_file(), map_location="meta")
    assert (str(found.device), tuple(found.shape)) == ("meta", (2,))


def test_bad_arguments():
    with pytest.raises(AttributeError, match="a path or a seekable binary file"):
        load(5)
    with pytest.raises(AttributeError, match="a path or a file object"):
        save(1, 5)
    with pytest.raises(ValueError, match="pickle_module"):
        load(io.BytesIO(b"x"), pickle_module=io)
    with pytest.raises(ValueError, match="2 to 5"):
        save(1, io.BytesIO(), pickle_protocol=1)
    with pytest.raises(NotImplementedError, match="zip"):
        save(1, io.BytesIO(), _use_new_zipfile_serialization=False)
    with pytest.raises(FileNotFoundError, match="no-such"):
        load("no-such-file.pth")


def test_values_that_no_file_can_hold_are_named_by_their_place():
    import pickle

    with pytest.raises(pickle.PicklingError, match=r"a function .* at obj\['hooks'\]\[1\]"):
        save({"hooks": [1, lambda x: x]}, io.BytesIO())
    with pytest.raises(pickle.PicklingError, match=r"cannot be pickled .* at obj\['file'\]"):
        save({"file": io.BufferedReader(io.BytesIO())}, io.BytesIO())
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(pickle.PicklingError, match="nested more than"):
        save(deep, io.BytesIO())


def random_state(rng, pool, depth=0):
    """A random nested container; tensors are made fresh or are views of earlier ones."""
    kind = rng.choice(["dict", "list", "tuple", "ordered"] if depth < 3 else ["atom"]) if rng.random() < 0.5 else "atom"
    if kind == "atom":
        if rng.random() < 0.5:
            return random_tensor(rng, pool)
        return rng.choice([rng.random(), rng.getrandbits(rng.choice([3, 40, 90])) - 5, "αβ" * rng.randrange(3), None,
                           True, rng.randbytes(3), complex(0, -0.0), float("nan")])  # fmt: skip
    parts = [random_state(rng, pool, depth + 1) for _ in range(rng.randrange(4))]
    if kind in ("dict", "ordered"):
        made = {"dict": dict, "ordered": collections.OrderedDict}[kind]
        return made((rng.choice([f"k{i}", i, (i, "x")]), part) for i, part in enumerate(parts))
    return {"list": list, "tuple": tuple}[kind](parts)


def random_tensor(rng, pool):
    if not pool or rng.random() < 0.6:
        shape = tuple(rng.choice([0, 1, 2, 3, 5]) for _ in range(rng.randrange(4)))
        pool.append(make(rng, rng.choice(DTYPES), shape))
        return pool[-1]
    tensor = rng.choice(pool)
    if tensor.dim() >= 2 and rng.random() < 0.5:
        return tensor.transpose(0, 1)
    if tensor.dim() and tensor.shape[0]:
        return tensor[rng.randrange(tensor.shape[0]) :: rng.choice([1, 2])]
    return tensor


def flatten(value, found):
    """Everything in a nested state in one list: tensors as their bits, containers by their kind."""
    if isinstance(value, rushlight.Tensor):
        found.append((bits(value), tuple(value.stride())))
    elif isinstance(value, dict):
        found.append((type(value), list(value)))
        for part in value.values():
            flatten(part, found)
    elif type(value) in (list, tuple):
        found.append((type(value), len(value)))
        for part in value:
            flatten(part, found)
    else:
        found.append(repr(value))
    return found


def tensors_in(value):
    if isinstance(value, rushlight.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if type(value) in (list, tuple) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


def sharing(value):
    """For each tensor, the position of the first one with the same storage."""
    first = {}
    storages = [tensor.untyped_storage() for tensor in tensors_in(value)]
    keys = [storage.data_ptr() if storage.nbytes() else -1 - i for i, storage in enumerate(storages)]
    return [first.setdefault(key, i) for i, key in enumerate(keys)]


def check_random_states(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        state = [random_state(rng, pool := []), random_state(rng, pool)]
        back = roundtrip(state)
        assert flatten(back, []) == flatten(state, []), seed
        assert sharing(back) == sharing(state), seed


def test_random_nested_states_come_back_bit_for_bit():
    check_random_states(range(200))


@pytest.mark.nightly
def test_ten_thousand_random_nested_states():
    check_random_states(range(200, 10_200))


def test_files_are_hardly_larger_than_their_tensors():
    buffer = io.BytesIO()
    save({f"layer{i}": rushlight.zeros(50_000) for i in range(4)}, buffer)
    assert len(buffer.getvalue()) <= 800_000 + 4096 + 8_000


def test_safetensors_round_trip(tmp_path):
    rng = random.Random(3)
    value = {name: make(rng, name, (3, 4)) for name in DTYPES if name != "complex128"}
    value |= {"turned": value["float32"].clone().t(), "none": rushlight.zeros(0, 2), "one": rushlight.tensor(2.5)}
    safetensors.save_file(value, tmp_path / "a.safetensors", {"format": "pt"})
    back = safetensors.load_file(tmp_path / "a.safetensors")
    assert {k: bits(v) for k, v in back.items()} == {k: bits(v) for k, v in value.items()}
    assert safetensors.load_metadata(tmp_path / "a.safetensors") == {"format": "pt"}


def test_safetensors_agrees_with_the_reference_package(tmp_path, oracle):
    reference = pytest.importorskip("safetensors.torch")
    theirs = {"a": oracle.randn(3, 4), "b": oracle.ones(2, dtype=oracle.bfloat16), "c": oracle.tensor(True)}
    reference.save_file(theirs, tmp_path / "theirs", {"k": "v"})
    ours = safetensors.load_file(tmp_path / "theirs")
    assert {k: bits(v) for k, v in ours.items()} == {k: bits(v) for k, v in theirs.items()}
    safetensors.save_file(ours, tmp_path / "ours", {"k": "v"})
    back = reference.load_file(tmp_path / "ours")
    assert {k: bits(v) for k, v in back.items()} == {k: bits(v) for k, v in theirs.items()}


def test_safetensors_refuses_what_the_format_cannot_say(tmp_path):
    tensor = rushlight.ones(4)
    with pytest.raises(ValueError, match="'a' and 'b', which share memory"):
        safetensors.save_file({"a": tensor, "b": tensor[:2]}, tmp_path / "x")
    with pytest.raises(TypeError, match="'a': a list"):
        safetensors.save_file({"a": [1.0]}, tmp_path / "x")
    with pytest.raises(TypeError, match="complex128"):
        safetensors.save_file({"a": rushlight.zeros(1, dtype=rushlight.complex128)}, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_damaged_safetensors_have_one_error_class(tmp_path):
    path = tmp_path / "a"
    safetensors.save_file({"w": rushlight.ones(3), "n": rushlight.arange(2)}, path)
    good = path.read_bytes()
    rng = random.Random(1)
    damaged = [good[:cut] for cut in range(len(good))]
    damaged += [good.replace(b'"F32"', b'"X32"'), good.replace(b"[3]", b"[4]"), good.replace(b'"n"', b'"w"')]
    damaged.append(good + b"x")
    for _ in range(200):
        piece = bytearray(good)
        piece[rng.randrange(len(good) - 28)] = rng.randrange(256)
        damaged.append(bytes(piece))
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            safetensors.load_file(path)
        except FileFormatError as error:
            assert "byte" in str(error)
            refused += 1
    assert refused > len(good)


@pytest.mark.nightly
def test_entries_beyond_four_gigabytes(tmp_path):
    from rushlight.serialization import archive, source

    path, count = tmp_path / "big", (1 << 32) + 8
    with open(path, "wb") as file:

        def write(data):
            # The zeros of the big entry become a hole in the file.
            file.seek(len(data), 1) if len(data) > 1 << 30 else file.write(data)

        writer = archive.ArchiveWriter(write)
        writer.add("data/0", np.zeros(count, np.uint8))
        writer.add("data/1", b"after")
        writer.close()
    with zipfile.ZipFile(path) as reference:
        assert [info.file_size for info in reference.infolist()] == [count, 5]
        assert reference.read("archive/data/1") == b"after"
    with open(path, "rb") as file:
        ours = source.Source(file, "big")
        entries = archive.read_directory(ours)
        begin = archive.data_offset(ours, entries["archive/data/1"])
        assert ours.read(begin, 5) == b"after"
        assert entries["archive/data/0"].size == count
        assert archive.data_offset(ours, entries["archive/data/0"]) % 64 == 0
