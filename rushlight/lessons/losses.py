"""Losses: what they are given in place of what they take (M13 to M17)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "softmax-before-cross-entropy": Lesson(
        "{loss} at {line}: got probabilities: its input, of shape {shape}, is the output of `softmax` at {source}{module}; expected "
        "raw scores, as CrossEntropyLoss applies log_softmax itself. With softmax twice the gradients are small and the loss "
        "can never go below {floor}",
        "{loss}（{line}）：收到的是概率：它的输入（形状 {shape}）是 {source} 处 `softmax` 的输出{module}；"
        "它要的是原始得分，因为 CrossEntropyLoss 自己会做 log_softmax。做两次 softmax 会使梯度变得很小，损失永远降不到 {floor} 以下",
        "remove the softmax from what is trained; call it only where probabilities are shown",
        "训练时去掉这个 softmax；只在需要显示概率的地方调用它",
    ),
    "log-softmax-before-cross-entropy": Lesson(
        "cross_entropy at {line}: got log-probabilities: its input, of shape {shape}, is the output of `log_softmax` at {source}{module}; "
        "expected raw scores. The result is the same, but the work is done twice",
        "cross_entropy（{line}）：收到的是对数概率：它的输入（形状 {shape}）是 {source} 处 `log_softmax` 的输出{module}；"
        "它要的是原始得分。结果不变，但同样的计算做了两次",
        "use NLLLoss (F.nll_loss) with log_softmax, or CrossEntropyLoss without it",
        "log_softmax 搭配 NLLLoss（F.nll_loss）使用；用 CrossEntropyLoss 就不要再写 log_softmax",
    ),
    "softmax-before-nll": Lesson(
        "nll_loss at {line}: got probabilities: its input, of shape {shape}, is the output of `softmax` at {source}{module}; expected "
        "log-probabilities. Without the logarithm the loss is -probability, which trains badly",
        "nll_loss（{line}）：收到的是概率：它的输入（形状 {shape}）是 {source} 处 `softmax` 的输出{module}；"
        "它要的是对数概率。没有取对数，损失就成了“负的概率”，训练效果很差",
        "use log_softmax in place of softmax, or give the raw scores to CrossEntropyLoss",
        "把 softmax 换成 log_softmax，或者把原始得分交给 CrossEntropyLoss",
    ),
    "sigmoid-before-bce-with-logits": Lesson(
        "binary_cross_entropy_with_logits at {line}: got probabilities: its input, of shape {shape}, is the output of `sigmoid` at "
        "{source}{module}; expected raw scores, as this loss applies sigmoid itself",
        "binary_cross_entropy_with_logits（{line}）：收到的是概率：它的输入（形状 {shape}）是 {source} 处 `sigmoid` 的输出{module}；"
        "它要的是原始得分，因为这个损失自己会做 sigmoid",
        "remove the sigmoid, or use BCELoss with it",
        "去掉这个 sigmoid；若要保留它，请改用 BCELoss",
    ),
    "twice/module": Lesson(", in {module}", "（在 {module} 中）"),
    "bce-range": Lesson(
        "binary_cross_entropy: all elements of {what} should be between 0 and 1; got values from {low} to {high}",
        "binary_cross_entropy：{what} 的所有元素都应在 0 和 1 之间；收到的值从 {low} 到 {high}",
        "{fix}",
        "{fix}",
    ),
    "bce-range/input": Lesson(
        "add a sigmoid to the model's output, or use binary_cross_entropy_with_logits (nn.BCEWithLogitsLoss)",
        "给模型的输出加上 sigmoid，或者改用 binary_cross_entropy_with_logits（nn.BCEWithLogitsLoss）",
    ),
    "bce-range/target": Lesson("scale or binarise the target", "把目标缩放到 0 到 1，或者二值化"),
    "target-out-of-range": Lesson(
        "nll_loss: Target {target} is out of bounds: target {target} with {classes} outputs: the input has {classes} classes, so "
        "targets go from 0 to {last}; found targets from {low} to {high}",
        "nll_loss: Target {target} is out of bounds：目标是 {target}，而输出只有 {classes} 个：输入有 {classes} 个类别，"
        "目标应在 0 到 {last} 之间；实际的目标从 {low} 到 {high}",
        "{fix}",
        "{fix}",
    ),
    "target-out-of-range/widen": Lesson(
        "give the last layer {outputs} outputs, or number the classes from 0",
        "让最后一层有 {outputs} 个输出，或者让类别从 0 开始编号",
    ),
    "target-out-of-range/negative": Lesson(
        "number the classes from 0; pass ignore_index={target} if {target} marks samples that do not count",
        "让类别从 0 开始编号；如果 {target} 表示不计入损失的样本，请传入 ignore_index={target}",
    ),
    "target-not-integer": Lesson(
        "{op}: expected scalar type Long but found {found}: expected target dtype to be Long or Byte; got a target of {dtype} and "
        "shape {shape}",
        "{op}: expected scalar type Long but found {found}：目标的类型应为 Long 或 Byte；收到的目标类型是 {dtype}，形状是 {shape}",
        "convert the class indices with target.long()",
        "用 target.long() 把类别编号转换成整数",
    ),
    "dtypes-differ": Lesson(
        "{op}: expected m1 and m2 to have the same dtype, but got: {a_name} != {b_name} ({a} and {b})",
        "{op}: expected m1 and m2 to have the same dtype, but got: {a_name} != {b_name}：两个操作数的类型不同（{a} 和 {b}）",
        "{fix}",
        "{fix}",
    ),
    "dtypes-differ/float": Lesson(
        "{a} given, {b} needed: convert the input with .float()", "给的是 {a}，需要的是 {b}：用 .float() 转换输入"
    ),
    "dtypes-differ/to": Lesson("convert the {a} input with .to({b})", "用 .to({b}) 转换类型为 {a} 的输入"),
}
