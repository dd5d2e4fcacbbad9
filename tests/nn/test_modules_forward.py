"""Every layer's forward and gradient, compared with PyTorch on the same parameters and inputs."""

import warnings

import numpy as np
import pytest

import rushlight
from rushlight import nn

torch = pytest.importorskip("torch")

IMAGE, SEQUENCE, ROWS = (2, 4, 7, 6), (2, 4, 9), (3, 4)
CASES = [
    ("Linear(4, 3)", [ROWS]),
    ("Bilinear(4, 4, 3)", [ROWS, ROWS]),
    ("Conv1d(4, 6, 3, padding='same')", [SEQUENCE]),
    ("Conv2d(4, 6, 3, stride=2, padding=1, groups=2)", [IMAGE]),
    ("Conv2d(4, 2, 3, padding=1, padding_mode='reflect')", [IMAGE]),
    ("ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)", [IMAGE]),
    ("MaxPool2d(2)", [IMAGE]),
    ("AvgPool2d(3, 2, 1)", [IMAGE]),
    ("AdaptiveAvgPool2d((3, 2))", [IMAGE]),
    ("BatchNorm1d(4)", [ROWS]),
    ("BatchNorm2d(4, momentum=None)", [IMAGE]),
    ("InstanceNorm2d(4, affine=True)", [IMAGE]),
    ("GroupNorm(2, 4)", [IMAGE]),
    ("LayerNorm(4)", [ROWS]),
    ("RMSNorm(4)", [ROWS]),
    ("ReLU()", [ROWS]),
    ("PReLU(4)", [ROWS]),
    ("GELU()", [ROWS]),
    ("Softplus()", [ROWS]),
    ("Hardswish()", [ROWS]),
    ("Softmax(dim=1)", [ROWS]),
    ("LogSoftmax(dim=1)", [ROWS]),
    ("GLU()", [ROWS]),
    ("Flatten()", [IMAGE]),
    ("Unflatten(1, (2, 2))", [ROWS]),
    ("ZeroPad2d((1, 2, 0, 1))", [IMAGE]),
    ("ReflectionPad1d(2)", [SEQUENCE]),
    ("PixelShuffle(2)", [IMAGE]),
    ("Upsample(scale_factor=2)", [IMAGE]),
    ("CosineSimilarity()", [ROWS, ROWS]),
    ("PairwiseDistance()", [ROWS, ROWS]),
    ("MSELoss()", [ROWS, ROWS]),
    ("L1Loss(reduction='sum')", [ROWS, ROWS]),
    ("SmoothL1Loss()", [ROWS, ROWS]),
    ("HuberLoss(delta=0.5)", [ROWS, ROWS]),
    ("TripletMarginLoss()", [ROWS, ROWS, ROWS]),
    ("RNN(4, 3, 2, nonlinearity='relu')", [(5, 2, 4)]),
    ("LSTM(4, 3, 2, batch_first=True, bidirectional=True)", [(2, 5, 4)]),
    ("LSTM(4, 3, proj_size=2)", [(5, 2, 4), ((1, 2, 2), (1, 2, 3))]),
    ("GRU(4, 3, bidirectional=True)", [(5, 4)]),
    ("RNNCell(4, 3)", [(2, 4)]),
    ("LSTMCell(4, 3)", [(2, 4), ((2, 3), (2, 3))]),
    ("GRUCell(4, 3)", [(4,), (3,)]),
    ("MultiheadAttention(4, 2)", [(5, 2, 4), (3, 2, 4), (3, 2, 4)]),
    ("MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True, batch_first=True)", [(2, 5, 4), (2, 3, 3), (2, 3, 5)]),
    ("MultiheadAttention(4, 2, add_zero_attn=True)", [(5, 4), (3, 4), (3, 4)]),
    ("TransformerEncoderLayer(4, 2, 8, dropout=0.0, norm_first=True)", [(5, 2, 4)]),
    ("Transformer(4, 2, 1, 1, 8, dropout=0.0)", [(5, 2, 4), (3, 2, 4)]),
]


def tensors(library, shape):
    if isinstance(shape[0], tuple):
        return tuple(tensors(library, each) for each in shape)
    return library.randn(*shape).requires_grad_()


def flatten(values):
    return [leaf for each in values for leaf in flatten(each)] if isinstance(values, (tuple, list)) else [values]


def run(library, expression, shapes):
    library.manual_seed(1)
    layer = eval("nn." + expression, {"nn": library.nn})
    inputs = [tensors(library, shape) for shape in shapes]
    outputs = flatten(layer(*inputs))
    sum((output * output).sum() for output in outputs).backward()
    return [*outputs, *layer.buffers(), *(t.grad for t in (*flatten(inputs), *layer.parameters()))]


