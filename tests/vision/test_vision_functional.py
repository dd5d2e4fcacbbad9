"""The functional transforms: against PyTorch's interpolation, against pillow, and by hand."""

import numpy as np
import pytest

import rushlight
from rushlight.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")
Mode = F.InterpolationMode


def random_tensor(*shape, seed=0):
    return rushlight.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def both(height, width, seed=0, mode="RGB"):
    """The same picture as PIL and as a uint8 tensor."""
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    pic = Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
    return pic, F.pil_to_tensor(pic)


def difference(pic, tensor):
    return int(np.abs(F.pil_to_tensor(pic).numpy().astype(int) - tensor.numpy().astype(int)).max())


# --- resize ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 30), (60, 80), (37, 10), (5, 53), (74, 106)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_matches_torch(size, mode, antialias):
    torch = pytest.importorskip("torch")
    x = random_tensor(2, 3, 37, 53)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x.numpy().copy()), size=size, mode=mode, antialias=antialias, align_corners=False
    ).numpy()
    result = F.resize(x, size, Mode(mode), antialias=antialias).numpy()
    assert result.shape == expected.shape and np.abs(result - expected).max() < 1e-5


@pytest.mark.parametrize("size", [(20, 30), (60, 80), (7, 53), (111, 159)])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_resize_matches_torch_exactly(size, mode):
    torch = pytest.importorskip("torch")
    x = random_tensor(1, 3, 37, 53)
    expected = torch.nn.functional.interpolate(torch.from_numpy(x.numpy().copy()), size=size, mode=mode).numpy()
    assert np.array_equal(F.resize(x, size, Mode(mode)).numpy(), expected)


def test_antialiased_halving_by_hand():
    # shrinking by 2 widens the triangle to 4 pixels with weights 1, 3, 3, 1; at the edge 3, 3, 1 remain
    row = rushlight.tensor([[[8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0]]])
    assert F.resize(row, (1, 4)).tolist()[0][0] == pytest.approx([24 / 7, 0.0, 0.0, 24 / 7])
    assert F.resize(row, (1, 4), antialias=False).tolist() == [[[4.0, 0.0, 0.0, 4.0]]]


