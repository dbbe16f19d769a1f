"""OpenCV's own trackers, ``opencv:mil``, ``opencv:nano``, ...: whatever the installed OpenCV (4.10 or newer, 5) has.

They want BGR uint8 images and four whole numbers for a box, and they compute on the CPU.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, FilePath, model_validator

from trackbench.errors import TrackerError, UsageError, suggestion
from trackbench.regions import Box, Region, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, UnbatchedModel
from trackbench.trackers.external.opencv_names import FILES, needs

ModelFile = Annotated[FilePath, AfterValidator(Path.resolve)]

#: Trackers that draw Haar features inside the first box until they have found enough of them.
HAAR = ("mil", "boosting")


def canonical_name(name: str) -> str:
    """Return the lower-case name of a tracker that the installed OpenCV has.

    Raises:
        UsageError: it has no such tracker; the message lists those it has.
    """
    known = installed()
    if name.lower() not in known:
        raise UsageError(
            f"unknown tracker 'opencv:{name}'{suggestion(name, known)} "
            f"(OpenCV {cv2.__version__} here has: {', '.join(sorted(known))})"
        )
    return name.lower()


class OpenCVOptions(Options):
    """Which tracker, its seed, and the files of the networks that some of them need."""

    name: Annotated[str, AfterValidator(canonical_name)]
    seed: Annotated[int, Field(ge=0)] = 0
    """Added to the run's seed."""
    backbone: ModelFile | None = None
    neckhead: ModelFile | None = None
    net: ModelFile | None = None
    model: ModelFile | None = None
    kernel_cls1: ModelFile | None = None
    kernel_r1: ModelFile | None = None
    modelTxt: ModelFile | None = None  # noqa: N815 - OpenCV's name
    modelBin: ModelFile | None = None  # noqa: N815

    @model_validator(mode="after")
    def _files_fit(self) -> Self:
        needed = needed_files(self.name)
        if missing := [key for key in needed if key not in self.files]:
            raise UsageError(f"tracker 'opencv:{self.name}' {needs(missing)}")
        if spare := [key for key in self.files if key not in needed]:
            expected = ", ".join(needed) or "none"
            raise UsageError(f"tracker 'opencv:{self.name}' takes no file '{spare[0]}' (its files: {expected})")
        return self

    @property
    def files(self) -> dict[str, Path]:
        """The files that are set, by option."""
        return {key: path for key in FILES if (path := getattr(self, key)) is not None}


def needed_files(name: str) -> list[str]:
    """Return the options that ``opencv:name`` needs, the files of its networks."""
    module, kind = installed()[name]
    parameters = getattr(module, f"{kind}_Params", None)
    return [key for key in FILES if hasattr(parameters, key)]


class OpenCVModel(UnbatchedModel):
    """One OpenCV object for each target.

    Random draws depend on the seed and on the number of the frame since the start alone: neither on other targets nor
    on how their calls interleave.
    """

    Options: ClassVar[type[Options]] = OpenCVOptions

    def __init__(self, options: OpenCVOptions, device: str = "cpu") -> None:
        super().__init__(options, "cpu", make=lambda: OpenCVTarget(options, options.seed + self._run_seed))
        self._run_seed = 0

    def seed(self, seed: int) -> None:
        """Let the targets started from here on draw by ``seed`` plus the option ``seed``."""
        self._run_seed = seed


