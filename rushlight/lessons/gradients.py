"""backward() and what it needs (M5 to M8, M10)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "nothing-requires-grad": Lesson(
        "element 0 of tensors does not require grad and does not have a grad_fn: backward() was called on a tensor of shape {shape} "
        "that no tensor with requires_grad=True leads to{leaves}",
        "element 0 of tensors does not require grad and does not have a grad_fn：backward() 作用在形状为 {shape} 的张量上，"
        "但没有任何 requires_grad=True 的张量参与它的计算{leaves}",
        "create the parameters with requires_grad=True, and compute the loss outside torch.no_grad() and without .detach()",
        "创建参数时写上 requires_grad=True，并且不要在 torch.no_grad() 里计算损失，也不要用 .detach()",
    ),
    "nothing-requires-grad/leaves": Lesson("; it was computed from{leaves}\n", "；它由以下张量算出：{leaves}\n"),
    "nothing-requires-grad/entered": Lesson("\n  {meta} entered at {line}", "\n  {meta}，在 {line} 处进入计算"),
    "nothing-requires-grad/made": Lesson("\n  {meta} made by {op} at {line}", "\n  {meta}，由 {op} 产生，在 {line}"),
    "backward-not-scalar": Lesson(
        "grad can be implicitly created only for scalar outputs: backward() was called on a tensor of shape {shape}",
        "grad can be implicitly created only for scalar outputs：backward() 作用在形状为 {shape} 的张量上，而它不是标量",
        "reduce it first, `loss.mean().backward()`, or pass the vector of the vector-Jacobian product, "
        "`loss.backward(torch.ones_like(loss))`",
        "先归约成标量：`loss.mean().backward()`；或者传入向量–雅可比积中的向量：`loss.backward(torch.ones_like(loss))`",
    ),
    "freed-graph": Lesson(
        "Trying to backward through the graph a second time: the values that `{op}` (recorded at {line}) saved were freed by the "
        "backward() at {where}",
        "Trying to backward through the graph a second time：`{op}`（记录于 {line}）保存的值已被 {where} 处的 backward() 释放",
        "pass retain_graph=True to that first backward(), or compute the loss anew",
        "给第一次 backward() 传入 retain_graph=True，或者重新计算损失",
    ),
    "grad-of-non-leaf": Lesson(
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during "
        "backward(): {meta}, which {made}",
        "读取了非叶子张量的 .grad，而 backward() 不会为它填写 .grad：{meta}，{made}",
        "call .retain_grad() on it before backward(), or read the leaf's .grad",
        "在 backward() 之前对它调用 .retain_grad()，或者读取叶子张量的 .grad",
    ),
    "grad-of-non-leaf/made": Lesson("`{op}` made at {line}", "由 `{op}` 产生，在 {line}"),
    "grad-of-non-leaf/earlier": Lesson("an operation made", "由某个运算产生"),
    "changed-in-place": Lesson(
        "one of the variables needed for gradient computation has been modified by an inplace operation: {meta}, saved by `{op}` at "
        "{line}, was changed by {change} at {where}",
        "one of the variables needed for gradient computation has been modified by an inplace operation：{meta} 由 `{op}` 保存于 "
        "{line}，之后被 {change} 改动，位置是 {where}",
        "use the out-of-place form of that op, or clone() the tensor before changing it",
        "改用该运算的非原地形式，或者先 clone() 再修改",
    ),
    "changed-in-place/unknown": Lesson("an in-place op", "某个原地运算"),
    "changed-in-place/version": Lesson("version {now}; expected version {saved}", "版本 {now}，而保存时是版本 {saved}"),
}
