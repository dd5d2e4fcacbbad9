"""Datasets, loaders and transforms (M19 to M22, M28)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "dataset-without-len": Lesson(
        "DataLoader: got a {kind}, which has no len(); expected a dataset with __len__ and __getitem__",
        "DataLoader：收到的 {kind} 没有 len()；数据集应当有 __len__ 和 __getitem__",
        "add `def __len__(self): return <number of samples>`, or derive from IterableDataset for a stream",
        "加上 `def __len__(self): return <样本数>`；如果数据是流式的，请继承 IterableDataset",
    ),
    "dataset-without-getitem": Lesson(
        "{kind}: got an access to sample {index}, but the class has no __getitem__; expected a method that returns one sample",
        "{kind}：要读取第 {index} 个样本，但这个类没有 __getitem__；应当有一个返回单个样本的方法",
        "add `def __getitem__(self, index): return image, label`",
        "加上 `def __getitem__(self, index): return image, label`",
    ),
    "samples-differ": Lesson(
        "default_collate: index {index}: {field} has {what} {other} but index {first_index} has {first}",
        "default_collate：第 {index} 个样本：{field} 的 {what} 是 {other}，而第 {first_index} 个样本是 {first}",
        "{fix}",
        "{fix}",
    ),
    "samples-differ/field": Lesson("field {path}", "字段 {path}"),
    "samples-differ/sample": Lesson("sample", "样本"),
    "samples-differ/resize": Lesson(
        "return samples of one size (transforms.Resize((height, width)), padding), or pass a collate_fn that pads",
        "让样本大小一致（transforms.Resize((height, width)) 或补齐），或者传入会补齐的 collate_fn",
    ),
    "samples-differ/transform": Lesson(
        "{cause}, or pass a collate_fn that pads (the dataset's transform is {transform})",
        "{cause}，或者传入会补齐的 collate_fn（数据集的 transform 是 {transform}）",
    ),
    "samples-differ/end": Lesson("end the transform with one fixed size", "在 transform 末尾固定图片大小"),
    "samples-differ/no-size": Lesson(
        "no transform sets the size of the pictures: add Resize((h, w)) before ToTensor()",
        "没有任何变换固定图片的大小：在 ToTensor() 之前加上 Resize((h, w))",
    ),
    "samples-differ/shorter-edge": Lesson(
        "{name}(size={size}) sets the shorter edge only and keeps the aspect ratio: write {name}(({size}, {size}))",
        "{name}(size={size}) 只规定短边的长度并保持宽高比：请写 {name}(({size}, {size}))",
    ),
    "samples-differ/expand": Lesson(
        "{name}(expand=True) gives every picture another size: add Resize((h, w)) after it",
        "{name}(expand=True) 会让每张图片大小都不同：在它之后加上 Resize((h, w))",
    ),
    "samples-differ/sometimes": Lesson(
        "{name} changes the size of some pictures and not of others: add Resize((h, w)) after it",
        "{name} 只改变部分图片的大小：在它之后加上 Resize((h, w))",
    ),
    "cannot-collate": Lesson(
        "default_collate: got {found}; expected tensors, NumPy arrays, numbers, strings, or tuples, lists and dicts of them",
        "default_collate：收到的样本：{found}；应为张量、NumPy 数组、数字、字符串，或由它们组成的元组、列表、字典",
        "{fix}",
        "{fix}",
    ),
    "cannot-collate/convert": Lesson(
        "convert it in __getitem__, or pass a collate_fn", "在 __getitem__ 里转换它，或者传入 collate_fn"
    ),
    "cannot-collate/picture": Lesson(
        "ToTensor() is missing: end the transform with it, transforms.Compose([..., transforms.ToTensor()])",
        "缺少 ToTensor()：把它放在变换的最后，transforms.Compose([..., transforms.ToTensor()])",
    ),
    "cannot-collate/none": Lesson(
        "__getitem__ returned None: check that every path through it ends in a return",
        "__getitem__ 返回了 None：检查它的每条路径是否都以 return 结束",
    ),
    "cannot-collate/text": Lesson(
        "turn text and objects into numbers in __getitem__, or pass a collate_fn",
        "在 __getitem__ 里把文本和对象转换成数字，或者传入 collate_fn",
    ),
    "cannot-collate/array": Lesson("a NumPy array of dtype {dtype}", "类型为 {dtype} 的 NumPy 数组"),
    "cannot-pickle": Lesson(
        "DataLoader: got {culprit}, which cannot be pickled ({error}); expected what start method '{method}' can send to a worker process",
        "DataLoader：{culprit} 无法序列化（{error}）；启动方式 '{method}' 要把它发送给工作进程",
        "replace lambdas and functions inside functions by a def at the top of a module, or pass multiprocessing_context='fork' "
        "(not on Windows), or num_workers=0",
        "把 lambda 和函数内部的函数换成模块顶层的 def；或者传入 multiprocessing_context='fork'（Windows 上不可用），或 num_workers=0",
    ),
    "cannot-pickle/argument": Lesson("one of its arguments", "它的某个参数"),
    "main-guard": Lesson(
        "look for os._exit or sys.exit in the dataset, or run it with num_workers=0 to see the error; with '{method}' a script must "
        "keep its work under `if __name__ == '__main__':`",
        "检查数据集里有没有 os._exit 或 sys.exit，或者用 num_workers=0 运行以看到错误；用 '{method}' 启动时，"
        "脚本的主要代码必须放在 `if __name__ == '__main__':` 之下",
    ),
    "normalize-before-to-tensor": Lesson(
        "Normalize: got {picture}; expected a float tensor",
        "Normalize：收到的输入：{picture}；应为浮点张量",
        "put ToTensor() before it: {order}",
        "把 ToTensor() 放在它前面：{order}",
    ),
    "normalize-channels": Lesson(
        "Normalize: got {size} values of {name} for a picture with {channels} channel(s), shape {shape}; expected one value per "
        "channel: {channels}",
        "Normalize：{name} 有 {size} 个值，而图片有 {channels} 个通道，形状是 {shape}；每个通道应有一个值，共 {channels} 个",
        "write Normalize({example}, {example}), or make the channels fit with Grayscale(num_output_channels=...)",
        "写 Normalize({example}, {example})，或者用 Grayscale(num_output_channels=...) 让通道数一致",
    ),
    "to-tensor-twice": Lesson(
        "ToTensor: got {picture}; expected a PIL picture or a numpy array",
        "ToTensor：收到的输入：{picture}；应为 PIL 图片或 NumPy 数组",
        "it is a tensor already: remove this ToTensor(), or use ConvertImageDtype(rushlight.float32) to scale it",
        "它已经是张量：去掉这个 ToTensor()；若要缩放数值，用 ConvertImageDtype(rushlight.float32)",
    ),
    "to-picture-of-picture": Lesson(
        "{op}: got {picture}; expected a tensor or a numpy array",
        "{op}：收到的输入：{picture}；应为张量或 NumPy 数组",
        "if it is a picture already, remove this {op}()",
        "如果它已经是图片，请去掉这个 {op}()",
    ),
    "picture/pil": Lesson(
        "a PIL picture (mode {mode}, {width}x{height} pixels)", "一张 PIL 图片（模式 {mode}，{width}x{height} 像素）"
    ),
    "picture/tensor": Lesson("a tensor of shape {shape} and dtype {dtype}", "形状为 {shape}、类型为 {dtype} 的张量"),
    "picture/array": Lesson(
        "a numpy array of shape {shape} and dtype {dtype}", "形状为 {shape}、类型为 {dtype} 的 NumPy 数组"
    ),
    "random-transforms-in-evaluation": Lesson(
        "DataLoader at {line}: got random transforms ({transforms}) in a loader of {dataset} that is read under no_grad and was never "
        "used for training, so every evaluation sees other pictures",
        "DataLoader（{line}）：{dataset} 的加载器里有随机变换（{transforms}），而它只在 no_grad 下读取，从未用于训练，"
        "所以每次评估看到的图片都不一样",
        "give the data for evaluation a transform of its own without the random steps: Resize((h, w)), CenterCrop, ToTensor, Normalize",
        "给评估数据单独写一个不含随机步骤的 transform：Resize((h, w))、CenterCrop、ToTensor、Normalize",
    ),
}
