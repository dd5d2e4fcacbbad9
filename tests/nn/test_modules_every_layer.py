"""The layers that test_modules_forward.py leaves out, forward and backward against PyTorch; together they are all."""

import re
import warnings

import pytest
from test_modules_forward import CASES as OTHERS

import rushlight

torch = pytest.importorskip("torch")

ROWS, SEQUENCE, IMAGE, VOLUME = (3, 4), (2, 4, 9), (2, 4, 6, 6), (2, 4, 5, 4, 6)
LABELS, BITS, SIGNS = [1, 0, 3], [[0.0, 1.0, 1.0, 0.0]] * 3, [1.0, -1.0, 1.0]
# constructor, arguments of forward: a shape is a random tensor that requires a gradient, a list a constant one
CASES = [
    ("Identity()", [ROWS]),
    *((f"{name}()", [ROWS]) for name in (
        "CELU", "ELU", "Hardshrink", "Hardsigmoid", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish", "ReLU6", "SELU", "SiLU",
        "Sigmoid", "Softmin", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    )),
    ("Threshold(0.1, 2.0)", [ROWS]),
    ("RReLU(0.2, 0.2)", [ROWS]),
    ("Softmax2d()", [IMAGE]),
    *((f"{name}(0.0)", [IMAGE]) for name in ("Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")),
    ("Dropout1d(0.0)", [SEQUENCE]),
    ("Dropout3d(0.0)", [VOLUME]),
    ("Conv3d(4, 2, 3, padding=1)", [VOLUME]),
    ("ConvTranspose1d(4, 3, 3, stride=2)", [SEQUENCE]),
    ("ConvTranspose3d(4, 3, 2)", [VOLUME]),
    *((f"{name}({out})", [shape]) for name, out, shape in (
        ("MaxPool1d", 2, SEQUENCE), ("MaxPool3d", 2, VOLUME), ("AvgPool1d", 2, SEQUENCE), ("AvgPool3d", 2, VOLUME),
        ("AdaptiveAvgPool1d", 4, SEQUENCE), ("AdaptiveAvgPool3d", 2, VOLUME), ("AdaptiveMaxPool1d", 4, SEQUENCE),
        ("AdaptiveMaxPool2d", 3, IMAGE), ("AdaptiveMaxPool3d", 2, VOLUME),
    )),
    ("LPPool1d(2, 2)", [SEQUENCE]),
    ("LPPool2d(2, 2)", [IMAGE]),
    ("LPPool3d(2, 2)", [VOLUME]),
    ("BatchNorm3d(4)", [VOLUME]),
    ("SyncBatchNorm(4).eval()", [IMAGE]),
    ("InstanceNorm1d(4)", [SEQUENCE]),
    ("InstanceNorm3d(4)", [VOLUME]),
    ("LocalResponseNorm(2)", [IMAGE]),
    *((f"{name}{n}d({2 if name == 'ReflectionPad' else 1})", [shape])
      for name in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad")
      for n, shape in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)) if (name, n) not in (("ZeroPad", 2), ("ReflectionPad", 1))),
    *((f"ConstantPad{n}d(1, 3.5)", [shape]) for n, shape in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))),
    ("PixelUnshuffle(2)", [IMAGE]),
    ("ChannelShuffle(2)", [IMAGE]),
    ("Fold((4, 5), (2, 2))", [(2, 8, 12)]),
    ("Unfold((2, 3))", [IMAGE]),
    ("UpsamplingNearest2d(scale_factor=2)", [IMAGE]),
    ("UpsamplingBilinear2d(scale_factor=2)", [IMAGE]),
    ("Embedding(5, 3)", [LABELS]),
    ("EmbeddingBag(5, 3)", [[LABELS, LABELS]]),
    ("Transformer(4, 2, 1, 1, 8, dropout=0.0).encoder", [(5, 2, 4)]),
    ("TransformerDecoderLayer(4, 2, 8, dropout=0.0)", [(3, 2, 4), (5, 2, 4)]),
    ("TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), 2)", [(3, 2, 4)]),
    ("TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0), 2)", [(3, 2, 4), (5, 2, 4)]),
    ("Sequential(nn.Linear(4, 3), nn.Tanh())", [ROWS]),
    ("CrossEntropyLoss()", [ROWS, LABELS]),
    ("NLLLoss()", [ROWS, LABELS]),
    ("NLLLoss2d()", [(1, 4, 1, 3), [[LABELS]]]),
    ("MultiMarginLoss()", [ROWS, LABELS]),
    ("BCEWithLogitsLoss()", [ROWS, BITS]),
    ("KLDivLoss(reduction='batchmean')", [ROWS, BITS]),
    ("PoissonNLLLoss()", [ROWS, BITS]),
    ("MultiLabelSoftMarginLoss()", [ROWS, BITS]),
    ("MultiLabelMarginLoss()", [ROWS, [[1, -1, 0, 0], [3, 2, -1, 1], [0, -1, -1, -1]]]),
    ("SoftMarginLoss()", [(3,), SIGNS]),
    ("HingeEmbeddingLoss()", [(3,), SIGNS]),
    ("MarginRankingLoss()", [(3,), (3,), SIGNS]),
    ("CosineEmbeddingLoss()", [ROWS, ROWS, SIGNS]),
    ("TripletMarginWithDistanceLoss()", [ROWS, ROWS, ROWS]),
    ("GaussianNLLLoss()", [(3,), (3,), [1.0, 2.0, 0.5]]),
]  # fmt: skip
# Lists of modules, bases, layers that wait for their first input, random windows, and what has a test of its own.
WITHOUT = {
    "Module", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Container", "RNNBase", "RNNCellBase",
    "AdaptiveLogSoftmaxWithLoss", "FractionalMaxPool2d", "FractionalMaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
    "BCELoss", "CTCLoss", "CrossMapLRN2d", "LinearCrossEntropyLoss",
}  # fmt: skip


