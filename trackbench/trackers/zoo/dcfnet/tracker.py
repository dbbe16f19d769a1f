"""DCFNet: a kernelised correlation filter on learned features, with three scales.

One frame of a target: cut three windows at the last position, one for each scale; correlate their features with the
filter; move to the highest peak and take its scale; cut the window at the new place and blend its filter into the
model, when the next frame comes, so that all windows reach the device in one upload. Boxes move by whole cells and
whole scale steps, without any sub-pixel step.

The rules are those of the official PyTorch code (foolwood/DCFNet_pytorch), which was written for Python 2: its integer
divisions are written out here as the numbers that they gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.warp import warp_affine
from trackbench.nn.layers.correlation_filter import blend, correlate, energy, gaussian_label
from trackbench.nn.layers.windows import hann_window
from trackbench.nn.staging import upload
from trackbench.regions import Box
from trackbench.trackers.base import Frame, Options, Prediction, Target
from trackbench.trackers.networks import NetworkModel, NetworkOptions, inference
from trackbench.trackers.targets import start_box
from trackbench.trackers.zoo.dcfnet.network import Features

MEAN_BGR = (104.0, 117.0, 123.0)


class DCFNetOptions(NetworkOptions):
    """Settings of DCFNet; the defaults are those of the official tracking code."""

    cells: int = Field(125, ge=16, le=512)
    """Side of the crops in pixels, and of the features in cells."""
    padding: float = Field(2.0, gt=0.0, le=8.0)
    """Surroundings in the window: it is ``1 + padding`` targets wide and high."""
    label_sigma: float = Field(4.1, gt=0.0, le=100.0)
    """Standard deviation of the label in cells: 0.1 * (125 div 3), divided without remainder."""
    regularisation: float = Field(1e-4, gt=0.0)
    """lambda of the filter (paper, Eq. 2)."""
    learning_rate: float = Field(0.01, ge=0.0, le=1.0)
    """Weight of a new frame in the model (paper: 0.008)."""
    scales: int = Field(3, ge=1, le=33)
    """Sizes at which the target is looked for, odd."""
    scale_step: float = Field(1.0275, gt=1.0, le=2.0)
    """Ratio of neighbouring sizes (paper: 1.02)."""
    scale_penalty: float = Field(0.9925, gt=0.0, le=1.0)
    """Factor on the response of every size but the last (not in the paper)."""
    min_scale: float = Field(0.2, gt=0.0, le=1.0)
    """Smallest size over the first one; at least 4 pixels."""
    max_scale: float = Field(5.0, ge=1.0)
    """Largest size over the first one."""
    origin: Literal[0, 1] = 0
    """What the benchmark's boxes call the first pixel; the official code counts OTB's from 1."""


@dataclass
class DCFNetState:
    """One target. Geometry is float64; the filter is on the model's device."""

    centre: NDArray[np.float64]
    """x and y in pixels."""
    size: NDArray[np.float64]
    """Width and height in pixels."""
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]
    alpha: Tensor
    """A, complex (n, n // 2 + 1): the filter in the dual domain."""
    template: Tensor
    """Z, complex (32, n, n // 2 + 1): spectra of the windowed features."""
    lesson: NDArray[np.uint8] | None = None
    """The latest window around the target, (n, n, 3), which the filter has not learned yet."""


