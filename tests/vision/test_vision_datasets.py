"""Datasets on small files made here: layout, strict reading, clear errors, the batch path's bits."""

import gzip
import hashlib
import importlib.util
import io
import os
import pathlib
import pickle
import struct
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest

import rushlight
from rushlight.vision import datasets
from rushlight.vision import transforms as T
from rushlight.vision.datasets import _idx, utils
from rushlight.vision.datasets._cifar_pickle import read_batch
from rushlight.vision.transforms import v2

SHARED = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "data")
needs_pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="pillow is not installed")


def idx_bytes(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, train=12, test=5, packed=False, name="MNIST"):
    raw = folder / name / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = raw / f"{part}-{kind}-ubyte"
            if packed:
                (raw / f"{path.name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
            else:
                path.write_bytes(idx_bytes(array))
    return folder


# --- Digits ---------------------------------------------------------------------------------------------------------


def test_digits_parts_shapes_and_values():
    train, test = datasets.Digits(train=True), datasets.Digits(train=False)
    assert (len(train), len(test)) == (1442, 355)
    assert train.data.shape == (1442, 8, 8) and train.data.dtype == rushlight.uint8
    assert train.targets.dtype == rushlight.int64
    grey = np.concatenate([train.data.numpy(), test.data.numpy()])
    assert (grey.min(), grey.max()) == (0, 255)
    assert len(np.unique(grey)) == 17  # the 17 levels of the original, spread over 0..255
    counts = np.bincount(test.targets.numpy())
    assert counts.min() >= 34 and counts.max() <= 37  # every digit, alike often
    assert test.classes[3] == "3" and test.class_to_idx["7"] == 7


def test_digits_need_no_pillow_with_to_tensor(monkeypatch):
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)
    picture, target = datasets.Digits(transform=T.ToTensor())[0]
    assert picture.shape == (1, 8, 8) and target == 0
    with pytest.raises(ImportError, match=r"pip install 'rushlight\[vision\]'"):
        datasets.Digits()[0]


@needs_pillow
def test_digits_give_pil_pictures():
    picture, target = datasets.Digits()[1]
    assert (picture.mode, picture.size, target) == ("L", (8, 8), 1)
    assert np.array_equal(np.asarray(picture), datasets.Digits().data.numpy()[1])


def test_printed_form():
    text = repr(datasets.Digits(train=False, transform=T.ToTensor()))
    assert text == (
        "Dataset Digits\n    Number of datapoints: 355\n    Split: Test\n    StandardTransform\nTransform: ToTensor()"
    )


def test_transforms_and_transform_together_are_refused():
    with pytest.raises(ValueError, match="one of the two"):
        datasets.VisionDataset("x", transforms=lambda a, b: (a, b), transform=abs)


# --- the batch path -------------------------------------------------------------------------------------------------

PIPELINES = [
    T.ToTensor(),
    T.PILToTensor(),
    T.Compose([T.ToTensor(), T.Normalize((0.1307,), (0.3081,))]),
    T.Compose([T.PILToTensor(), T.ConvertImageDtype(rushlight.float32), T.CenterCrop(6)]),
    v2.Compose([v2.ToImage(), v2.ToDtype(rushlight.float32, scale=True), v2.Normalize([0.5], [0.25])]),
]


@needs_pillow
@pytest.mark.parametrize("transform", PIPELINES, ids=range(len(PIPELINES)))
def test_batches_have_the_bits_of_single_pictures(transform):
    plain = datasets.Digits()
    whole = datasets.Digits(transform=transform)
    indices = [5, 0, 77, -1, 5]
    slow = [transform(plain[i][0]) for i in indices]
    pictures, targets = whole.collated_batch(indices)
    assert targets.tolist() == [plain[i][1] for i in indices] and targets.dtype == rushlight.int64
    samples = whole.__getitems__(indices)
    for i, index in enumerate(indices):
        expected = slow[i].numpy()
        assert pictures.numpy()[i].dtype == expected.dtype
        assert pictures.numpy()[i].tobytes() == expected.tobytes()
        assert samples[i][0].numpy().tobytes() == expected.tobytes() and samples[i][1] == int(targets[i])
        assert whole[index][0].numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "transform",
    [None, T.Lambda(lambda x: x), T.Compose([T.ToTensor(), T.RandomErasing()]), T.Compose([T.Resize(4), T.ToTensor()])],
    ids=["none", "lambda", "random", "resize"],
)
def test_no_batches_for_other_transforms(transform):
    assert datasets.Digits(transform=transform).collated_batch([0, 1]) is None


