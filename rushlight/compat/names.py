"""Which Rushlight module answers for which of PyTorch's."""

from __future__ import annotations

PACKAGES: dict[str, str] = {
    "torch": "rushlight",
    "torchaudio": "rushlight.audio",
    "torchtext": "rushlight.text",
    "torchvision": "rushlight.vision",
}

# Modules whose place inside the package differs.
MOVED: dict[str, str] = {
    "torch.utils.data.dataloader": "rushlight.utils.data.loader",
}
