"""The models: parameter counts of the papers, names, shapes."""

import pytest

import rushlight
from rushlight.vision import models


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_resnet18():
    model = models.resnet18()
    assert count(model) == 11_689_512
    names = list(model.state_dict())
    assert names[0] == "conv1.weight" and "layer2.0.downsample.1.running_var" in names and names[-1] == "fc.bias"
    small = models.resnet18(num_classes=7).eval()
    with rushlight.no_grad():
        assert small(rushlight.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_vgg_layers():
    features = models.vgg.make_layers(16)
    assert [str(layer) for layer in list(features)[:5]] == [
        "Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "ReLU(inplace=True)",
        "Conv2d(64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "ReLU(inplace=True)",
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    ]
    # with the three linear layers this makes the 138,357,544 parameters of the paper's model
    assert count(features) == 14_714_688
    assert count(features) + 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000 == 138_357_544
    assert [len(models.vgg.make_layers(depth, bn)) for depth, bn in ((11, False), (13, True), (16, False))] == [
        21,
        35,
        31,
    ]


def test_no_weights_come_along():
    with pytest.raises(NotImplementedError, match="load_state_dict"):
        models.resnet18(weights="DEFAULT")
    with pytest.raises(NotImplementedError, match="vgg16"):
        models.vgg16(weights="IMAGENET1K_V1")
