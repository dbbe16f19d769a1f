"""How much the target has grown: a one-dimensional correlation filter over samples of it at many sizes.

DSST (Danelljan et al., BMVC 2014 and TPAMI 2017, the sections on scale): the features of the target at S sizes are the
samples of one signal over scale, whose channels are all the features; the filter's response peaks at the change of
scale.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trackbench.nn.layers.correlation_filter import Filter, gaussian_label, respond, train
from trackbench.trackers.zoo.dcf.features import gradient_histograms

_FINE = 8
"""Points a scale step at which the response is evaluated: Fourier interpolation as in fDSST, TPAMI 2017."""


class ScaleSpace:
    """Samples and reads targets at ``count`` sizes, ``step`` apart from each other.

    Args:
        count: S, odd.
        step: ratio of neighbouring sizes.
        patch: side in pixels to which the target is resampled at every size.
        cell: side in pixels of a cell of its features.
        sigma: standard deviation of the label, in steps.
        device: torch device.
    """

    def __init__(self, count: int, step: float, patch: int, cell: int, sigma: float, device: str) -> None:
        self.step, self.patch, self.cell, self.count = step, patch, cell, count
        exponents = torch.arange(count, dtype=torch.float64) - count // 2
        self.factors = (step**exponents).float().to(device)
        # Symmetric, and without zeros at its ends, which would waste two sizes.
        self.window = torch.hann_window(count + 2, periodic=False)[1:-1].to(device)
        self.label = torch.fft.rfft(gaussian_label((count,), sigma, device))
        # Pixel centres of the patch and of one more pixel on each side, in halves of the patch.
        self.axis = ((torch.arange(-1, patch + 1) + 0.5) * 2 / patch - 1).to(device)

    def sample(self, crops: Tensor, centres: Tensor, sizes: Tensor) -> Tensor:
        """Return the spectra of targets' features over scale, complex (B, D, S // 2 + 1).

        Args:
            crops: float (B, 3, H, W), 0 to 255.
            centres: (B, 2), x and y of the targets from the middle of the crops, in halves of the crops' sides.
            sizes: (B, 2), width and height of the targets, in the crops' sides.
        """
        batch, points = len(crops), self.patch + 2
        half = sizes[:, None, :] * self.factors[:, None]
        at = centres[:, None, None, :] + half[:, :, None, :] * self.axis[:, None]
        x = at[..., 0].unsqueeze(2).expand(-1, -1, points, -1)
        y = at[..., 1].unsqueeze(3).expand(-1, -1, -1, points)
        grid = torch.stack([x, y], -1).view(batch, self.count * points, points, 2)
        patches = F.grid_sample(crops, grid, padding_mode="border", align_corners=False)
        patches = patches.view(batch, 3, self.count, points, points).transpose(1, 2).reshape(-1, 3, points, points)
        signal = gradient_histograms(patches, self.cell).view(batch, self.count, -1).transpose(1, 2)
        spectra: Tensor = torch.fft.rfft(signal * self.window)
        return spectra

    def train(self, samples: Tensor) -> Filter:
        """Return the filter of samples (B, D, S // 2 + 1)."""
        return train(samples, self.label)

    def growth(self, samples: Tensor, model: Filter, regularisation: float) -> Tensor:
        """Return by how much each target has grown, (B,), 1 for not at all.

        Args:
            samples: (B, D, S // 2 + 1).
            model: the filter learned so far.
            regularisation: lambda, relative to the mean of the denominator.
        """
        spectrum = respond(samples, model, regularisation * model.denominator.mean(1, keepdim=True))
        points = self.count * _FINE
        response = torch.fft.irfft(spectrum, n=points)
        index = response.argmax(1, keepdim=True)
        # The parabola through the highest point and its neighbours: without it the size would move in jumps, and the
        # last bit of a number could decide on one.
        before, top, after = (response.gather(1, (index + offset) % points) for offset in (-1, 0, 1))
        offset = (0.5 * (before - after) / (before - 2 * top + after).clamp_max(-1e-12)).clamp(-0.5, 0.5)
        place = torch.where(index > points // 2, index - points, index) + offset
        growth: Tensor = self.step ** (place / _FINE)
        return growth.squeeze(1)
