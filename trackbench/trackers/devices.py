"""The torch device that a user's word means."""

from __future__ import annotations

from trackbench.errors import UsageError
from trackbench.results.hardware import cpu_model, nvidia_driver, nvidia_gpus


def resolve_device(device: str) -> str:
    """Return the torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: not a device, or one that this machine does not have.
    """
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise UsageError(f"--device '{device}': expected auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        raise UsageError(f"--device '{device}': this machine has {count} CUDA devices")
    return f"cuda:{int(number or 0)}"


def describe_device(device: str) -> str:
    """Return a torch device with the name of its hardware.

    Args:
        device: what `resolve_device` has returned.
    """
    if not device.startswith("cuda"):
        return f"{device} ({cpu_model()})"
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def unused_gpu(device: str) -> str | None:
    """Return why a GPU of this machine is not used although ``auto`` was asked for; None where there is no such GPU.

    Args:
        device: what ``auto`` has become.
    """
    if device != "cpu" or not nvidia_gpus():
        return None
    import torch

    gpus = ", ".join(nvidia_gpus())
    if torch.version.cuda is None:
        why = f"torch {torch.__version__} is built for the CPU"
    else:
        why = f"torch {torch.__version__} for CUDA {torch.version.cuda} cannot use it with driver {nvidia_driver()}"
    return f"the GPU is NOT used ({gpus}): {why}; `trackbench doctor` says how to mend it"
