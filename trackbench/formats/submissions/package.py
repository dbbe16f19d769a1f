"""What a package is: files that fit, or the list of all that does not."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.errors import UsageError
from trackbench.files import write_bytes

#: The first moment that a zip archive can name: the same results make the same bytes at any time.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX, _READABLE = 3, 0o644 << 16


class Problem(NamedTuple):
    """Why a server would not take the results, or would score them wrongly."""

    where: str
    """The file, the sequence or the run."""
    reason: str


@dataclass
class Package:
    """The results of one tracker for one server."""

    server: str
    tracker: str
    dataset: str
    of: int
    """How many sequences the server expects."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """Path in the archive -> content."""
    sequences: int = 0
    frames: int = 0
    """Lines of results of the first repetition."""
    runs: dict[str, int] = field(default_factory=dict)
    """Protocol -> the most repetitions that a sequence has."""
    problems: list[Problem] = field(default_factory=list)

    def add_problem(self, where: object, reason: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(str(where), reason))

    def archive(self) -> bytes:
        """Return the zip archive: the same bytes for the same results."""
        if self.problems:
            raise ValueError(f"{len(self.problems)} problems; expected none before an archive is made")
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for path, content in self.contents.items():
                member = zipfile.ZipInfo(path, _EPOCH)
                member.create_system, member.external_attr = _UNIX, _READABLE
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, content)
        return stream.getvalue()

    def write(self, out: Path) -> dict[str, Any]:
        """Write the archive and return its ``path``, ``bytes`` and ``sha256``.

        Raises:
            UsageError: the file is there already, or cannot be written.
        """
        if out.exists():
            raise UsageError(f"{out}: exists; remove it, or give another --out")
        data = self.archive()
        write_bytes(out, data)
        return {"path": str(out), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def document(self) -> dict[str, Any]:
        """Return what ``pack --json`` tells."""
        return {
            "server": self.server,
            "tracker": self.tracker,
            "dataset": self.dataset,
            "sequences": self.sequences,
            "of": self.of,
            "frames": self.frames,
            "repetitions": self.runs,
            "files": len(self.contents),
            "problems": [problem._asdict() for problem in self.problems],
        }
