"""The filter of the target against its surroundings: trained on the whole search window, supported by the target only.

A plain correlation filter over a large window learns the background as well. BACF (Kiani Galoogahi et al., ICCV 2017)
asks for a filter that is zero outside of the target, which turns every shift of the window into a true negative sample:

    minimise  sum_p (sum_c (h_c ⋆ f_c)(p) - y(p))^2   with   h_c = P h_c,

P the mask of the target. The alternating direction method of multipliers splits it into a filter g without the mask,
solved frequency by frequency in closed form, and its masked copy h (the paper's section on the method).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from trackbench.nn.layers.correlation_filter import correlate, energy


def constrained_filter(sample: Tensor, label: Tensor, support: Tensor, penalties: tuple[float, ...]) -> Tensor:
    """Return the spectra G of the filter.

    At every frequency, with the vectors x, g, h, s over the channels, mu the step's penalty and s the scaled
    multiplier, G minimises ``|y - g^H x|^2 + mu |g - h + s|^2``, that is

        (x x^H + mu I) g = b,   b = conj(y) x + mu (h - s),   so   g = (b - x (x^H b) / (mu + x^H x)) / mu

    by the Sherman-Morrison formula (the paper's subproblem g). Then h is ``P (g + s)`` (subproblem h, whose shrinkage
    by lambda = 0.001 is left out) and s grows by g - h (the update of the Lagrangian). The first step is the plain
    filter with lambda = mu.

    Args:
        sample: x, spectra of the windowed features, complex (B, C, n, n // 2 + 1).
        label: y, spectrum of the label, (n, n // 2 + 1).
        support: P, (B, n, n) in [0, 1], over the window, the target in its middle.
        penalties: mu of each step.

    Returns:
        Complex (B, C, n, n // 2 + 1), for :func:`~trackbench.nn.layers.correlation_filter.correlate`.
    """
    cells = sample.shape[-2]
    power = energy(sample)
    target = sample * label.conj()
    spectra = target / (power + penalties[0]).unsqueeze(1)
    multiplier: Tensor | None = None
    for before, penalty in pairwise(penalties):
        free = spectra if multiplier is None else spectra + multiplier
        masked = torch.fft.rfft2(torch.fft.irfft2(free, s=(cells, cells)) * support.unsqueeze(1))
        multiplier = (free - masked) * (before / penalty)
        goal = torch.add(target, masked - multiplier, alpha=penalty)
        share = correlate(goal, sample) / (power + penalty)
        spectra = (goal - sample * share.unsqueeze(1)) / penalty
    return spectra


def target_support(sizes: Tensor, cells: int) -> Tensor:
    """Return how much of each cell the target covers, (B, cells, cells).

    Args:
        sizes: (B, 2), width and height of the targets in cells; the targets are in the middle of the grid.
        cells: cells along each side of the search window.
    """
    distance = (torch.arange(cells, device=sizes.device) + 0.5 - cells / 2).abs()
    covered = (sizes.clamp_min(1.0)[..., None] / 2 - distance + 0.5).clamp(0, 1)
    return covered[:, 1, :, None] * covered[:, 0, None, :]
