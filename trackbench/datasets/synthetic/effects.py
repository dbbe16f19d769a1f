"""What can happen to a synthetic target, and which sequence shows what."""

from __future__ import annotations

from typing import NamedTuple


class Effect(NamedTuple):
    """One thing that makes tracking hard."""

    name: str
    """As it appears in names of sequences."""
    tag: str
    """Stem of the VOT tag file; VOT's own name where it has one."""
    abbreviation: str
    """As in OTB's lists of attributes (``CM`` is LaSOT's)."""
    meaning: str


EFFECTS = (
    Effect("translation", "motion_change", "FM", "fast motion"),
    Effect("scale", "size_change", "SV", "scale variation"),
    Effect("rotation", "rotation", "IPR", "in-plane rotation"),
    Effect("deformation", "deformation", "DEF", "deformation"),
    Effect("illumination", "illum_change", "IV", "illumination variation"),
    Effect("blur", "motion_blur", "MB", "motion blur"),
    Effect("occlusion", "occlusion", "OCC", "occlusion"),
    Effect("outofview", "out_of_view", "OV", "out of view"),
    Effect("distractors", "distractors", "BC", "similar objects near the target"),
    Effect("camera", "camera_motion", "CM", "camera motion"),
)


def effects_of(index: int) -> tuple[Effect, ...]:
    """Return the two effects of sequence ``index`` (0-based).

    Any ten sequences in a row starting at a multiple of ten show each effect twice; the pairs change from ten to ten.

    Example:
        >>> [effect.name for effect in effects_of(0)]
        ['translation', 'deformation']
    """
    turn, first = divmod(index, len(EFFECTS))
    second = (first + 1 + (turn + 2) % (len(EFFECTS) - 1)) % len(EFFECTS)
    return tuple(EFFECTS[i] for i in sorted((first, second)))


def sequence_name(index: int) -> str:
    """Return the name of sequence ``index`` (0-based): its number and its effects.

    Example:
        >>> sequence_name(0)
        'synth001_translation_deformation'
    """
    return "_".join([f"synth{index + 1:03d}", *(effect.name for effect in effects_of(index))])
