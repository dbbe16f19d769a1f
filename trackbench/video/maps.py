"""Maps of networks on frames of a sequence: a tracker is run up to each frame, and asked for maps only there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import UsageError
from trackbench.frames import Frame, read_frame
from trackbench.regions import Box, region_to_box
from trackbench.reports.map_figure import Overlay
from trackbench.trackers.base import Target
from trackbench.trackers.maps import check_maps, step_with_maps
from trackbench.trackers.registry import TrackerSpec


class SeenMaps(NamedTuple):
    """What a tracker saw in one frame."""

    frame: Frame
    """uint8 (H, W, 3) RGB."""
    box: Box
    """Its answer."""
    window: Box
    """Its search region, in pixels."""
    maps: list[Overlay]


def seen_in(
    spec: TrackerSpec,
    sequence: VideoSequence,
    frames: Sequence[int],
    maps: Sequence[str],
    device: str,
    progress: Callable[[int], None] = lambda _: None,
) -> list[SeenMaps]:
    """Return what a tracker sees in frames of a sequence, which it follows from the first one on.

    Args:
        spec: the tracker.
        sequence: with the target's region in its first frame.
        frames: 0-based, above 0, in any order.
        maps: names of maps.
        device: ``auto``, ``cpu`` or ``cuda:N``.
        progress: is told each frame that is done.

    Raises:
        UsageError: the tracker does not offer a map, or a frame is the first one.
        DataError: a frame cannot be read.
    """
    if min(frames) < 1:
        raise UsageError("--map: in the first frame a target is given, not looked for; name a later frame")
    model = spec.build(device)
    check_maps(model, maps, spec.name)
    paths, pictures = sequence.frames, {}
    region = sequence.region(0)
    start = region if isinstance(region, model.takes) else region_to_box(region)
    states = model.start([read_frame(paths[0])], [Target(start)])
    for index in range(1, max(frames) + 1):
        frame, window = read_frame(paths[index]), model.search_window(states[0])
        if index not in frames:
            model.step([frame], states)
        else:
            (prediction,) = step_with_maps(model, [frame], states, maps)
            overlays = [Overlay(*prediction.extras[name]) for name in maps]
            pictures[index] = SeenMaps(frame, region_to_box(prediction.region), window, overlays)
        progress(index)
    return [pictures[index] for index in frames]
