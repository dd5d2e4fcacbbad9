"""Modules: how they are called, their modes, and what pruning leaves (M11, M12, M29)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "forward-called": Lesson(
        "{name}.forward was called directly, so the hooks of this module are skipped",
        "直接调用了 {name}.forward，于是这个模块的钩子（hook）都被跳过了",
        "call the module itself, `model(x)` instead of `model.forward(x)`",
        "调用模块本身：写 `model(x)`，不要写 `model.forward(x)`",
    ),
    "eval-forgotten": Lesson(
        "{module}: got training=True in a trained model that is called without gradients at {line}; {effect}",
        "{module}：模型已经训练过，现在在不求梯度的情况下调用（{line}），却仍处于训练模式（training=True）；{effect}",
        "call model.eval() before evaluating, and model.train() before training goes on",
        "评估之前调用 model.eval()，继续训练之前再调用 model.train()",
    ),
    "eval-forgotten/dropout": Lesson(
        "values are still dropped at random, so the same input gives another output each time",
        "Dropout 仍在随机丢弃数值，同样的输入每次得到不同的输出",
    ),
    "eval-forgotten/norm": Lesson(
        "it normalises with the statistics of this batch, and changes its running statistics with data that is not for training",
        "它用当前批次的统计量做归一化，还会用不该参与训练的数据改动滑动统计量",
    ),
    "pruned-not-smaller": Lesson(
        "prune.remove: got a tensor of the same shape as before, zeros included, so the layer is neither smaller nor faster: "
        "{name} {shape} of {module} is still dense, and {zeros} % of its values are zero",
        "prune.remove：张量的形状和剪枝前一样，零也照样存着，所以这一层既没有变小也没有变快：{module} 的 {name} {shape} "
        "仍是稠密张量，其中 {zeros} % 的值为零",
        "for speed, build a smaller layer of the channels that are left (random_structured and ln_structured prune whole ones)",
        "要想变快，请用剩下的通道搭一个更小的层（random_structured 和 ln_structured 会剪掉整个通道）",
    ),
}