@pytest.mark.parametrize("expression, shapes", CASES)
def test_forward_and_gradient(expression, shapes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = run(rushlight, expression, shapes), run(torch, expression, shapes)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert tuple(a.shape) == tuple(b.shape)
        assert a.flatten().tolist() == pytest.approx(b.flatten().tolist(), rel=2e-4, abs=2e-5)


def masked_attention(library):
    library.manual_seed(2)
    layer = library.nn.MultiheadAttention(4, 2, batch_first=True)
    x = library.randn(2, 3, 4)
    causal = library.nn.Transformer.generate_square_subsequent_mask(3)
    padding = library.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, float("-inf")]])
    output, weights = layer(x, x, x, key_padding_mask=padding, attn_mask=causal, average_attn_weights=False)
    other, nothing = layer(x, x, x, need_weights=False, attn_mask=causal != 0)
    assert nothing is None
    return [value for tensor in (output, weights, other) for value in tensor.flatten().tolist()]


def test_attention_masks():
    assert masked_attention(rushlight) == pytest.approx(masked_attention(torch), abs=1e-5)
    layer, x = rushlight.nn.MultiheadAttention(4, 2), rushlight.ones(3, 1, 4)
    with pytest.raises(RuntimeError, match=r"attn_mask of shape \(2, 2\)"):
        layer(x, x, x, attn_mask=rushlight.zeros(2, 2))
    with pytest.raises(AssertionError, match="last size of 4"):
        layer(rushlight.ones(3, 1, 5), x, x)


def adaptive(library):
    library.manual_seed(2)
    layer = library.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0)
    x = library.randn(4, 8)
    output, loss = layer(x, library.tensor([0, 7, 19, 4]))
    return output.tolist() + [loss.item()] + layer.log_prob(x).sum(1).tolist() + layer.predict(x).tolist()


def test_adaptive_softmax():
    assert adaptive(rushlight) == pytest.approx(adaptive(torch), rel=1e-4)


def test_batch_norm_statistics():
    layer = rushlight.nn.BatchNorm1d(2)
    x = rushlight.tensor([[0.0, 10.0], [2.0, 30.0]])
    layer(x)
    assert layer.running_mean.tolist() == pytest.approx([0.1, 2.0])
    assert layer.running_var.tolist() == pytest.approx([1.1, 20.9])
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    layer(x)
    assert layer.num_batches_tracked.item() == 1


def test_transposed_convolution_output_size():
    layer = rushlight.nn.ConvTranspose2d(1, 1, 3, stride=2)
    x = rushlight.ones(1, 1, 4, 4)
    assert layer(x, output_size=[10, 10]).shape == (1, 1, 10, 10)
    with pytest.raises(ValueError, match=r"between \[9, 9\] and \[10, 10\]"):
        layer(x, output_size=[12, 12])


def test_embedding_from_pretrained():
    table = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = rushlight.nn.Embedding.from_pretrained(table)
    assert layer(rushlight.tensor([1])).tolist() == [[3.0, 4.0]] and not layer.weight.requires_grad


def test_utils():
    nn = rushlight.nn
    net = nn.Linear(2, 1)
    vector = nn.utils.parameters_to_vector(net.parameters())
    nn.utils.vector_to_parameters(rushlight.ones(3), net.parameters())
    assert vector.shape == (3,) and net.weight.tolist() == [[1.0, 1.0]] and net.bias.tolist() == [1.0]
    conv, norm = nn.Conv2d(2, 3, 3).eval(), nn.BatchNorm2d(3).eval()
    norm.running_mean.fill_(0.5)
    x = rushlight.randn(1, 2, 5, 5)
    fused = nn.utils.fuse_conv_bn_eval(conv, norm)
    assert fused(x).flatten().tolist() == pytest.approx(norm(conv(x)).flatten().tolist(), abs=1e-5)
    padded = nn.utils.rnn.pad_sequence([rushlight.ones(1, 2), rushlight.ones(3, 2)], padding_value=-1.0)
    assert padded.shape == (3, 2, 2) and padded[2, 0].tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    "module, given, said",
    [
        (nn.Linear(3, 2), None, "Linear: got None; expected a tensor. Fix: pass the tensor"),
        (nn.Linear(3, 2), np.ones((1, 3), "f"), "linear: got an ndarray; expected a tensor. Fix: torch.from_numpy"),
        (nn.BatchNorm1d(3), np.ones((2, 3), "f"), "BatchNorm1d: got an ndarray; .* Fix: torch.from_numpy"),
        (nn.MaxPool2d(2), [[1.0]], r"MaxPool2d: got a list; .* Fix: torch.tensor\(list\)"),
        (nn.Embedding(3, 2), [0, 1], r"embedding: got a list; .* Fix: torch.tensor\(list\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 1)), 3, r"Flatten: got an int; .* Fix: torch.tensor\(number\)"),
    ],
)
def test_what_is_no_tensor_is_named(module, given, said):
    with pytest.raises(TypeError, match=said):
        module(given)


def test_an_attribute_error_of_the_users_own_stays_what_it_is():
    class Net(nn.Module):
        def forward(self, x):
            return x.shape_of_things

    with pytest.raises(AttributeError, match="shape_of_things"):
        Net()(None)
