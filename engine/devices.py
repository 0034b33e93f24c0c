"""Whether a device can be here at all, said without importing torch, which takes seconds."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""On Linux one of these is there with a GPU that torch calls `cuda`: NVIDIA, WSL, AMD."""


def missing(device: str) -> str:
    """Why `cuda` or `mps` cannot be had, in one line; empty where it may be, as for `cpu`."""
    advice = "use --device auto or cpu"
    if device == "mps" and sys.platform != "darwin":
        return f"device mps is not available here, only on a Mac; {advice}"
    if device != "cuda":
        return ""
    if _torch_version().endswith("+cpu"):
        return f"device cuda is not available here: this torch is the one for CPUs; {advice}"
    if sys.platform.startswith("linux") and not any(Path(each).exists() for each in _DRIVERS):
        return f"device cuda is not available here: no GPU driver; {advice}"
    return ""


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""
