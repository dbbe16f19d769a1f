"""Which frames make a sample: the samplers of STARK, of pysot and of SparseTT's code.

Sets are drawn by their share and clips uniformly within a set. Whatever cannot be used is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.training.crops.sparsett import is_odd
from trackbench.training.data.clips import Clip
from trackbench.training.data.sets import OpenSet
from trackbench.training.recipe import DataOptions

ATTEMPTS = 2000
"""Draws without anything usable after which there is an error."""
GAP_STEP = 5
"""By how much the longest gap grows after each draw that finds no frame."""


class Shot(NamedTuple):
    """A frame of a clip."""

    clip: Clip
    frame: int

    @property
    def box(self) -> NDArray[np.float64]:
        """x, y, w, h in pixels, (4,)."""
        return np.asarray(self.clip.boxes[self.frame], np.float64)


class Sampler:
    """Draws sets and clips.

    Args:
        sets: what there is.
        options: of the recipe.
    """

    def __init__(self, sets: Sequence[OpenSet], options: DataOptions) -> None:
        self.sets, self.options = sets, options
        shares = np.array([source.options.share for source in sets])
        self._shares = shares / shares.sum()

    def draw_set(self, random: np.random.Generator) -> OpenSet:
        """Return a set, drawn by its share."""
        return self.sets[int(random.choice(len(self.sets), p=self._shares))]

    def draw_clip(self, source: OpenSet, random: np.random.Generator) -> Clip:
        """Return a clip of a set, each as likely as any other."""
        return source.clips.clip(int(random.integers(len(source.clips))), random)

    def stark_clip(self, random: np.random.Generator) -> Clip:
        """Return a still image, or a video of which enough is visible.

        Raises:
            DataError: nothing usable was drawn in :data:`ATTEMPTS` draws.
        """
        source = self.draw_set(random)
        options = self.options
        for _ in range(ATTEMPTS):
            clip = self.draw_clip(source, random)
            enough = clip.visible.sum() > options.min_visible and len(clip) >= options.min_frames
            if clip.still or enough:
                return clip
        raise DataError(
            f"training set '{source.name}': {ATTEMPTS} sequences were drawn, none has {options.min_frames} frames and "
            f"more than {options.min_visible} with a visible target; --set data.min_frames=N, data.min_visible=N"
        )

    def causal_pair(self, random: np.random.Generator) -> list[Shot]:
        """Return template and search image of one target: SBT, SimTrack (``sampler.py``, "causal").

        The template is any visible frame but the last, the search image a visible one of the next ``max_gap`` - 1.
        Where there is none, both are drawn again with a gap that is longer by 5, and so on. Of a still image both are
        the image.
        """
        for _ in range(ATTEMPTS):
            clip = self.stark_clip(random)
            if clip.still:
                return [Shot(clip, 0), Shot(clip, 0)]
            starts = np.flatnonzero(clip.visible[:-1])
            for gap in range(self.options.max_gap, self.options.max_gap + len(clip) + GAP_STEP, GAP_STEP):
                if not len(starts):
                    break
                template = int(random.choice(starts))
                later = np.flatnonzero(clip.visible[template + 1 : template + gap]) + template + 1
                if len(later):
                    return [Shot(clip, template), Shot(clip, int(random.choice(later)))]
        raise self._nothing()

    def causal_triple(self, random: np.random.Generator) -> list[Shot]:
        """Return initial reference, short-term reference and search image of one target: AiATrack (``sampler.py``).

        A base frame is any visible one but the first and the last, another one of those up to ``max_gap`` before it;
        the earlier is the initial reference. The search image is one of those up to ``max_gap`` after the later.
        """
        for _ in range(ATTEMPTS):
            clip = self.stark_clip(random)
            if clip.still:
                return [Shot(clip, 0)] * 3
            bases = np.flatnonzero(clip.visible[1:-1]) + 1
            for gap in range(self.options.max_gap, self.options.max_gap + len(clip) + GAP_STEP, GAP_STEP):
                if not len(bases):
                    break
                base = int(random.choice(bases))
                start = max(base - gap, 0)
                before = np.flatnonzero(clip.visible[start:base]) + start
                later = np.flatnonzero(clip.visible[base + 1 : base + gap]) + base + 1
                if len(before) and len(later):
                    return [Shot(clip, int(frame)) for frame in (random.choice(before), base, random.choice(later))]
        raise self._nothing()

    def ranged_pair(self, random: np.random.Generator) -> tuple[list[Shot], bool]:
        """Return template, search image and whether they show different targets: SiamAttn (pysot's ``dataset.py``).

        Both frames of a positive pair are any visible frame and another at most the set's ``frame_range`` from it.
        """
        if random.random() < self.options.negative:
            return [self._any(random), self._any(random)], True
        for _ in range(ATTEMPTS):
            source = self.draw_set(random)
            clip = self.draw_clip(source, random)
            frames = np.flatnonzero(clip.visible)
            if not len(frames):
                continue
            # pysot counts frames among those that are annotated, which are the visible ones.
            first = int(random.integers(len(frames)))
            reach = source.options.frame_range
            second = int(random.integers(max(first - reach, 0), min(first + reach, len(frames) - 1) + 1))
            return [Shot(clip, int(frames[first])), Shot(clip, int(frames[second]))], False
        raise self._nothing()

    def open_pair(self, random: np.random.Generator) -> tuple[list[Shot], bool]:
        """Return template, search image and whether they show different targets: SparseTT (``track_pair_sampler``).

        The search image of a positive pair is any frame from ``max_gap`` before the template to the end of the
        sequence: the official bound on later frames has no effect. Visibility is not looked at; both boxes must have an
        area and sides of a ratio below 10, or else the whole pair is drawn again.
        """
        negative = bool(random.random() < self.options.negative)
        for _ in range(ATTEMPTS):
            clip = self.draw_clip(self.draw_set(random), random)
            first = int(random.integers(len(clip)))
            if negative:
                other = self.draw_clip(self.draw_set(random), random)
                shots = [Shot(clip, first), Shot(other, int(random.integers(len(other))))]
            else:
                second = int(random.integers(max(first - self.options.max_gap, 0), len(clip)))
                shots = [Shot(clip, first), Shot(clip, second)]
            if not any(is_odd(*shot.box[2:].tolist()) for shot in shots):
                return shots, negative
        raise self._nothing()

    def _any(self, random: np.random.Generator) -> Shot:
        for _ in range(ATTEMPTS):
            clip = self.draw_clip(self.draw_set(random), random)
            frames = np.flatnonzero(clip.visible)
            if len(frames):
                return Shot(clip, int(random.choice(frames)))
        raise self._nothing()

    def _nothing(self) -> DataError:
        names = ", ".join(source.name for source in self.sets)
        return DataError(f"training sets {names}: {ATTEMPTS} samples were drawn and none has a box that can be used")
