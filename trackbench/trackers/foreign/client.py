"""The worker process of a foreign tracker, seen from here: started, asked, watched, ended.

The other end is :mod:`trackbench.trackers.foreign.worker.process`, which any Python from 3.7 on can run.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from trackbench.errors import TrackerError
from trackbench.frames import Frame
from trackbench.trackers.foreign.worker import process
from trackbench.trackers.foreign.worker.process import DoorError, Service, receive, send

#: Seconds that a worker has to end by itself.
GRACE = 2.0

_FOLDER = Path(process.__file__).parent


class ForeignError(TrackerError):
    """A foreign tracker failed; ``trace`` is the traceback in its own process."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        self.trace = trace


class Peer(Protocol):
    """Whoever answers requests: a process of its own, or this one."""

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""

    @property
    def closed(self) -> bool:
        """Whether it was ended here, after a failure."""

    def ask(self, request: dict[str, Any], frames: Sequence[Frame] = (), blobs: Sequence[Any] = ()) -> Reply:
        """Return the answer to a request."""

    def close(self) -> None:
        """End it."""


Reply = tuple[dict[str, Any], list[Any]]


class Worker:
    """A worker process.

    Args:
        name: what messages call the tracker.
        python: the interpreter; default: the one that runs this.
        timeout: seconds to wait for an answer.
        log: where its prints go; default: a file that lasts as long as the process.
        environment: variables over those of this process.

    Raises:
        TrackerError: it cannot be started.
    """

    def __init__(
        self,
        name: str,
        python: Path | None = None,
        timeout: float = 300.0,
        log: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._name, self._timeout = name, timeout
        self._folder = Path(tempfile.mkdtemp(prefix="trackbench-worker-"))
        self.log = log or self._folder / "log"
        self._frames = SharedMemory()
        command = [str(python or sys.executable), str(_FOLDER / "process.py")]
        try:
            with self.log.open("wb") as errors:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"} | (environment or {}),
                )
        except (OSError, ValueError) as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise TrackerError(
                f"{name}: its process cannot be started: {command[0]}: {getattr(error, 'strerror', error)}; "
                "--set python= takes the interpreter itself, such as /path/to/env/bin/python"
            ) from None
        self._end = weakref.finalize(self, _end, self._process, self._folder, self._frames)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self.closed and self._process.poll() is None

    @property
    def closed(self) -> bool:
        """Whether it was ended here, after a failure."""
        return not self._end.alive

    def ask(self, request: dict[str, Any], frames: Sequence[Frame] = (), blobs: Sequence[Any] = ()) -> Reply:
        """Return the answer to a request.

        Raises:
            TrackerError: the tracker failed, or the process ended or gave no answer in time and is ended.
        """
        memory = self._frames.put(frames)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            send(stdin, request | {"memory": memory}, blobs)
            if not select.select([stdout], [], [], self._timeout)[0]:
                self.close()
                raise TrackerError(f"{self._name}: no answer within {self._timeout:g} seconds{self._last_words()}")
            reply, out = receive(stdout)
            self._frames.settle(reply["busy"])
        except (OSError, EOFError, ValueError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            code = self._process.poll()
            how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
            words = self._last_words()
            self.close()
            raise TrackerError(f"{self._name}: its process {how}{words}") from None
        except BaseException:
            self.close()  # the answer that is still to come would be taken for that to the next request
            raise
        if "error" in reply:
            error = reply["error"]
            # What the user can mend says all by itself; of anything else the prints before it may tell more.
            known = not error["type"]
            text = error["message"] if known else f"{error['type']}: {error['message']}{self._last_words(error)}"
            raise ForeignError(f"{self._name}: {text}", None if known else error["trace"])
        return reply, out

    def close(self) -> None:
        """End the process, by force if it does not by itself."""
        self._words = self._last_words()
        self._end()

    def _last_words(self, error: dict[str, Any] | None = None) -> str:
        """Return the last lines of the log, for a message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
                said = file.read().decode(errors="replace").splitlines()
        except OSError:
            return getattr(self, "_words", "")
        last = [" ".join(line.split()) for line in said if line.strip(" ^~")][-3:]
        if not last:
            return "" if error else "; it printed nothing"
        return f"; its last prints: {' | '.join(last)[-400:]}"


class InProcess:
    """The same in this process, for trackers that share its Python; slower to blame, quicker to debug."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._service = Service(str(_FOLDER), __name__.rpartition(".")[0] + ".worker")
        self._working = os.getcwd()
        self.closed = False

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self.closed

    def ask(self, request: dict[str, Any], frames: Sequence[Frame] = (), blobs: Sequence[Any] = ()) -> Reply:
        """Return the answer to a request; see :meth:`Worker.ask`."""
        ours = os.getcwd()
        os.chdir(self._working)
        try:
            return self._service.answer(request, [bytes(blob) for blob in blobs], [frame.copy() for frame in frames])
        except DoorError as error:
            raise TrackerError(f"{self._name}: {error}") from None
        finally:
            self._working = os.getcwd()
            os.chdir(ours)

    def close(self) -> None:
        """Forget the tracker."""
        self.closed = True


class SharedMemory:
    """Frames for a worker, each in a file that both sides map, which is used again when the worker has let go of it.

    A frame is written once and never copied on the other side: a tracker that keeps a frame keeps its slot.
    """

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._busy: set[int] = set()
        self._made = 0
        self._dropped: list[int] = []

    def put(self, frames: Sequence[Frame]) -> dict[str, Any]:
        """Write frames and return where each is, for the worker."""
        places = []
        taken = set(self._busy)
        for frame in frames:
            number = self._free(frame.nbytes, taken)
            taken.add(number)
            np.copyto(self._slots[number].array[: frame.nbytes].reshape(frame.shape), frame)
            places.append({"slot": number, "shape": list(frame.shape)})
        files = {str(number): slot.path for number, slot in self._slots.items() if slot.path}
        dropped, self._dropped = self._dropped, []
        return {"frames": places, "files": files, "dropped": dropped}

    def settle(self, busy: Sequence[int]) -> None:
        """Note which slots the worker still needs; remove the names of those that it has mapped."""
        self._busy = set(busy)
        for slot in self._slots.values():
            slot.hide()

    def close(self) -> None:
        """Let go of all files."""
        for slot in self._slots.values():
            slot.close()
        self._slots.clear()

    def _free(self, size: int, taken: set[int]) -> int:
        """Return the number of a slot that nobody uses and that is large enough, a new one where there is none."""
        free = [number for number in self._slots if number not in taken]
        for number in free:
            if self._slots[number].size >= size:
                return number
        for number in free[:1]:  # too small: its place is taken by the new one
            self._slots.pop(number).close()
            self._dropped.append(number)
        number, self._made = self._made, self._made + 1
        self._slots[number] = _Slot(size)
        return number


class _Slot:
    """One file in memory; its name is gone once both sides have mapped it, so nothing is left when one dies."""

    def __init__(self, size: int) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        handle, self.path = tempfile.mkstemp(prefix="trackbench-frame-", dir=memory)
        self.size = size
        try:
            os.truncate(handle, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        self.array: Any = np.frombuffer(self._map, np.uint8)

    def hide(self) -> None:
        if self.path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
            self.path = ""

    def close(self) -> None:
        self.hide()
        self.array = None
        self._map.close()


def _end(process: subprocess.Popen[bytes], folder: Path, frames: SharedMemory) -> None:
    with contextlib.suppress(OSError, ValueError):
        process.stdin.close()  # type: ignore[union-attr]
    for end, grace in ((None, 0.1), (process.terminate, GRACE), (process.kill, GRACE)):
        if end is not None:
            end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
            break
    with contextlib.suppress(OSError, ValueError):
        process.stdout.close()  # type: ignore[union-attr]
    frames.close()
    shutil.rmtree(folder, ignore_errors=True)
