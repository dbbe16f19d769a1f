"""What a machine is, as far as it decides a tracker's speed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil


def hardware(device: str) -> dict[str, Any]:
    """Return what a frames-per-second number has to be read beside.

    Args:
        device: torch device on which the tracker computes.

    Returns:
        ``cpu`` (its model), ``cores`` and ``logical_cores`` of the machine, ``usable_cores`` of this process,
        ``memory_gb``, ``torch_threads`` (None where torch is not in use); on a GPU also ``gpu``, ``gpu_memory_gb``,
        ``driver``, ``cuda`` and ``cudnn``.
    """
    torch = sys.modules.get("torch")
    description: dict[str, Any] = {
        "cpu": cpu_model(),
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "torch_threads": None if torch is None else int(torch.get_num_threads()),
    }
    if torch is not None and device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        description |= {
            "gpu": str(properties.name),
            "gpu_memory_gb": round(properties.total_memory / 2**30, 1),
            "driver": nvidia_driver(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return description


def describe_hardware(session: dict[str, Any]) -> str:
    """Return in one line on what a session ran; an empty string where it does not say.

    Args:
        session: record of a session, see `trackbench.results.manifest`.

    Example:
        >>> describe_hardware({"device": "cpu", "hardware": {"cpu": "EPYC 9654", "cores": 96, "torch_threads": 8}})
        'EPYC 9654 (96 cores, 8 threads)'
    """
    machine = session.get("hardware") or {}
    if not machine:
        return str(session.get("device_name") or session.get("device") or "")
    threads = machine.get("torch_threads")
    details = [f"{machine['cores']} cores"] if machine.get("cores") else []
    details += [f"{threads} thread{'s' * (threads != 1)}"] if threads else []
    cpu = f"{machine.get('cpu', 'CPU')} ({', '.join(details)})" if details else str(machine.get("cpu", "CPU"))
    if not machine.get("gpu"):
        return cpu
    driver = f" (driver {machine['driver']})" if machine.get("driver") else ""
    return f"{machine['gpu']}{driver}, {cpu}"


def describe_sessions(sessions: Sequence[dict[str, Any]]) -> str:
    """Return on what the sessions of a run have run, each machine once; an empty string where they do not say."""
    return " and ".join(dict.fromkeys(filter(None, map(describe_hardware, sessions))))


@cache
def cpu_model() -> str:
    """Return the model of the CPU as its maker names it."""
    if sys.platform == "darwin":
        if name := _said("sysctl", "-n", "machdep.cpu.brand_string"):
            return name
    elif Path("/proc/cpuinfo").is_file():
        text = Path("/proc/cpuinfo").read_text(errors="replace")
        if match := re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(\S.*)$", text, re.MULTILINE):
            return " ".join(match[1].split())
    return platform.processor() or platform.machine() or sys.platform


@cache
def nvidia_driver() -> str | None:
    """Return the version of the NVIDIA driver, or None where there is none or no GPU."""
    said = _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return said.partition("\n")[0] or None


@cache
def nvidia_gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that the NVIDIA driver sees, whether or not PyTorch can use them."""
    return tuple(filter(None, _said("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()))


def _said(*command: str) -> str:
    """Return what a program prints; an empty string where it is not there or fails."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
