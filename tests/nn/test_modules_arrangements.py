"""Layers with other options than the defaults: printed form, state, values and gradients against PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

ROWS, SEQUENCE, IMAGE, VOLUME = (3, 4), (2, 4, 9), (2, 4, 6, 6), (2, 4, 5, 4, 6)
WORDS, LABELS = [[1, 0, 3], [3, 3, 2]], [1, 0, 3]
MASK = [[False, True, True], [False, False, True], [False, False, False]]
PADDED = [[False, False, False], [False, False, True]]
SRC, TGT = (3, 2, 4), (3, 2, 4)
# layer, inputs (a shape: random and differentiated; a list: constant), keyword inputs
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Linear(4, 3, bias=False)", [(4,)], {}),
    ("Bilinear(4, 3, 2, bias=False)", [(5, 4), (5, 3)], {}),
    ("Bilinear(4, 3, 2)", [(2, 5, 4), (2, 5, 3)], {}),
    ("Conv1d(4, 6, 3, stride=2, padding='valid', dilation=2, groups=2, bias=False)", [SEQUENCE], {}),
    ("Conv2d(4, 4, (3, 2), padding='same', padding_mode='reflect')", [IMAGE], {}),
    ("Conv2d(4, 4, 3, padding=(2, 1), padding_mode='circular')", [IMAGE], {}),
    ("Conv2d(4, 8, 3, padding=1, groups=4, padding_mode='replicate')", [(4, 6, 6)], {}),
    ("Conv3d(4, 2, (1, 2, 3), stride=(2, 1, 2), padding=(0, 1, 1))", [VOLUME], {}),
    ("ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2)", [IMAGE], {}),
    ("ConvTranspose2d(4, 2, 3, stride=2)", [IMAGE], {"output_size": (14, 13)}),
    ("ConvTranspose1d(4, 2, 3, bias=False)", [(4, 9)], {}),
    ("MaxPool2d(3, 2, padding=1, dilation=1, return_indices=True, ceil_mode=True)", [IMAGE], {}),
    ("MaxPool1d(3, stride=2, dilation=2)", [SEQUENCE], {}),
    ("AvgPool2d((2, 3), stride=2, ceil_mode=True, count_include_pad=False)", [IMAGE], {}),
    ("AvgPool2d(2, divisor_override=3)", [IMAGE], {}),
    ("LPPool2d(1.5, (2, 3), stride=2, ceil_mode=True)", [IMAGE], {}),
    ("AdaptiveMaxPool2d((None, 3), return_indices=True)", [IMAGE], {}),
    ("AdaptiveAvgPool3d((2, None, 3))", [VOLUME], {}),
    ("BatchNorm1d(4, affine=False)", [SEQUENCE], {}),
    ("BatchNorm2d(4, eps=0.1, momentum=0.3, track_running_stats=False)", [IMAGE], {}),
    ("BatchNorm2d(4).eval()", [IMAGE], {}),
    ("InstanceNorm2d(4, affine=True, track_running_stats=True)", [IMAGE], {}),
    ("InstanceNorm1d(4)", [(4, 9)], {}),
    ("GroupNorm(4, 4, eps=0.1, affine=False)", [SEQUENCE], {}),
    ("LayerNorm((6, 6), elementwise_affine=False)", [IMAGE], {}),
    ("LayerNorm([4], bias=False)", [ROWS], {}),
    ("RMSNorm((6, 6), eps=0.1, elementwise_affine=False)", [IMAGE], {}),
    ("LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0)", [SEQUENCE], {}),
    ("ELU(0.5)", [ROWS], {}),
    ("Hardtanh(-0.3, 0.4)", [ROWS], {}),
    ("LeakyReLU(0.3)", [ROWS], {}),
    ("GELU(approximate='tanh')", [ROWS], {}),
    ("Softplus(2.0, 0.5)", [ROWS], {}),
    ("Softshrink(0.2)", [ROWS], {}),
    ("CELU(0.3)", [ROWS], {}),
    ("PReLU(init=0.1)", [ROWS], {}),
    ("GLU(1)", [IMAGE], {}),
    ("Dropout(0.4)", [IMAGE], {}),
    ("Dropout2d(0.4)", [IMAGE], {}),
    ("AlphaDropout(0.4)", [IMAGE], {}),
    ("FeatureAlphaDropout(0.4)", [IMAGE], {}),
    ("Embedding(5, 3, padding_idx=-2)", [WORDS], {}),
    ("Embedding(5, 3, max_norm=0.5, norm_type=1.0)", [WORDS], {}),
    ("Embedding(5, 3, scale_grad_by_freq=True)", [WORDS], {}),
    ("EmbeddingBag(5, 3, mode='sum')", [[1, 0, 3, 3, 2], [0, 2, 2]], {}),
    ("EmbeddingBag(5, 3, mode='sum')", [WORDS], {"per_sample_weights": (2, 3)}),
    ("EmbeddingBag(5, 3, mode='max', padding_idx=3)", [WORDS], {}),
    ("EmbeddingBag(5, 3, mode='mean', include_last_offset=True)", [[1, 0, 3, 3, 2], [0, 2, 5]], {}),
    ("Fold((5, 6), 3, dilation=1, padding=1, stride=2)", [(2, 18, 9)], {}),
    ("Fold((4, 5), (2, 2))", [(8, 12)], {}),
    ("Unfold((2, 3), dilation=(2, 1), padding=1, stride=(1, 2))", [IMAGE], {}),
    ("PixelShuffle(2)", [(4, 3, 2)], {}),
    ("Upsample((7, 11))", [IMAGE], {}),
    ("Upsample(scale_factor=1.7, mode='linear')", [SEQUENCE], {}),
    ("Upsample(scale_factor=(2, 1.5), mode='bilinear', align_corners=True)", [IMAGE], {}),
    ("Upsample(size=(9, 4), mode='bicubic')", [IMAGE], {}),
    ("Upsample(scale_factor=1.5, mode='bicubic', align_corners=True, recompute_scale_factor=True)", [IMAGE], {}),
    ("Upsample(scale_factor=2, mode='trilinear')", [VOLUME], {}),
    ("Upsample(size=(3, 4, 5), mode='nearest-exact')", [VOLUME], {}),
    ("Upsample(size=13, mode='nearest-exact')", [SEQUENCE], {}),
    ("CosineSimilarity(dim=0, eps=0.1)", [ROWS, ROWS], {}),
    ("PairwiseDistance(p=1.5, eps=0.1, keepdim=True)", [ROWS, ROWS], {}),
    ("MultiheadAttention(4, 2, bias=False)", [SRC, SRC, SRC], {"attn_mask": MASK}),
    ("MultiheadAttention(4, 2)", [SRC, SRC, SRC], {"key_padding_mask": PADDED, "average_attn_weights": False}),
    ("MultiheadAttention(4, 4, add_zero_attn=True, add_bias_kv=True, batch_first=True)", [(2, 3, 4)] * 3, {"key_padding_mask": PADDED}),
    ("MultiheadAttention(4, 2)", [SRC, SRC, SRC], {"attn_mask": MASK, "is_causal": True, "need_weights": False}),
    ("MultiheadAttention(4, 1)", [(3, 4), (3, 4), (3, 4)], {"attn_mask": MASK}),
    ("MultiheadAttention(4, 2, dropout=0.3)", [SRC, SRC, SRC], {}),
    ("TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation='gelu', batch_first=True)", [(2, 3, 4)], {"src_mask": MASK}),
    ("TransformerEncoderLayer(4, 2, 8, 0.0, nn.functional.silu, norm_first=True, bias=False)", [SRC], {"src_key_padding_mask": PADDED}),
    ("TransformerEncoderLayer(4, 2, 8, dropout=0.2)", [SRC], {}),
    ("TransformerDecoderLayer(4, 2, 8, 0.0, norm_first=True)", [SRC, TGT],
     {"tgt_mask": MASK, "tgt_is_causal": True, "memory_key_padding_mask": PADDED}),
    ("TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0), 2, norm=nn.LayerNorm(4))", [SRC], {"mask": MASK, "is_causal": True}),
    ("TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, 0.0), 2, nn.LayerNorm(4))", [SRC, TGT], {"tgt_mask": MASK}),
    ("Transformer(4, 2, 1, 2, 8, 0.0, batch_first=True, norm_first=True)", [(2, 3, 4), (2, 3, 4)],
     {"tgt_mask": MASK, "src_key_padding_mask": PADDED}),
    ("Transformer(4, 2, 1, 1, 8, 0.0, 'gelu', bias=False)", [(3, 4), (3, 4)], {}),
    ("RNN(4, 3, 2, bias=False, bidirectional=True)", [(5, 2, 4)], {}),
    ("LSTM(4, 3, 2, dropout=0.4)", [(5, 2, 4)], {}),
    ("GRU(4, 3, num_layers=2, dropout=0.4, batch_first=True)", [(2, 5, 4)], {}),
    ("RNNCell(4, 3, bias=False, nonlinearity='relu')", [(4,)], {}),
    ("CrossEntropyLoss(weight=tensor([1.0, 2.0, 0.5, 1.0]), ignore_index=0, label_smoothing=0.2)", [ROWS, LABELS], {}),
    ("CrossEntropyLoss(reduction='none')", [ROWS, [[0.1, 0.2, 0.3, 0.4]] * 3], {}),
    ("CrossEntropyLoss(label_smoothing=0.3, reduction='sum')", [(2, 4, 3), WORDS], {}),
    ("NLLLoss(weight=tensor([1.0, 2.0, 0.5, 1.0]), reduction='none')", [ROWS, LABELS], {}),
    ("BCEWithLogitsLoss(weight=tensor([1.0, 2.0, 0.5, 1.0]), pos_weight=tensor([2.0]))", [ROWS, [[0.0, 1.0, 1.0, 0.5]] * 3], {}),
    ("KLDivLoss(reduction='sum', log_target=True)", [ROWS, ROWS], {}),
    ("PoissonNLLLoss(log_input=False, full=True, eps=0.1)", [[[0.5, 1.0, 2.0]], [[1.0, 2.0, 3.0]]], {}),
    ("GaussianNLLLoss(full=True, eps=0.5, reduction='none')", [(3,), (3,), [1.0, 2.0, 0.1]], {}),
    ("HuberLoss(reduction='none', delta=0.3)", [ROWS, ROWS], {}),
    ("SmoothL1Loss(beta=0.0)", [ROWS, ROWS], {}),
    ("HingeEmbeddingLoss(margin=0.2, reduction='sum')", [(3,), [1.0, -1.0, -1.0]], {}),
    ("MarginRankingLoss(margin=0.3)", [(3,), (3,), [1.0, -1.0, 1.0]], {}),
    ("CosineEmbeddingLoss(margin=-0.3, reduction='none')", [ROWS, ROWS, [1.0, -1.0, -1.0]], {}),
    ("MultiMarginLoss(p=2, margin=0.5, weight=tensor([1.0, 2.0, 0.5, 1.0]))", [ROWS, LABELS], {}),
    ("MultiLabelSoftMarginLoss(weight=tensor([1.0, 2.0, 0.5, 1.0]), reduction='none')", [ROWS, [[0.0, 1.0, 1.0, 0.0]] * 3], {}),
    ("TripletMarginLoss(margin=0.5, p=1.0, swap=True, reduction='none')", [ROWS, ROWS, ROWS], {}),
    ("TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance(p=3.0), margin=0.4, swap=True)", [ROWS, ROWS, ROWS], {}),
    ("FractionalMaxPool2d(2, output_ratio=0.6)", [IMAGE], {}),
    ("FractionalMaxPool3d((1, 2, 2), output_size=(3, 2, 4), return_indices=True)", [VOLUME], {}),
    ("AdaptiveLogSoftmaxWithLoss(4, 12, [3, 7], div_value=2.0, head_bias=True)", [ROWS, [1, 5, 11]], {}),
    ("Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2), nn.Flatten(1, 2), nn.Unflatten(1, (2, 4)))", [IMAGE], {}),
    ("Flatten(0, 1)", [IMAGE], {}),
]  # fmt: skip


def tensors(library: Any, given: Any) -> Any:
    if isinstance(given, list):
        return library.tensor(given)
    return library.randn(*given).requires_grad_() if isinstance(given, tuple) and isinstance(given[0], int) else given


def flat(values: Any) -> list[Any]:
    if isinstance(values, (tuple, list)):
        return [leaf for each in values for leaf in flat(each)]
    return [] if values is None else [values]


def run(library: Any, case: tuple) -> tuple[str, list[str], list[Any]]:
    expression, inputs, keywords = case
    library.manual_seed(1)
    layer = eval("nn." + expression, {"nn": library.nn, "tensor": library.tensor})
    given = [tensors(library, each) for each in inputs]
    named = {name: each if name == "output_size" else tensors(library, each) for name, each in keywords.items()}
    state = [value.clone() for value in layer.state_dict().values()]
    outputs = flat(layer(*given, **named))
    floating = [out for out in outputs if out.requires_grad]
    leaves = [t for t in (*given, *named.values(), *layer.parameters()) if getattr(t, "requires_grad", False)]
    if floating:
        sum((out**3).sum() for out in floating).backward()
    return repr(layer), list(layer.state_dict()), [*state, *outputs, *layer.buffers(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_like_pytorch(case: tuple) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (text, keys, values), (their_text, their_keys, wanted) = run(rl, case), run(torch, case)
    assert keys == their_keys
    assert text.replace("rushlight", "torch") == their_text or " at 0x" in text
    for mine, theirs in zip(values, wanted, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert str(mine.dtype) == str(theirs.dtype) and tuple(mine.shape) == tuple(theirs.shape)
            np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=5e-4, atol=5e-5)
