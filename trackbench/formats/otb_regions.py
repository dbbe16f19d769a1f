"""Boxes of the regions that OTB's MATLAB toolkit knows beside rectangles: templates under affine maps, four corners.

The rules are those of its folder ``util``, by which ``calcSeqErrRobust.m`` judges results of these types, with the
1-based pixels, the ``+ 1`` of sizes and the rounding that it has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ivt_boxes(parameters: Array, template: Array) -> Array:
    """Return boxes (N, 4) of type ``ivtAff``, by ``calcRectCenter.m``.

    Args:
        parameters: (N, 6); a point (1, x, y) goes to [p1 p3 p4; p2 p5 p6] (1, x, y).
        template: its width and height, around its centre.
    """
    centre, matrix = parameters[:, :2], parameters[:, 2:].reshape(-1, 2, 2)
    first, third = np.floor(centre - matrix @ template / 2), np.floor(centre + matrix @ template / 2)
    return np.hstack([first, third - first])


def l1_boxes(parameters: Array, template: Array) -> Array:
    """Return boxes (N, 4) of type ``L1Aff``, by ``calcCenter_L1.m`` and ``aff2image.m``.

    Args:
        parameters: (N, 6); row and column (r, c) of the template go to [p1 p2 p5; p3 p4 p6] (r, c, 1).
        template: its rows and columns, from 1 on.
    """
    matrix, shift = parameters[:, :4].reshape(-1, 2, 2), parameters[:, 4:]
    first = _rounded(matrix @ np.ones(2) + shift)[:, ::-1]
    last = _rounded(matrix @ template + shift)[:, ::-1]
    return np.hstack([first, last - first + 1])


def lk_boxes(parameters: Array, template: Array) -> Array:
    """Return boxes (N, 4) of type ``LK_Aff``, by ``getLKcorner.m``.

    Args:
        parameters: (N, 2, 3), two lines a frame; what a point (x, y, 1) of the template is moved by.
        template: its rows and columns, from 1 on.
    """
    return corner_boxes(_mapped(np.eye(2, 3) + parameters, template))


def similarity_boxes(parameters: Array, template: Array) -> Array:
    """Return boxes (N, 4) of type ``SIMILARITY``, by ``parameters_to_projective_matrix.m`` and ``getLKcorner.m``.

    Args:
        parameters: (N, 4): scale, angle in radians, shift in x and y.
        template: its rows and columns, from 1 on.
    """
    scale, angle, x, y = parameters.T
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return corner_boxes(_mapped(np.stack([cosine, -sine, x, sine, cosine, y], 1).reshape(-1, 2, 3), template))


def corner_boxes(corners: Array) -> Array:
    """Return boxes (N, 4) of corners (N, 2, 4), x above y, by ``corner2rect.m``: types ``4corner`` and ``affine``."""
    low, high = corners.min(2), corners.max(2)
    return _rounded(np.hstack([low, high - low + 1]))


def _mapped(matrices: Array, template: Array) -> Array:
    """Return where matrices (N, 2, 3) put the corners of a template of so many rows and columns, (N, 2, 4)."""
    rows, columns = template
    return np.asarray(matrices @ np.array([[1, 1, columns, columns], [1, rows, rows, 1], [1, 1, 1, 1]], np.float64))


def _rounded(values: Array) -> Array:
    """Round halves away from zero, as MATLAB does."""
    return np.asarray(np.copysign(np.floor(np.abs(values) + 0.5), values))
