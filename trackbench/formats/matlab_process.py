"""A process that reads MATLAB files: scipy's compiled reader can crash on a damaged one, and would take us with it.

It is no process of `multiprocessing`, which would run the user's script in it a second time.
"""

from __future__ import annotations

import atexit
import io
import os
import pickle
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from trackbench.errors import unforeseen

#: Most memory of the process.
MAX_MEMORY = 2 << 30
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SIZE = struct.Struct("<Q")


class MatlabError(Exception):
    """A file cannot be read; the message says why."""


class MatlabProcess:
    """Reads files, one at a time; begins anew after a crash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def load(self, data: bytes) -> dict[str, Any]:
        """Return the variable ``results`` of a file, as ``scipy.io.loadmat`` gives it, and the names of the others.

        Raises:
            MatlabError: it cannot be read.
        """
        with self._lock:
            process = self._process = self._process or _begin()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _send(process.stdin, data)
                content, said = pickle.loads(_receive(process.stdout))
            except (OSError, EOFError):
                process.kill()
                process.wait()
                self._process = None
                raise MatlabError("is not a readable MATLAB file: it makes the reader crash") from None
        if said:
            raise MatlabError(said)
        variables: dict[str, Any] = content
        return variables

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None


def _begin() -> subprocess.Popen[bytes]:
    # Modules are not looked for in the working folder.
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))))
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def serve() -> None:
    """Read files from the standard input until it ends."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while True:
        try:
            data = _receive(incoming)
        except EOFError:
            return
        _send(outgoing, pickle.dumps(_load(data)))


def _load(data: bytes) -> tuple[dict[str, Any], str]:
    import scipy.io

    if _HDF5 in data[:1024]:
        return {}, "is a MATLAB 7.3 (HDF5) file; save it again with -v7"
    if not data[:128].strip(b"\0"):
        return {}, "is empty"
    if not data.startswith(b"MATLAB") and data[:256].isascii() and b"\0" not in data[:256]:
        return {}, "is a text file, no MATLAB file (Octave writes one by `save -v7`)"
    file: Any = io.BytesIO(data)  # taken by scipy, not by its stubs
    try:
        content = scipy.io.loadmat(file, simplify_cells=True, variable_names=["results"])
        if "results" not in content:
            file.seek(0)
            content |= {str(name): None for name, _, _ in scipy.io.whosmat(file)[:100]}
        return content, ""
    except NotImplementedError:
        return {}, "is a MATLAB 7.3 file; save it again with -v7"
    except Exception as error:  # a damaged file makes scipy fail in any way
        return {}, f"is not a readable MATLAB file: {unforeseen(error)}"


def _send(file: IO[bytes], data: bytes) -> None:
    file.write(_SIZE.pack(len(data)) + data)
    file.flush()


def _receive(file: IO[bytes]) -> bytes:
    size = file.read(_SIZE.size)
    data = file.read(_SIZE.unpack(size)[0]) if len(size) == _SIZE.size else b""
    if len(size) < _SIZE.size or len(data) < _SIZE.unpack(size)[0]:
        raise EOFError
    return data
