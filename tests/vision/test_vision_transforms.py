"""The transform classes: ToTensor's and Normalize's rules, printed forms, random draws, messages that teach, v2."""

import pickle
import random

import numpy as np
import pytest

import rushlight
from rushlight.vision import transforms as T
from rushlight.vision.transforms import v2

Image = pytest.importorskip("PIL.Image")


def picture(height=6, width=5, mode="RGB", seed=0):
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def tensor(*shape, seed=0):
    return rushlight.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def equal(a, b):
    a, b = (x.numpy() if isinstance(x, rushlight.Tensor) else np.asarray(x) for x in (a, b))
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)


# --- conversions ----------------------------------------------------------------------------------------------------


def test_to_tensor_divides_uint8_by_255():
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = array.astype(np.float32) / np.float32(255)
    for given in (array, array[:, :, None], Image.fromarray(array)):
        result = T.ToTensor()(given)
        assert result.dtype == rushlight.float32 and equal(result, expected[None])


def test_to_tensor_moves_channels_first():
    pic = picture()
    result = T.ToTensor()(pic)
    assert result.shape == (3, 6, 5) and result.is_contiguous()
    assert equal((result * 255).round().to(rushlight.uint8), np.asarray(pic).transpose(2, 0, 1))


@pytest.mark.parametrize(
    "mode, array, dtype, expected",
    [
        ("1", [[0, 255]], "float32", [[0.0, 1.0]]),
        ("I", [[-5, 100000]], "int32", [[-5, 100000]]),
        ("F", [[0.5, -2.0]], "float32", [[0.5, -2.0]]),
        ("I;16", [[7, 65535]], "int32", [[7, 65535]]),
    ],
)
def test_to_tensor_pil_modes(mode, array, dtype, expected):
    kinds = {"1": np.uint8, "I": np.int32, "F": np.float32, "I;16": np.uint16}
    pic = Image.fromarray(np.array(array, kinds[mode]))
    pic = pic.convert("1") if mode == "1" else pic
    assert pic.mode == mode
    assert equal(T.ToTensor()(pic), np.array([expected], dtype))


def test_to_tensor_keeps_other_dtypes_and_does_not_share():
    array = np.array([[1.5, 300.0]])
    result = T.ToTensor()(array)
    assert result.dtype == rushlight.float64 and result.tolist() == [[[1.5, 300.0]]]
    array[0, 0] = 9
    assert result[0, 0, 0].item() == 1.5


def test_pil_to_tensor_keeps_values():
    pic = picture(mode="L")
    assert equal(T.PILToTensor()(pic), np.asarray(pic)[None])
    with pytest.raises(TypeError, match="PIL picture"):
        T.PILToTensor()(np.zeros((2, 2), np.uint8))


def test_to_pil_image_and_back():
    for mode in ("L", "RGB", "RGBA"):
        pic = picture(mode=mode)
        assert equal(T.ToPILImage()(T.PILToTensor()(pic)), pic)
        assert equal(T.ToPILImage()(T.ToTensor()(pic)), pic)  # x / 255 * 255 is cut, and yet comes out whole
        assert equal(T.ToPILImage()(np.asarray(pic)), pic)
    assert T.ToPILImage()(tensor(2, 4, 4)).mode == "LA"
    assert T.ToPILImage(mode="HSV")(tensor(3, 4, 4)).mode == "HSV"
    assert T.ToPILImage(mode="F")(tensor(1, 2, 2)).mode == "F"
    assert T.ToPILImage()(rushlight.zeros(2, 3)).size == (3, 2)
    assert T.ToPILImage()(np.zeros((2, 3), np.int32)).mode == "I"


def test_to_pil_image_errors():
    with pytest.raises(ValueError, match="4 channels"):
        T.ToPILImage()(rushlight.zeros(5, 2, 2))
    with pytest.raises(ValueError, match="dimensions"):
        T.ToPILImage()(rushlight.zeros(1, 3, 2, 2))
    with pytest.raises(ValueError, match="mode"):
        T.ToPILImage(mode="L")(rushlight.zeros(3, 2, 2))
    with pytest.raises(TypeError, match="float64"):
        T.ToPILImage()(np.zeros((2, 2, 3)))
    with pytest.raises(TypeError, match="list"):
        T.ToPILImage()([[1]])


