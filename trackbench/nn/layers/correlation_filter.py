"""Discriminative correlation filters: ridge regression over all cyclic shifts of a sample, in closed form.

A sample is a set of C feature maps f_c over a grid of cells, its label y a Gaussian whose peak is at shift zero. The
filter h that minimises ``sum_p (sum_c (h_c ⋆ f_c)(p) - y(p))^2 + lambda * sum_c |h_c|^2`` (⋆ is cyclic correlation) is,
frequency by frequency,

    H_c = conj(Y) F_c / (sum_d |F_d|^2 + lambda)

(one channel: Bolme et al., MOSSE, CVPR 2010, Sec. 3; several: Danelljan et al., DSST, BMVC 2014, Sec. 3; the same as a
dual filter with a linear kernel: Henriques et al., KCF, TPAMI 2015), and its response to a new sample X is the inverse
transform of ``sum_c conj(H_c) X_c``, whose peak lies where the target has moved. Capital letters are
discrete Fourier transforms, unscaled forward.

All functions take spectra of shape (B, C, ...): B targets, C channels, then the frequencies of one or more axes as
``torch.fft.rfft`` or ``rfft2`` give them. Nothing here keeps state, and a batch gives what its targets give alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Filter(NamedTuple):
    """A filter as the two running sums of DSST: dividing late keeps the average over frames close to optimal."""

    numerator: Tensor
    """conj(Y) F_c, complex (B, C, ...)."""
    denominator: Tensor
    """sum_c |F_c|^2, real (B, ...)."""


def energy(spectra: Tensor) -> Tensor:
    """Return ``sum_c |F_c|^2`` of spectra (B, C, ...), real (B, ...)."""
    return torch.view_as_real(spectra).square().sum((1, -1))


def correlate(search: Tensor, template: Tensor) -> Tensor:
    """Return ``sum_c X_c conj(Z_c)``, complex (B, ...): the spectrum of the cyclic correlation, summed over channels.

    Args:
        search: X, (B, C, ...).
        template: Z, the same shape, or one that broadcasts to it.
    """
    return (search * template.conj()).sum(1)


def train(sample: Tensor, label: Tensor) -> Filter:
    """Return the filter of one sample.

    Args:
        sample: F, spectra of the features, (B, C, ...).
        label: Y, spectrum of the label, (...).
    """
    return Filter(sample * label.conj(), energy(sample))


def respond(search: Tensor, model: Filter, regularisation: float | Tensor) -> Tensor:
    """Return the spectrum of the response, ``sum_c conj(A_c) X_c / (D + lambda)``, complex (B, ...): DSST, Sec. 3.

    Args:
        search: X, spectra of the features around where the target was, (B, C, ...).
        model: A and D.
        regularisation: lambda, a number or a tensor that broadcasts to (B, ...).
    """
    return correlate(search, model.numerator) / (model.denominator + regularisation)


def blend(old: Tensor, new: Tensor, rate: float | Tensor) -> Tensor:
    """Return the running average ``(1 - rate) * old + rate * new``: DSST, Sec. 3.

    Args:
        old: what has been learned, (B, ...), real or complex.
        new: the same of the latest frame.
        rate: one number, or one a target: (B,).
    """
    if isinstance(rate, Tensor):
        rate = rate.view(-1, *[1] * (new.ndim - 1)).to(new.dtype)
    return torch.lerp(old, new, rate)


def gaussian_label(shape: tuple[int, ...], sigma: float, device: str | torch.device = "cpu") -> Tensor:
    """Return the label ``exp(-|p|^2 / (2 sigma^2))``, real ``shape``, peak 1 at index 0, wrapped around every axis.

    Args:
        shape: number of cells along each axis.
        sigma: standard deviation in cells.
        device: where to make it.
    """
    label = torch.ones(shape, dtype=torch.float64)
    for axis, cells in enumerate(shape):
        distance = torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64)
        profile = torch.exp(-0.5 * (distance / sigma) ** 2)
        label = label * profile.view(*[-1 if a == axis else 1 for a in range(len(shape))])
    return label.float().to(device)