def arguments(library, shapes):
    return [library.tensor(s) if isinstance(s, list) else library.randn(*s).requires_grad_() for s in shapes]


def run(library, expression, shapes):
    library.manual_seed(1)
    nn = library.nn
    layer = eval("nn." + expression, {"nn": nn})
    inputs = arguments(library, shapes)
    output = layer(*inputs)
    (output * output).sum().backward()
    return [output, *layer.buffers(), *(t.grad for t in (*inputs, *layer.parameters()) if t.requires_grad)]


@pytest.mark.parametrize("expression, shapes", CASES)
def test_forward_and_gradient(expression, shapes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = run(rushlight, expression, shapes), run(torch, expression, shapes)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
        assert a.flatten().tolist() == pytest.approx(b.flatten().tolist(), rel=2e-4, abs=2e-5)


def special_inputs(library):
    """Layers whose input must be indices, probabilities or log-probabilities."""
    library.manual_seed(1)
    nn, tensor = library.nn, library.tensor
    x, p, c = (
        library.randn(2, 3, 4, 4).requires_grad_(),
        library.rand(5).requires_grad_(),
        library.randn(6, 3, 4).requires_grad_(),
    )
    small, where = nn.MaxPool2d(2, return_indices=True)(x)
    words = tensor([[1, 2], [3, 1], [2, 2]])
    spelt = nn.CTCLoss()(c.log_softmax(2), words, tensor([6, 5, 6]), tensor([2, 1, 2]))
    loss = nn.MaxUnpool2d(2)(small, where).pow(2).sum() + nn.BCELoss()(p, library.ones(5)) + spelt
    loss.backward()
    return loss, x.grad, p.grad, c.grad


def test_special_inputs():
    for a, b in zip(special_inputs(rushlight), special_inputs(torch), strict=True):
        assert a.flatten().tolist() == pytest.approx(b.flatten().tolist(), rel=1e-4, abs=1e-6)


def test_cross_map_normalization_is_local_response_norm():
    """Not compared with PyTorch, whose own gradcheck refuses its version of this old layer."""
    x = rushlight.randn(2, 4, 3, 3)
    assert rushlight.equal(rushlight.nn.CrossMapLRN2d(3, 0.5)(x), rushlight.nn.LocalResponseNorm(3, 0.5)(x))


def test_every_layer_is_tested():
    nn = rushlight.nn
    layers = {n for n in dir(nn) if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Module)}
    tested = {name for expression, _ in CASES + OTHERS for name in re.findall(r"[A-Z]\w*", expression)}
    assert sorted(n for n in layers - tested - WITHOUT if not n.startswith("Lazy")) == []
