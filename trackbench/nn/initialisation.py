"""Build networks whose weights come from a file without drawing those that the file replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: Functions of ``nn.init`` that hand themselves over, and the tensor's own behind the others.
_DRAWING = (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_)


class Undrawn(TorchFunctionMode):
    """Fills weights with zeros where layers draw random ones, in the block and thread that enters it.

    A network of 300 million parameters is then built in a moment instead of seconds. What is not drawn, such as tables
    of positions, is as ever. Only for networks whose whole state dict is loaded afterwards.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, but for one that draws."""
        if func not in _DRAWING:
            return func(*args, **(kwargs or {}))
        tensor = args[0] if args else (kwargs or {})["tensor"]
        with torch.no_grad():
            return tensor.zero_()
