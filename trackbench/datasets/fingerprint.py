"""The fingerprint of a sequence: by it a run knows that its data are those of before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError
from trackbench.files import as_bytes
from trackbench.regions import format_region


def fingerprint(sequence: VideoSequence) -> str:
    """Return ``ANNOTATION FRAMES``, two short hashes.

    The first is that of the annotated regions and of the flags of absence. The second is that of the number of frames,
    of the names and sizes of the first, the middle and the last, and of what the first holds: reading all images would
    take as long as tracking.

    Raises:
        DataError: the annotation or an image cannot be read.
    """
    return f"{annotation_hash(sequence)} {_frames_hash(sequence.frames)}"


def annotation_hash(sequence: VideoSequence) -> str:
    """Return the first hash of :func:`fingerprint`.

    Raises:
        DataError: the annotation cannot be read.
    """
    ground_truth = sequence.ground_truth
    digest = hashlib.sha256(ground_truth.boxes.tobytes())
    for region in ground_truth.regions or ():
        digest.update(format_region(region).encode() + b"\n")
    if ground_truth.absent is not None:
        digest.update(ground_truth.absent.tobytes())
    return digest.hexdigest()[:12]


def changed_sequences(
    stored: Mapping[str, str],
    dataset: Dataset,
    sequences: Iterable[str] | None = None,
    frames: int = 4,
    *,
    annotations: bool = True,
) -> list[str]:
    """Return a line for each sequence that is not what it was when its results were made.

    Args:
        stored: sequence -> fingerprint, of :meth:`trackbench.results.store.RunFolder.fingerprints`.
        dataset: the data set as it is now.
        sequences: which to look at; default: all that have a fingerprint.
        frames: of so many sequences the images are compared too; of all others the annotation.
        annotations: whether annotations are compared at all, which reads them.
    """
    names = stored.keys() if sequences is None else stored.keys() & set(sequences)
    present = [sequence for sequence in dataset.sequences if sequence.name in names]
    step = max(len(present) // frames, 1) if frames else len(present) + 1
    lines = []
    for index, sequence in enumerate(present):
        annotation, _, images = stored[sequence.name].partition(" ")
        try:
            if annotations and annotation_hash(sequence) != annotation:
                lines.append(f"{sequence.name}: the annotation is another")
            elif frames and index % step == 0 and _frames_hash(sequence.frames) != images:
                lines.append(f"{sequence.name}: the frames are others")
        except DataError:  # reported when the sequence is read
            continue
    return lines


def _frames_hash(frames: list[Path]) -> str:
    digest = hashlib.sha256(str(len(frames)).encode())
    try:
        for path in (frames[0], frames[len(frames) // 2], frames[-1]) if frames else ():
            digest.update(as_bytes(f"{path.name} {path.stat().st_size}\n"))
        if frames:
            digest.update(frames[0].read_bytes())
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:12]