def test_convert_image_dtype():
    u8 = rushlight.tensor([[[0, 128, 255]]], dtype=rushlight.uint8)
    assert equal(T.ConvertImageDtype(rushlight.float32)(u8), np.array([[[0, 128 / 255, 1]]], np.float32))
    back = T.ConvertImageDtype(rushlight.uint8)(rushlight.tensor([[[0.0, 0.5, 1.0]]]))
    assert back.tolist() == [[[0, 127, 255]]]  # 0.5 * 255.999 is 127.9995, cut
    assert T.ConvertImageDtype(rushlight.int16)(u8).tolist() == [[[0, 128 * 128, 255 * 128]]]
    assert T.ConvertImageDtype(rushlight.uint8)(T.ConvertImageDtype(rushlight.int16)(u8)).tolist() == u8.tolist()
    with pytest.raises(RuntimeError, match=r"int32"):
        T.ConvertImageDtype(rushlight.int32)(rushlight.zeros(1, 1, 1))


def test_normalize_is_minus_mean_over_std():
    x = tensor(3, 4, 5)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    m, s = (np.array(v, np.float32).reshape(3, 1, 1) for v in (mean, std))
    expected = (x.numpy() - m) / s
    assert equal(T.Normalize(mean, std)(x), expected)
    assert equal(T.Normalize(rushlight.tensor(mean), rushlight.tensor(std))(x), expected)
    assert equal(T.Normalize((0.5,), (0.5,))(x), (x.numpy() - np.float32(0.5)) / np.float32(0.5))
    batch = tensor(2, 3, 4, 5)
    assert equal(T.Normalize(mean, std)(batch), (batch.numpy() - m) / s)
    assert T.Normalize(mean, std, inplace=True)(x) is x and equal(x, expected)


def test_normalize_has_a_gradient():
    x = tensor(1, 2, 2).requires_grad_()
    T.Normalize((0.5,), (0.25,))(x).sum().backward()
    assert x.grad.tolist() == [[[4.0, 4.0], [4.0, 4.0]]]


# --- messages that teach --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [T.Normalize((0.5,), (0.5,)), T.RandomErasing(p=1)])
def test_to_tensor_is_missing(step):
    with pytest.raises(TypeError, match=r"PIL picture \(mode RGB, 5x6.*ToTensor\(\) before it: Compose\("):
        T.Compose([T.RandomHorizontalFlip(), step])(picture())


def test_normalize_of_integers():
    with pytest.raises(TypeError, match="uint8.*float tensor"):
        T.Compose([T.PILToTensor(), T.Normalize((0.5,), (0.5,))])(picture())


def test_normalize_with_the_wrong_number_of_channels():
    with pytest.raises(RuntimeError, match=r"3 values of mean for a picture with 1 channel.*\(0.5,\)"):
        T.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))(tensor(1, 2, 2))
    with pytest.raises(RuntimeError, match="2 values of std"):
        T.Normalize((0.5,), (0.5, 0.5))(tensor(3, 2, 2))
    with pytest.raises(ValueError, match="zero"):
        T.Normalize((0.5,), (0.0,))(tensor(3, 2, 2))
    with pytest.raises(ValueError, match=r"C, H, W"):
        T.Normalize((0.5,), (0.5,))(tensor(2, 2))


def test_to_tensor_twice():
    with pytest.raises(TypeError, match="a tensor already: remove"):
        T.Compose([T.ToTensor(), T.ToTensor()])(picture())
    with pytest.raises(ValueError, match="4, 3, 2, 1"):
        T.ToTensor()(np.zeros((4, 3, 2, 1)))


def test_random_transforms_after_to_tensor_are_fine():
    order = [T.ToTensor(), T.RandomHorizontalFlip(), T.RandomCrop(4), T.RandomRotation(10), T.RandomErasing()]
    assert T.Compose(order)(picture()).shape == (3, 4, 4)


def test_an_array_before_to_tensor():
    with pytest.raises(TypeError, match=r"numpy array.*put ToTensor\(\)"):
        T.RandomCrop(2)(np.zeros((4, 4, 3), np.uint8))


