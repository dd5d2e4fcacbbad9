"""Printed form, signatures, parameter names and starting values of every layer, compared with PyTorch's."""

import inspect
import warnings

import pytest

import rushlight
from rushlight import nn

torch = pytest.importorskip("torch")

LAYERS = """
Identity(54, unused=1)|Linear(3, 4)|Linear(3, 4, bias=False)|Bilinear(2, 3, 4)|LazyLinear(5)
Conv1d(3, 4, 3)|Conv2d(3, 4, 3)|Conv2d(3, 4, (3, 5), stride=2, padding=(1, 2), dilation=2, groups=1, bias=False)
Conv2d(4, 4, 3, padding='same', groups=2)|Conv2d(3, 4, 3, padding=1, padding_mode='circular')|Conv3d(1, 2, 3)
Conv2d(1, 2, kernel_size=[3, 3], padding='valid')|ConvTranspose1d(3, 4, 3)|ConvTranspose3d(3, 4, 3, bias=False)
ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1, dilation=2)|ConvTranspose2d(4, 6, 3, groups=2)
LazyConv1d(3, 3)|LazyConv2d(3, 3, padding=1)|LazyConv3d(3, 3)|LazyConvTranspose2d(3, 3)
MaxPool1d(2)|MaxPool2d(2)|MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True)|MaxPool3d(2, return_indices=True)
MaxUnpool1d(2)|MaxUnpool2d(2)|MaxUnpool3d(2, 3, 1)|AvgPool1d(2)|AvgPool2d(2)|AvgPool3d((2, 3, 4), 2, 1)
LPPool1d(2, 3)|LPPool2d(1.5, (3, 2), stride=2)|LPPool3d(2, 3)|FractionalMaxPool2d(2, output_ratio=0.5)
FractionalMaxPool3d(2, output_size=3)|AdaptiveAvgPool1d(5)|AdaptiveAvgPool2d((7, 7))|AdaptiveAvgPool3d((None, 2, 3))
AdaptiveMaxPool1d(5)|AdaptiveMaxPool2d(3, True)|AdaptiveMaxPool3d(2)
BatchNorm1d(3)|BatchNorm2d(64)|BatchNorm2d(3, affine=False, track_running_stats=False)|BatchNorm3d(3, momentum=None)
BatchNorm2d(3, bias=False)|SyncBatchNorm(3)|LazyBatchNorm1d()|LazyBatchNorm2d(affine=False)|LazyBatchNorm3d()
InstanceNorm1d(3)|InstanceNorm2d(3, affine=True, track_running_stats=True)|InstanceNorm3d(3)|LazyInstanceNorm2d()
LayerNorm(4)|LayerNorm((3, 4), eps=1e-6)|LayerNorm(4, elementwise_affine=False)|LayerNorm(4, bias=False)|RMSNorm(4)
RMSNorm((3, 4), eps=1e-3)|GroupNorm(2, 4)|GroupNorm(2, 4, affine=False)|LocalResponseNorm(2)|CrossMapLRN2d(2)
ReLU()|ReLU(inplace=True)|ReLU6()|ReLU6(True)|LeakyReLU()|LeakyReLU(0.2, True)|PReLU()|PReLU(3)|RReLU()
RReLU(0.1, 0.2, True)|ELU()|ELU(2, True)|SELU()|SELU(True)|CELU()|CELU(2.0, True)|GELU()|GELU('tanh')|Sigmoid()
LogSigmoid()|Hardsigmoid()|Hardsigmoid(True)|Hardtanh()|Hardtanh(-2, 2, True)|Hardswish(True)|Hardshrink()
Softshrink(0.3)|Softplus()|Softplus(2, 10)|Softsign()|Tanh()|Tanhshrink()|Threshold(0.1, 20)|Threshold(1, 2, True)
SiLU()|SiLU(True)|Mish(True)|GLU()|Softmax(dim=1)|Softmax()|Softmin(1)|Softmax2d()|LogSoftmax(dim=-1)
Dropout()|Dropout(0.25, True)|Dropout1d()|Dropout2d(0.1)|Dropout3d()|AlphaDropout()|FeatureAlphaDropout(0.3)
Embedding(10, 3)|Embedding(10, 3, padding_idx=-1, max_norm=1.0, norm_type=1, scale_grad_by_freq=True, sparse=True)
EmbeddingBag(10, 3)|EmbeddingBag(10, 3, max_norm=2.0, mode='sum', padding_idx=2)|Flatten()|Flatten(0, 2)
Unflatten(1, (2, 5))|ZeroPad1d(1)|ZeroPad2d((1, 2, 3, 4))|ZeroPad3d(1)|ConstantPad1d(2, 3.5)|ConstantPad2d(1, 0)
ConstantPad3d(1, 2.0)|ReflectionPad1d(1)|ReflectionPad2d(1)|ReflectionPad3d(1)|ReplicationPad1d((1, 2))
ReplicationPad2d(2)|ReplicationPad3d(1)|CircularPad1d(1)|CircularPad2d(1)|CircularPad3d(1)
Upsample(2)|Upsample(scale_factor=2, mode='bilinear')|Upsample(scale_factor=(2, 3))|UpsamplingNearest2d((4, 5))
UpsamplingBilinear2d(scale_factor=2)|PixelShuffle(2)|PixelUnshuffle(3)|ChannelShuffle(2)|Fold((4, 5), 2)
Unfold((2, 3), stride=2)|CosineSimilarity()|PairwiseDistance()
L1Loss()|MSELoss()|CrossEntropyLoss()|NLLLoss()|PoissonNLLLoss()|GaussianNLLLoss()|KLDivLoss()|BCELoss()
BCEWithLogitsLoss()|MarginRankingLoss()|HingeEmbeddingLoss()|MultiLabelMarginLoss()|SmoothL1Loss()|HuberLoss()
SoftMarginLoss()|MultiLabelSoftMarginLoss()|CosineEmbeddingLoss()|MultiMarginLoss()|TripletMarginLoss()
TripletMarginWithDistanceLoss()|CTCLoss()
RNN(3, 4)|RNN(3, 4, 2, nonlinearity='relu')|RNN(3, 4, 2, 'relu', False)
LSTM(3, 4, 2, batch_first=True, bidirectional=True)|LSTM(3, 4, proj_size=2, num_layers=2, dropout=0.1)
GRU(3, 4, bias=False)|GRU(3, 4, 2, bidirectional=True)
RNNCell(3, 4)|RNNCell(3, 4, False, 'relu')|LSTMCell(3, 4)|GRUCell(3, 4, bias=False)
MultiheadAttention(4, 2)|MultiheadAttention(4, 2, bias=False, kdim=3, vdim=5)|MultiheadAttention(4, 1, add_bias_kv=True)
TransformerEncoderLayer(4, 2, 8)|TransformerDecoderLayer(4, 2, 8, activation='gelu')|Transformer(4, 2, 1, 2, 8)
TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, bias=False), 2)|AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], 2.0)
"""
EXPRESSIONS = [each.strip() for line in LAYERS.strip().splitlines() for each in line.split("|")]


