"""Ways between host and device on which neither waits for the other: through pinned memory, in the stream's order."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def upload(array: NDArray[Any], device: str | torch.device) -> Tensor:
    """Return an array as a tensor on a device; the host goes on while it is copied."""
    tensor = torch.from_numpy(array)
    if torch.device(device).type == "cuda":
        # The allocator of pinned memory gives a block to nobody else before its copy has ended.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class HostCopy:
    """A copy to the host that has begun; :meth:`array` waits for it, and for nothing that comes later.

    Args:
        tensor: what is copied.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._event: torch.cuda.Event | None = None
        if tensor.is_cuda:
            self._tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._tensor.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(tensor.device))

    def array(self) -> NDArray[Any]:
        """Return the values."""
        if self._event is not None:
            self._event.synchronize()
        return self._tensor.cpu().numpy()