def test_no_gradient_is_an_error_and_not_silence():
    x = tensor(3, 8, 8).requires_grad_()
    with pytest.raises(NotImplementedError, match=r"detach\(\)"):
        T.Resize(4)(x)
    with rushlight.no_grad():
        assert T.Resize(4)(x).shape == (3, 4, 4)
    T.CenterCrop(2)(T.RandomHorizontalFlip(1.0)(x)).sum().backward()
    assert float(x.grad.sum()) == 12.0


# --- printed forms --------------------------------------------------------------------------------------------------

PRINTED = [
    (T.ToTensor(), "ToTensor()"),
    (T.PILToTensor(), "PILToTensor()"),
    (T.ToPILImage(), "ToPILImage()"),
    (T.ToPILImage("RGB"), "ToPILImage(mode=RGB)"),
    (T.ConvertImageDtype(None), "ConvertImageDtype()"),
    (T.Lambda(abs), "Lambda()"),
    (T.Normalize((0.5,), (0.25,)), "Normalize(mean=(0.5,), std=(0.25,))"),
    (T.Resize(256), "Resize(size=256, interpolation=bilinear, max_size=None, antialias=True)"),
    (T.CenterCrop(224), "CenterCrop(size=(224, 224))"),
    (T.RandomCrop(32, padding=4), "RandomCrop(size=(32, 32), padding=4)"),
    (
        T.RandomResizedCrop(224),
        (
            "RandomResizedCrop(size=(224, 224), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
            "interpolation=bilinear, antialias=True)"
        ),
    ),
    (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (T.RandomVerticalFlip(0.1), "RandomVerticalFlip(p=0.1)"),
    (T.RandomRotation(15), "RandomRotation(degrees=[-15.0, 15.0], interpolation=nearest, expand=False, fill=0)"),
    (T.RandomAffine(5, (0.1, 0.2)), "RandomAffine(degrees=[-5.0, 5.0], translate=(0.1, 0.2))"),
    (T.RandomPerspective(), "RandomPerspective(p=0.5)"),
    (T.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
    (T.FiveCrop(3), "FiveCrop(size=(3, 3))"),
    (T.TenCrop(3), "TenCrop(size=(3, 3), vertical_flip=False)"),
    (T.Grayscale(), "Grayscale(num_output_channels=1)"),
    (T.RandomGrayscale(), "RandomGrayscale(p=0.1)"),
    (
        T.ColorJitter(0.5, hue=0.1),
        "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.1, 0.1))",
    ),
    (T.GaussianBlur(3), "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"),
    (T.RandomErasing(), "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"),
    (T.RandomInvert(), "RandomInvert(p=0.5)"),
    (T.RandomPosterize(2), "RandomPosterize(bits=2,p=0.5)"),
    (T.RandomSolarize(128), "RandomSolarize(threshold=128,p=0.5)"),
    (T.RandomAdjustSharpness(2), "RandomAdjustSharpness(sharpness_factor=2,p=0.5)"),
    (T.RandomAutocontrast(), "RandomAutocontrast(p=0.5)"),
    (T.RandomEqualize(), "RandomEqualize(p=0.5)"),
    (T.Compose([T.ToTensor(), T.CenterCrop(2)]), "Compose(\n    ToTensor()\n    CenterCrop(size=(2, 2))\n)"),
    (T.RandomApply([T.ToTensor()], p=0.3), "RandomApply(\n    p=0.3\n    ToTensor()\n)"),
    (T.RandomOrder([T.ToTensor()]), "RandomOrder(\n    ToTensor()\n)"),
    (T.RandomChoice([T.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
    (v2.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (v2.ToDtype(None, scale=True), "ToDtype(scale=True)"),
    (v2.Compose([v2.ToImage(), v2.CenterCrop(2)]), "Compose(\n      ToImage()\n      CenterCrop(size=(2, 2))\n)"),
]


@pytest.mark.parametrize(
    "transform, text", PRINTED, ids=[text.split("(")[0] + str(i) for i, (_, text) in enumerate(PRINTED)]
)
def test_printed_forms(transform, text):
    assert repr(transform) == text


# --- random draws ---------------------------------------------------------------------------------------------------


def test_flips_draw_one_number():
    x = tensor(1, 3, 4)
    flipped = 0
    for seed in range(40):
        rushlight.manual_seed(seed)
        expected = bool(rushlight.rand(1) < 0.5)
        after = rushlight.rand(1).item()
        rushlight.manual_seed(seed)
        result = T.RandomHorizontalFlip()(x)
        assert equal(result, x.numpy()[..., ::-1] if expected else x)
        assert rushlight.rand(1).item() == after
        flipped += expected
    assert 10 < flipped < 30


def test_crops_draw_row_then_column():
    x = tensor(3, 10, 12)
    rushlight.manual_seed(7)
    top = rushlight.randint(0, 10 - 4 + 1, size=(1,)).item()
    left = rushlight.randint(0, 12 - 5 + 1, size=(1,)).item()
    rushlight.manual_seed(7)
    assert equal(T.RandomCrop((4, 5))(x), x.numpy()[:, top : top + 4, left : left + 5])
    state = rushlight.get_rng_state().tolist()
    T.RandomCrop((10, 12))(x)  # nothing to choose, nothing drawn
    assert rushlight.get_rng_state().tolist() == state


def test_crop_too_large_and_pad_if_needed():
    with pytest.raises(ValueError, match=r"\(6, 5\).*at least \(8, 8\).*pad_if_needed"):
        T.RandomCrop(8)(picture())
    assert T.RandomCrop(8, pad_if_needed=True)(picture()).size == (8, 8)
    assert T.RandomCrop(6, padding=4)(tensor(1, 2, 2)).shape == (1, 6, 6)


def test_random_resized_crop_stays_inside_its_bounds():
    pic = picture(40, 50)
    for seed in range(60):
        rushlight.manual_seed(seed)
        top, left, h, w = T.RandomResizedCrop.get_params(pic, (0.2, 0.5), (0.75, 4 / 3))
        assert 0 <= top <= 40 - h and 0 <= left <= 50 - w
        assert 0.17 < h * w / 2000 < 0.53 and 0.68 < w / h < 1.45
    assert T.RandomResizedCrop.get_params(picture(4, 400), (1, 1), (1, 1)) == (
        0,
        198,
        4,
        4,
    )  # ten draws fail: the middle
    assert T.RandomResizedCrop(8)(pic).size == (8, 8)
    assert T.RandomResizedCrop((8, 9))(tensor(2, 3, 20, 20)).shape == (2, 3, 8, 9)


def test_rotation_number_means_both_ways():
    assert T.RandomRotation(15).degrees == [-15.0, 15.0] and T.RandomRotation((0, 5)).degrees == [0.0, 5.0]
    angles = [T.RandomRotation.get_params([-15.0, 15.0]) for _ in range(50)]
    assert min(angles) < -5 and max(angles) > 5 and max(map(abs, angles)) <= 15
    with pytest.raises(ValueError, match="-5"):
        T.RandomRotation(-5)
    with pytest.raises(ValueError, match="2 values"):
        T.RandomRotation((1, 2, 3))


def test_affine_draws_within_bounds():
    for seed in range(30):
        rushlight.manual_seed(seed)
        angle, (x, y), scale, (sx, sy) = T.RandomAffine.get_params([-9, 9], (0.1, 0.5), (0.5, 2), [-3, 3], (20, 40))
        assert abs(angle) <= 9 and abs(x) <= 2 and abs(y) <= 20 and 0.5 <= scale <= 2 and abs(sx) <= 3 and sy == 0.0
    assert T.RandomAffine(5, (0.1, 0.1), (0.9, 1.1), 5)(picture()).size == (5, 6)
    assert T.RandomPerspective(p=1.0)(picture(20, 20)).size == (20, 20)


def test_colour_jitter_draws_an_order_and_factors():
    rushlight.manual_seed(3)
    order = rushlight.randperm(4).tolist()
    brightness = rushlight.empty(1).uniform_(0.5, 1.5).item()
    rushlight.manual_seed(3)
    drawn = T.ColorJitter.get_params((0.5, 1.5), None, None, None)
    assert drawn[0].tolist() == order and drawn[1:] == (brightness, None, None, None)
    rushlight.manual_seed(3)
    x = tensor(3, 4, 4)
    assert equal(T.ColorJitter(0.5)(x), T.functional.adjust_brightness(x, brightness))
    assert T.ColorJitter(0.1, 0.1, 0.1, 0.1)(picture()).mode == "RGB"
    assert T.ColorJitter(2).brightness == (0.0, 3.0) and T.ColorJitter(0).brightness is None
    with pytest.raises(ValueError, match="hue"):
        T.ColorJitter(hue=0.7)


def test_erasing():
    x = rushlight.ones(3, 20, 20)
    for seed in range(20):
        rushlight.manual_seed(seed)
        erased = T.RandomErasing(p=1.0, value=0)(x)
        share = float((erased == 0).float().mean())
        assert 0.01 < share < 0.36
    assert float(x.min()) == 1.0  # not in place
    noise = T.RandomErasing(p=1.0, value="random")(x)
    assert noise.shape == x.shape and float((noise == 1).float().mean()) < 1
    three = T.RandomErasing(p=1.0, value=(2, 3, 4))(x).numpy()
    assert [sorted(np.unique(channel)) for channel in three] == [[1, 2], [1, 3], [1, 4]]
    with pytest.raises(ValueError, match="2 values"):
        T.RandomErasing(p=1.0, value=(1, 2))(x)
    with pytest.raises(ValueError, match="random"):
        T.RandomErasing(value="noise")
    assert T.RandomErasing(p=0.0)(x) is x


def test_choice_order_and_apply():
    add, double = T.Lambda(lambda v: v + 1), T.Lambda(lambda v: v * 2)
    random.seed(0)
    assert {T.RandomOrder([add, double])(3) for _ in range(20)} == {7, 8}
    assert {T.RandomChoice([add, double])(3) for _ in range(20)} == {4, 6}
    assert {T.RandomChoice([add, double], p=[0, 1])(3) for _ in range(20)} == {6}
    rushlight.manual_seed(0)
    assert {T.RandomApply([add, double])(3) for _ in range(20)} == {3, 8}
    with pytest.raises(TypeError, match="function"):
        T.Lambda(3)


@pytest.mark.parametrize(
    "transform",
    [
        T.RandomGrayscale(1.0),
        T.RandomInvert(1.0),
        T.RandomPosterize(2, 1.0),
        T.RandomSolarize(100, 1.0),
        T.RandomAdjustSharpness(2, 1.0),
        T.RandomAutocontrast(1.0),
        T.RandomEqualize(1.0),
        T.GaussianBlur(3),
        T.Grayscale(3),
    ],
    ids=lambda t: type(t).__name__,
)
def test_pil_and_uint8_tensor_agree(transform):
    pic = picture(12, 9, seed=5)
    rushlight.manual_seed(0)
    from_pil = T.PILToTensor()(transform(pic)).numpy().astype(int)
    rushlight.manual_seed(0)
    from_tensor = transform(T.PILToTensor()(pic)).numpy().astype(int)
    assert from_pil.shape == from_tensor.shape and abs(from_pil - from_tensor).max() <= 1


def test_transforms_can_be_pickled_and_put_in_a_sequential():
    transform = T.Compose([T.Resize(4), T.ToTensor(), T.Normalize((0.5,), (0.5,))])
    assert equal(pickle.loads(pickle.dumps(transform))(picture()), transform(picture()))
    assert rushlight.nn.Sequential(T.Resize((4, 4)), T.CenterCrop(2))(tensor(3, 8, 8)).shape == (3, 2, 2)


def test_one_hot_lambda():
    target = T.Lambda(lambda y: rushlight.zeros(10, dtype=rushlight.float).scatter_(0, rushlight.tensor(y), value=1))
    assert target(3).tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_linear_transformation():
    whiten = T.LinearTransformation(rushlight.eye(4) * 2, rushlight.ones(4))
    assert whiten(rushlight.ones(1, 2, 2) * 3).tolist() == [[[4.0, 4.0], [4.0, 4.0]]]
    with pytest.raises(ValueError, match="4 values a picture"):
        whiten(rushlight.ones(1, 3, 3))


def test_five_and_ten_crops():
    x = tensor(1, 5, 7)
    crops = T.FiveCrop((2, 3))(x)
    array = x.numpy()
    corners = [array[:, :2, :3], array[:, :2, 4:], array[:, 3:, :3], array[:, 3:, 4:], array[:, 2:4, 2:5]]
    assert len(crops) == 5 and all(equal(a, np.ascontiguousarray(b)) for a, b in zip(crops, corners))
    assert equal(T.TenCrop((2, 3))(x)[5], np.ascontiguousarray(array[:, :2, :3:-1]))
    with pytest.raises(ValueError, match=r"\(5, 7\)"):
        T.FiveCrop(6)(x)


# --- v2 -------------------------------------------------------------------------------------------------------------


def test_v2_to_image_and_to_dtype():
    pic = picture()
    assert equal(v2.ToImage()(pic), np.asarray(pic).transpose(2, 0, 1))
    assert equal(v2.ToImage()(np.asarray(pic)), np.asarray(pic).transpose(2, 0, 1))
    assert v2.ToImage()(rushlight.zeros(2, 3)).shape == (1, 2, 3)
    scaled = v2.ToDtype(rushlight.float32, scale=True)(v2.ToImage()(pic))
    assert np.abs(scaled.numpy() - T.ToTensor()(pic).numpy()).max() < 1e-7
    assert v2.ToDtype(rushlight.float32)(v2.ToImage()(pic)).max().item() > 1
    u8 = rushlight.tensor([255, 7], dtype=rushlight.uint8)
    assert v2.functional.to_dtype(u8, rushlight.int32, scale=True).tolist() == [255 << 23, 7 << 23]
    with pytest.raises(TypeError, match=r"ToImage\(\) before it"):
        v2.ToDtype(rushlight.float32)(pic)


def test_v2_passes_labels_through_any_structure():
    pic, label = picture(), 7
    out, same = v2.Compose([v2.Resize((4, 4)), v2.ToImage()])(pic, label)
    assert out.shape == (3, 4, 4) and same == 7
    sample = {"image": pic, "boxes": [1, 2]}
    out = v2.RandomHorizontalFlip(p=1.0)(sample)
    assert equal(out["image"], np.asarray(pic)[:, ::-1]) and out["boxes"] == [1, 2]
    image, target = v2.CenterCrop(2)(tensor(3, 4, 4), rushlight.tensor([1, 2, 3]))
    assert image.shape == (3, 2, 2) and target.tolist() == [1, 2, 3]  # only the first tensor is a picture


def test_v2_same_draws_for_all_pictures_of_a_sample():
    pic = picture(16, 16)
    for seed in range(5):
        rushlight.manual_seed(seed)
        first, second = v2.RandomCrop(8)((pic, pic.copy()))
        assert equal(first, second)


def test_v2_equals_v1_for_the_same_seed():
    x = tensor(3, 16, 16)
    pairs = [("RandomCrop", (8,)), ("RandomRotation", (20,)), ("ColorJitter", (0.4, 0.3)), ("RandomResizedCrop", (6,))]
    for name, arguments in pairs:
        rushlight.manual_seed(11)
        expected = getattr(T, name)(*arguments)(x)
        rushlight.manual_seed(11)
        assert equal(getattr(v2, name)(*arguments)(x), expected)


def test_v2_containers():
    add, double = v2.Lambda(lambda v: v + 1, int), v2.Lambda(lambda v: v * 2, int)
    assert v2.Compose([add, double])(3, "text") == (8, "text")
    rushlight.manual_seed(0)
    assert {v2.RandomOrder([add, double])(3) for _ in range(20)} == {7, 8}
    assert {v2.RandomChoice([add, double])(3) for _ in range(20)} == {4, 6}
    assert {v2.RandomApply([add], p=0.5)(3) for _ in range(20)} == {3, 4}
    with pytest.raises(ValueError, match="no transforms"):
        v2.Compose([])
    with pytest.warns(UserWarning, match="ToImage"):
        assert v2.ToTensor()(picture()).max().item() <= 1
