"""Picture files, grids of pictures."""

import io

import numpy as np
import pytest

import rushlight
from rushlight.vision import io as vio
from rushlight.vision import utils

Image = pytest.importorskip("PIL.Image")


def sample(channels=3, height=5, width=7):
    return rushlight.from_numpy(np.random.default_rng(0).integers(0, 256, (channels, height, width), dtype=np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_round_trip(tmp_path, channels):
    x = sample(channels)
    vio.write_png(x, tmp_path / "a.png")
    for back in (vio.read_image(tmp_path / "a.png"), vio.decode_image(vio.read_file(str(tmp_path / "a.png")))):
        assert back.dtype == rushlight.uint8 and np.array_equal(back.numpy(), x.numpy())
    assert np.array_equal(vio.decode_png(vio.encode_png(x)).numpy(), x.numpy())


def test_jpeg(tmp_path):
    x = rushlight.full((3, 16, 16), 100, dtype=rushlight.uint8)
    vio.write_jpeg(x, tmp_path / "a.jpg", quality=95)
    assert np.abs(vio.read_image(tmp_path / "a.jpg").numpy().astype(int) - 100).max() <= 2


@pytest.mark.parametrize(
    "mode, channels", [("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGB_ALPHA", 4), ("UNCHANGED", 3)]
)
def test_read_modes(tmp_path, mode, channels):
    vio.write_png(sample(), tmp_path / "a.png")
    for asked in (mode, vio.ImageReadMode[mode]):
        assert vio.read_image(tmp_path / "a.png", asked).shape == (channels, 5, 7)


def test_palettes_and_bits_are_expanded(tmp_path):
    Image.new("P", (3, 2), 1).save(tmp_path / "p.png")
    Image.new("1", (3, 2), 1).save(tmp_path / "b.png")
    assert vio.read_image(tmp_path / "p.png").shape == (3, 2, 3)
    assert vio.read_image(tmp_path / "b.png").numpy().tolist() == [[[255] * 3] * 2]


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        vio.read_image(tmp_path / "none.png")
    whole = vio.encode_png(sample()).numpy().tobytes()
    for data in (b"", b"text", whole[:40], whole[:-40]):
        (tmp_path / "bad.png").write_bytes(data)
        with pytest.raises(RuntimeError, match=r"bad\.png.*does not decode"):
            vio.read_image(tmp_path / "bad.png")
    with pytest.raises(RuntimeError, match="uint8"):
        vio.write_png(rushlight.zeros(3, 2, 2), tmp_path / "x.png")
    with pytest.raises(RuntimeError, match="C = 1 or 3"):
        vio.encode_jpeg(sample(4))
    with pytest.raises(ValueError, match="quality"):
        vio.encode_jpeg(sample(), quality=0)


def test_grid_places():
    pictures = rushlight.from_numpy(np.arange(5 * 3 * 4 * 6, dtype=np.float32).reshape(5, 3, 4, 6))
    grid = utils.make_grid(pictures, nrow=2, padding=1, pad_value=-1.0)
    assert grid.shape == (3, 3 * 5 + 1, 2 * 7 + 1)
    for k in range(5):
        y, x = k // 2 * 5 + 1, k % 2 * 7 + 1
        assert np.array_equal(grid.numpy()[:, y : y + 4, x : x + 6], pictures.numpy()[k])
    assert grid[0, 0, 0].item() == -1.0 and grid[0, -2, -2].item() == -1.0  # border, empty last place
    assert utils.make_grid(pictures).shape == (3, 4 + 4, 5 * 8 + 2)


def test_grid_inputs():
    assert utils.make_grid(rushlight.zeros(4, 6)).shape == (3, 4, 6)
    assert utils.make_grid(rushlight.zeros(1, 4, 6)).shape == (3, 4, 6)
    assert utils.make_grid(rushlight.zeros(2, 1, 4, 6)).shape == (3, 8, 18)
    assert utils.make_grid([rushlight.zeros(3, 4, 6)] * 3).shape == (3, 8, 26)
    with pytest.raises(TypeError, match="list"):
        utils.make_grid([1, 2])
    with pytest.raises(RuntimeError, match="one shape"):
        utils.make_grid([rushlight.zeros(3, 4, 6), rushlight.zeros(3, 5, 6)])


def test_grid_normalize():
    x = rushlight.tensor([0.0, 2.0, 4.0, 8.0]).reshape(2, 1, 1, 2)

    def values(**settings):
        return utils.make_grid(x, padding=0, normalize=True, **settings)[0, 0].tolist()

    assert values() == [0.0, 0.25, 0.5, 1.0]
    assert values(value_range=(0, 4)) == [0.0, 0.5, 1.0, 1.0]
    assert values(scale_each=True) == [0.0, 1.0, 0.0, 1.0]
    assert x.reshape(-1).tolist() == [0.0, 2.0, 4.0, 8.0]
    with pytest.raises(TypeError, match="tuple"):
        values(value_range=3)


def test_save_image(tmp_path):
    x = rushlight.tensor([0.0, 0.5, 1.0, 2.0]).reshape(1, 1, 1, 4)
    utils.save_image(x, tmp_path / "a.png")
    assert vio.read_image(tmp_path / "a.png")[0, 0].tolist() == [0, 128, 255, 255]  # 0.5 * 255 + 0.5 = 128, cut
    stream = io.BytesIO()
    utils.save_image(rushlight.zeros(4, 3, 2, 2), stream, format="png", nrow=2, padding=0)
    assert Image.open(io.BytesIO(stream.getvalue())).size == (4, 4)
    with pytest.raises(TypeError, match="write_png"):
        utils.save_image(sample(), stream, format="png")
