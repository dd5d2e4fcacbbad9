"""What anomaly mode says."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS: dict[str, Lesson] = {
    "anomaly-on": Lesson(
        "Anomaly Detection has been enabled: every gradient is looked at, so steps are slower",
        "Anomaly Detection has been enabled：已开启异常检测，将检查每个梯度，训练会变慢",
        "use it to find an error, and take it out afterwards",
        "仅在查找错误时使用，找到后请去掉",
    ),
    "anomaly": Lesson(
        "Function '{function}' returned nan values in its {index}th output. This is the gradient of `{op}`, recorded at "
        "{line}{module}; it is the first nan of backward pass {step}. {origin}",
        "Function '{function}' returned nan values in its {index}th output. 这是 `{op}` 的梯度，该运算记录于 "
        "{line}{module}；它是第 {step} 次反向传播中的第一个 nan。{origin}",
        "{advice}",
        "{advice}",
    ),
    "anomaly/inside": Lesson(", in {module}", "，位于 {module}"),
    "anomaly/given": Lesson(
        "The gradient that was passed to backward() is nan already",
        "传给 backward() 的梯度本身已经是 nan",
    ),
    "anomaly/forward": Lesson(
        "It began in the forward pass: the first {value} came out of `{op}` at {line}{module}",
        "它始于前向传播：第一个 {value} 来自 {line} 的 `{op}`{module}",
    ),
    "anomaly/parameter": Lesson(
        "It began before this step: the parameter {meta} is {value} already; an earlier step made it so",
        "它始于这一步之前：参数 {meta} 已经是 {value}，是更早的某一步造成的",
    ),
    "anomaly/input": Lesson(
        "It began before the model: the input {meta} is {value} already",
        "它始于模型之前：输入 {meta} 已经含有 {value}",
    ),
    "anomaly/backward-inf": Lesson(
        "It began in the backward pass: the first inf came out of {function}, recorded at {line}{module}",
        "它始于反向传播：第一个 inf 来自 {function}，该运算记录于 {line}{module}",
    ),
    "anomaly/backward": Lesson(
        "It began in this rule of the backward pass: all values of the forward pass and all gradients before it are finite",
        "它始于反向传播的这条求导规则：前向传播的所有值和此前的所有梯度都是有限的",
    ),
    "anomaly/log": Lesson(
        "keep its argument above 0, x.clamp(min=1e-8).log(), or use log_softmax, logsigmoid or log1p",
        "让它的参数大于 0，例如 x.clamp(min=1e-8).log()，或改用 log_softmax、logsigmoid、log1p",
    ),
    "anomaly/sqrt": Lesson(
        "keep its argument above 0, where its slope is infinite: (x + 1e-12).sqrt(), x.clamp(min=1e-12).sqrt(), or choose what goes in "
        "with torch.where",
        "让它的参数大于 0（在 0 处斜率是无穷大）：例如 (x + 1e-12).sqrt()、x.clamp(min=1e-12).sqrt()，或用 torch.where 挑选输入",
    ),
    "anomaly/div": Lesson(
        "keep the divisor away from 0, a / (b + 1e-8); with torch.where choose the divisor and not the quotient",
        "让除数远离 0，例如 a / (b + 1e-8)；用 torch.where 时应挑选除数，而不是商",
    ),
    "anomaly/exp": Lesson(
        "it overflows: bound its argument, x.clamp(max=80).exp(), or use softmax, softplus or logsumexp, which do that themselves",
        "它溢出了：限制它的参数，例如 x.clamp(max=80).exp()，或改用自带处理的 softmax、softplus、logsumexp",
    ),
    "anomaly/inverse": Lesson(
        "its slope is infinite at the ends of its range: clamp the argument to a little less",
        "它在定义域两端的斜率是无穷大：把参数限制在略小的范围内",
    ),
    "anomaly/pow": Lesson(
        "the slope of a power below 1 is infinite at 0, and a negative base has no real power: clamp the base, x.clamp(min=1e-8)",
        "指数小于 1 的幂在 0 处斜率是无穷大，负底数没有实数幂：限制底数，例如 x.clamp(min=1e-8)",
    ),
    "anomaly/other": Lesson(
        "lower the learning rate (10 times less is a good next try), clip with torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0), "
        "and look for log(0), sqrt(0) and division by 0",
        "降低学习率（先试十分之一），用 torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) 裁剪梯度，并查找 log(0)、sqrt(0) 和除以 0",
    ),
    "anomaly-traceback": Lesson(
        "Error detected in {function}. The forward op that it belongs to was recorded here (innermost call last):\n{traceback}",
        "Error detected in {function}. 它所属的前向运算记录于此（最内层调用在最后）：\n{traceback}",
    ),
    "anomaly-traceback/of": Lesson(
        "That was part of the gradient {function}, of an op recorded here:\n{traceback}",
        "上述运算属于梯度 {function}，其前向运算记录于此：\n{traceback}",
    ),
    "anomaly-inf": Lesson(
        "Function '{function}' returned inf values in its {index}th output. This is the gradient of `{op}`, recorded at "
        "{line}{module}; it is the first inf of backward pass {step}, in which nothing is nan",
        "Function '{function}' returned inf values in its {index}th output. 这是 `{op}` 的梯度，该运算记录于 "
        "{line}{module}；它是第 {step} 次反向传播中的第一个 inf，其中没有 nan",
        "keep away from where the slope is infinite, or clip the gradients; GradScaler skips such a step by itself",
        "避开斜率为无穷大的点，或裁剪梯度；GradScaler 会自动跳过这样的一步",
    ),
    "anomaly-loss": Lesson(
        "The loss of backward pass {step}, recorded at {line}, is {value}, though no gradient is. {origin}",
        "第 {step} 次反向传播的损失（记录于 {line}）是 {value}，但没有梯度是这样。{origin}",
        "look at that op: a loss that is not finite says nothing about progress",
        "检查该运算：非有限的损失无法反映训练进展",
    ),
}
