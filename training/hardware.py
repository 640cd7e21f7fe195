"""What this machine is made of: processor, memory, graphics cards. Knows no network library."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_INFO = Path("/proc/meminfo")
_QUERY_LIMIT_S = 10


def cpu_model(cpu_info: Path = _CPU_INFO) -> str:
    """The processor's name as the system gives it, or its architecture where it gives none."""
    names = (line.partition(":") for line in _lines(cpu_info))
    models = (value.strip() for key, _, value in names if key.strip() == "model name")
    return next(models, "") or platform.processor() or platform.machine() or "unknown"


def memory_gib(memory_info: Path = _MEMORY_INFO) -> float | None:
    """The machine's memory in GiB; None where the system does not tell it."""
    for line in _lines(memory_info):
        key, _, value = line.partition(":")
        if key == "MemTotal":
            # Given in kB, by which the kernel means 1024 bytes.
            return round(int(value.split()[0]) / 2**20, 1)
    return None


def gpu_names() -> list[str]:
    """NVIDIA cards that this process may use, by their driver; `CUDA_VISIBLE_DEVICES` limits them.

    A card that is named here is not one that a network runs on: ask the session or Keras for that.
    """
    program = shutil.which("nvidia-smi")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if program is None or visible in ("", "-1"):
        return []
    chosen = [] if visible is None else ["-i", visible]
    try:
        answer = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader", *chosen],
            capture_output=True,
            text=True,
            timeout=_QUERY_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