def test_an_overridden_getitem_is_never_bypassed():
    class WithIndex(datasets.Digits):
        def __getitem__(self, index):
            return *super().__getitem__(index), index

    data = WithIndex(transform=T.ToTensor())
    assert [sample[2] for sample in data.__getitems__([3, 1])] == [3, 1] and data.collated_batch([3, 1]) is None


def test_data_loader_gives_the_same_either_way():
    from rushlight.utils.data import DataLoader, Subset, default_collate

    data = datasets.Digits(train=False, transform=T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,))]))
    for source in (data, Subset(data, [4, 9, 300, 7])):
        fast = list(DataLoader(source, batch_size=3))
        slow = list(DataLoader(source, batch_size=3, collate_fn=lambda samples: default_collate(samples)))
        for (a, y), (b, z) in zip(fast, slow, strict=True):
            assert type(fast[0]) is list and y.tolist() == z.tolist() and a.numpy().tobytes() == b.numpy().tobytes()


def test_no_batches_for_subclasses_and_target_transforms():
    class Mine(T.ToTensor):
        pass

    assert datasets.Digits(transform=Mine()).collated_batch([0]) is None
    assert datasets.Digits(transform=T.ToTensor(), target_transform=str).collated_batch([0]) is None
    assert datasets.Digits(transform=T.ToTensor(), target_transform=str).__getitems__([0, 1])[1][1] == "1"


def test_index_out_of_range_ends_a_loop():
    data = datasets.Digits(train=False, transform=T.ToTensor())
    for bad in (355, -356):
        with pytest.raises(IndexError, match=str(bad)):
            data[bad]
    with pytest.raises(IndexError, match="400"):
        data.collated_batch([0, 400])


def test_data_and_targets_may_be_replaced():
    data = datasets.Digits(transform=T.ToTensor())
    keep = data.targets.numpy() < 2
    data.data, data.targets = rushlight.from_numpy(data.data.numpy()[keep]), data.targets.numpy()[keep].tolist()
    assert len(data) == int(keep.sum()) and data[1][1] == 1
    assert set(data.collated_batch(range(10))[1].tolist()) == {0, 1}


# --- MNIST ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST])
def test_mnist_family_reads_plain_and_gzipped_files(tmp_path, packed, cls):
    write_mnist(tmp_path, packed=packed, name=cls.__name__)
    data = cls(str(tmp_path), train=True, transform=T.ToTensor())
    assert len(data) == 12 and data.data.shape == (12, 28, 28) and data.targets.tolist() == [*range(10), 0, 1]
    picture, target = data[3]
    assert picture.shape == (1, 28, 28) and target == 3 and type(target) is int
    assert float(picture.max()) <= 1.0
    assert len(cls(tmp_path, train=False)) == 5
    assert len(data.class_to_idx) == 10


