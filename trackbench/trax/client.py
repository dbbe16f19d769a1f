"""Any TraX program as a tracker: ``trax:NAME``, NAME a section of ``trackers.ini`` or a name for ``--set command=...``.

Each target gets a process of its own, with a temporary working folder. The program is told of a target as
vot-toolkit tells it: libtrax turns a region into the richest kind that the program takes. Frames reach it as PNG files
of that folder, or in memory if it takes no files; the time to write them counts as the tracker's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Mask, Polygon, Region
from trackbench.trackers.base import Frame, Options, Prediction, UnbatchedModel
from trackbench.trax.answers import CheckedStream
from trackbench.trax.trackers_ini import DEFAULT, read_section, sections

Result = TypeVar("Result")

#: Seconds that a program has to end by itself.
GRACE = 3.0
#: Most bytes of its output that are kept.
MOST_OUTPUT = 1 << 20


class TraxOptions(Options):
    """How the program is started; what ``trackers.ini`` says, and ``--set`` over it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    command: Annotated[str, Field(min_length=1)]
    protocol: Literal["trax", "traxpython", "python"] = "trax"
    """``python`` is what newer versions of the toolkit call ``traxpython``."""
    paths: tuple[str, ...] = ()
    linkpaths: tuple[str, ...] = ()
    python: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    arguments: dict[str, str] = Field(default_factory=dict)
    """Properties that the program is given with each target."""
    timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds to wait for an answer."""
    ini: Annotated[Path, Field(exclude=True)] = DEFAULT
    directory: Annotated[Path | None, Field(exclude=True)] = None
    """Where the program runs; by default where the user stands, so that relative commands are found."""
    folder: Annotated[Path, Field(exclude=True)] = Path()
    """What relative ``paths`` are relative to."""

    @model_validator(mode="before")
    @classmethod
    def _with_section(cls, data: dict[str, Any]) -> dict[str, Any]:
        if "command" in data:
            return data
        ini = Path(data.get("ini", DEFAULT))
        if "ini" not in data and not ini.is_file():
            raise UsageError(
                f"tracker 'trax:{data.get('name')}' needs a section of ./{DEFAULT}, --set ini=FILE, "
                'or --set command="PROGRAM ARGUMENTS"'
            )
        return read_section(ini, str(data.get("name"))) | data

    def command_line(self) -> list[str]:
        """Return the program and its arguments."""
        if self.protocol == "trax":
            return shlex.split(self.command)
        interpreter = self.python or sys.executable
        if all(part.isidentifier() for part in self.command.split(".")):
            return [interpreter, "-m", self.command]
        return [interpreter, "-c", self.command]

    def environment(self) -> dict[str, str]:
        """Return the environment of the program."""
        environment = os.environ | self.env | {"TRAX": "1", "PYTHONUNBUFFERED": "1"}
        for variable, folders in (("PYTHONPATH", self.paths), ("LD_LIBRARY_PATH", self.linkpaths)):
            parts = [str((self.folder / folder).resolve()) for folder in folders]
            if parts:
                environment[variable] = os.pathsep.join([*parts, *filter(None, [environment.get(variable)])])
        return environment


def variants() -> list[tuple[str, str | None]]:
    """Return the sections of ``./trackers.ini``, or what is needed where there are none."""
    names: list[tuple[str, str | None]] = [(name, None) for name in sections(DEFAULT)]
    return names or [("NAME", f'needs a section of ./{DEFAULT}, or --set command="PROGRAM ARGUMENTS"')]


class TraxModel(UnbatchedModel):
    """One process of the program for each target."""

    Options: ClassVar[type[Options]] = TraxOptions
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Polygon, Mask)

    def __init__(self, options: TraxOptions, device: str = "cpu") -> None:
        super().__init__(options, "cpu", make=lambda: TraxTarget(options))


class TraxTarget:
    """One target, followed by one process."""

    def __init__(self, options: TraxOptions) -> None:
        self._options = options
        self._program: Program | None = None

    def init(self, frame: Frame, region: Region) -> None:
        """Start the program on ``frame`` with the target at ``region``.

        Raises:
            TrackerError: it cannot be started, ends, or does not answer in time.
        """
        program = self._program = Program(self._options)
        weakref.finalize(self, program.close)
        with self._ending(program):
            program.start(frame, region)

    def track(self, frame: Frame) -> Prediction:
        """Return what the program says about ``frame``, with its property ``confidence`` as the score.

        Raises:
            TrackerError: it ends, does not answer in time, or answers something else than one object.
        """
        if self._program is None:
            raise RuntimeError("track() was called before init()")
        with self._ending(self._program):
            return self._program.track(frame)

    @contextmanager
    def _ending(self, program: Program) -> Iterator[None]:
        """End the program as soon as something fails."""
        try:
            yield
        except BaseException:
            program.close()
            raise


class Program:
    """A running TraX program.

    Raises:
        TrackerError: it cannot be started, or does not introduce itself.
    """

    def __init__(self, options: TraxOptions) -> None:
        self._options = options
        self._frame = 0
        self._expired = False
        self.output = ""
        """All that it has written to standard error, once it has failed."""
        self._client: Any = None
        self._answers: CheckedStream | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="trackbench-trax-"))
        self._errors = (self._folder / "stderr").open("w+b")
        try:
            self._process = subprocess.Popen(
                options.command_line(),
                cwd=options.directory or Path.cwd(),
                env=options.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            self._errors.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise TrackerError(f"trax:{options.name} cannot be started: {error} (command: {options.command})") from None
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def start(self, frame: Frame, region: Region) -> None:
        """Tell the program of its target."""
        from trackbench.trax.regions import to_trax

        images, target = self._images(frame), to_trax(region)
        self._ask("start", lambda: self._initialize(images, target))

    def _initialize(self, images: dict[str, Any], target: Any) -> None:
        from trax import TraxException
        from trax.region import Special

        objects, _ = self._client.initialize(images, [(target, {})], self._options.arguments)
        # To vot-trax 4.0.2 a program that ends before its first answer seems to have answered code 0.
        if any(isinstance(region, Special) for region, _ in objects):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
                raise TraxException("no answer")

    def track(self, frame: Frame) -> Prediction:
        """Ask about the next frame."""
        from trackbench.trax.regions import from_trax

        self._frame += 1
        images = self._images(frame)
        answer: tuple[list[Any], float] = self._ask(f"frame {self._frame}", lambda: self._client.frame(images, {}, []))
        objects = answer[0]
        if len(objects) != 1:
            raise TrackerError(
                f"trax:{self._options.name} answered {len(objects)} objects on its frame {self._frame}; expected one"
            )
        region, properties = objects[0]
        return Prediction(from_trax(region), _confidence(properties))

    def close(self) -> None:
        """End the program, by force if it does not by itself, and remove its folder."""
        client, self._client = self._client, None
        if client is not None:
            if self._process.poll() is None:
                client.quit()
            # libtrax talks to the client's log while it lets go of the process. Left to itself, vot-trax 4.0.2 frees
            # the log first, and Python crashes.
            client._handle = None
        for end in (None, self._process.terminate, self._process.kill):
            if end is not None:
                end()
            try:
                self._process.wait(GRACE if client is not None else 0.1)
                break
            except subprocess.TimeoutExpired:
                continue
        for stream in (self._process.stdin, self._process.stdout, self._errors, self._answers):
            if stream is not None:
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> None:
        from trax.client import Client

        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._answers = answers = CheckedStream(stdout)
        self._client = self._ask("its greeting", lambda: Client((stdin.fileno(), answers.fileno()), log=_ignore))
        if extra := [channel for channel in self._client.channels if channel != "color"]:
            raise TrackerError(f"trax:{self._options.name} wants images of {', '.join(extra)}; here are only colours")

    def _images(self, frame: Frame) -> dict[str, Any]:
        from trax.image import BufferImage, FileImage, Image, MemoryImage

        formats = self._client.image_formats
        if Image.PATH in formats:
            # A new name each time, for programs that keep earlier images by name; the one before last is gone.
            (self._folder / f"{self._frame - 2:08d}.png").unlink(missing_ok=True)
            path = self._folder / f"{self._frame:08d}.png"
            path.write_bytes(_png(frame))
            return {"color": FileImage.create(str(path))}
        if Image.MEMORY in formats:
            return {"color": MemoryImage.create(frame)}
        if Image.BUFFER in formats:
            return {"color": BufferImage.create(_png(frame))}
        raise TrackerError(f"trax:{self._options.name} takes images as {', '.join(formats)}; expected path")

    def _ask(self, what: str, call: Callable[[], Result]) -> Result:
        """Return what ``call`` gives; the program is killed if it takes too long, which ends the call."""
        from trax import TraxException

        watch = threading.Timer(self._options.timeout, self._expire)
        watch.daemon = True
        watch.start()
        try:
            answer = call()
            # To libtrax a program that has ended seems to answer code 0.
            if self._expired or (self._answers is not None and self._answers.fault):
                raise TraxException("no answer")
            return answer
        except TraxException as error:
            failure = TrackerError(f"trax:{self._options.name}: {what}: {self._reason(error)}")
            failure.trace = self.output or None
            raise failure from None
        finally:
            watch.cancel()

    def _expire(self) -> None:
        self._expired = True
        self._process.kill()

    def _reason(self, error: Exception) -> str:
        if self._answers is not None and self._answers.fault:
            self._process.kill()
        try:
            code: int | None = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            code = None
        if self._answers is not None and self._answers.fault:
            reason = self._answers.fault
        elif self._expired:
            reason = f"no answer within {self._options.timeout:g} seconds"
        elif code is None:
            reason = " ".join(str(error).split())
        else:
            reason = f"the program ended with exit code {code} ({' '.join(str(error).split())})"
        self._errors.flush()
        with (self._folder / "stderr").open("rb") as file:
            said = file.read(MOST_OUTPUT).decode(errors="replace")
        self.output = said
        words = last_words(said)
        return f"{reason}; it said: {words}" if words else f"{reason}; it wrote no error message"


def last_words(said: str) -> str:
    """Return the line of a program's output that says why it failed.

    That is the last line of the first traceback: what the interpreter complains of when it exits comes after it.
    Without a traceback, they are the last three lines.
    """
    lines = [line for line in said.splitlines() if line.strip(" ^~")]
    start = next((index for index, line in enumerate(lines) if line.startswith("Traceback (most recent")), None)
    if start is not None:
        # What is indented belongs to the traceback, the first line that is not ends it.
        for line in lines[start + 1 :]:
            if not line[:1].isspace():
                return line.strip()[:400]
    return " | ".join(line.strip() for line in lines[-3:])[-400:]


def _ignore(text: str) -> None:
    """Take what passes over the wire: vot-trax 4.0.2 fails without somebody who does."""


def _png(frame: Frame) -> bytes:
    import cv2  # here: listing the programs needs no images

    # The least compression: the file is read once and removed.
    done, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return data.tobytes()


def _confidence(properties: Any) -> float | None:
    text = properties.get("confidence", None)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