class OpenCVTarget:
    """One target, followed by one OpenCV object.

    Args:
        options: which tracker, with its files.
        seed: what it draws at random depends on it.
    """

    def __init__(self, options: OpenCVOptions, seed: int = 0) -> None:
        self._options = options
        self._name = f"opencv:{options.name}"
        self._seed = seed
        self._calls = 0
        self._tracker: Any = None
        self._last = Box(0, 0, 0, 0)

    def init(self, frame: Frame, region: Region) -> None:
        """Start on ``frame`` with the target at ``region``, of which OpenCV gets the min-max box.

        x, y, w and h are each rounded to the nearest whole pixel, halves to even.

        Raises:
            TrackerError: a box that this tracker cannot start on, or a network that does not load or fit.
        """
        image = _bgr(frame, self._name)
        box = region_to_box(region)
        self._tracker = self._create()
        self._calls = 0
        self._last = box
        whole = self._whole(box, frame)
        self._reseed()
        try:
            accepted = self._tracker.init(image, whole)
        except cv2.error as error:
            x, y, w, h = whole
            height, width = frame.shape[:2]
            leaves = x < 0 or y < 0 or x + w > width or y + h > height
            raise self._refused(whole, frame, "it leaves the frame" if leaves else self._blame(error)) from error
        if accepted is False:  # the trackers of cv2.legacy return it, the others return nothing
            raise self._refused(whole, frame, "OpenCV does not say why")

    def track(self, frame: Frame) -> Prediction:
        """Return where the target is; a lost one stays where it was last seen, with score 0 and ``lost`` in extras.

        Raises:
            TrackerError: OpenCV fails, such as on a network that it loads and cannot run.
        """
        image = _bgr(frame, self._name)
        self._reseed()
        try:
            ok, numbers = self._tracker.update(image)
            score = self._tracker.getTrackingScore() if hasattr(self._tracker, "getTrackingScore") else -1.0
        except cv2.error as error:
            raise TrackerError(f"{self._name} failed on its frame {self._calls}: {self._blame(error)}") from error
        if not ok:
            return Prediction(self._last, 0.0, {"lost": True})
        self._last = Box.of(numbers)
        # OpenCV 5 gives -1 for trackers without a score.
        return Prediction(self._last, float(score) if score >= 0 else None)

    def _create(self) -> Any:
        module, kind = installed()[self._options.name]
        create = getattr(module, f"{kind}_create")
        files = self._options.files
        if not files:
            return create()
        parameters = getattr(module, f"{kind}_Params")()
        for key, path in files.items():
            setattr(parameters, key, str(path))
        try:
            with _quiet():
                return create(parameters)
        except cv2.error as error:
            raise TrackerError(f"{self._name} cannot load its network: {self._blame(error)}") from error

    def _whole(self, box: Box, frame: Frame) -> tuple[int, int, int, int]:
        """Return the box in whole pixels, or raise TrackerError where OpenCV would misbehave without an error."""
        if not box.is_valid:
            raise TrackerError(f"{self._name} cannot start on {box}: expected finite numbers and a positive area")
        x, y, w, h = whole = round(box.x), round(box.y), round(box.w), round(box.h)
        height, width = frame.shape[:2]
        if x + w <= 0 or y + h <= 0 or x >= width or y >= height:
            raise self._refused(whole, frame, "it lies outside the frame")
        if w < 1 or h < 1:
            raise self._refused(whole, frame, "it has no area in whole pixels")
        # Too small a box has no room for any of the features, and OpenCV draws for ever. Measured under 4.10 and 5.0:
        # 2x11, 3x6, 4x5 and their like upright return, 2x10, 3x5, 4x4 and anything with a side of 1 do not.
        if self._options.name in HAAR and (w - 1) * (h - 1) < 10:
            raise self._refused(whole, frame, "it is too small: the least are 2x11, 3x6, 4x5 and 5x5 pixels")
        return whole

    def _refused(self, whole: tuple[int, int, int, int], frame: Frame, reason: str) -> TrackerError:
        x, y, w, h = whole
        height, width = frame.shape[:2]
        return TrackerError(
            f"{self._name} cannot start on the {w}x{h} box at ({x}, {y}) of a {width}x{height} frame: {reason}"
        )

    def _blame(self, error: cv2.error) -> str:
        """Return OpenCV's message in one line, with the files of the network if there are any."""
        # Its attributes (err, func, ...) stay those of the last failed assertion whatever was thrown: only the text
        # belongs to this error.
        text = re.sub(r"^OpenCV\(.*?\) .*?: error: ", "", " ".join(str(error).split()))[:300]
        files = ", ".join(path.name for path in self._options.files.values())
        return f"{text} (network: {files})" if files else text

    def _reseed(self) -> None:
        """Seed both generators that OpenCV draws from, each shared by all objects, before a call that may draw."""
        # Targets with neighbouring seeds must not see each other's draws one frame later: hence the stride.
        seed = (self._seed + 1_000_003 * self._calls) & 0x7FFFFFFF
        _c_library().srand(seed + 1)
        cv2.setRNGSeed(seed)
        self._calls += 1


def installed() -> dict[str, tuple[Any, str]]:
    """Return lower-case name -> the module that has the tracker and its class name there."""
    names = {}
    # The contrib wheels keep older classes in cv2.legacy; where both have a name, the newer one wins.
    for module in (getattr(cv2, "legacy", None), cv2):
        for attribute in dir(module):
            if match := re.fullmatch(r"(Tracker(\w+))_create", attribute):
                names[match[2].lower()] = (module, match[1])
    return names


def _bgr(frame: Frame, name: str) -> NDArray[np.uint8]:
    # OpenCV takes grey and float images without a word and gives other boxes.
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise TrackerError(f"{name}: the frame is {frame.dtype} {frame.shape}; expected uint8 (H, W, 3), RGB")
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), np.uint8)


@cache
def _c_library() -> ctypes.CDLL:
    """The C library, whose rand() OpenCV draws from, one state for the whole process.

    On Windows it is the one that Python uses; an OpenCV built with a C library of its own cannot be seeded there.
    """
    return ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV's warnings from standard error: loading a network prints several that nobody can act on."""
    # OpenCV 4 has the functions in cv2 itself.
    logging: Any = getattr(cv2.utils, "logging", cv2)
    before = logging.getLogLevel()
    logging.setLogLevel(min(before, 2))  # 2 is ERROR
    try:
        yield
    finally:
        logging.setLogLevel(before)
