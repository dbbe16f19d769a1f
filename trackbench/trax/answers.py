"""The answers of a TraX program, looked at before libtrax gets them: it ends the process on an empty region."""

from __future__ import annotations

import os
import threading
from typing import IO

from trackbench.errors import DataError
from trackbench.quoting import shown
from trackbench.regions import parse_region

_GREETING, _STATE = b"@@TRAX:hello", b"@@TRAX:state"
_MASK = "mask:"
#: Most bytes of a line: a mask of 8000 x 6000 pixels has fewer.
_LONGEST = 64 << 20


class CheckedStream:
    """What a program writes, passed on line by line until one cannot be.

    Args:
        stream: the program's standard output.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.fault = ""
        """What was wrong with the line at which it ended."""
        self._read, write = os.pipe()
        ends = os.fdopen(os.dup(stream.fileno()), "rb"), os.fdopen(write, "wb")
        self._thread = threading.Thread(target=self._pass_on, args=ends, name="trax answers", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return the end from which libtrax reads."""
        return self._read

    def close(self) -> None:
        """Let go of the pipe; the program must have ended."""
        if self._read >= 0:
            os.close(self._read)
            self._read = -1
            self._thread.join(1)

    def _pass_on(self, reader: IO[bytes], out: IO[bytes]) -> None:
        try:
            with reader, out:
                while line := reader.readline(_LONGEST):
                    self.fault = self._fault(line)
                    if self.fault:
                        return
                    out.write(line.removesuffix(b"\r\n") + b"\n" if line.endswith(b"\r\n") else line)
                    out.flush()
        except (OSError, ValueError):  # libtrax has closed its end, or the program is gone
            return

    def _fault(self, line: bytes) -> str:
        if line.startswith(_GREETING) and b"trax.region=" not in line:
            return "its greeting names no kind of region; expected trax.region=rectangle or others"
        if not line.startswith(_STATE):
            return ""
        rest = line.removeprefix(_STATE).strip().decode(errors="replace")
        region = rest[1:].partition('"')[0] if rest.startswith('"') else rest.partition(" ")[0]
        if "nan" in region.lower():  # no answer, as in VOT's files
            return ""
        try:
            if region.startswith("m") != region.startswith(_MASK):  # which libtrax would take for a polygon
                raise DataError(region)
            parse_region(region.replace(_MASK, "m", 1))
        except DataError:
            return f"it answered {shown(region)}; expected a region"
        return ""
