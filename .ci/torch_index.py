"""Print the index that pip should take torch from as well, or nothing; say why on standard error.

PyPI's torch for Linux brings gigabytes of CUDA. Where there is no NVIDIA GPU the CPU build computes
the same. TORCH_INDEX decides instead where it is set: a URL, or the last part of one of PyTorch's
own (cpu, cu130, rocm7.1), or none.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

PYTORCH = "https://download.pytorch.org/whl"
PATIENCE_S = 5


def choose(named: str, platform: str, root: Path = Path("/")) -> tuple[str, str]:
    """Return the index and the reason; an empty index means pip's own."""
    if named:
        return _named(named), "as TORCH_INDEX says"
    if platform != "linux":
        return "", "the build of this system, which has no CUDA"
    if has_gpu(root):
        return "", "there is an NVIDIA GPU, so the build with CUDA"
    if answers(f"{PYTORCH}/cpu/torch/"):
        return f"{PYTORCH}/cpu", "no NVIDIA GPU, so the CPU build"
    return "", (
        "no NVIDIA GPU, but download.pytorch.org, which has the CPU build, does not answer: what "
        "pip's own index has (with CUDA, 3 GB, if that is PyPI; TORCH_INDEX=URL names another)"
    )


def _named(named: str) -> str:
    if named == "none":
        return ""
    return named if "://" in named else f"{PYTORCH}/{named}"


def has_gpu(root: Path) -> bool:
    """Say whether the driver shows an NVIDIA GPU."""
    if (root / "dev/nvidia0").exists() or (root / "proc/driver/nvidia/version").exists():
        return True
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU" in listed.stdout


def answers(url: str) -> bool:
    """Say whether a page can be had within a few seconds, its name's look-up included."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(PATIENCE_S)
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S):
            return True
    except (OSError, ValueError, KeyboardInterrupt):
        return False
    finally:
        signal.alarm(0)


def main() -> None:
    """Print the index; say in one line which build of torch that is."""
    index, reason = choose(os.environ.get("TORCH_INDEX", ""), sys.platform)
    print(f"==> torch: {reason}", file=sys.stderr)
    print(index)


if __name__ == "__main__":
    main()
