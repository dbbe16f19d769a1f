"""The worker process of a foreign tracker, and the wire to it.

``python process.py`` answers requests until its standard input ends. A message is a JSON document, preceded by its
length in eight bytes and followed by blobs whose lengths the document tells. Frames come through shared memory: a file
that both sides map. Whatever the tracker prints goes to the standard error stream, never into the wire.

The file needs Python 3.7 and nothing else; numpy is imported with the first frame.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import mmap
import os
import re
import struct
import sys
import traceback
import weakref
from collections.abc import Sequence
from typing import IO, Any

#: The name under which a worker knows the package of the doors.
PACKAGE = "trackbench_doors"

#: How torch's error begins when weights do not fit a network.
UNFIT = "Error(s) in loading state_dict for"


class DoorError(Exception):
    """Something that the user can mend; its message is one line that names the fix."""


def send(stream: IO[bytes], document: dict[str, Any], blobs: Sequence[Any] = ()) -> None:
    """Write one message.

    Args:
        stream: the pipe.
        document: what JSON can hold.
        blobs: bytes or contiguous arrays that go behind it.
    """
    views = [memoryview(blob).cast("B") for blob in blobs]
    text = json.dumps({"body": document, "blobs": [len(view) for view in views]}).encode()
    stream.write(struct.pack(">Q", len(text)) + text)
    for view in views:
        stream.write(view)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Read one message: its document and its blobs.

    Raises:
        EOFError: the other side has gone.
    """
    message = json.loads(_exactly(stream, struct.unpack(">Q", _exactly(stream, 8))[0]).decode())
    return message["body"], [_exactly(stream, length) for length in message["blobs"]]


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("the other side has closed the pipe")
    return data


def pack_mask(mask: Any) -> tuple[dict[str, Any], Any]:
    """Return a bool (H, W) array as its description and one bit a pixel, cut to the rows and columns that it sets."""
    import numpy as np

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return {"x": 0, "y": 0, "shape": [0, 0]}, b""
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    window = mask[top:bottom, left:right]
    return {"x": int(left), "y": int(top), "shape": list(window.shape)}, np.packbits(window).tobytes()


def unpack_mask(description: dict[str, Any], data: bytes) -> Any:
    """Return the window of a mask as bool (h, w); see :func:`pack_mask`."""
    import numpy as np

    h, w = description["shape"]
    return np.unpackbits(np.frombuffer(data, np.uint8), count=h * w).reshape(h, w).astype(bool)


def whole_mask(description: dict[str, Any], data: bytes, size: tuple[int, int]) -> Any:
    """Return a mask as bool (H, W) of the whole frame; see :func:`pack_mask`."""
    import numpy as np

    whole, window = np.zeros(size, bool), unpack_mask(description, data)
    y, x = description["y"], description["x"]
    whole[y : y + window.shape[0], x : x + window.shape[1]] = window
    return whole


class SharedFrames:
    """The frames of requests, in files that the other side fills again once nobody here looks at them."""

    def __init__(self) -> None:
        self._maps: dict[int, Any] = {}
        self._seen: dict[int, Any] = {}

    def read(self, memory: dict[str, Any]) -> list[Any]:
        """Return the frames as arrays that live as long as somebody keeps them: uint8 (H, W, C)."""
        import numpy as np

        for number in memory["dropped"]:
            self._maps.pop(number, None)
        for name, path in memory["files"].items():
            if int(name) not in self._maps:
                with open(path, "r+b") as file:
                    self._maps[int(name)] = mmap.mmap(file.fileno(), 0)
        frames = []
        for item in memory["frames"]:
            h, w, c = item["shape"]
            # Every view of a frame, and every tensor on it, keeps this array alive.
            whole = np.frombuffer(self._maps[item["slot"]], np.uint8, h * w * c)
            self._seen[item["slot"]] = weakref.ref(whole)
            frames.append(whole.reshape(h, w, c))
        return frames

    def busy(self) -> list[int]:
        """Return the numbers of the files that somebody still looks at."""
        self._seen = {number: seen for number, seen in self._seen.items() if seen() is not None}
        return list(self._seen)


