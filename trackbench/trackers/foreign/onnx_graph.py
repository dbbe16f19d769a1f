"""``onnx:FILE.toml``: trackers that are one ONNX graph, from a template and a search region to maps or a box.

The file names the graph, its inputs and outputs, and how the crops are made. What happens around the graph is that of
the OSTrack line: square crops, a Hann window over the scores, the offsets and sizes at the best cell.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FilePath, PrivateAttr, ValidationError, computed_field

from trackbench.checkpoints.weight_cache import file_sha256
from trackbench.definitions import describe_invalid
from trackbench.errors import TrackerError, UsageError
from trackbench.files import read_toml
from trackbench.nn.crops.normalise import IMAGENET_MEAN, IMAGENET_STD
from trackbench.nn.crops.square import next_boxes, square_crop
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, Target, TrackerModel


class Inputs(BaseModel):
    """Names of the graph's inputs, float32 (1, 3, size, size)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    template: str = "template"
    search: str = "search"


class Outputs(BaseModel):
    """Names of the graph's outputs: three maps, or a box."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    score_map: str | None = None
    """(1, 1, S, S), scores of the cells."""
    size_map: str | None = None
    """(1, 2, S, S), widths and heights over the side of the search region."""
    offset_map: str | None = None
    """(1, 2, S, S), from the corner of a cell to the target's centre, in cells."""
    box: str | None = None
    """(..., 4), centre x and y, width and height over the side of the search region."""
    score: str | None = None
    """One number beside a box."""


class Graph(BaseModel):
    """What the TOML file says."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    model: Path
    """The ONNX file, relative to this one."""
    template_size: int = Field(128, ge=1)
    search_size: int = Field(256, ge=1)
    template_factor: float = Field(2.0, gt=0)
    search_factor: float = Field(4.0, gt=0)
    """Sides of the crops over ``sqrt(w * h)``."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    levels: float = 255.0
    """The pixels are divided by it first."""
    colour: Literal["rgb", "bgr"] = "rgb"
    window: Literal["hann", "none"] = "hann"
    inputs: Inputs = Inputs()
    outputs: Outputs

    @classmethod
    def read(cls, path: Path) -> Graph:
        """Read the file.

        Raises:
            UsageError: it is no TOML, a key is wrong, or the graph is not there.
        """
        try:
            graph = cls.model_validate(read_toml(path))
        except ValidationError as error:
            raise UsageError(describe_invalid(error, str(path), list(cls.model_fields))) from None
        model = path.parent / graph.model
        if not os.path.isfile(model):  # which no name is too long or odd for
            raise UsageError(f"{path}: key 'model' is '{graph.model}': there is no file {model}")
        outputs = graph.outputs
        if outputs.box is None and None in (outputs.score_map, outputs.size_map, outputs.offset_map):
            raise UsageError(f"{path}: table 'outputs': expected score_map, size_map and offset_map, or box")
        return graph.model_copy(update={"model": model.resolve()})


