"""Shapes that do not fit, and results spread by broadcasting (M1, M2, M18)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "matmul-shapes": Lesson(
        "mat1 and mat2 shapes cannot be multiplied ({rows} and {columns}): {op} got {a} @ {b}; the last dimension of the first is "
        "{inner_a}, the matching dimension of the second is {inner_b}",
        "mat1 and mat2 shapes cannot be multiplied ({rows} and {columns})：{op} 收到 {a} @ {b}；前者的最后一维是 {inner_a}，"
        "后者与之对应的一维是 {inner_b}，两者必须相等",
        "make them equal; for a layer that receives this input write in_features={inner_a}, as in nn.Linear({inner_a}, {outputs})",
        "让这两维相等；如果是某一层收到这个输入，就把它的 in_features 写成 {inner_a}，即 nn.Linear({inner_a}, {outputs})",
    ),
    "conv-channels": Lesson(
        "Given groups={groups}, {transposed}weight of size {weight}, expected input{input} to have {channels} channels, but got "
        "{found} channels instead ({op})",
        "Given groups={groups}, {transposed}weight of size {weight}, expected input{input} to have {channels} channels, but got "
        "{found} channels instead：{op} 的权重要求输入有 {channels} 个通道，实际有 {found} 个",
        "give the layer in_channels={found}, as in nn.{layer}({found}, ...){last}",
        "把该层的 in_channels 写成 {found}，即 nn.{layer}({found}, ...){last}",
    ),
    "conv-channels/last": Lesson(
        ", or move the channels to dimension 1, x.movedim(-1, 1): the last dimension has {channels}",
        "；或者把通道移到第 1 维：x.movedim(-1, 1)，因为最后一维正好是 {channels}",
    ),
    "view-does-not-divide": Lesson(
        "view: shape '[-1, {features}]' is invalid for input of size {size}: one sample holds {sample} = {held} values, not {features}",
        "view: shape '[-1, {features}]' is invalid for input of size {size}：每个样本有 {sample} = {held} 个值，而不是 {features} 个",
        "write torch.flatten(x, 1) and give the next layer {held} inputs{sizes}",
        "改用 torch.flatten(x, 1)，并让下一层接收 {held} 个输入{sizes}",
    ),
    "view-mixes-samples": Lesson(
        "view(-1, {features}): the batch went from {batch} to {rows}: one sample holds {sample} = {held} values, not {features}, so "
        "samples are mixed",
        "view(-1, {features})：批大小从 {batch} 变成了 {rows}：每个样本有 {sample} = {held} 个值，而不是 {features} 个，"
        "于是不同样本的数据混在了一起",
        "write torch.flatten(x, 1) and give the next layer {held} inputs{sizes}",
        "改用 torch.flatten(x, 1)，并让下一层接收 {held} 个输入{sizes}",
    ),
    "view-mixes-samples/sizes": Lesson(
        ", or feed pictures of {wanted} pixels ({features} = {channels}x{side}x{side}); these have {height}x{width}",
        "；或者输入 {wanted} 像素的图片（{features} = {channels}x{side}x{side}），现在的图片是 {height}x{width}",
    ),
    "view-mixes-samples/range": Lesson("{low}x{low} to {high}x{high}", "{low}x{low} 到 {high}x{high}"),
    "huge-broadcast": Lesson(
        "{op}: got shapes {shapes}: none of them has the shape of the result, {result}, which holds {elements} elements",
        "{op}：收到的形状是 {shapes}，没有一个与结果的形状 {result} 相同；结果有 {elements} 个元素",
        "if this broadcast is not meant, give both the same shape with view, squeeze or unsqueeze; if it is, work on slices",
        "如果并不想要这样的广播，请用 view、squeeze 或 unsqueeze 让两者形状相同；如果确实需要，请分块计算",
    ),
    "huge-broadcast/and": Lesson(" and ", " 和 "),
    "loss-sizes-differ": Lesson(
        "{op}: Using a target size ({target}) that is different to the input size ({input}). This will likely lead to incorrect "
        "results due to broadcasting: {which} spread over {result}, {elements} elements",
        "{op}：target 的形状是 {target}，与 input 的形状 {input} 不同，广播之后结果很可能不对：{which}被扩展成 {result}，共 {elements} 个元素",
        "give both the same size, for example target.view_as(input) or output.squeeze(1)",
        "让两者形状相同，例如 target.view_as(input) 或 output.squeeze(1)",
    ),
    "loss-sizes-differ/both": Lesson("both are", "两者都"),
    "loss-sizes-differ/one": Lesson("one is", "其中一个"),
    "loss-spread": Lesson(
        "sub: {a} - {b} at {line} is spread to {result}: the loss compares every prediction with every target",
        "sub：{line} 处的 {a} - {b} 被广播成 {result}：损失把每个预测和每个目标都比较了一遍",
        "give both the same shape, for example prediction.squeeze(1) or target.unsqueeze(1)",
        "让两者形状相同，例如 prediction.squeeze(1) 或 target.unsqueeze(1)",
    ),
}