class Service:
    """Answers requests with a door.

    Args:
        folder: that holds the package of the doors.
        package: the name under which it is imported.
    """

    def __init__(self, folder: str, package: str = PACKAGE) -> None:
        self._folder, self._package = folder, package
        self._door: Any = None
        self._states: dict[int, Any] = {}
        self.frames = SharedFrames()

    def answer(
        self, request: dict[str, Any], blobs: list[bytes], frames: list[Any] | None = None
    ) -> tuple[dict[str, Any], list[Any]]:
        """Return what a request asks for: ``load``, ``start`` or ``step``; ``frames`` where they are at hand."""
        for state in request.get("forget", ()):
            self._states.pop(state, None)
        kind = request["kind"]
        if kind == "load":
            self._door = self._load(request["door"])(request["options"], request["device"])
            return {"record": self._door.record()}, []
        if frames is None:
            frames = self.frames.read(request["memory"])
        reply, out = (self._start if kind == "start" else self._step)(request, frames, blobs)
        return reply, out

    def _load(self, door: str) -> Any:
        path = os.path.join(self._folder, "__init__.py")
        spec = importlib.util.spec_from_file_location(self._package, path, submodule_search_locations=[self._folder])
        assert spec is not None
        sys.modules.setdefault(self._package, importlib.util.module_from_spec(spec))
        return importlib.import_module(self._package + "." + door).Door

    def _start(
        self, request: dict[str, Any], frames: list[Any], blobs: list[bytes]
    ) -> tuple[dict[str, Any], list[Any]]:
        targets = []
        for target in request["targets"]:
            mask = target.get("mask")
            if mask is not None:
                target = dict(target, mask=whole_mask(mask, blobs[mask["blob"]], frames[target["frame"]].shape[:2]))
            targets.append(target)
        images = [frames[target["frame"]] for target in targets]
        for target, state in zip(targets, self._door.start(images, targets, request["seed"])):
            self._states[target["id"]] = state
        return {"record": self._door.record()}, []

    def _step(self, request: dict[str, Any], frames: list[Any], blobs: list[bytes]) -> tuple[dict[str, Any], list[Any]]:
        asked = request["targets"]
        images = [frames[target["frame"]] for target in asked]
        answers: list[dict[str, Any]] = []
        out: list[Any] = []
        for answer in self._door.step(images, [self._states[target["id"]] for target in asked]):
            answer = dict(answer)
            if answer.get("mask") is not None:
                answer["mask"], bits = pack_mask(answer["mask"])
                answer["mask"]["blob"] = len(out)
                out.append(bits)
            answers.append(answer)
        return {"answers": answers}, out


def serve() -> None:
    """Answer requests from standard input on standard output until it ends."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    folder = os.path.dirname(os.path.abspath(__file__))
    # The interpreter puts the folder of the script first; its files must not hide packages of the same names.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    service = Service(folder)
    while True:
        try:
            request, blobs = receive(incoming)
        except EOFError:
            return
        try:
            reply, out = service.answer(request, blobs)
        except DoorError as error:
            reply, out = {"error": {"message": str(error), "type": "", "trace": traceback.format_exc()}}, []
        except Exception as error:
            reply, out = {"error": describe_error(error)}, []
        sys.stdout.flush()
        sys.stderr.flush()
        send(outgoing, dict(reply, busy=service.frames.busy()), out)


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return an exception's type, its message in one line with the place where it was raised, and its traceback."""
    message = " ".join(str(error).split())
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if message.startswith(UNFIT):
        return {"type": "", "message": unfit(message), "trace": trace}
    # The innermost place within the tracker's own code says more than one deep inside a library.
    places = [
        place
        for place in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(os.path.abspath(place.filename)) != os.path.dirname(os.path.abspath(__file__))
    ]
    own = [place for place in places if "site-packages" not in place.filename and place.filename[:1] != "<"]
    last = (own or places)[-1:]
    where = f" ({last[0].filename}, line {last[0].lineno})" if last else ""
    return {
        "type": type(error).__name__,
        "message": message[:500] + where,
        "trace": trace,
    }


def unfit(message: str) -> str:
    """Return what torch says, at length, of weights that do not fit a network, in one line that names one of each."""
    network = message[len(UNFIT) :].split(":")[0].strip()
    said = []
    for start, what in (("Missing key", "are missing"), ("Unexpected key", "have no place in it")):
        listed = re.search(start + r"\(s\) in state_dict: ((?:\"[^\"]+\",? ?)+)", message)
        if listed:
            names = re.findall(r"\"([^\"]+)\"", listed.group(1))
            said.append(f"{len(names)} weights {what} ('{names[0]}')")
    sizes = re.findall(r"size mismatch for ([^:]+):", message)
    if sizes:
        said.append(f"{len(sizes)} weights have another size ('{sizes[0]}')")
    said = said or [message[:200]]
    return "the checkpoint does not fit its {}: {}; is it that of this configuration?".format(network, ", ".join(said))


if __name__ == "__main__":
    # The doors raise the DoorError of the module that they import, which must be this very one.
    sys.modules[PACKAGE + ".process"] = sys.modules["__main__"]
    serve()
