"""Slips: a name nearly right, a method that was not called (M31)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "no-such-name": Lesson(
        "{owner} has no attribute '{name}'{hint}", "{owner} has no attribute '{name}'：没有这个属性{hint}"
    ),
    "no-such-name/did-you-mean": Lesson(". Did you mean: {near}?", "。是不是想写 {near}？"),
    "no-such-name/copy": Lesson(
        "'copy_' (x.copy_(y) writes y into x) or 'clone' (x.clone() is a new tensor)",
        "'copy_'（x.copy_(y) 把 y 写入 x）或 'clone'（x.clone() 得到新的张量）",
    ),
    "no-such-name/backwards": Lesson("'backward' (loss.backward())", "'backward'（loss.backward()）"),
    "no-such-name/astype": Lesson("'to' (x.to(torch.float32))", "'to'（x.to(torch.float32)）"),
    "no-such-name/grads": Lesson("'grad'", "'grad'"),
    "no-such-attribute": Lesson(
        "'{kind}' object has no attribute '{name}'{hint}",
        "'{kind}' object has no attribute '{name}'：没有这个属性{hint}",
    ),
    "no-such-attribute/did-you-mean": Lesson("; did you mean '{near}'?", "；是不是想写 '{near}'？"),
    "no-such-attribute/no-init": Lesson(
        ": super().__init__() has not run. Fix: make it the first line of __init__",
        "，因为 super().__init__() 还没有运行。修复：把它放在 __init__ 的第一行",
    ),
    "to-of-a-name": Lesson(
        "to: got {got}; expected a device, a dtype, or a tensor whose device and dtype to take over",
        "to：收到{got}；应为设备、dtype，或者一个张量（沿用它的设备和 dtype）",
        "write x.to(device) with device = torch.device('cpu'), or x.to(torch.float32)",
        "写 x.to(device)，其中 device = torch.device('cpu')；或写 x.to(torch.float32)",
    ),
    "to-of-a-name/class": Lesson("the class {name}", "类 {name}"),
    "to-of-a-name/function": Lesson("the function {name}", "函数 {name}"),
    "to-of-a-name/other": Lesson("a {name}", " {name}"),
    "module-to-integers": Lesson(
        "Module.to: got dtype {dtype}; expected a floating point or complex dtype (parameters are learned)",
        "Module.to：收到的 dtype 是 {dtype}；应为浮点或复数类型（参数是要学习的）",
        "convert the inputs instead: x.float()",
        "应当转换的是输入：x.float()",
    ),
}
