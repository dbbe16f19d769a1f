"""Weights that depend on names and shapes alone, the same on every machine and with every version of NumPy.

Only raw words of a bit generator are used, which NumPy keeps from version to version (NEP 19), unlike its
distributions. The ranges are those of trained networks: activations stay of an ordinary size through many layers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

_CHUNK = 1 << 22


def drawn_weights(wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict of the names, shapes and types in ``wanted``, whose tensors may be on the device ``meta``.

    Matrices and kernels are uniform with the variance 1 / fan-in, other weights are around 1, biases and running
    means around 0, running variances from 0.5 to 1.5; whole numbers are 0.
    """
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return dict(zip(wanted, threads.map(_draw, wanted, wanted.values()), strict=True))


def _draw(name: str, like: Tensor) -> Tensor:
    shape = tuple(like.shape)
    if not like.is_floating_point():
        return torch.zeros(shape, dtype=like.dtype)
    unit = _uniform(name, math.prod(shape)).reshape(shape)  # of variance 1 around 0
    if name.endswith("running_var"):
        values = 1 + unit * np.float32(0.5 / math.sqrt(3))
    elif name.endswith("running_mean"):
        values = unit * np.float32(0.1)
    elif len(shape) >= 2:
        values = unit * np.float32(1 / math.sqrt(math.prod(shape[1:])))
    elif name.endswith("weight"):
        values = 1 + unit * np.float32(0.1)
    else:
        values = unit * np.float32(0.02)
    return torch.from_numpy(np.asarray(values, np.float32))


def _uniform(name: str, count: int) -> np.ndarray:
    """Return ``count`` numbers of variance 1 in steps of 2^-23, float32."""
    words = np.random.PCG64(zlib.crc32(name.encode()))
    numbers = np.empty(count, np.float32)
    for begin in range(0, count, _CHUNK):
        size = min(_CHUNK, count - begin)
        halves = words.random_raw((size + 1) // 2).view(np.uint32)[:size] >> np.uint32(8)
        numbers[begin : begin + size] = halves.astype(np.float32) * np.float32(2**-23) - np.float32(1)
    numbers *= np.float32(math.sqrt(3))
    return numbers
