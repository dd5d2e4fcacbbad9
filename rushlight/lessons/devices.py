"""Devices: tensors in two places, and accelerators that are not there (M3, M4)."""

from __future__ import annotations

from rushlight.lessons import Lesson

LESSONS = {
    "devices-differ": Lesson(
        "{op}: got tensors on different devices ({places}); expected all tensors to be on the same device",
        "{op}：收到的张量在不同的设备上（{places}）；所有张量应当在同一个设备上",
        "write {first}.to('{second_place}') or {second}.to('{first_place}'); in a training loop model.to(device) once, and "
        "x, y = x.to(device), y.to(device) for every batch",
        "写 {first}.to('{second_place}') 或 {second}.to('{first_place}')；在训练循环里，model.to(device) 只写一次，"
        "每个批次都要写 x, y = x.to(device), y.to(device)",
    ),
    "devices-differ/place": Lesson("argument '{name}' on {place}", "参数 '{name}' 在 {place} 上"),
    "no-accelerator": Lesson(
        "{asked}: got a request for an accelerator; expected 'cpu'. Looked for: an accelerator backend in this build (none), an "
        "NVIDIA driver on this machine ({driver})",
        "{asked}：要求使用加速设备，但这里只能用 'cpu'。已经找过：本程序中的加速后端（没有）、本机的 NVIDIA 驱动（{driver}）",
        "device = 'cuda' if torch.cuda.is_available() else 'cpu', then .to(device) in place of .cuda(); no other install command is "
        "needed: everything goes on working on the CPU",
        "写 device = 'cuda' if torch.cuda.is_available() else 'cpu'，再用 .to(device) 代替 .cuda()；不必换别的安装命令，"
        "所有功能在 CPU 上照常工作",
    ),
    "no-accelerator/found": Lesson("found", "有"),
    "no-accelerator/none": Lesson("none", "没有"),
    "tensor-as-device": Lesson(
        "torch.device: got a {kind}, which is not a device; expected a name such as 'cpu' or 'cuda:0'",
        "torch.device：收到的是 {kind}，不是设备；应为 'cpu'、'cuda:0' 这样的名字",
        "write tensor.device for the place where a tensor lives",
        "要得到张量所在的设备，请写 tensor.device",
    ),
}