def test_resize_of_uint8_agrees_with_pillow():
    pic, tensor = both(24, 31)
    assert difference(F.resize(pic, (11, 17)), F.resize(tensor, (11, 17))) <= 1
    pic = pic.point([64 + level // 2 for level in range(256)] * 3)  # pillow clips between its two passes
    tensor = F.pil_to_tensor(pic)
    assert difference(F.resize(pic, (40, 50), Mode.BICUBIC), F.resize(tensor, (40, 50), Mode.BICUBIC)) <= 1


@pytest.mark.parametrize(
    "old, size, max_size, new",
    [
        ((2796, 1280), 256, None, (559, 256)),
        ((1280, 2796), 256, None, (256, 559)),
        ((100, 100), 30, None, (30, 30)),
        ((2796, 1280), 256, 400, (400, 183)),
        ((10, 20), [5], None, (5, 10)),
        ((10, 20), (7, 9), None, (7, 9)),
        ((10, 20), None, 40, (20, 40)),
    ],
)
def test_resize_output_size(old, size, max_size, new):
    assert F.resize(rushlight.zeros(1, *old), size, Mode.NEAREST, max_size).shape == (1, *new)
    if size is not None:
        assert F.resize(Image.new("L", old[::-1]), size, Mode.NEAREST, max_size).size == new[::-1]


def test_resize_errors():
    x = rushlight.zeros(1, 4, 4)
    assert F.resize(x, 4) is x
    with pytest.raises(ValueError, match="max_size larger"):
        F.resize(x, 8, max_size=8)
    with pytest.raises(ValueError, match="max_size"):
        F.resize(x, (8, 8), max_size=9)
    with pytest.raises(ValueError, match="bilinear"):
        F.resize(x, 8, Mode.LANCZOS)
    with pytest.raises(TypeError, match="InterpolationMode"):
        F.resize(x, 8, "bilinear")
    with pytest.raises(ValueError, match="at least 1x1"):
        F.resize(rushlight.zeros(1, 1, 100), (0, 3))
    assert F.resize(x, 8, 2).shape == (1, 8, 8)  # PIL's number for bilinear


# --- crops, borders, flips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [(1, 2, 3, 2), (-1, -2, 4, 5), (3, 3, 9, 9), (-5, 0, 3, 3), (8, 8, 2, 2)])
def test_crop_fills_with_zero_as_pillow_does(box):
    pic, tensor = both(6, 7)
    result = F.crop(tensor, *box)
    assert result.shape == (3, *box[2:]) and difference(F.crop(pic, *box), result) == 0


@pytest.mark.parametrize("size", [3, (4, 2), (9, 3), (9, 11), (6, 7), (5, 8)])
def test_center_crop(size):
    pic, tensor = both(6, 7)
    assert difference(F.center_crop(pic, size), F.center_crop(tensor, size)) == 0


def test_center_crop_rounds_half_to_even():
    x = rushlight.tensor([[[0.0, 1.0, 2.0, 3.0, 4.0]]])
    assert F.center_crop(x, (1, 4)).tolist() == [[[0.0, 1.0, 2.0, 3.0]]]  # 0.5 goes to 0
    assert F.center_crop(x, (1, 2)).tolist() == [[[2.0, 3.0]]]  # 1.5 goes to 2


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("padding", [2, (1, 2), [1, 2, 3, 0]])
def test_pad_agrees_with_numpy_and_pillow(mode, padding):
    pic, tensor = both(6, 7)
    left, top, right, bottom = (2,) * 4 if padding == 2 else (1, 2, 1, 2) if padding == (1, 2) else padding
    settings = {"constant_values": 9} if mode == "constant" else {}
    expected = np.pad(tensor.numpy(), [(0, 0), (top, bottom), (left, right)], mode=mode, **settings)
    result = F.pad(tensor, padding, 9, mode)
    assert np.array_equal(result.numpy(), expected) and difference(F.pad(pic, padding, 9, mode), result) == 0


def test_pad_colours_and_errors():
    assert F.pad(Image.new("RGB", (1, 1)), 1, (1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)
    assert F.pad(rushlight.zeros(3, 1, 1), 1, [1, 2, 3])[:, 0, 0].tolist() == [1, 2, 3]
    assert F.pad(rushlight.ones(1, 3, 3), -1).shape == (1, 1, 1)
    with pytest.raises(ValueError, match="1, 2 or 4"):
        F.pad(rushlight.zeros(1, 2, 2), [1, 2, 3])
    with pytest.raises(ValueError, match="symmetric"):
        F.pad(rushlight.zeros(1, 2, 2), 1, padding_mode="wrap")
    with pytest.raises(TypeError, match="padding"):
        F.pad(rushlight.zeros(1, 2, 2), "1")
    with pytest.raises(RuntimeError, match="reflect"):
        F.pad(rushlight.zeros(1, 2, 2), 2, padding_mode="reflect")


def test_flips():
    pic, tensor = both(4, 5)
    assert np.array_equal(F.hflip(tensor).numpy(), tensor.numpy()[:, :, ::-1])
    assert np.array_equal(F.vflip(tensor).numpy(), tensor.numpy()[:, ::-1])
    assert difference(F.hflip(pic), F.hflip(tensor)) == 0 and difference(F.vflip(pic), F.vflip(tensor)) == 0


# --- turning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle, turns", [(90, 1), (180, 2), (270, 3), (-90, 3), (0, 0)])
@pytest.mark.parametrize("mode", [Mode.NEAREST, Mode.BILINEAR])
def test_quarter_turns_are_exact(angle, turns, mode):
    x = random_tensor(2, 5, 5)
    assert np.array_equal(F.rotate(x, angle, mode).numpy(), np.rot90(x.numpy(), turns, axes=(1, 2)))
    wide = random_tensor(2, 3, 6)
    assert np.array_equal(F.rotate(wide, angle, mode, expand=True).numpy(), np.rot90(wide.numpy(), turns, axes=(1, 2)))


@pytest.mark.parametrize("angle", [10, 44, 200, -33.3])
@pytest.mark.parametrize("expand", [False, True])
def test_rotate_agrees_with_pillow(angle, expand):
    pic, tensor = both(24, 18)
    turned, result = F.rotate(pic, angle, expand=expand), F.rotate(tensor, angle, expand=expand)
    assert turned.size == (result.shape[2], result.shape[1])
    assert (F.pil_to_tensor(turned).numpy() != result.numpy()).mean() < 0.002  # ties between two pixels


def test_rotate_about_a_corner_and_fill():
    pic, tensor = both(8, 8)
    assert difference(F.rotate(pic, 90, center=(0, 0)), F.rotate(tensor, 90, center=(0, 0))) == 0
    filled = F.rotate(tensor, 45, fill=[7, 8, 9])
    assert filled[:, 0, 0].tolist() == [7, 8, 9] == list(F.rotate(pic, 45, fill=(7, 8, 9)).getpixel((0, 0)))
    assert F.rotate(random_tensor(1, 8, 8), 45, Mode.BILINEAR, fill=[5.0])[0, 0, 0].item() == 5.0
    with pytest.raises(ValueError, match="fill"):
        F.rotate(tensor, 45, fill=[1, 2])
    with pytest.raises(ValueError, match="bilinear"):
        F.rotate(tensor, 45, Mode.BICUBIC)


def test_bilinear_rotation_matches_torch_grid_sample():
    torch = pytest.importorskip("torch")
    x = random_tensor(1, 2, 9, 12)
    turn = np.deg2rad(25.0)
    rows, columns = np.mgrid[:9, :12] - np.array([4.0, 5.5]).reshape(2, 1, 1)
    across = (np.cos(turn) * columns - np.sin(turn) * rows) / 6
    down = (np.sin(turn) * columns + np.cos(turn) * rows) / 4.5
    grid = torch.tensor(np.stack([across, down], -1)[None], dtype=torch.float32)
    expected = torch.nn.functional.grid_sample(torch.from_numpy(x.numpy().copy()), grid, align_corners=False).numpy()
    assert np.abs(F.rotate(x, 25.0, Mode.BILINEAR).numpy() - expected).max() < 2e-5


def test_affine():
    pic, tensor = both(20, 26)
    settings = {"angle": 12.0, "translate": (2, -3), "scale": 1.2, "shear": (5.0, -7.0)}
    assert (F.pil_to_tensor(F.affine(pic, **settings)).numpy() != F.affine(tensor, **settings).numpy()).mean() < 0.01
    moved = F.affine(tensor, 0, (3, 1), 1.0, 0.0).numpy()
    assert np.array_equal(moved[:, 1:, 3:], tensor.numpy()[:, :-1, :-3]) and moved[:, 0].max() == 0
    assert np.array_equal(F.affine(tensor, 180, (0, 0), 1.0, 0.0).numpy(), tensor.numpy()[:, ::-1, ::-1])
    with pytest.raises(ValueError, match="scale"):
        F.affine(tensor, 0, (0, 0), 0.0, 0.0)


def test_perspective():
    corners = [[0, 0], [19, 0], [19, 19], [0, 19]]
    pic, tensor = both(20, 20)
    assert difference(F.perspective(pic, corners, corners), tensor) <= 1
    assert np.array_equal(F.perspective(tensor, corners, corners, Mode.NEAREST).numpy(), tensor.numpy())
    bent = F.perspective(tensor, corners, [[4, 4], [15, 4], [15, 15], [4, 15]], Mode.NEAREST, fill=[255])
    assert bent[:, 0, 0].tolist() == [255] * 3


# --- colours --------------------------------------------------------------------------------------------------------


def test_grey_weights():
    x = rushlight.tensor([[[1.0]], [[0.5]], [[0.25]]])
    assert F.rgb_to_grayscale(x).item() == pytest.approx(0.2989 + 0.587 / 2 + 0.114 / 4, abs=1e-6)
    assert F.rgb_to_grayscale(x, 3).shape == (3, 1, 1)
    with pytest.raises(ValueError, match="1 or 3"):
        F.rgb_to_grayscale(x, 2)
    with pytest.raises(TypeError, match="1 or 3 channels"):
        F.rgb_to_grayscale(rushlight.zeros(4, 2, 2))


@pytest.mark.parametrize(
    "name, argument, most",
    [
        ("adjust_brightness", 1.4, 1),
        ("adjust_contrast", 0.6, 1),
        ("adjust_saturation", 1.7, 2),
        ("adjust_gamma", 0.7, 1),
        ("adjust_sharpness", 2.0, 1),
        ("posterize", 3, 0),
        ("solarize", 100, 0),
        ("gaussian_blur", 5, 0),
        ("rgb_to_grayscale", 3, 1),
    ],
)
def test_colours_agree_with_pillow(name, argument, most):
    pic, tensor = both(13, 11, seed=2)
    function = getattr(F, name)
    assert difference(function(pic, argument), function(tensor, argument)) <= most


@pytest.mark.parametrize("name", ["invert", "autocontrast", "equalize"])
def test_histograms_agree_with_pillow(name):
    pic, tensor = both(13, 11, seed=3)
    assert difference(getattr(F, name)(pic), getattr(F, name)(tensor)) <= (name == "autocontrast")
    flat = rushlight.ones(1, 4, 4).to(rushlight.uint8) * 7
    expected = 248 if name == "invert" else 7
    assert getattr(F, name)(flat).numpy().max() == expected


def test_factors_of_zero_and_one():
    x = random_tensor(3, 4, 4)
    for name in ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_sharpness"):
        assert np.allclose(getattr(F, name)(x, 1.0).numpy(), x.numpy(), atol=1e-6)
        with pytest.raises(ValueError, match="0 or more"):
            getattr(F, name)(x, -0.1)
    assert F.adjust_brightness(x, 0.0).numpy().max() == 0
    assert np.ptp(F.adjust_contrast(x, 0.0).numpy()) < 1e-6
    assert np.ptp(F.adjust_saturation(x, 0.0).numpy(), axis=0).max() < 1e-6


def test_hue():
    red = rushlight.tensor([[[1.0]], [[0.0]], [[0.0]]])
    assert np.allclose(F.adjust_hue(red, 1 / 3).numpy().ravel(), [0, 1, 0], atol=1e-5)  # a third of a turn is green
    assert np.allclose(F.adjust_hue(red, -1 / 3).numpy().ravel(), [0, 0, 1], atol=1e-5)
    assert np.allclose(F.adjust_hue(red, 0.5).numpy().ravel(), [0, 1, 1], atol=1e-5)
    x = random_tensor(3, 5, 5)
    assert np.allclose(F.adjust_hue(x, 0.0).numpy(), x.numpy(), atol=1e-5)
    pic, tensor = both(8, 8)
    assert (
        np.abs(F.pil_to_tensor(F.adjust_hue(pic, 0.2)).numpy().astype(int) - F.adjust_hue(tensor, 0.2).numpy()).mean()
        < 3
    )
    with pytest.raises(ValueError, match="-0.5"):
        F.adjust_hue(x, 0.6)


def test_gaussian_blur_of_a_point_is_the_kernel():
    x = rushlight.zeros(1, 7, 7)
    x[0, 3, 3] = 1.0
    blurred = F.gaussian_blur(x, (3, 5), (1.0, 2.0)).numpy()[0]
    across, down = (np.exp(-0.5 * (np.arange(-k, k + 1) / s) ** 2) for k, s in ((1, 1.0), (2, 2.0)))
    expected = np.outer(down / down.sum(), across / across.sum())
    assert np.allclose(blurred[1:6, 2:5], expected, atol=1e-7) and blurred.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="odd"):
        F.gaussian_blur(x, 4)
    with pytest.raises(ValueError, match="positive"):
        F.gaussian_blur(x, 3, 0.0)


def test_integer_only_functions():
    with pytest.raises(TypeError, match="uint8"):
        F.posterize(rushlight.zeros(3, 2, 2), 3)
    with pytest.raises(TypeError, match="uint8"):
        F.equalize(rushlight.zeros(3, 2, 2))
    with pytest.raises(TypeError, match="at most white"):
        F.solarize(rushlight.zeros(3, 2, 2), 100)


def test_dimensions():
    assert F.get_dimensions(Image.new("RGB", (5, 4))) == [3, 4, 5]
    assert F.get_image_size(rushlight.zeros(2, 3, 4, 5)) == [5, 4]
    assert F.get_image_num_channels(rushlight.zeros(4, 5)) == 1
    with pytest.raises(TypeError, match=r"got builtins\.int"):
        F.get_dimensions(3)
