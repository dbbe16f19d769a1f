"""What binds a tracker's network on a CPU: ``python benchmarks/roofline.py [TRACKER ...]``.

One thread, float32, random weights, a synthetic sequence. Every operation of one frame is timed, and its arithmetic and
its bytes (inputs read once, outputs written once) are set against two roofs that are measured in the same process: the
rate of a large matrix product, and the rate at which an array of as many bytes is copied. An operation's floor is the
greater of ``operations / rate`` and ``bytes / rate``; it is bound by arithmetic where the first is greater, else by
memory. An operation can come below its floor where its input still lies in a nearer cache than the copy's did.

Printed are, for each kind of operation, its share of the time, its arithmetic, its bytes, operations a byte, what binds
it and how far its time is from its floor; then the layers that take the most time over their floor. ``--json FILE``
writes every layer.
"""

from __future__ import annotations

import argparse
import bisect
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from trackbench.datasets.synthetic import make_scene
from trackbench.trackers.base import Target
from trackbench.trackers.matching import trackers_with_weights
from trackbench.trackers.networks import NetworkModel
from trackbench.trackers.registry import find_tracker

SIZES = [1 << power for power in range(14, 28)]
"""Bytes that a copy reads and writes, 16 kB to 128 MB."""


@dataclass
class Layer:
    """What one kind of operation did within one layer, over all frames."""

    layer: str
    operation: str
    calls: int = 0
    seconds: float = 0.0
    operations: float = 0.0
    """Multiplications and additions, where torch has a formula for them; else 0."""
    bytes: float = 0.0
    floor: float = 0.0
    """Seconds that the roofs allow."""
    arithmetic: float = 0.0
    """The part of ``floor`` that is of calls bound by arithmetic."""

    @property
    def bound_by(self) -> str:
        return "arithmetic" if self.arithmetic > self.floor / 2 else "memory"


class Roofs:
    """What this machine can do on one thread, measured when it is made."""

    def __init__(self) -> None:
        a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
        self.operations_per_second = 2 * 1024**3 / least(lambda: torch.mm(a, b), 9)
        self.rates = []
        for size in SIZES:
            source, target = torch.randn(size // 8), torch.empty(size // 8)
            copies = max(1, (1 << 22) // size)
            seconds = least(partial(copy, source, target, copies), 7) / copies
            self.rates.append(size / seconds)

    def bytes_per_second(self, size: float) -> float:
        """Return the rate at which ``size`` bytes are copied."""
        return self.rates[min(bisect.bisect_left(SIZES, size), len(SIZES) - 1)]


def copy(source: Tensor, target: Tensor, times: int) -> None:
    """Copy an array several times."""
    for _ in range(times):
        target.copy_(source)


def least(work: Callable[[], object], times: int) -> float:
    """Return the seconds of processor time that some work takes, the least of several times."""
    seconds = []
    for _ in range(times + 2):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds[2:])


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class is untyped
    """Times every operation below it, by the layer that asks for it."""

    def __init__(self, network: nn.Module, roofs: Roofs) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.roofs, self.path = roofs, ["outside of the network"]
        self.layers: dict[tuple[str, str], Layer] = {}
        for name, module in network.named_modules():
            module.register_forward_pre_hook(partial(self._enter, name or "the network itself"))
            module.register_forward_hook(self._leave)

    def _enter(self, name: str, module: nn.Module, inputs: object) -> None:
        self.path.append(name)

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:
        self.path.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        started = time.process_time()
        output = func(*args, **(kwargs or {}))
        seconds = time.process_time() - started
        name = func.overloadpacket.__name__
        layer = self.layers.setdefault((self.path[-1], name), Layer(self.path[-1], name))
        layer.calls += 1
        layer.seconds += seconds
        if func.is_view:
            return output
        tensors = [leaf for leaf in tree_leaves((args, kwargs, output)) if isinstance(leaf, Tensor)]
        moved = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        count = operations(func, args, kwargs or {}, output)
        arithmetic, memory = count / self.roofs.operations_per_second, moved / self.roofs.bytes_per_second(moved)
        layer.operations += count
        layer.bytes += moved
        layer.floor += max(arithmetic, memory)
        layer.arithmetic += arithmetic if arithmetic > memory else 0.0
        return output


def operations(func: Any, args: Any, kwargs: Any, output: Any) -> float:
    """Return the multiplications and additions of one call; 0 where nothing is multiplied and summed."""
    match func.overloadpacket.__name__:
        case "linear" | "_linear_pointwise" | "matmul":
            return float(2 * output.numel() * args[0].shape[-1])
        case "_convolution_pointwise":
            return float(2 * output.numel() * args[1].numel() / args[1].shape[0])
        case "scaled_dot_product_attention":
            query, key, value = args[:3]
            return float(2 * query[..., 0].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1]))
    if func.overloadpacket in flop_registry:
        return float(flop_registry[func.overloadpacket](*args, **kwargs, out_val=output))
    return 0.0