def build(library, expression):
    library.manual_seed(7)
    return eval("nn." + expression, {"nn": library.nn})


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_layer_matches(expression):
    theirs, ours = build(torch, expression), build(rushlight, expression)
    assert repr(ours) == repr(theirs)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert dict(ours.state_dict()._metadata) == dict(theirs.state_dict()._metadata)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in ours.named_buffers()] == [name for name, _ in theirs.named_buffers()]
    if not expression.startswith("Lazy"):
        for (name, own), (_, their) in zip(ours.state_dict().items(), theirs.state_dict().items()):
            assert tuple(own.shape) == tuple(their.shape), name
            assert str(own.dtype) == str(their.dtype), name
            assert own.tolist() == their.tolist(), name


@pytest.mark.parametrize("name", sorted(name for name in nn.modules.__all__ if hasattr(torch.nn, name)))
def test_signatures_match(name):
    def arguments(cls):
        parameters = inspect.signature(cls.__init__).parameters.values()

        def show(default):
            return "a function" if inspect.isfunction(default) else repr(default)

        return [(each.name, each.kind, show(each.default)) for each in parameters]

    assert arguments(getattr(nn, name)) == arguments(getattr(torch.nn, name))


def test_class_signature_is_that_of_init():
    assert list(inspect.signature(nn.Linear).parameters) == ["in_features", "out_features", "bias", "device", "dtype"]


def vgg16(nn, make):
    class VGG(nn.Module):
        def __init__(self):
            super(VGG, self).__init__()  # noqa: UP008  the old two-argument form
            layers, channels = [], 3
            for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
                if width == "M":
                    layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
                    continue
                layers += [make(nn.Conv2d, channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
            self.classifier = nn.Sequential(
                make(nn.Linear, 512 * 7 * 7, 4096),
                nn.ReLU(True),
                nn.Dropout(),
                make(nn.Linear, 4096, 4096),
                nn.ReLU(True),
                nn.Dropout(),
                make(nn.Linear, 4096, 1000),
            )

    return VGG()


def test_vgg16_prints_character_for_character():
    ours = vgg16(nn, nn.utils.skip_init)  # without starting values it costs no time and touches no memory
    theirs = vgg16(torch.nn, lambda cls, *args, **kwargs: cls(*args, device="meta", **kwargs))
    assert repr(ours) == repr(theirs)
    assert repr(ours).startswith(
        "VGG(\n  (features): Sequential(\n    (0): Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1)"
    )
    assert sum(parameter.numel() for parameter in ours.parameters()) == 138_357_544


def test_containers_print_like_pytorch():
    def make(nn):
        return nn.Sequential(
            nn.ModuleList([nn.Linear(1, 2) for _ in range(3)] + [nn.ReLU(), nn.Sequential(nn.Linear(1, 2), nn.Tanh())]),
            nn.ModuleDict({"b": nn.ReLU(), "a": nn.Sequential()}),
            nn.ModuleList(),
            nn.ModuleDict(),
        )

    def parameters(library):
        return library.nn.ModuleList(
            [
                library.nn.ParameterList([library.zeros(2), library.nn.Parameter(library.ones(2, 2)), 3]),
                library.nn.ParameterList([1]),
                library.nn.ParameterDict({"b": library.zeros(2), "a": 3}),
            ]
        )

    assert repr(make(nn)) == repr(make(torch.nn))
    assert repr(parameters(rushlight)) == repr(parameters(torch))


def test_two_line_extra_repr():
    def make(library):
        class Odd(library.nn.Module):
            def __init__(self):
                super().__init__()
                self.child = library.nn.Sequential(library.nn.ReLU())
                self.absent = None

            def extra_repr(self):
                return "first\nsecond"

        return Odd()

    assert repr(make(rushlight)) == repr(make(torch))


def test_old_reduction_flags_warn():
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False).reduction == "none"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nn.NLLLoss().reduction == "mean"