class DCFNet(NetworkModel[DCFNetState]):
    """DCFNet with three scales ("DCFNet-3s"); see the module's text."""

    Options: ClassVar[type[Options]] = DCFNetOptions
    options: DCFNetOptions

    def __init__(self, options: DCFNetOptions, device: str = "cpu", **weights: Any) -> None:
        super().__init__(options, device, **weights)
        n = options.cells
        self._window = hann_window((n, n), device=device)
        self._label = torch.fft.rfft2(gaussian_label((n, n), options.label_sigma, device))
        exponents = np.arange(options.scales) - options.scales // 2
        self._scales = options.scale_step ** exponents.astype(np.float64)
        penalties = options.scale_penalty ** np.abs(exponents).clip(max=1).astype(np.float64)
        self._penalties = torch.from_numpy(penalties).float().to(device)
        self._mean = torch.tensor(MEAN_BGR, device=device).view(3, 1, 1)

    @classmethod
    def build_network(cls, options: Any) -> Features:
        """Return the network of features."""
        return Features()

    @classmethod
    def key_map(cls, options: Any) -> KeyMap:
        """Return the names of the published file, which are ours.

        The training program's own files (``feature.feature.0.weight``) are not taken: those of another tracker, UDT,
        have the same names and shapes.
        """
        return KeyMap()

    @inference
    def start(self, frames: list[Frame], targets: list[Target]) -> list[DCFNetState]:
        """Learn each target from its first frame.

        Raises:
            TrackerError: a region without area, or with a number that is not finite.
        """
        boxes = [start_box("dcfnet", target.region) for target in targets]
        sizes = np.array([(box.w, box.h) for box in boxes])
        centres = np.array([(box.x, box.y) for box in boxes]) - self.options.origin + sizes / 2
        alphas, templates = self._filter(self._upload(self._crop(frames, centres, self._windows(sizes))))
        # The official code limits the width by the frame's height and the height by its width.
        limits = np.array([frame.shape[:2] for frame in frames], np.float64)
        smallest = np.maximum(self.options.min_scale * sizes, 4.0)
        largest = np.minimum(limits, self.options.max_scale * sizes)
        return [DCFNetState(*each) for each in zip(centres, sizes, smallest, largest, alphas, templates, strict=True)]

    @inference
    def step(self, frames: list[Frame], states: list[DCFNetState]) -> list[Prediction]:
        """Follow each target into its next frame. The score is the height of the response's peak, near 1 if sure."""
        options, n = self.options, self.options.cells
        count, scales = len(states), options.scales
        centres = np.stack([state.centre for state in states])
        sizes = np.stack([state.size for state in states])
        windows = sizes[:, None] * (self._scales * (1 + options.padding))[:, None]

        each = [frame for frame in frames for _ in range(scales)]
        crops = self._crop(each, np.repeat(centres, scales, axis=0), windows.reshape(-1, 2))
        taught = [state for state in states if state.lesson is not None]
        lessons = [state.lesson[None] for state in taught if state.lesson is not None]
        images = self._upload(np.concatenate([crops, *lessons]))
        if taught:
            self._learn(taught, images[count * scales :])
        alphas, templates = (torch.stack([getattr(state, key) for state in states]) for key in ("alpha", "template"))
        answers = self.on_device(self._match, images[: count * scales], alphas, templates).cpu().numpy()

        chosen, cell = answers[:, 0].astype(np.int64), answers[:, 1].astype(np.int64)
        shift = np.stack([cell % n, cell // n], 1)
        shift = np.where(shift > n // 2, shift - n, shift)
        window = windows[np.arange(count), chosen]
        centres = centres + shift * window / n
        smallest, largest = (np.stack([getattr(state, key) for state in states]) for key in ("smallest", "largest"))
        sizes = np.minimum(np.maximum(window / (1 + options.padding), smallest), largest)

        latest = self._crop(frames, centres, self._windows(sizes))
        for index, state in enumerate(states):
            state.centre, state.size, state.lesson = centres[index], sizes[index], latest[index].copy()
        corners = (centres - sizes / 2 + options.origin).tolist()
        return [
            Prediction(Box(*corner, *size), score)
            for corner, size, score in zip(corners, sizes.tolist(), answers[:, 2].tolist(), strict=True)
        ]

    def _match(self, images: Tensor, alphas: Tensor, templates: Tensor) -> Tensor:
        """Return the best scale, the cell of its peak and the peak's height, float64 (B, 3).

        Args:
            images: windows of all scales, uint8 (B * scales, n, n, 3).
            alphas: the targets' filters (B, ...).
            templates: their templates (B, ...).
        """
        n, scales = self.options.cells, self.options.scales
        matched = correlate(self._spectra(images), templates.repeat_interleave(scales, 0))
        responses = torch.fft.irfft2(alphas.repeat_interleave(scales, 0) * matched, s=(n, n))
        peaks, places = responses.view(len(alphas), scales, -1).max(2)
        best = (peaks * self._penalties).argmax(1, keepdim=True)
        return torch.cat([best, places.gather(1, best), peaks.gather(1, best)], 1).double()

    def learn(self, states: list[DCFNetState]) -> None:
        """Let targets learn from the latest frame at once, not when the next one comes."""
        taught = [state for state in states if state.lesson is not None]
        if taught:
            self._learn(taught, self._upload(np.stack([state.lesson for state in taught if state.lesson is not None])))

    def _learn(self, states: list[DCFNetState], images: Tensor) -> None:
        """Blend the filters of windows, uint8 (B, n, n, 3), into those of their targets."""
        rate = self.options.learning_rate
        alphas, templates = self._filter(images)
        alphas = blend(torch.stack([state.alpha for state in states]), alphas, rate)
        templates = blend(torch.stack([state.template for state in states]), templates, rate)
        for state, alpha, template in zip(states, alphas, templates, strict=True):
            state.alpha, state.template, state.lesson = alpha.clone(), template.clone(), None

    def _filter(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return A and Z of windows, uint8 (B, n, n, 3): ``Z = F``, ``A = Y / (sum_c |F_c|^2 + lambda)``."""
        spectra = self._spectra(images)
        return self._label / (energy(spectra) + self.options.regularisation), spectra

    def _windows(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return widths and heights of the windows of targets, (B, 2) in pixels."""
        return sizes * (1 + self.options.padding)

    def _upload(self, crops: NDArray[np.uint8]) -> Tensor:
        """Return windows on the device."""
        return upload(crops, self.device)

    def _crop(
        self, frames: list[Frame], centres: NDArray[np.float64], windows: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Return windows, squashed to squares with black outside of the frame, (N, n, n, 3), RGB."""
        n = self.options.cells
        crops = np.empty((len(frames), n, n, 3), np.uint8)
        with self.cropping():
            for frame, centre, window, target in zip(frames, centres, windows, crops, strict=True):
                low, high = centre - window / 2, centre + window / 2
                scale = (n - 1) / (high - low)
                offset = -scale * low
                target[:] = warp_affine(frame, [[scale[0], 0, offset[0]], [0, scale[1], offset[1]]], (n, n))
        return crops

    def _spectra(self, crops: Tensor) -> Tensor:
        """Return the spectra of the windowed features of crops, uint8 (N, n, n, 3): complex (N, 32, n, n // 2 + 1)."""
        features = self.network(crops.permute(0, 3, 1, 2).flip(1).float() - self._mean)
        spectra: Tensor = torch.fft.rfft2(features * self._window)
        return spectra
