"""Result files of the OTB MATLAB toolkit, which UAV123 and DTB70 use too: ``<sequence>_<TRACKER>.mat``.

They hold a cell ``results`` with one struct a run: ``type`` (see `TYPES`), ``res`` (a line a frame, or two), ``len``,
``fps``, ``annoBegin``, ``startFrame``, for templates ``tmplsize``. The boxes are in the coordinates of the annotation,
like those of every other tool.
"""

from __future__ import annotations

import functools
import io
import math
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.formats import otb_regions
from trackbench.formats.archives import MAX_FILE
from trackbench.formats.matlab_process import MatlabError, MatlabProcess
from trackbench.quoting import listed, shown

_COMPRESSED = 15
#: Types of results, as the toolkit's ``calcSeqErrRobust.m`` has them.
TYPES = ("rect", "ivtAff", "L1Aff", "LK_Aff", "4corner", "affine", "SIMILARITY")
_COLUMNS = {"ivtAff": 6, "L1Aff": 6, "SIMILARITY": 4}
#: Most runs of a file.
MAX_RUNS = 1000


class MatRun(NamedTuple):
    """One run over a sequence."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, w, h in pixels."""
    fps: float | None = None
    """Frames per second, where the file has it."""


def read_mat(data: bytes, where: str, *, whole: bool = False) -> list[MatRun]:
    """Return the runs of a one-pass result. Nothing in the file is executed.

    Several runs over all frames are repetitions. Of the runs of the temporal robustness evaluation, which start on
    different frames, the first is the one-pass run.

    Args:
        data: the file.
        where: what messages call it.
        whole: return all runs of a robustness evaluation.

    Raises:
        DataError: it is not a file of this kind, or holds other than runs of boxes.
    """
    _check_expansion(data, where)
    try:
        content = _reader().load(data)
    except MatlabError as error:
        raise DataError(f"{where}: {error}") from None
    if "results" not in content:
        held = listed(k for k in content if k[:2] != "__")
        raise DataError(f"{where}: holds no variable 'results' with OTB's struct (it holds {held or 'none'})")
    results = content["results"]
    if isinstance(results, np.ndarray) and results.dtype.kind in "fiu" and results.ndim == 2 and results.shape[1] == 4:
        results = {"res": results}  # the boxes alone
    structs = [results] if isinstance(results, dict) else list(np.ravel(results)[:MAX_RUNS])
    if not structs or not all(isinstance(result, dict) and "res" in result for result in structs):
        raise DataError(f"{where}: 'results' is no struct with 'res', nor a cell of them, as OTB's toolkit writes")
    if whole:
        return [_run(result, where) for result in structs]
    if len(structs) > 1 and any("shiftType" in result or "shiftTypeSet" in result for result in structs):
        raise DataError(f"{where}: holds {len(structs)} runs of a spatial robustness evaluation: --protocol sre")
    starts = {shown(result.get("startFrame")) for result in structs}
    return [_run(result, where) for result in structs[: 1 if len(starts) > 1 else None]]


def _run(result: dict[str, Any], where: str) -> MatRun:
    kind = result.get("type", "rect")
    named = {name.lower(): name for name in TYPES}.get(kind.lower()) if isinstance(kind, str) else None
    if named is None:
        raise DataError(f"{where}: results of type {shown(kind, 40)}; expected {' or '.join(map(repr, TYPES))}")
    boxes = _boxes(named, result, where)
    length = result.get("len", len(boxes))
    if np.ndim(length) or not isinstance(length, int | float | np.number) or float(length) != len(boxes):
        raise DataError(f"{where}: 'res' has {len(boxes)} lines, 'len' says {shown(length, 40)}")
    fps = result.get("fps")
    known = isinstance(fps, int | float | np.number) and math.isfinite(float(fps)) and float(fps) > 0
    return MatRun(boxes, float(fps) if known and fps is not None else None)


