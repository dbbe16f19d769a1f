"""Which frames the samplers choose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trackbench.errors import DataError
from trackbench.training.data.clips import Clip, ClipSet
from trackbench.training.data.sets import OpenSet
from trackbench.training.recipe import DataOptions, SetOptions
from trackbench.training.sampling import Sampler


class Given(ClipSet):
    """Clips that a test gives."""

    def __init__(self, *clips: Clip) -> None:
        self.name, self._clips = "given", clips

    def __len__(self) -> int:
        return len(self._clips)

    def clip(self, index: int, random: np.random.Generator | None = None) -> Clip:
        return self._clips[index]

    def frame_count(self) -> int | None:
        return None


def clip(visible: list[int], length: int, still: bool = False, box: tuple[float, ...] = (1, 2, 30, 40)) -> Clip:
    flags = np.isin(np.arange(length), visible)
    return Clip("clip", np.tile(np.array(box, float), (length, 1)), flags, lambda _: Path("x"), still)


def sampler(*clips: Clip, table: dict[str, object] | None = None, **options: object) -> Sampler:
    data = DataOptions.model_validate({"sets": {"given": {}}, "samples": 1, **options})
    return Sampler([OpenSet("given", SetOptions.model_validate(table or {}), Given(*clips), Path())], data)


def drawn(method: str, made: Sampler, count: int = 300) -> set[tuple[int, ...]]:
    random = np.random.default_rng(0)
    return {tuple(shot.frame for shot in getattr(made, method)(random)) for _ in range(count)}


def test_a_causal_pair_is_a_visible_template_and_a_later_frame_within_the_gap() -> None:
    pairs = drawn("causal_pair", sampler(clip([2, 5, 9, 29], 30), max_gap=5, min_visible=3))
    # 9 and 29 lie too far apart until the gap has grown; whenever it grows the template is drawn again.
    assert {pair for pair in pairs if pair[1] != 29} == {(2, 5), (5, 9), (2, 9)} & pairs
    assert (2, 5) in pairs
    assert all(first < second for first, second in pairs)


def test_a_causal_triple_is_ordered_and_of_visible_frames() -> None:
    triples = drawn("causal_triple", sampler(clip([1, 4, 8, 12, 20, 22, 25], 30), min_visible=6))
    assert len(triples) > 20
    assert all(first < second < third for first, second, third in triples)
    assert {frame for triple in triples for frame in triple} <= {1, 4, 8, 12, 20, 22, 25}


def test_a_still_image_is_taken_as_often_as_frames_are_needed() -> None:
    assert drawn("causal_pair", sampler(clip([0], 1, still=True))) == {(0, 0)}
    assert drawn("causal_triple", sampler(clip([0], 1, still=True))) == {(0, 0, 0)}


def test_videos_that_are_too_short_are_passed_over_and_named_where_there_are_no_others() -> None:
    short, long = clip([0, 1, 2, 3, 4], 10), clip(list(range(25)), 25)
    made = sampler(short, long)
    random = np.random.default_rng(0)
    assert {len(made.stark_clip(random)) for _ in range(50)} == {25}
    with pytest.raises(DataError, match=r"training set 'given'.*min_frames"):
        sampler(short).stark_clip(random)


def test_a_pair_of_pysot_stays_in_the_frame_range_of_its_set() -> None:
    made = sampler(clip(list(range(40)), 40), table={"frame_range": 3})
    random = np.random.default_rng(0)
    gaps = set()
    for _ in range(300):
        (first, second), negative = made.ranged_pair(random)
        assert not negative
        gaps.add(second.frame - first.frame)
    assert gaps == set(range(-3, 4))


def test_negative_pairs_come_as_often_as_the_recipe_says() -> None:
    for method in ("ranged_pair", "open_pair"):
        made = sampler(clip(list(range(40)), 40), negative=0.33)
        random = np.random.default_rng(0)
        share = np.mean([getattr(made, method)(random)[1] for _ in range(2000)])
        assert share == pytest.approx(0.33, abs=0.03)


def test_the_search_frame_of_sparsett_may_lie_anywhere_after_but_not_far_before() -> None:
    made = sampler(clip(list(range(60)), 60), max_gap=5)
    random = np.random.default_rng(0)
    gaps = [second.frame - first.frame for (first, second), _ in (made.open_pair(random) for _ in range(2000))]
    assert min(gaps) == -5
    assert max(gaps) > 50


def test_sparsett_draws_no_long_and_thin_boxes() -> None:
    with pytest.raises(DataError, match="none has a box that can be used"):
        sampler(clip(list(range(30)), 30, box=(1, 2, 3, 40))).open_pair(np.random.default_rng(0))
