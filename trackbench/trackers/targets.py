"""The target as a tracker takes it on the first frame."""

from __future__ import annotations

from trackbench.errors import TrackerError
from trackbench.regions import Box, Region, region_to_box


def start_box(tracker: str, region: Region, box: Box | None = None) -> Box:
    """Return the box on which a tracker starts.

    Args:
        tracker: its name, for the message.
        region: the target as it is annotated.
        box: the target as the tracker sees it; by default the tightest box around ``region``.

    Raises:
        TrackerError: the box has no area, or a number that is not finite.
    """
    box = region_to_box(region) if box is None else box
    if not box.is_valid:
        raise TrackerError(
            f"{tracker} cannot start on {type(region).__name__.lower()} with box x={box.x:g} y={box.y:g} w={box.w:g} "
            f"h={box.h:g}: expected finite numbers and a positive width and height"
        )
    return box