def _boxes(kind: str, result: dict[str, Any], where: str) -> NDArray[np.float64]:
    """Return the boxes (N, 4) of a result of a known type, by the toolkit's rule."""
    if kind == "rect":
        return _numbers(result, "res", where, 4)
    if kind in ("4corner", "affine"):
        if np.shape(result.get("res", ()))[1:] == (8,):  # other tools write x and y of a frame in turn, in one line
            corners = _numbers(result, "res", where, 8).reshape(-1, 4, 2)
            return np.hstack([corners.min(1), corners.max(1) - corners.min(1)])
        return otb_regions.corner_boxes(_pairs(result, where, 4))
    res = _pairs(result, where, 3) if kind == "LK_Aff" else _numbers(result, "res", where, _COLUMNS[kind])
    template = _numbers(result, "tmplsize", where, 2)[0]
    match kind:
        case "ivtAff":
            return otb_regions.ivt_boxes(res, template)
        case "L1Aff":
            return otb_regions.l1_boxes(res, template)
        case "LK_Aff":
            return otb_regions.lk_boxes(res, template)
        case _:
            return otb_regions.similarity_boxes(res, template)


def _pairs(result: dict[str, Any], where: str, columns: int) -> NDArray[np.float64]:
    """Return numbers of two lines a frame, (N, 2, ``columns``)."""
    values = _numbers(result, "res", where, columns)
    if len(values) % 2:
        raise DataError(f"{where}: 'res' has {len(values)} lines; expected two a frame")
    return values.reshape(-1, 2, columns)


def _numbers(result: dict[str, Any], key: str, where: str, columns: int) -> NDArray[np.float64]:
    values = np.atleast_2d(np.asarray(result.get(key, ())))
    if values.dtype.kind not in "fiu":
        raise DataError(f"{where}: '{key}' holds no real numbers")
    if values.ndim != 2 or values.shape[1] != columns or not len(values):
        raise DataError(f"{where}: '{key}' is {' x '.join(map(str, values.shape))}; expected N x {columns}")
    return values.astype(np.float64)


@functools.cache
def _reader() -> MatlabProcess:
    return MatlabProcess()


def mat_file(boxes: NDArray[np.float64], anno_begin: int, start_frame: int, fps: float | None) -> bytes:
    """Return a ``.mat`` file of one-pass results; see `mat_result` for what the arguments mean."""
    return mat_file_of([mat_result(boxes, anno_begin, start_frame, fps)])


def mat_result(
    boxes: NDArray[np.float64], anno_begin: int, start_frame: int, fps: float | None, shift: str | None = None
) -> dict[str, Any]:
    """Return the struct of one run.

    Args:
        boxes: float64 (N, 4), in the coordinates of the annotation.
        anno_begin: number of the image to which the annotation's first line belongs.
        start_frame: number of the image on which the tracker started.
        fps: frames per second; left out where unknown.
        shift: how SRE moved the first box.
    """
    result: dict[str, Any] = {
        "type": "rect",
        "res": boxes,
        "len": float(len(boxes)),
        "annoBegin": float(anno_begin),
        "startFrame": float(start_frame),
    }
    if fps is not None:
        result["fps"] = fps
    if shift is not None:
        result["shiftType"] = shift
    return result


def mat_file_of(results: list[dict[str, Any]]) -> bytes:
    """Return a ``.mat`` file with the structs of one or several runs."""
    cell = np.empty((1, len(results)), object)
    cell[0, :] = results
    file = io.BytesIO()
    writable: Any = file  # taken by scipy, not by its stubs
    scipy.io.savemat(writable, {"results": cell}, do_compression=True)
    return file.getvalue()


def _check_expansion(data: bytes, where: str) -> None:
    """Refuse a file whose compressed variables, all together, would fill the memory."""
    at, left = 128, MAX_FILE
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II" if data[126:128] == b"IM" else ">II", data, at)
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            try:
                left -= len(unpacker.decompress(data[at + 8 : at + 8 + size], left + 1))
            except zlib.error as error:
                raise DataError(f"{where}: is not a readable MATLAB file: {error}") from None
            if left < 0:
                raise DataError(f"{where}: expands to more than {MAX_FILE >> 20} MiB; refused")
        at += 8 + size
