"""The training loop: optimisers, schedules, losses that are not finite, histories that grow (M9, M25, M27)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "zero-grad-forgotten": Lesson(
        "{op}: got gradients that were added to those of the steps before, {steps} steps in a row; expected each step to use the "
        "gradients of its own batch",
        "{op}：连续 {steps} 步，梯度都累加在之前各步的梯度上；每一步应当只用自己这一批的梯度",
        "call optimizer.zero_grad() before loss.backward()",
        "在 loss.backward() 之前调用 optimizer.zero_grad()",
    ),
    "history-kept": Lesson(
        "{op} at {line}: got the loss that backward() at {where} has already used, added to a total of the steps before; the total keeps "
        "the history of every step, so memory grows and steps become slower",
        "{op}（{line}）：把 {where} 处 backward() 已经用过的损失加到了前面各步的总和上；总和保留着每一步的计算历史，"
        "内存会不断增长，每一步也会越来越慢",
        "add the number, `total += loss.item()`, or the tensor without history, `total += loss.detach()`",
        "累加数值：`total += loss.item()`；或累加不带历史的张量：`total += loss.detach()`",
    ),
    "no-gradient": Lesson(
        "{op}: got no gradient for {which} in {steps} step(s): {names}; expected loss.backward() to reach them before step()",
        "{op}：{steps} 步以来，{which}没有得到梯度：{names}；在 step() 之前，loss.backward() 应当为它们求出梯度",
        "{fix}",
        "{fix}",
    ),
    "no-gradient/all": Lesson("any of its {total} parameter(s)", "{total} 个参数全都"),
    "no-gradient/some": Lesson("{count} of its {total} parameter(s)", "{total} 个参数中有 {count} 个"),
    "no-gradient/place": Lesson("group {group} position {position}", "第 {group} 组第 {position} 个"),
    "no-gradient/unused": Lesson(
        "call backward(); check that the optimiser holds the parameters of the model that computed the loss and that the forward pass "
        "uses them; parameters frozen on purpose take requires_grad_(False)",
        "调用 backward()；检查优化器里的参数是不是计算损失的那个模型的参数、前向计算有没有用到它们；有意冻结的参数请用 requires_grad_(False)",
    ),
    "no-gradient/replaced": Lesson(
        "no module holds {names} any more: a layer was replaced, or the model moved to new parameters, after the optimiser was made: make "
        "the optimiser last, after model.to(device) and after every change of a layer",
        "现在没有任何模块持有 {names}：优化器创建之后，又替换了某一层，或者模型换了新的参数；请把优化器放到最后创建，"
        "即在 model.to(device) 和所有改动层的代码之后",
    ),
    "optimizer-before-to": Lesson(
        "{op}: got state made for {old} and a parameter of shape {shape} that is {new} now: the model was moved or converted after the "
        "optimiser had made its state",
        "{op}：状态是按 {old} 建立的，而形状为 {shape} 的参数现在是 {new}：优化器建立状态之后，模型又被移动或转换了类型",
        "call model.to(...) first and make the optimiser afterwards; for a trained one, "
        "load_state_dict(optimizer.state_dict()) converts its state",
        "先调用 model.to(...)，再创建优化器；如果已经训练过，load_state_dict(optimizer.state_dict()) 会转换它的状态",
    ),
    "scheduler-before-optimizer": Lesson(
        "{op}: got lr_scheduler.step() before optimizer.step(), which skips the schedule's first rate; expected the opposite order",
        "{op}：lr_scheduler.step() 先于 optimizer.step() 调用，会跳过学习率计划的第一个值；顺序应当相反",
        "call `optimizer.step()` first, then `scheduler.step()`",
        "先调用 `optimizer.step()`，再调用 `scheduler.step()`",
    ),
    "no-parameters": Lesson(
        "{op}: got an empty parameter list; expected at least one tensor",
        "{op}：参数列表是空的；至少应有一个张量",
        "model.parameters() was empty (layers must be attributes of the module, not in a plain list), or a generator that was already "
        "used up: call model.parameters() again or keep it as a list",
        "model.parameters() 是空的（层必须是模块的属性，不能放在普通列表里，请用 nn.ModuleList），或者是已经用完的生成器："
        "请再次调用 model.parameters()，或者先存成列表",
    ),
    "parameters-not-iterable": Lesson(
        "{op}: got {got} as params; expected an iterable of tensors or of dictionaries",
        "{op}：params 收到的是{got}；应为由张量或字典组成的可迭代对象",
        "{fix}",
        "{fix}",
    ),
    "parameters-not-iterable/module": Lesson("a module ({kind})", "模块（{kind}）"),
    "parameters-not-iterable/method": Lesson("the method {name} itself", "方法 {name} 本身"),
    "parameters-not-iterable/other": Lesson("{kind}", " {kind}"),
    "parameters-not-iterable/pass": Lesson("pass model.parameters()", "传入 model.parameters()"),
    "parameters-not-iterable/call": Lesson("call it: model.{name}()", "调用它：model.{name}()"),
    "parameter-not-leaf": Lesson(
        "{op}: got a tensor of shape {shape} at position {index} that an operation made; expected leaf tensors (nn.Parameter, or made "
        "with requires_grad=True)",
        "{op}：第 {index} 个参数（形状 {shape}）是某个运算的结果；应为叶子张量（nn.Parameter，或创建时写了 requires_grad=True）",
        "make it a leaf: tensor.detach().requires_grad_(), and only then use it in the model",
        "先把它变成叶子：tensor.detach().requires_grad_()，然后再用到模型里",
    ),
    "not-finite": Lesson(
        "item: the value is {value}, of shape {shape} with a gradient history, recorded at {line}{first}{backwards}",
        "item：值是 {value}，形状 {shape}，带有梯度历史，记录于 {line}{first}{backwards}",
        "lower the learning rate (10 times less is a good next try), clip with torch.nn.utils.clip_grad_norm_(model.parameters(), "
        "1.0), and look for log(0), sqrt(0) and division by 0",
        "降低学习率（先试试原来的十分之一），用 torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) 裁剪梯度，"
        "并检查有没有 log(0)、sqrt(0) 或除以 0",
    ),
    "not-finite/input": Lesson("; the input {meta} is not finite {when}", "；输入 {meta} {when}不是有限值"),
    "not-finite/parameter": Lesson("; the parameter {meta} is not finite {when}", "；参数 {meta} {when}不是有限值"),
    "not-finite/already": Lesson("already", "已经"),
    "not-finite/any-more": Lesson("any more", "现在已经"),
    "not-finite/earlier-step": Lesson(": an earlier step made it so", "：是之前某一步造成的"),
    "not-finite/op": Lesson(
        "; the first value like that came out of `{op}` at {line}", "；最早出现这种值的是 {line} 处的 `{op}`"
    ),
    "not-finite/module": Lesson(", in {module}", "，在 {module} 中"),
    "not-finite/backwards": Lesson("; {count} backward passes came before", "；在此之前有 {count} 次反向传播"),
}
