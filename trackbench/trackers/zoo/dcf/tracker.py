"""DCF: a multi-channel correlation filter on gradient and colour features, background-aware, with a scale filter.

One frame of a target: cut the search window at the last position and size; correlate its features with the filter;
move to the peak; compare the target at many sizes with the scale filter; cut the window again at the new place. Its
features are blended into the model when the next frame comes, so that both windows reach the device in one upload;
then the filter is solved from the model. All targets of a batch go through it together.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from trackbench.nn.crops.window import crop
from trackbench.nn.layers.correlation_filter import Filter, blend, correlate, gaussian_label
from trackbench.nn.layers.response import find_peak
from trackbench.nn.layers.windows import hann_window
from trackbench.nn.staging import upload
from trackbench.regions import Box
from trackbench.trackers.base import Frame, Options, Prediction, Target, TrackerModel
from trackbench.trackers.targets import start_box
from trackbench.trackers.zoo.dcf.features import colour_corners, gradient_histograms
from trackbench.trackers.zoo.dcf.filter import constrained_filter, target_support
from trackbench.trackers.zoo.dcf.scale import ScaleSpace

NO_RESPONSE = 1e-4
"""A response whose highest value is below shows nothing of the target; one of the target is a tenth or more."""


class DCFOptions(Options):
    """Options of :class:`DCF`."""

    cells: int = Field(40, ge=16, le=128)
    """Cells along each side of the search window, even; a product of small primes is fastest."""
    cell: int = Field(4, ge=2, le=16)
    """Side of a cell in pixels of the resampled search window (KCF, BACF: 4)."""
    search_factor: float = Field(4.0, ge=1.5, le=8.0)
    """Side of the square search window over sqrt(w * h) of the target (SRDCF and ECO-HC: 4, BACF: 5)."""
    border: Literal["replicate", "mean"] = "replicate"
    """What a search window sees outside of the frame: its outermost pixels, or its mean colour."""
    colour: bool = True
    """Whether the 8 colour channels join the 31 gradient channels."""
    label_sigma: float = Field(0.0625, gt=0.0, le=0.5)
    """Standard deviation of the label over sqrt(w * h) of the target (BACF, ECO: 1/16; KCF: 1/10)."""
    learning_rate: float = Field(0.013, ge=0.0, le=1.0)
    """Weight of a new frame in the model of the target (BACF: 0.013)."""
    iterations: int = Field(2, ge=1, le=20)
    """Steps of the solver that keeps the filter within the target (BACF: 2); 1 is the plain filter."""
    penalty: float = Field(1.0, gt=0.0, le=1e4)
    """Penalty of the solver's first step, for each cell of the window (BACF: 1)."""
    penalty_growth: float = Field(10.0, ge=1.0, le=1e3)
    """Factor of the penalty from one step to the next (BACF: 10)."""
    min_sharpness: float = Field(0.0, ge=0.0, le=100.0)
    """Frames whose response has a smaller peak-to-sidelobe ratio teach nothing; 0 learns from all."""
    scales: int = Field(17, ge=1, le=101)
    """Sizes at which the scale filter sees the target, odd (fDSST: 17); 1 keeps the size."""
    scale_step: float = Field(1.04, gt=1.0, le=1.2)
    """Ratio of neighbouring sizes (fDSST: 1.02^(33/17), about 1.04)."""
    scale_sigma: float = Field(1.06, gt=0.0, le=20.0)
    """Standard deviation of the scale filter's label in steps (fDSST: 17/16, about 1.06)."""
    scale_patch: int = Field(24, ge=8, le=96)
    """Side in pixels to which the target is resampled for the scale filter, a multiple of ``cell``."""
    scale_learning_rate: float = Field(0.025, ge=0.0, le=1.0)
    """Weight of a new frame in the scale filter (DSST: 0.025)."""
    scale_regularisation: float = Field(0.01, ge=0.0, le=10.0)
    """Regularisation of the scale filter, over the mean of its denominator."""

    @field_validator("cells")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("expected an even number")
        return value

    @field_validator("scales")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("expected an odd number")
        return value

    @model_validator(mode="after")
    def _fits(self) -> DCFOptions:
        if self.scale_patch % self.cell:
            raise ValueError(f"scale_patch {self.scale_patch} is not a multiple of cell {self.cell}")
        return self


@dataclass
class Lesson:
    """A window around a target that was found, from which it is learned when the next frame comes."""

    window: NDArray[np.uint8]
    """(pixels + 2, pixels + 2, 3), RGB."""
    size: NDArray[np.float64]
    """Width and height of the target in pixels of the frame, (2,)."""
    sure: bool
    """Whether the target was found clearly; otherwise the frame teaches nothing."""


