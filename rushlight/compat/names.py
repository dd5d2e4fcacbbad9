"""Which Rushlight module answers for which of PyTorch's."""

from __future__ import annotations

FOLLOWED = "2.13.0"  # the PyTorch whose names, defaults and results these are

PACKAGES: dict[str, str] = {
    "torch": "rushlight",
    "torchaudio": "rushlight.audio",
    "torchtext": "rushlight.text",
    "torchvision": "rushlight.vision",
}

# Modules whose place inside the package differs.
MOVED: dict[str, str] = {
    "torch.distributed.nn.functional": "rushlight.distributed.nn",
    "torch.utils.data.dataloader": "rushlight.utils.data.loader",
}
