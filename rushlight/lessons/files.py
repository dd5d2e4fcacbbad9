"""Checkpoints that do not fit, and files that hold whole models (M23, M24)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "state-does-not-fit": Lesson(
        "{module}.load_state_dict: the checkpoint does not fit the model: {missing} missing, {unexpected} unexpected, {differing} of "
        "another shape.\n{table}\n",
        "{module}.load_state_dict：检查点与模型不一致：缺少 {missing} 项，多出 {unexpected} 项，形状不同 {differing} 项。\n{table}\n",
        "{fix}",
        "{fix}",
    ),
    "state/problem": Lesson("problem", "问题"),
    "state/key": Lesson("key", "键"),
    "state/model": Lesson("model", "模型"),
    "state/checkpoint": Lesson("checkpoint", "检查点"),
    "state/nearest": Lesson("nearest name", "最接近的名字"),
    "state/missing": Lesson("missing", "缺少"),
    "state/unexpected": Lesson("unexpected", "多出"),
    "state/shape-differs": Lesson("shape differs", "形状不同"),
    "state/data-parallel": Lesson(
        "every key of the checkpoint begins with 'module.' (saved from a DistributedDataParallel or DataParallel model): load "
        "{{key.removeprefix('module.'): value for key, value in checkpoint.items()}}",
        "检查点的每个键都以 'module.' 开头（保存自 DistributedDataParallel 或 DataParallel 模型）：请加载 "
        "{{key.removeprefix('module.'): value for key, value in checkpoint.items()}}",
    ),
    "state/whole-checkpoint": Lesson(
        "this is a whole checkpoint; load one entry of it: checkpoint[{entry!r}]",
        "这是整个检查点；请加载其中的一项：checkpoint[{entry!r}]",
    ),
    "state/sizes": Lesson(
        "build the model with the sizes it was saved with, or drop the keys whose shape differs and load the rest with strict=False",
        "用保存时的尺寸搭建模型；或者去掉形状不同的键，其余的用 strict=False 加载",
    ),
    "state/rename": Lesson(
        "build the model as it was when saved, rename the keys, or pass strict=False to load only what fits",
        "按保存时的结构搭建模型，或者给键改名，或者传入 strict=False 只加载一致的部分",
    ),
    "load-refused": Lesson(
        "torch.load: {file}, byte {offset}: got {got}; expected {expected}",
        "torch.load：{file}，第 {offset} 字节：读到：{got}；应为：{expected}",
        "{fix}",
        "{fix}",
    ),
    "load/global": Lesson("the global {name}", "全局名字 {name}"),
    "load/plain": Lesson(
        "tensors, numbers, text and containers (weights_only=True, the default, runs nothing from the file)",
        "张量、数字、文本和容器（weights_only=True 是默认值，不会运行文件里的任何代码）",
    ),
    "load/whole-model": Lesson(
        "if this is a whole model that you saved, import its class and pass weights_only=False, or better save model.state_dict(); if "
        "{name} is a harmless class of yours, call torch.serialization.add_safe_globals([{name}])",
        "如果这是你保存的整个模型，请导入它的类并传入 weights_only=False，更好的做法是保存 model.state_dict()；如果 {name} "
        "是你自己的、没有危险的类，请调用 torch.serialization.add_safe_globals([{name}])",
    ),
    "load/class": Lesson("the class {name} ({where})", "类 {name}（{where}）"),
    "load/no-such-class": Lesson("this module has no such class", "该模块里没有这个类"),
    "load/not-imported": Lesson("this module is not imported", "该模块没有导入"),
    "load/imported-class": Lesson("a module class that the program has imported", "程序已经导入的模块类"),
    "load/moved": Lesson(
        "the program has {found}: make it known as {name}, or save model.state_dict() instead of the model",
        "程序里有 {found}：让它也能以 {name} 的名字找到，或者保存 model.state_dict() 而不是整个模型",
    ),
    "load/import-first": Lesson(
        "import it first (`from {module} import {name}`), as files are never allowed to import, or save model.state_dict() instead of "
        "the model",
        "先导入它（`from {module} import {name}`），因为文件不允许自行导入；或者保存 model.state_dict() 而不是整个模型",
    ),
    "load/changed": Lesson(
        "a {name} saved before its __init__ set {new}{instead}",
        "保存时的 {name}，那时它的 __init__ 还没有设置 {new}{instead}",
    ),
    "load/it-set": Lesson(" (it set {gone})", "（那时设置的是 {gone}）"),
    "load/class-as-saved": Lesson("the class as it was when the model was saved", "与保存模型时相同的类"),
    "load/restore": Lesson(
        "restore that version of the class, or make a new model and load_state_dict(old.state_dict(), strict=False)",
        "恢复那一版的类，或者新建模型并 load_state_dict(old.state_dict(), strict=False)",
    ),
}
