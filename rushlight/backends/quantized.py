"""`torch.backends.quantized`: there is no engine for quantised arithmetic here."""

from __future__ import annotations

engine: str = "none"
supported_engines: list[str] = ["none"]
