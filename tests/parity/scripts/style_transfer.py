"""Neural style transfer: Gram matrices, losses inserted as layers into a fixed CNN, LBFGS on the image itself."""

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


class Normalization(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).view(-1, 1, 1)

    def forward(self, img):
        return (img - self.mean) / self.std


def with_losses(cnn, style, content, content_layers=("conv_2",), style_layers=("conv_1", "conv_2", "conv_3")):
    cnn = copy.deepcopy(cnn)
    model = nn.Sequential(Normalization([0.5, 0.45, 0.4], [0.23, 0.22, 0.22]))
    content_losses, style_losses, i = [], [], 0
    for layer in cnn.children():
        if isinstance(layer, nn.Conv2d):
            i += 1
            name = f"conv_{i}"
        elif isinstance(layer, nn.ReLU):
            name = f"relu_{i}"
            layer = nn.ReLU(inplace=False)
        else:
            name = f"pool_{i}"
        model.add_module(name, layer)
        if name in content_layers:
            content_losses.append(ContentLoss(model(content)))
            model.add_module(f"content_loss_{i}", content_losses[-1])
        if name in style_layers:
            style_losses.append(StyleLoss(model(style)))
            model.add_module(f"style_loss_{i}", style_losses[-1])
    return model, style_losses, content_losses


torch.manual_seed(8)
cnn = nn.Sequential(
    *[nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True)],
    *[nn.MaxPool2d(2, 2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True)],
).eval()
stripes = torch.arange(16).remainder(4).lt(2).float()
style_img = stripes.expand(1, 3, 16, 16) * torch.tensor([0.9, 0.5, 0.2]).view(3, 1, 1)
content_img = F.interpolate(torch.rand(1, 3, 4, 4), scale_factor=4.0, mode="bilinear", align_corners=False)
input_img = content_img.clone()
model, style_losses, content_losses = with_losses(cnn, style_img, content_img)
print(model)
input_img.requires_grad_(True)
model.eval()
model.requires_grad_(False)
optimizer = optim.LBFGS([input_img], max_iter=4)
run = [0]
while run[0] <= 10:

    def closure():
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        model(input_img)
        style_score = sum(sl.loss for sl in style_losses) * 1e4
        content_score = sum(cl.loss for cl in content_losses)
        loss = style_score + content_score
        loss.backward()
        run[0] += 1
        if run[0] % 4 == 0:
            print(f"run {run[0]}: style {style_score.item():.3f} content {content_score.item():.4f}")
        return loss

    optimizer.step(closure)
with torch.no_grad():
    input_img.clamp_(0, 1)
print(input_img.shape, f"{(input_img - content_img).abs().mean():.3f} {(input_img - style_img).abs().mean():.3f}")
