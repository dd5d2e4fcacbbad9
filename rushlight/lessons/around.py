"""Words around a message: where it stands, and how to silence it."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "silence": Lesson(
        ' (To silence it: torch.config.silenced += " {name}".)',
        '（若不想再看到：torch.config.silenced += " {name}"。）',
    ),
    "warning/in-module": Lesson(" In module: {path}.", "所在模块：{path}。"),
    "comma": Lesson(", ", "、"),
    "note/called-at": Lesson("called at {line}", "调用位置：{line}"),
    "note/in-module": Lesson("in module: {path}", "所在模块：{path}"),
    "note/recorded-at": Lesson("recorded at {line}", "记录位置：{line}"),
    "note/recorded-in": Lesson("recorded at {line}, in {module}", "记录位置：{line}，在 {module} 中"),
    "note/reading": Lesson("while reading {what}", "正在读取 {what}"),
    "note/collating": Lesson(
        "while collating the samples at indices {indices}", "正在把下标为 {indices} 的样本拼成一批"
    ),
    "note/sample": Lesson("index {index} of {dataset}", "{dataset} 的第 {index} 个样本"),
}