@dataclass
class DCFState:
    """One target: where it is and what has been learned of it. Geometry is float64, the rest on the model's device."""

    x: float
    """Centre of the target in pixels."""
    y: float
    w: float
    """Width of the target at the first frame."""
    h: float
    scale: float
    """Size of the target over that at the first frame."""
    model: Tensor
    """Spectra of the learned features, complex (C, n, n // 2 + 1)."""
    scale_model: Filter | None
    """Numerator (D, S // 2 + 1) and denominator (S // 2 + 1,) of the scale filter; None when the size is kept."""
    lesson: Lesson | None = None
    """What the models have not learned yet."""


class DCF(TrackerModel[DCFState]):
    """A discriminative correlation filter that needs no weights; see the module's text."""

    Options: ClassVar[type[Options]] = DCFOptions
    options: DCFOptions

    def __init__(self, options: DCFOptions, device: str = "cpu") -> None:
        super().__init__(options, device)
        n = options.cells
        self._pixels = n * options.cell
        self._window = hann_window((n, n), device=device)
        sigma = options.label_sigma * n / options.search_factor
        self._label = torch.fft.rfft2(gaussian_label((n, n), sigma, device))
        self._penalties = tuple(
            options.penalty * n * n * options.penalty_growth**step for step in range(options.iterations)
        )
        # On a CPU the targets are spread over threads that work each alone. Torch's own threads would meet after every
        # operation; these are so short that they mostly wait for each other, forty times as long on a busy machine.
        self._parts = torch.get_num_threads()
        self._workers: ThreadPoolExecutor | None = None
        if device == "cpu":
            self._workers = ThreadPoolExecutor(self._parts, "dcf", torch.set_num_threads, (1,))
        self._scales: ScaleSpace | None = None
        if options.scales > 1:
            self._scales = ScaleSpace(
                options.scales, options.scale_step, options.scale_patch, options.cell, options.scale_sigma, device
            )

    @torch.no_grad()
    def start(self, frames: list[Frame], targets: list[Target]) -> list[DCFState]:
        """Learn each target from its first frame.

        Raises:
            TrackerError: a region without area, or with a number that is not finite.
        """
        boxes = [start_box("dcf", target.region) for target in targets]
        sizes = np.array([(box.w, box.h) for box in boxes])
        centres = np.array([(box.x, box.y) for box in boxes]) + sizes / 2
        windows, relative = self._upload(self._crop(frames, centres, sizes), self._relative(sizes, margin=2))
        images = _planes(windows)
        model, scale_model = self._features(images), self._scale_filter(images, relative)
        return [
            DCFState(x, y, w, h, 1.0, model[i].clone(), _target_of(scale_model, i))
            for i, ((x, y), (w, h)) in enumerate(zip(centres.tolist(), sizes.tolist(), strict=True))
        ]

    def step(self, frames: list[Frame], states: list[DCFState]) -> list[Prediction]:
        """Follow each target into its next frame. The score is the response's peak-to-sidelobe ratio."""
        if self._workers is None:
            return self._step(frames, states)
        parts = min(self._parts, len(states))
        bounds = [len(states) * part // parts for part in range(parts + 1)]
        spans = [slice(first, end) for first, end in pairwise(bounds)]
        done = self._workers.map(self._step, [frames[span] for span in spans], [states[span] for span in spans])
        return [prediction for part in done for prediction in part]

    @torch.no_grad()
    def _step(self, frames: list[Frame], states: list[DCFState]) -> list[Prediction]:
        options = self.options
        first = np.array([(s.w, s.h) for s in states])
        centres = np.array([(s.x, s.y) for s in states])
        scales = np.array([s.scale for s in states])
        sizes = first * scales[:, None]
        taught = [state for state in states if state.lesson is not None]
        lessons = [state.lesson for state in states if state.lesson is not None]
        learned = np.array([lesson.size for lesson in lessons]).reshape(-1, 2)
        sure = np.array([[lesson.sure] * 2 for lesson in lessons], np.float32).reshape(-1, 2)
        windows, geometry = self._upload(
            np.concatenate([self._crop(frames, centres, sizes), *(lesson.window[None] for lesson in lessons)]),
            self._relative(np.concatenate([sizes, learned]), margin=2),
            np.concatenate([self._relative(sizes), sure]),
        )
        count = len(states)
        if taught:
            self._learn(taught, _planes(windows[count:]), geometry[count:, :2], geometry[count:, 2])
        images, margined, relative = _planes(windows[:count]), geometry[:count, :2], geometry[:count, 2:]
        model = torch.stack([s.model for s in states])
        scale_model = _stack([s.scale_model for s in states])

        support = target_support(relative * options.cells, options.cells)
        weights = constrained_filter(model, self._label, support, self._penalties)
        peak = find_peak(correlate(self._features(images), weights), options.cells)
        growth = torch.ones_like(peak.value)
        if self._scales and scale_model:
            centre = peak.shift * (2 / options.cells * self._pixels / (self._pixels + 2))
            samples = self._scales.sample(images, centre, margined)
            growth = self._scales.growth(samples, scale_model, options.scale_regularisation)
        answers = torch.stack([*peak.shift.unbind(1), growth, peak.sharpness, peak.value], 1).double().cpu().numpy()
        # A response without a peak says nothing: black and flat frames leave the target where it was.
        answers[answers[:, 4] < NO_RESPONSE, :4] = (0, 0, 1, 0)

        limits = np.array([frame.shape[1::-1] for frame in frames], np.float64)
        cell_size = _side(sizes, options.search_factor) / options.cells
        centres = np.clip(centres + answers[:, :2] * cell_size, 0, limits)
        scales = np.clip(scales * answers[:, 2], *_scale_limits(first, limits))
        sizes = first * scales[:, None]
        clear = (answers[:, 3] >= options.min_sharpness) & (answers[:, 4] >= NO_RESPONSE)
        latest = self._crop(frames, centres, sizes)
        for i, state in enumerate(states):
            (state.x, state.y), state.scale = centres[i].tolist(), float(scales[i])
            state.lesson = Lesson(latest[i].copy(), sizes[i], bool(clear[i]))
        corners = centres - sizes / 2
        return [
            Prediction(Box(*corner, *size), score)
            for corner, size, score in zip(corners.tolist(), sizes.tolist(), answers[:, 3].tolist(), strict=True)
        ]

    def _learn(self, states: list[DCFState], images: Tensor, relative: Tensor, sure: Tensor) -> None:
        """Blend windows into the models of those targets that were found clearly.

        Args:
            states: the targets, all with a lesson.
            images: their windows, float (B, 3, pixels + 2, pixels + 2).
            relative: their width and height over the windows' sides, (B, 2).
            sure: 1 for those that were found clearly, else 0, (B,).
        """
        model = torch.stack([state.model for state in states])
        model = blend(model, self._features(images), self.options.learning_rate * sure)
        scale_model, latest = _stack([state.scale_model for state in states]), self._scale_filter(images, relative)
        if scale_model and latest:
            rate = self.options.scale_learning_rate * sure
            scale_model = Filter(*(blend(old, new, rate) for old, new in zip(scale_model, latest, strict=True)))
        for i, state in enumerate(states):
            state.model, state.scale_model, state.lesson = model[i].clone(), _target_of(scale_model, i), None

    def _crop(self, frames: list[Frame], centres: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the search windows and a pixel around them, (B, pixels + 2, pixels + 2, 3)."""
        pixels = self._pixels + 2
        side = _side(sizes, self.options.search_factor) * pixels / self._pixels
        with self.cropping():
            return crop(frames, centres, np.repeat(side, 2, axis=1), (pixels, pixels), self.options.border)

    def _upload(self, windows: NDArray[np.uint8], *geometry: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return windows and, side by side, float32 arrays (B, N), on the device: two uploads."""
        together = np.concatenate(geometry, 1, dtype=np.float32)
        return upload(windows, self.device), upload(together, self.device)

    def _features(self, images: Tensor) -> Tensor:
        """Return the spectra of the windowed features of search windows, complex (B, C, n, n // 2 + 1)."""
        features = gradient_histograms(images, self.options.cell)
        if self.options.colour:
            features = torch.cat([features, colour_corners(images, self.options.cell)], 1)
        spectra: Tensor = torch.fft.rfft2(features * self._window)
        return spectra

    def _scale_filter(self, images: Tensor, relative: Tensor) -> Filter | None:
        """Return the scale filter of targets in the middle of windows, ``relative`` (B, 2) to the windows' sides."""
        if not self._scales:
            return None
        centre = torch.zeros(len(images), 2, device=images.device)
        return self._scales.train(self._scales.sample(images, centre, relative))

    def _relative(self, sizes: NDArray[np.float64], margin: int = 0) -> NDArray[np.float32]:
        """Return width and height over the side of the search window with ``margin`` more pixels, (B, 2)."""
        side = _side(sizes, self.options.search_factor) * (self._pixels + margin) / self._pixels
        return (sizes / side).astype(np.float32)


def _planes(windows: Tensor) -> Tensor:
    """Return windows, uint8 (B, H, W, 3), as float (B, 3, H, W)."""
    return windows.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def _side(sizes: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return the side of the search windows in pixels, (B, 1)."""
    return np.asarray(factor * np.sqrt(sizes.prod(1, keepdims=True)), np.float64)


def _scale_limits(
    first: NDArray[np.float64], limits: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and largest scale, (B,) each: 5 pixels, or the first size; the frame, or the first size."""
    smallest = np.minimum((5 / first).max(1), 1.0)
    return smallest, np.maximum((limits / first).min(1), 1.0)


def _stack(filters: list[Filter | None]) -> Filter | None:
    known = [f for f in filters if f is not None]
    return Filter(*(torch.stack(parts) for parts in zip(*known, strict=True))) if known else None


def _target_of(filters: Filter | None, index: int) -> Filter | None:
    """Return the filter of one target, on memory of its own."""
    return None if filters is None else Filter(*(part[index].clone() for part in filters))
