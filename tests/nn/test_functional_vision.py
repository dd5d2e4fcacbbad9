"""Padding, resizing, grid sampling, patches and rearrangements against PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from functional_oracle import agree, bind, draw, torch

import rushlight
from rushlight.nn import functional as F

TF = torch.nn.functional


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode):
    for shape, pad in [((2, 3, 4, 5), (1, 2, 2, 1)), ((2, 3, 4), (2, 1)), ((1, 2, 3, 4, 3), (1, 0, 2, 1, 0, 2))]:
        agree(bind(F.pad, pad, mode), bind(TF.pad, pad, mode), draw(*shape), second=True)


def test_constant_pad_may_cut_and_fill():
    agree(bind(F.pad, (1, -2, -1, 3), "constant", 2.5), bind(TF.pad, (1, -2, -1, 3), "constant", 2.5), draw(2, 3, 4, 5))
    assert F.pad(rushlight.tensor([1, 2]), (0, 1), value=7).tolist() == [1, 2, 7]
    for mode in ("replicate", "circular"):
        agree(bind(F.pad, (-1, 2), mode), bind(TF.pad, (-1, 2), mode), draw(2, 3, 6))


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (((1, 2, 3),), RuntimeError, "pairs"),
        (((-3, -3),), RuntimeError, "would have"),
        (((4, 1), "reflect"), RuntimeError, "less than the corresponding input dimension"),
        (((5, 1), "circular"), RuntimeError, "at most the corresponding"),
        (((1, 1), "mirror"), NotImplementedError, "Unrecognised padding mode mirror"),
        (((1, 1, 1, 1, 1, 1), "reflect"), NotImplementedError, "three for 4D or 5D"),
    ],
)
def test_pad_errors(arguments, kind, words):
    with pytest.raises(kind, match=words):
        F.pad(rushlight.ones(2, 3, 4), *arguments)


TARGETS = [
    {"size": (4, 5)}, {"size": (9, 11)}, {"size": (12, 14)}, {"size": (1, 1)}, {"scale_factor": 1.7}, {"scale_factor": (0.6, 1.3)},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_interpolate(target):
    x = draw(2, 3, 6, 7)
    for mode in ("nearest", "nearest-exact", "area"):
        agree(bind(F.interpolate, mode=mode, **target), bind(TF.interpolate, mode=mode, **target), x)
    for mode, align, antialias in itertools.product(("bilinear", "bicubic"), (False, True), (False, True)):
        options = {"mode": mode, "align_corners": align, "antialias": antialias, **target}
        agree(bind(F.interpolate, **options), bind(TF.interpolate, **options), x)


def test_interpolate_other_ranks():
    agree(bind(F.interpolate, 9, mode="linear"), bind(TF.interpolate, 9, mode="linear"), draw(2, 3, 6), second=True)
    agree(
        bind(F.interpolate, (3, 5, 6), mode="trilinear"),
        bind(TF.interpolate, (3, 5, 6), mode="trilinear"),
        draw(1, 2, 2, 3, 8),
        second=True,
    )
    agree(bind(F.interpolate, scale_factor=2), bind(TF.interpolate, scale_factor=2), draw(1, 2, 2, 3, 4))


def test_nearest_picks_the_same_pixels_in_float32():
    for size, out in itertools.product((3, 7, 10, 28), (5, 11, 23, 57)):
        x = np.arange(size, dtype=np.float32).reshape(1, 1, size)
        for mode in ("nearest", "nearest-exact"):
            np.testing.assert_array_equal(
                F.interpolate(rushlight.tensor(x), out, mode=mode).numpy(),
                TF.interpolate(torch.tensor(x), out, mode=mode).numpy(),
            )


def test_interpolate_bytes_rounds():
    x = np.random.RandomState(0).randint(0, 256, (1, 3, 9, 8)).astype(np.uint8)
    ours = F.interpolate(rushlight.tensor(x), (5, 12), mode="bilinear").numpy().astype(int)
    theirs = TF.interpolate(torch.tensor(x), (5, 12), mode="bilinear").numpy().astype(int)
    assert ours.dtype == theirs.dtype and np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"size": 4, "mode": "cubic"}, NotImplementedError, "expected one of"),
        ({"size": 4, "mode": "trilinear"}, NotImplementedError, "Got 4D input, but trilinear mode needs 5D"),
        ({"size": 4, "align_corners": True}, ValueError, "align_corners option can only be set"),
        ({}, ValueError, "neither"),
        ({"size": 4, "scale_factor": 2}, ValueError, "both"),
        ({"size": (1, 2, 3)}, ValueError, "2 sizes"),
        ({"size": 4, "antialias": True}, ValueError, "restricted to bilinear and bicubic"),
        ({"size": (0, 4), "mode": "bilinear"}, RuntimeError, "greater than 0"),
    ],
)
def test_interpolate_errors(options, kind, words):
    with pytest.raises(kind, match=words):
        F.interpolate(rushlight.ones(1, 2, 4, 4), **options)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_grid_sample(mode, padding, align):
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    grid = np.random.RandomState(3).uniform(-1.8, 1.8, (2, 4, 3, 2))
    agree(bind(F.grid_sample, **options), bind(TF.grid_sample, **options), draw(2, 3, 5, 6), grid)
    if mode != "bicubic":
        grid = np.random.RandomState(3).uniform(-1.8, 1.8, (2, 2, 3, 2, 3))
        agree(bind(F.grid_sample, **options), bind(TF.grid_sample, **options), draw(2, 3, 4, 5, 3), grid)


def test_grid_sample_errors():
    with pytest.raises(RuntimeError, match=r"a grid of shape \[2, 3, 3, 3\]"):
        F.grid_sample(rushlight.ones(2, 1, 4, 4), rushlight.ones(2, 3, 3, 3))
    with pytest.raises(ValueError, match="padding_mode"):
        F.grid_sample(rushlight.ones(2, 1, 4, 4), rushlight.ones(2, 3, 3, 2), padding_mode="wrap")


@pytest.mark.parametrize("align", [True, False])
def test_affine_grid(align):
    agree(bind(F.affine_grid, (2, 3, 4, 5), align), bind(TF.affine_grid, (2, 3, 4, 5), align), draw(2, 2, 3))
    agree(bind(F.affine_grid, (2, 3, 4, 1, 3), align), bind(TF.affine_grid, (2, 3, 4, 1, 3), align), draw(2, 3, 4))
    with pytest.raises(ValueError, match=r"theta of shape \[2, 2, 3\]"):
        F.affine_grid(rushlight.ones(2, 3, 3), (2, 3, 4, 5), align)


def test_fold_and_unfold():
    agree(
        bind(F.unfold, (2, 3), (2, 1), 1, (1, 2)),
        bind(TF.unfold, (2, 3), (2, 1), 1, (1, 2)),
        draw(2, 3, 6, 5),
        second=True,
    )
    agree(bind(F.unfold, 2), bind(TF.unfold, 2), draw(3, 4, 4))
    agree(bind(F.fold, (5, 6), (2, 3), 1, 1, 2), bind(TF.fold, (5, 6), (2, 3), 1, 1, 2), draw(2, 12, 9), second=True)
    with pytest.raises(RuntimeError, match=r"3 \* 3 = 9, but got input.size\(2\)=8"):
        F.fold(rushlight.ones(1, 12, 8), (5, 6), (2, 3), 1, 1, 2)
    with pytest.raises(RuntimeError, match="divisible by the product of kernel_size"):
        F.fold(rushlight.ones(1, 11, 9), (5, 6), (2, 3), 1, 1, 2)


def test_shuffles():
    agree(bind(F.pixel_shuffle, 2), bind(TF.pixel_shuffle, 2), draw(2, 8, 3, 4))
    agree(bind(F.pixel_unshuffle, 2), bind(TF.pixel_unshuffle, 2), draw(8, 6, 4))
    x = np.arange(12.0).reshape(1, 6, 2)
    np.testing.assert_array_equal(F.channel_shuffle(rushlight.tensor(x), 2).numpy(), x[:, [0, 3, 1, 4, 2, 5]])
    with pytest.raises(RuntimeError, match="divisible by the square"):
        F.pixel_shuffle(rushlight.ones(1, 6, 2, 2), 2)
    with pytest.raises(RuntimeError, match="divisible by downscale_factor"):
        F.pixel_unshuffle(rushlight.ones(1, 6, 3, 2), 2)


def test_old_names_of_interpolate_warn():
    x = rushlight.tensor(draw(1, 1, 3, 3))
    with pytest.warns(UserWarning, match="interpolate"):
        assert F.upsample(x, 6).shape == (1, 1, 6, 6)
