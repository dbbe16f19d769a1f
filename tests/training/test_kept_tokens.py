"""Tokens of frozen blocks that are computed once, and trainings that end by the clock."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from small import small_session, write_videos
from torch import Tensor, nn

from trackbench.errors import DataError, UsageError
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.training.kept_tokens import KeptTokens
from trackbench.training.loop import Trainer, TrainingSettings
from trackbench.training.session import Session
from trackbench.training.tasks.base import Batch, Losses
from trackbench.training.tasks.stark import SimTrackTask

FROZEN = (r"visual\.(conv1|class_embedding|positional_embedding|ln_pre)", r"visual\.transformer\.resblocks\.0\.")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("data") / "videos")


def session(videos: Path, **changes: Any) -> Session:
    own = {
        "options.separate_blocks": 1,
        "options.position_embedding": "late",
        "optimiser.frozen": list(FROZEN),
        "data.distinct": 8,
        "data.keep_tokens": True,
        "schedule.epochs": 3,
        "schedule.drops": [],
    }
    return small_session("simtrack-b16", videos, **(own | changes))


def train(made: Session, out: Path, **settings: Any) -> dict[str, Tensor]:
    out.mkdir(exist_ok=True)
    Trainer(made, TrainingSettings(out, workers=0, **settings)).run()
    return load_file(out / "weights.safetensors")


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_computed_apart_and_then_joined_is_what_the_network_computes(videos: Path) -> None:
    made = session(videos)
    network = cast(SimTrack, made.build_network().eval())
    images = torch.randn(2, 3, 32, 32), torch.rand(2, 4) / 2, torch.randn(2, 3, 64, 64)
    template, search = network.apart(*images)
    assert torch.equal(network.joined(template, images[1], search).boxes, network(*images).boxes)


def test_kept_tokens_train_as_tokens_that_are_computed_in_every_pass(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = train(session(videos), tmp_path / "kept")
    losses = SimTrackTask.losses

    def through_tokens(self: SimTrackTask, network: nn.Module, batch: Batch) -> Losses:
        return losses(self, network, self.tokens(network, batch))

    monkeypatch.setattr(SimTrackTask, "losses", through_tokens)
    assert equal(kept, train(session(videos, **{"data.keep_tokens": False}), tmp_path / "anew"))
    monkeypatch.undo()
    assert not equal(kept, train(session(videos, **{"data.distinct": 16}), tmp_path / "other"))


def test_a_training_that_ends_by_the_clock_is_continued_to_the_same_weights(videos: Path, tmp_path: Path) -> None:
    whole = train(session(videos), tmp_path / "whole")
    made, steps = session(videos), []
    for again in range(6):
        trainer = Trainer(made, TrainingSettings(tmp_path, resume=again > 0, workers=0, minutes=0))
        trainer.run()
        steps.append(trainer.step)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert equal(whole, load_file(tmp_path / "weights.safetensors"))


def test_another_training_in_the_same_folder_forgets_what_was_kept(videos: Path, tmp_path: Path) -> None:
    first = train(session(videos), tmp_path)
    assert not equal(first, train(session(videos, seed=5), tmp_path))
    assert equal(first, train(session(videos), tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.distinct": None}, "data.distinct has to say"),
        ({"data.distinct": 6}, "data.distinct 6: expected a multiple of the batch of 4"),
        ({"options.separate_blocks": 0, "options.position_embedding": "none"}, "expected options.separate_blocks"),
        ({"optimiser.frozen": list(FROZEN[:1])}, r"resblocks\.0\.ln_1\.weight is trained"),
        (
            {"optimiser.frozen": list(FROZEN[1:])},
            r"backbone\.visual\.\w+.* is trained, optimiser\.frozen has to name it",
        ),
    ],
)
def test_tokens_that_training_would_change_are_not_kept(
    videos: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(session(videos, **changes), tmp_path)


def test_a_tracker_without_blocks_apart_keeps_no_tokens(videos: Path, tmp_path: Path) -> None:
    made = small_session("sbt-base", videos, **{"data.distinct": 8, "data.keep_tokens": True})
    with pytest.raises(UsageError, match="sbt-base has no frozen blocks that see each image alone"):
        train(made, tmp_path)


def test_lost_tokens_are_missed(videos: Path, tmp_path: Path) -> None:
    made = session(videos)
    for resume in (False, True):
        Trainer(made, TrainingSettings(tmp_path, resume=resume, workers=0, minutes=0)).run()
    for path in (tmp_path / "tokens").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="tokens: lacks samples of the first pass; start the training anew"):
        train(made, tmp_path, resume=True)


def test_a_disk_without_room_for_all_tokens_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    kept = KeptTokens(tmp_path, 1000, True, lambda: None)
    with pytest.raises(DataError, match="No space left on device; it takes 32,000 bytes: make room, or lower data"):
        kept.keep(torch.arange(2), {"search_tokens": torch.ones(2, 4, 4, dtype=torch.float16)})
    assert not (tmp_path / "tokens").exists()
