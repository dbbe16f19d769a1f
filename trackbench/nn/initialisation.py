"""Build networks whose weights come from a file without drawing those that the file replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: Functions of ``nn.init`` that hand themselves over, and the tensor's own behind the others.
_DRAWING = (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, Tensor.uniform_)


class Undrawn(TorchFunctionMode):
    """Leaves weights as they are in memory where layers draw random ones, in the block and thread that enters it.

    A network of 300 million parameters is then built in a moment instead of seconds. What is not drawn, such as tables
    of positions, is as ever. Only for networks whose whole state dict is loaded afterwards.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, but for one that draws."""
        if func in _DRAWING:
            return args[0] if args else (kwargs or {})["tensor"]
        if func is Tensor.normal_:  # truncated distributions draw until all numbers are within their limits
            with torch.no_grad():
                return args[0].zero_()
        return func(*args, **(kwargs or {}))