class OnnxOptions(Options):
    """The file, and what the graph and it hold."""

    file: FilePath
    _graph: Graph = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Read the file."""
        self._graph = Graph.read(self.file)

    @property
    def graph(self) -> Graph:
        """What the file says."""
        return self._graph

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def graph_sha256(self) -> str:
        """SHA-256 of the ONNX file."""
        return file_sha256(self._graph.model)


class OnnxState:
    """A target: its template as the graph takes it, and its box (4,), x, y, w, h in pixels."""

    def __init__(self, template: NDArray[np.float32], box: NDArray[np.float64]) -> None:
        self.template, self.box = template, box


class OnnxModel(TrackerModel[OnnxState]):
    """The graph in onnxruntime.

    Raises:
        TrackerError: onnxruntime is missing, cannot load the graph, or the graph has no such inputs or outputs.
    """

    Options: ClassVar[type[Options]] = OnnxOptions

    def __init__(self, options: OnnxOptions, device: str = "cpu") -> None:
        super().__init__(options, device)
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise TrackerError("onnx: the package onnxruntime is not there: pip install 'trackbench[onnx]'") from None
        self._graph = graph = options.graph
        wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        known = onnxruntime.get_available_providers()
        if wanted and wanted[0] not in known:
            raise TrackerError(
                f"--device {device}: this onnxruntime has {', '.join(known)}: pip install onnxruntime-gpu"
            )
        try:
            self._session = onnxruntime.InferenceSession(graph.model, providers=[*wanted, "CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception a fault, all of them below Exception
            raise TrackerError(f"{graph.model}: {' '.join(str(error).split())[:300]}") from None
        self._check({item.name for item in self._session.get_inputs()}, graph.inputs, "inputs")
        self._check({item.name for item in self._session.get_outputs()}, graph.outputs, "outputs")

    def _check(self, known: set[str], named: BaseModel, table: str) -> None:
        for key, name in named.model_dump().items():
            if name is not None and name not in known:
                raise TrackerError(
                    f"{self.options.file}: key '{table}.{key}' is '{name}': the graph has {', '.join(sorted(known))}"
                )

    def start(self, frames: list[Frame], targets: list[Target]) -> list[OnnxState]:
        """Cut each target's template.

        Raises:
            TrackerError: a box that no crop can be cut around.
        """
        graph = self._graph
        boxes = np.array([region_to_box(target.region).numbers() for target in targets])
        crops = square_crop(frames, boxes, graph.template_factor, graph.template_size)
        return [OnnxState(*pair) for pair in zip(self._normalised(crops.images), boxes, strict=True)]

    def step(self, frames: list[Frame], states: list[OnnxState]) -> list[Prediction]:
        """Track each target; the graph runs once for each, so that no answer depends on the batch."""
        graph = self._graph
        boxes = np.array([state.box for state in states])
        crops = square_crop(frames, boxes, graph.search_factor, graph.search_size)
        predictions = [
            self._run(state.template, search)
            for state, search in zip(states, self._normalised(crops.images), strict=True)
        ]
        predicted = np.array([box for box, _ in predictions], np.float32)
        answers = next_boxes(predicted, boxes, crops.factors, graph.search_size, frames)
        for state, box in zip(states, answers, strict=True):
            state.box = box
        return [Prediction(Box.of(box), score) for box, (_, score) in zip(answers, predictions, strict=True)]

    def _normalised(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        graph = self._graph
        ordered = images if graph.colour == "rgb" else images[..., ::-1]
        mean, deviation = np.array(graph.mean, np.float32), np.array(graph.std, np.float32)
        scaled = (ordered.astype(np.float32) / np.float32(graph.levels) - mean) / deviation
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def _run(
        self, template: NDArray[np.float32], search: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float | None]:
        graph, outputs = self._graph, self._graph.outputs
        names = {key: name for key, name in outputs.model_dump().items() if name is not None}
        given = {graph.inputs.template: template[None], graph.inputs.search: search[None]}
        answer = dict(zip(names, self._session.run(list(names.values()), given), strict=True))
        if "box" in answer:
            box = np.asarray(answer["box"], np.float32).reshape(-1, 4).mean(0)
            return box, float(np.ravel(answer["score"])[0]) if "score" in answer else None
        return best_box(answer["score_map"], answer["size_map"], answer["offset_map"], graph.window == "hann")


def best_box(scores: Any, sizes: Any, offsets: Any, window: bool) -> tuple[NDArray[np.float32], float]:
    """Return the box (4,) at the best cell, centre x and y, width and height over the side, and its score.

    The centre head of OSTrack (ECCV 2022, section 3.4): the window weighs the choice, not the score that is reported.

    Args:
        scores: (..., S, S).
        sizes: (..., 2, S, S).
        offsets: (..., 2, S, S).
        window: weigh the scores by a Hann window.
    """
    side = scores.shape[-1]
    flat = np.asarray(scores, np.float32).reshape(side, side)
    hann = 0.5 * (1 - np.cos(2 * np.pi / (side + 1) * np.arange(1, side + 1)))
    weighed = flat * np.outer(hann, hann).astype(np.float32) if window else flat
    row, column = divmod(int(weighed.argmax()), side)
    size = np.asarray(sizes, np.float32).reshape(2, side, side)[:, row, column]
    offset = np.asarray(offsets, np.float32).reshape(2, side, side)[:, row, column]
    centre = (np.array([column, row], np.float32) + offset) / np.float32(side)
    return np.concatenate([centre, size]), float(flat[row, column])
