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


@pytest.mark.parametrize(
    "name, size", [("resnet50", 25_557_032), ("resnext50_32x4d", 25_028_904), ("mobilenet_v2", 3_504_872)]
)
def test_sizes(name, size):
    assert count(getattr(models, name)()) == size


def test_a_network_of_bottlenecks():
    norm = lambda channels: rushlight.nn.GroupNorm(2, channels)  # noqa: E731
    net = models.ResNet(
        models.Bottleneck, [1, 2, 1, 1], num_classes=3, zero_init_residual=True, norm_layer=norm,
        replace_stride_with_dilation=[False, True, True],
    )  # fmt: skip
    names = list(net.state_dict())
    assert "layer1.0.conv3.weight" in names and "layer2.1.bn3.bias" in names and "layer1.0.downsample.0.weight" in names
    assert net.layer4[0].conv2.dilation == (2, 2) and net.layer4[0].conv2.stride == (1, 1)
    assert net.layer2[1].bn3.weight.sum() == 0 and net.layer1[0].bn1.weight.sum() == 64
    with rushlight.no_grad():
        assert net(rushlight.randn(2, 3, 32, 32)).shape == (2, 3)
    with pytest.raises(ValueError, match="three flags"):
        models.ResNet(models.Bottleneck, [1, 1, 1, 1], replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="Bottleneck"):
        models.ResNet(models.BasicBlock, [1, 1, 1, 1], groups=2)


def test_mobilenet_and_alexnet():
    net = models.mobilenet_v2(num_classes=4, width_mult=0.35, pretrained=False).eval()
    assert list(net.state_dict())[-1] == "classifier.1.bias" and net.last_channel == 1280
    with rushlight.no_grad():
        assert net(rushlight.randn(1, 3, 32, 32)).shape == (1, 4)
    net = models.alexnet(num_classes=2).eval()
    with rushlight.no_grad():
        assert net(rushlight.randn(1, 3, 63, 63)).shape == (1, 2)


def test_no_weights_come_along():
    with pytest.raises(NotImplementedError, match="load_state_dict"):
        models.resnet18(weights="DEFAULT")
    with pytest.raises(NotImplementedError, match="vgg16"):
        models.vgg16(weights="IMAGENET1K_V1")
    assert models.ResNet50_Weights.DEFAULT is models.ResNet50_Weights.IMAGENET1K_V2
    with pytest.raises(NotImplementedError, match="resnet50.*IMAGENET1K_V2"):
        models.resnet50(weights=models.ResNet50_Weights.DEFAULT)
    with pytest.raises(NotImplementedError, match="vgg19_bn"):
        models.vgg19_bn(pretrained=True)