def measure(name: str, frames: int) -> tuple[list[Layer], float, Roofs]:
    """Return what each layer of a tracker's network does in a frame, and the seconds of a frame that is not watched."""
    roofs = Roofs()
    model = find_tracker(name, random_weights=True).build("cpu")
    assert isinstance(model, NetworkModel)
    scene = make_scene(0, max(2 * frames + 4, 30))
    states = model.start([scene.image(0)], [Target(scene.ground_truth(0).box)])

    def step(index: int) -> float:
        image = scene.image(index)
        started = time.process_time()
        model.step([image], states)
        return time.process_time() - started

    plain = statistics.median([step(index) for index in range(1, frames + 4)][3:])
    with Meter(model.network, roofs) as meter:
        for index in range(frames + 4, 2 * frames + 4):
            step(index)
    for layer in meter.layers.values():
        for key in ("seconds", "operations", "bytes", "floor", "arithmetic"):
            setattr(layer, key, getattr(layer, key) / frames)
        layer.calls //= frames
    return list(meter.layers.values()), plain, roofs


def by_kind(layers: Sequence[Layer]) -> list[Layer]:
    """Return the sums over layers of each kind of operation, the longest first."""
    sums: dict[str, Layer] = {}
    for layer in layers:
        total = sums.setdefault(layer.operation, Layer("all", layer.operation))
        for key in ("calls", "seconds", "operations", "bytes", "floor", "arithmetic"):
            setattr(total, key, getattr(total, key) + getattr(layer, key))
    return sorted(sums.values(), key=lambda layer: -layer.seconds)


def row(name: str, layer: Layer, whole: float) -> str:
    intensity = layer.operations / layer.bytes if layer.bytes else 0.0
    over = f"{layer.seconds / layer.floor:>10.2f}" if layer.floor else f"{'-':>10}"
    return (
        f"  {name:<44}{layer.calls:>6}{1e3 * layer.seconds:>9.2f}{layer.seconds / whole:>8.1%}"
        f"{layer.operations / 2e9:>8.3f}{layer.bytes / 1e6:>9.2f}{intensity:>8.1f}  {layer.bound_by:<11}{over}"
    )


def show(name: str, layers: Sequence[Layer], plain: float, roofs: Roofs) -> None:
    """Print the tables of one tracker."""
    whole = sum(layer.seconds for layer in layers)
    floor = sum(layer.floor for layer in layers)
    print(
        f"{name}: {1e3 * plain:.1f} ms a frame; its operations one by one {1e3 * whole:.1f} ms, their floor "
        f"{1e3 * floor:.1f} ms ({whole / floor:.2f}); roofs {roofs.operations_per_second / 1e9:.0f} billion operations "
        f"a second, {roofs.bytes_per_second(1 << 16) / 1e9:.0f} GB a second (64 kB) to "
        f"{roofs.bytes_per_second(1 << 27) / 1e9:.0f} (128 MB)"
    )
    heading = (
        f"  {'':<44}{'calls':>6}{'ms':>9}{'share':>8}{'GMAC':>8}{'MB':>9}{'op/B':>8}  {'bound by':<11}{'of floor':>10}"
    )
    print(heading)
    for kind in by_kind(layers)[:12]:
        print(row(kind.operation, kind, whole))
    print("  the layers furthest above their floor, in time:")
    for layer in sorted(layers, key=lambda layer: layer.floor - layer.seconds)[:8]:
        print(row(f"{layer.layer} {layer.operation}"[-44:], layer, whole))
    bound: dict[str, float] = defaultdict(float)
    for layer in layers:
        bound[layer.bound_by] += layer.seconds
    print("  time by what binds it: " + ", ".join(f"{key} {value / whole:.0%}" for key, value in bound.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="*", help="default: all with a network")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--json", type=Path, help="every layer of every tracker")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    written = {}
    for name in arguments.trackers or [name for name in trackers_with_weights() if name != "alpharefine"]:
        layers, plain, roofs = measure(name, arguments.frames)
        show(name, layers, plain, roofs)
        written[name] = [asdict(layer) | {"bound_by": layer.bound_by} for layer in layers]
    if arguments.json:
        arguments.json.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
