"""Patterns by which a data set's definition says where its files lie."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _pattern(pattern: str) -> str:
    if pattern.startswith("/") or "\\" in pattern or {"..", ".", ""} & set(pattern.split("/")):
        raise ValueError("leaves the data set's folder; expected a path below it")
    for placeholder in re.findall(r"\{[^}]*\}?", pattern):
        if not re.fullmatch(r"\{(sequence|class|split|n(:0?\d{1,2}d?)?)\}", placeholder):
            raise ValueError(
                f"unknown placeholder '{placeholder}' (known: {{sequence}}, {{class}}, {{split}}, {{n:05}})"
            )
    return pattern


def _names_sequences(pattern: str) -> str:
    if "{sequence}" not in pattern:
        raise ValueError("expected {sequence} in it")
    return pattern


Pattern: TypeAlias = Annotated[str, AfterValidator(_pattern)]
#: One pattern or several, of which the first that is there counts.
Patterns: TypeAlias = Annotated[tuple[Pattern, ...], BeforeValidator(_listed)]


class FilePatterns(BaseModel):
    """Where the files of a sequence lie, below the data set's folder.

    ``{sequence}`` stands for its name, ``{class}`` for the part of the name before its last ``-`` or ``_``, ``{split}``
    for the definition's key, and ``{n}`` or ``{n:05}`` in the name of an image for the number of the frame, with
    however many zeros before it. ``*`` as an image's name means all images of the folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: Patterns
    """The images, one for each frame."""
    truth: Annotated[Pattern, AfterValidator(_names_sequences)]
    """The annotation, a box a line."""
    sequences: Pattern | None = None
    """A file that lists the sequences, a name a line; by default they are those whose annotation is there."""
    first: int | None = Field(None, ge=0)
    """The number of the first frame; by default the lowest that is there."""
    surplus_images: Literal["refuse", "cut"] = "refuse"
    """What becomes of images after the last annotated frame: an error, or they are no part of the sequence."""
    order: Literal["natural", "lexical"] = "natural"
    """How ``*`` puts images in order: ``2.jpg`` before ``10.jpg``, or as the letters are."""
    boxes: Literal["xywh", "xyxy", "regions"] = "xywh"
    """What a line of the annotation holds: a box, two corners, or a region in any of VOT's forms."""
    delimiter: str | None = None
    """What stands between the numbers, where it is neither a comma, a semicolon, a tab nor a blank."""
    absent: Patterns = ()
    """Files of flags, 0 or 1 a frame: the target is absent where one of them says so."""
    absent_boxes: Literal["zero", "nan"] | None = None
    """Boxes that mean an absent target, where the files of flags are not there; without this, they must be."""
    attributes: Pattern | None = None
    """A file of flags in the order of the definition's attributes."""
    language: Patterns = ()
    """A file with the sentence that describes the target."""
    channels: dict[str, Pattern] = {}
    """Images of further sensors, name -> their pattern (``infrared = "{sequence}/infrared/*"``)."""
