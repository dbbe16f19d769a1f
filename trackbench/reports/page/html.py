"""Puts document, style sheet and scripts into one file."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.datasets.sequence import Dataset
from trackbench.definitions import content_folder
from trackbench.errors import UsageError
from trackbench.files import write_text
from trackbench.quoting import printable, printable_tree
from trackbench.reports.page.document import dataset_document
from trackbench.reports.page.traces import Packed, pack
from trackbench.reports.style import DASHES, Look
from trackbench.scoring import Score
from trackbench.scoring.traces import TracedSequence
from trackbench.version import VERSION

#: In the order in which they are put together.
SCRIPTS = (
    "state",
    "dom",
    "axes",
    "table",
    "leaderboard",
    "overview",
    "curves",
    "attributes",
    "sequences",
    "traces",
    "player",
    "significance",
    "sureness",
    "main",
)


class _Part(NamedTuple):
    document: dict[str, Any]
    packed: Packed
    labels: list[str]


class Page:
    """Collects data sets, then writes them as one page.

    Args:
        limit: bytes for the regions and images of all sequence pages together.
        frames: images a sequence.
        made: when and by which command, as lines of the header.
    """

    def __init__(self, limit: float, frames: int = 0, made: Sequence[str] = ()) -> None:
        self._limit, self._frames, self._made = limit, frames, list(made)
        self._parts: list[_Part] = []

    def add(
        self,
        dataset: Dataset,
        scores: Sequence[Score],
        traced: Iterable[TracedSequence],
        metrics: Sequence[str] | None = None,
    ) -> Packed:
        """Add a data set; returns what of its sequences has been taken in.

        Args:
            dataset: what the scores are about.
            scores: at least one, in the order of the tables.
            traced: its sequences, the more important ones first.
            metrics: the columns of its leaderboard, by key; None: all.
        """
        used = sum(part.packed.size for part in self._parts)
        packed = pack(traced, self._limit - used, self._frames)
        packed.sort([sequence.name for sequence in dataset.sequences])
        document = dataset_document(dataset, scores, metrics)
        document["traces"] = packed.index
        document["left_out"] = packed.left_out
        document["without_images"] = packed.without_images
        self._parts.append(_Part(document, packed, [score.tracker for score in scores]))
        return packed

    def write(self, path: Path, looks: dict[str, Look]) -> int:
        """Write the page; returns its size in bytes.

        Args:
            path: where to.
            looks: of all trackers of all data sets.

        Raises:
            UsageError: no data set was added, or the file cannot be written.
        """
        text = self.text(looks)
        write_text(path, text)
        return path.stat().st_size

    def text(self, looks: dict[str, Look]) -> str:
        """Return the page.

        Raises:
            UsageError: no data set was added.
        """
        if not self._parts:
            raise UsageError("nothing to report: there are no scores")
        titles = ", ".join(part.document["title"] for part in self._parts)
        document = {
            "schema": 1,
            "version": VERSION,
            "title": titles,
            "made": self._made,
            "looks": {
                label: {"colour": look.colour, "dashes": DASHES[look.line], "marker": look.marker}
                for label, look in looks.items()
            },
            "datasets": [part.document for part in self._parts],
        }
        folder = content_folder("reports") / "html"
        scripts = "\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
        pieces = {
            "TITLE": html.escape(f"{printable(titles)} – trackbench"),
            "STYLE": (folder / "page.css").read_text(encoding="utf-8"),
            "DOCUMENT": script_text(json.dumps(printable_tree(document), allow_nan=False, separators=(",", ":"))),
            "PAYLOADS": "\n".join(self._payloads()),
            "SCRIPTS": scripts,
        }
        page = (folder / "page.html").read_text(encoding="utf-8")
        first, *rest = page.split("<!--")
        out = [first]
        for piece in rest:
            name, _, after = piece.partition("-->")
            out += [pieces[name.strip()], after]
        return "".join(out)

    def _payloads(self) -> Iterable[str]:
        for place, part in enumerate(self._parts):
            for number, (payload, images) in enumerate(zip(part.packed.payloads, part.packed.images, strict=True)):
                yield f'<script type="text/plain" id="trace-{place}-{number}">{payload}</script>'
                yield f'<script type="text/plain" id="images-{place}-{number}">{images}</script>'


def script_text(text: str) -> str:
    """Return JSON that can stand in a script element: no tag or comment in it ends or begins anything.

    Example:
        >>> script_text('{"a":"</script>"}')
        '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