def test_missing_files_say_where_to_put_them(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found") as error:
        datasets.MNIST(tmp_path)
    text = str(error.value)
    assert os.path.join(str(tmp_path), "MNIST", "raw") in text and "download=True" in text
    assert all(name[:-3] in text for name, _ in datasets.MNIST.resources)


def test_one_part_is_enough(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").unlink()
    assert len(datasets.MNIST(tmp_path, train=False)) == 5
    with pytest.raises(RuntimeError, match="got no train-images-idx3-ubyte "):
        datasets.MNIST(tmp_path, train=True)


def test_pictures_and_labels_must_agree(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    with pytest.raises(RuntimeError, match="12 pictures and 3 labels"):
        datasets.MNIST(tmp_path)


def test_emnist_splits(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "emnist-letters-train-images-idx3-ubyte").write_bytes(idx_bytes(np.ones((2, 28, 28), np.uint8)))
    (raw / "emnist-letters-train-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([1, 26], np.uint8)))
    data = datasets.EMNIST(tmp_path, "letters")
    assert [data.classes[t] for t in data.targets.tolist()] == ["a", "z"]
    assert len(datasets.EMNIST.classes_split_dict["balanced"]) == 47
    assert len(datasets.EMNIST.classes_split_dict["byclass"]) == 62
    with pytest.raises(ValueError, match="byclass"):
        datasets.EMNIST(tmp_path, "capitals")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_reader_refuses_every_truncation(tmp_path, suffix):
    whole = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    path = tmp_path / f"file{suffix}"
    for length in range(len(whole)):
        path.write_bytes(gzip.compress(whole[:length]) if suffix else whole[:length])
        with pytest.raises(rushlight.errors.FileFormatError, match="offset"):
            _idx.read_idx(path)
    path.write_bytes(gzip.compress(whole) if suffix else whole)
    assert _idx.read_idx(path)[1, 2, 3] == 23
    path.write_bytes(gzip.compress(whole + b"x") if suffix else whole + b"x")
    with pytest.raises(RuntimeError, match="offset"):
        _idx.read_idx(path)


@pytest.mark.parametrize(
    "head, words",
    [
        (b"PK\3\4", "offset 0"),
        (b"\0\0\7\1", "offset 2.*type 7"),
        (b"\0\0\x08\0", "offset 3"),
        (b"\0\0\x08\3" + b"\xff" * 12, "offset 4.*shape"),
        (b"\0\0\x08\1\0\0\0\5abc", "offset 8.*3 bytes"),
    ],
)
def test_idx_reader_names_the_bad_field(tmp_path, head, words):
    path = tmp_path / "bad"
    path.write_bytes(head + bytes(0))
    with pytest.raises(RuntimeError, match=words):
        _idx.read_idx(path)


def test_damaged_gzip_is_one_error_class(tmp_path):
    packed = gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8)))
    path = tmp_path / "labels.gz"
    for length in range(len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(rushlight.errors.FileFormatError):
            _idx.read_idx(path)
    path.write_bytes(packed[:-8] + bytes(8))  # wrong checksum
    with pytest.raises(rushlight.errors.FileFormatError):
        _idx.read_idx(path)


def test_big_endian_types(tmp_path):
    path = tmp_path / "wide"
    path.write_bytes(struct.pack(">BBBBI2i", 0, 0, 12, 1, 2, -1, 70000))
    assert _idx.read_idx(path).tolist() == [-1, 70000]


@pytest.mark.skipif(
    not os.path.isdir(os.path.join(SHARED, "MNIST", "raw")), reason="the real MNIST is not in shared/data"
)
def test_the_real_mnist():
    data = datasets.MNIST(SHARED, train=False, transform=T.ToTensor())
    assert data.data.shape == (10000, 28, 28) and data.targets.tolist()[:5] == [7, 2, 1, 0, 4]
    assert hashlib.md5(idx_bytes(data.data.numpy())).hexdigest() == "2646ac647ad5339dbf082846283269ea"
    pictures, _ = data.collated_batch(range(10000))
    assert abs(float(pictures.numpy().mean(dtype=np.float64)) - 0.1325) < 1e-4


# --- downloads (never a real connection) ----------------------------------------------------------------------------


class Answer:
    def __init__(self, data, length=None):
        self.data, self.headers = data, {"Content-Length": str(len(data) if length is None else length)}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def read(self, count):
        part, self.data = self.data[:count], self.data[count:]
        return part


def answers(monkeypatch, table):
    asked = []

    def urlopen(request, timeout=None):
        asked.append(request.full_url)
        answer = table[request.full_url]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def test_download_offline_lists_the_mirrors_and_the_place(tmp_path, monkeypatch):
    def urlopen(request, timeout=None):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(RuntimeError) as error:
        datasets.MNIST(tmp_path, download=True)
    text = str(error.value)
    assert all(mirror in text for mirror in datasets.MNIST.mirrors) and "Name or service not known" in text
    assert os.path.join(str(tmp_path), "MNIST", "raw", "train-images-idx3-ubyte.gz") in text
    assert os.listdir(tmp_path / "MNIST" / "raw") == []
    with pytest.raises(RuntimeError, match=r"cave\.cs\.toronto\.edu"):
        datasets.CIFAR10(tmp_path, download=True)


def test_download_goes_on_to_the_next_mirror(tmp_path, monkeypatch):
    md5 = hashlib.md5(b"right").hexdigest()
    table = {
        "http://a/f": TimeoutError("timed out"),
        "http://b/f": Answer(b"wrong"),
        "http://c/f": Answer(b"rig", length=5),
        "http://d/f": Answer(b"right"),
    }
    asked = answers(monkeypatch, table)
    path = utils.download_from(list(table), tmp_path, "f", md5)
    assert asked == list(table) and pathlib.Path(path).read_bytes() == b"right"
    assert os.listdir(tmp_path) == ["f"]  # no temporary file stays
    assert utils.download_from(["http://e/f"], tmp_path, "f", md5) == path  # there already: nothing is asked
    assert asked == list(table)


def test_mnist_download_unpacks(tmp_path, monkeypatch):
    source = write_mnist(tmp_path / "source", packed=True) / "MNIST" / "raw"
    files = {name: (source / name).read_bytes() for name, _ in datasets.MNIST.resources}
    resources = [(name, hashlib.md5(data).hexdigest()) for name, data in files.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    answers(monkeypatch, {datasets.MNIST.mirrors[0] + name: Answer(data) for name, data in files.items()})
    data = datasets.MNIST(tmp_path / "target", download=True)
    assert len(data) == 12
    assert (tmp_path / "target" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").exists()
    datasets.MNIST(tmp_path / "target", download=True)  # a second time needs no answer


def test_archives_write_nothing_outside(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("../outside")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(RuntimeError, match="extract_archive"):
        utils.extract_archive(tmp_path / "a.tar", tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../outside", "x")
    utils.extract_archive(tmp_path / "a.zip", tmp_path / "in")
    assert not (tmp_path / "outside").exists()
    (tmp_path / "b.tar.gz").write_bytes(b"no archive")
    with pytest.raises(RuntimeError, match="whole zip or tar"):
        utils.extract_archive(tmp_path / "b.tar.gz")


# --- CIFAR ----------------------------------------------------------------------------------------------------------


def write_cifar(root, cls, count=4):
    """Small batches, and a subclass that expects their MD5s."""
    folder = root / cls.base_folder
    folder.mkdir(parents=True)
    generator = np.random.default_rng(1)
    labels_key = "labels" if cls is datasets.CIFAR10 else "fine_labels"

    def dump(name, value):
        data = pickle.dumps(value, protocol=2)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def batch(name):
        data = generator.integers(0, 256, (count, 3072), dtype=np.uint8)
        return dump(name, {"data": data, labels_key: list(range(count)), "filenames": ["a.png"] * count})

    train = [batch(name) for name, _ in cls.train_list]
    test = [batch(name) for name, _ in cls.test_list]
    md5 = dump(cls.meta["filename"], {cls.meta["key"]: [f"class {i}" for i in range(count)]})[1]
    return type(cls.__name__, (cls,), {"train_list": train, "test_list": test, "meta": {**cls.meta, "md5": md5}})


@pytest.mark.parametrize("cls, train_count", [(datasets.CIFAR10, 20), (datasets.CIFAR100, 4)])
def test_cifar(tmp_path, cls, train_count):
    small = write_cifar(tmp_path, cls)
    data = small(str(tmp_path), transform=T.ToTensor())
    assert data.data.shape == (train_count, 32, 32, 3) and data.data.dtype == np.uint8
    assert data.targets[:4] == [0, 1, 2, 3] and data.classes[2] == "class 2" and data.class_to_idx["class 3"] == 3
    picture, target = data[2]
    assert target == 2 and np.array_equal((picture.numpy() * 255).round(), data.data[2].transpose(2, 0, 1))
    pictures, targets = data.collated_batch([3, 2])
    assert pictures.shape == (2, 3, 32, 32) and targets.tolist() == [3, 2]
    assert pictures.numpy()[1].tobytes() == picture.numpy().tobytes()
    assert len(small(tmp_path, train=False)) == 4


def test_cifar_missing_or_changed(tmp_path):
    with pytest.raises(RuntimeError, match="cifar-10-python.tar.gz"):
        datasets.CIFAR10(tmp_path)
    small = write_cifar(tmp_path, datasets.CIFAR10)
    with open(tmp_path / small.base_folder / "data_batch_3", "ab") as file:
        file.write(b"x")
    with pytest.raises(RuntimeError, match="data_batch_3 missing or with another MD5"):
        small(tmp_path)


class Runs:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize(
    "value",
    [
        Runs(),
        {"data": Runs()},
        {"data": np.array([Runs()], dtype=object)},
        {"data": np.zeros(3)},
        [1, 2],
        {"data": print},
    ],
)
def test_cifar_reader_runs_nothing(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(rushlight.errors.FileFormatError, match="batch"):
        read_batch(tmp_path / "batch")
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_cifar_reader_truncated(tmp_path):
    whole = pickle.dumps({"data": np.zeros((2, 4), np.uint8), "labels": [1, 2]}, protocol=2)
    path = tmp_path / "batch"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(rushlight.errors.FileFormatError):
            read_batch(path)
    path.write_bytes(whole)
    assert read_batch(path)["data"].shape == (2, 4)


# --- folders, fake pictures -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name, colour in (("dog", (255, 0, 0)), ("cat", (0, 255, 0))):
        (tmp_path / name / "deep").mkdir(parents=True)
        image.new("RGB", (4, 3), colour).save(tmp_path / name / "b.png")
        image.new("L", (4, 3), 9).save(tmp_path / name / "deep" / "a.PNG")
        (tmp_path / name / "notes.txt").write_text("no picture")
    return tmp_path


def test_image_folder(folder):
    data = datasets.ImageFolder(str(folder), transform=T.ToTensor(), target_transform=lambda t: t + 10)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1} and data.targets == [0, 0, 1, 1]
    assert [os.path.relpath(p, folder) for p, _ in data.imgs[:2]] == [
        os.path.join("cat", "b.png"),
        os.path.join("cat", "deep", "a.PNG"),
    ]
    picture, target = data[0]
    assert picture.shape == (3, 3, 4) and picture[:, 0, 0].tolist() == [0.0, 1.0, 0.0] and target == 10
    assert data[1][0].shape == (3, 3, 4)  # grey files come as RGB
    only = datasets.ImageFolder(
        folder, is_valid_file=lambda p: p.endswith("txt"), loader=lambda p: pathlib.Path(p).read_text()
    )
    assert len(only) == 2 and only[0] == ("no picture", 0)


def test_image_folder_errors(folder, tmp_path_factory):
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="class.*empty.*allow_empty=True"):
        datasets.ImageFolder(folder)
    assert datasets.ImageFolder(folder, allow_empty=True).classes == ["cat", "dog", "empty"]
    with pytest.raises(FileNotFoundError, match="no class folder"):
        datasets.ImageFolder(tmp_path_factory.mktemp("nothing"))
    with pytest.raises(ValueError, match="both"):
        datasets.DatasetFolder(folder, open, extensions=(".png",), is_valid_file=bool)
    with pytest.raises(ValueError, match="neither"):
        datasets.DatasetFolder(folder, open)


@needs_pillow
def test_fake_data_is_repeatable_and_leaves_the_seed_alone():
    data = datasets.FakeData(size=3, image_size=(3, 5, 7), num_classes=4)
    rushlight.manual_seed(0)
    expected = rushlight.rand(2).tolist()
    rushlight.manual_seed(0)
    first, target = data[1]
    assert rushlight.rand(2).tolist() == expected
    again, _ = data[1]
    assert first.size == (7, 5) and first.mode == "RGB" and 0 <= target < 4
    assert first.tobytes() == again.tobytes() != data[2][0].tobytes()
    with pytest.raises(IndexError):
        data[3]


def test_explain_shapes_names_the_transform():
    def explain(transform):
        return datasets.FakeData(transform=transform).explain_shapes()

    assert explain(T.Compose([T.Resize((8, 8)), T.ToTensor()])) is None
    assert "Resize((8, 8))" in explain(T.Compose([T.Resize(8), T.ToTensor()]))
    assert explain(T.Compose([T.Resize(8), T.CenterCrop(8)])) is None
    assert "expand=True" in explain(T.Compose([T.Resize((8, 8)), T.RandomRotation(5, expand=True)]))
    assert "RandomApply" in explain(T.Compose([T.Resize((8, 8)), T.RandomApply([T.Resize((4, 4))])]))
    assert "add Resize" in explain(T.ToTensor()) and "add Resize" in explain(None)


def test_digits_are_the_uci_pictures():
    original = pytest.importorskip("sklearn.datasets").load_digits()
    levels = np.rint(np.concatenate([datasets.Digits(train=part).data.numpy() for part in (True, False)]) / 255 * 16)
    seen = {picture.tobytes() for picture in levels.astype(np.uint8)}
    assert seen == {picture.tobytes() for picture in original.images.astype(np.uint8)}
    assert len(levels) == len(original.images)


def test_emnist_download_unpacks_one_split(tmp_path, monkeypatch):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part in ("train", "test"):
            for kind, array in (("images-idx3", np.ones((2, 28, 28), np.uint8)), ("labels-idx1", np.ones(2, np.uint8))):
                archive.writestr(f"gzip/emnist-digits-{part}-{kind}-ubyte.gz", gzip.compress(idx_bytes(array)))
    data = stream.getvalue()
    monkeypatch.setattr(datasets.EMNIST, "md5", hashlib.md5(data).hexdigest())
    old, new = (mirror + "gzip.zip" for mirror in datasets.EMNIST.mirrors)
    answers(monkeypatch, {old: OSError("gone"), new: Answer(data)})
    assert len(datasets.EMNIST(tmp_path, "digits", train=False, download=True)) == 2
