"""One of our trackers as a TraX program, for vot-toolkit and any other client of the protocol."""

from __future__ import annotations

import contextlib
import secrets
import sys
import traceback
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.definitions import RegionKind
from trackbench.errors import TrackerError
from trackbench.frames import read_frame
from trackbench.protocols.region_policy import RegionPolicy
from trackbench.regions import Box, Mask, Polygon, Region, Special
from trackbench.trackers.base import Prediction, Target, TrackerModel
from trackbench.trackers.registry import TrackerSpec


def serve(spec: TrackerSpec, kind: RegionKind | None = None, *, device: str = "auto", seed: int | None = None) -> int:
    """Answer a TraX client on standard input and output until it says goodbye; return the exit code.

    Args:
        spec: the tracker.
        kind: what the benchmark works with, which decides on what a tracker starts and what it reports (see
            :mod:`trackbench.protocols.region_policy`); None: the kind of each first region.
        device: auto, cpu, cuda or cuda:N.
        seed: of the first target, each later one has the next; None: drawn, for a tracker that draws at random.

    Whatever fails is printed to standard error with its traceback, and the client is told the last line.
    """
    # Standard output belongs to the protocol: a tracker that prints must not write into it.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            model = spec.build(device)
            if seed is None and not spec.definition.value.deterministic:
                seed = secrets.randbelow(1 << 31)
            Conversation(model, spec.title, kind, seed or 0).run()
        except Exception:  # of the tracker's own code too: the client is told, not left waiting
            traceback.print_exc()
            return 1
    return 0


class Conversation:
    """A client's requests, answered one by one.

    Args:
        model: the tracker; one target at a time.
        title: what the client is told of it.
        kind: see :func:`serve`.
        seed: of the first target.
    """

    def __init__(self, model: TrackerModel[Any], title: str, kind: RegionKind | None, seed: int) -> None:
        from trax.image import Image
        from trax.region import Region as Wire
        from trax.server import Server

        self._model, self._kind, self._seed = model, kind, seed
        self._exchange = RegionPolicy()
        self._states: list[Any] | None = None
        formats = [Wire.RECTANGLE, Wire.POLYGON, Wire.MASK]
        self._server = Server(formats, [Image.PATH, Image.MEMORY, Image.BUFFER], tracker_name=title)

    def run(self) -> None:
        """Answer until the client quits.

        Raises:
            Exception: whatever the tracker raises; the client has been told.
        """
        from trax import TraxStatus

        while True:
            request = self._server.wait()
            if request.type == TraxStatus.QUIT:
                return
            try:
                region, properties = self._answer(request)
            except Exception as error:
                self._server.quit(f"{type(error).__name__}: {' '.join(str(error).split())}"[:200])
                raise
            self._server.status([(region, properties)])

    def _answer(self, request: Any) -> tuple[Any, dict[str, str]]:
        from trax import TraxStatus

        from trackbench.trax.regions import from_trax, to_trax

        frame = _frame(request.image["color"])
        if request.type == TraxStatus.INITIALIZE:
            if len(request.objects) != 1:
                raise TrackerError(f"{len(request.objects)} objects; expected one")
            region = from_trax(request.objects[0][0])
            self._start(frame, region)
            return to_trax(region), {}
        if self._states is None:
            raise TrackerError("the client sent a frame before a target")
        if request.objects:
            raise TrackerError("the client sent another object; expected one target from first to last")
        prediction = self._model.step([frame], self._states)[0]
        return to_trax(self._report(prediction, frame)), (
            {} if prediction.score is None else {"confidence": f"{prediction.score:.6g}"}
        )

    def _start(self, frame: NDArray[np.uint8], region: Region) -> None:
        self._exchange = RegionPolicy(self._kind or _kind_of(region))
        self._model.seed(self._seed)
        self._seed += 1
        self._states = self._model.start([frame], [Target(self._exchange.target(region, self._model.takes))])

    def _report(self, prediction: Prediction, frame: NDArray[np.uint8]) -> Region:
        height, width = frame.shape[:2]
        region = self._exchange.report(prediction, (width, height))
        # In a challenge of masks no answer is a mask without pixels, elsewhere a rectangle without area.
        return Mask(np.zeros((0, 0), bool)) if isinstance(region, Special) and self._exchange.kind == "mask" else region


def _kind_of(region: Region) -> RegionKind:
    match region:
        case Box():
            return "box"
        case Polygon():
            return "polygon"
        case Mask():
            return "mask"
        case Special():
            raise TrackerError(f"cannot start on the code {region.code}; expected a rectangle, polygon or mask")


def _frame(image: Any) -> NDArray[np.uint8]:
    """Return an image of TraX as uint8 (H, W, 3) RGB."""
    import cv2
    from trax.image import Image

    kind = image.type()
    if kind == Image.PATH:
        from pathlib import Path

        return read_frame(Path(image.path()))
    if kind == Image.MEMORY:
        array = np.asarray(image.array(), np.uint8)
        return array if array.shape[2] == 3 else np.repeat(array, 3, axis=2)
    decoded = cv2.imdecode(np.frombuffer(image.buffer(), np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise TrackerError("the client sent an image that cannot be decoded")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
