"""Result files of the OTB MATLAB toolkit, which UAV123 and DTB70 use too: ``<sequence>_<TRACKER>.mat``.

They hold a cell ``results`` with one struct: ``type`` ('rect'), ``res`` (N x 4), ``len``, ``fps``, ``annoBegin``,
``startFrame``. The boxes are in the coordinates of the annotation, like those of every other tool.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import struct
import zlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.formats.archives import MAX_FILE

_COMPRESSED = 15


def read_mat(data: bytes, where: str) -> NDArray[np.float64]:
    """Return the boxes of a one-pass result, float64 (N, 4). Nothing in the file is executed.

    Raises:
        DataError: it is not a file of this kind, or holds other than one run of boxes.
    """
    _check_expansion(data, where)
    try:
        content = _reader().submit(_load, data).result()
    except BrokenProcessPool:
        _reader.cache_clear()
        raise DataError(f"{where}: is not a readable MATLAB file: it makes the reader crash") from None
    except NotImplementedError:
        raise DataError(f"{where}: is a MATLAB 7.3 file; save it again with -v7") from None
    except Exception as error:  # a damaged file makes scipy fail in any way
        raise DataError(f"{where}: is not a readable MATLAB file: {error}") from None
    if "results" not in content:
        raise DataError(f"{where}: holds no variable 'results'")
    results = content["results"]
    if not isinstance(results, dict) and np.ndim(results) == 1 and len(results) != 1:
        raise DataError(f"{where}: holds {len(results)} runs (a robustness evaluation); expected 1, of one-pass")
    result = results if isinstance(results, dict) else np.ravel(results)[0] if np.size(results) == 1 else None
    if not isinstance(result, dict) or "res" not in result:
        raise DataError(f"{where}: 'results' is no struct with 'res'")
    kind = result.get("type", "rect")
    if not isinstance(kind, str) or kind != "rect":
        raise DataError(f"{where}: results of type {str(kind)[:40]!r}; expected 'rect'")
    try:
        boxes = np.atleast_2d(np.asarray(result["res"], np.float64))
    except (TypeError, ValueError):
        raise DataError(f"{where}: 'res' holds no numbers") from None
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        raise DataError(f"{where}: 'res' is {' x '.join(map(str, boxes.shape))}; expected N x 4")
    length = result.get("len", len(boxes))
    if np.ndim(length) or not isinstance(length, int | float | np.number) or float(length) != len(boxes):
        raise DataError(f"{where}: 'res' has {len(boxes)} lines, 'len' says {str(length)[:40]}")
    return boxes


@functools.cache
def _reader() -> ProcessPoolExecutor:
    """Return a process for reading: scipy's compiled reader can crash on a damaged file, and take us with it."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _load(data: bytes) -> dict[str, Any]:
    file: Any = io.BytesIO(data)  # taken by scipy, not by its stubs
    return scipy.io.loadmat(file, simplify_cells=True, variable_names=["results"])


def mat_file(boxes: NDArray[np.float64], anno_begin: int, start_frame: int, fps: float | None) -> bytes:
    """Return a ``.mat`` file of one-pass results.

    Args:
        boxes: float64 (N, 4), in the coordinates of the annotation.
        anno_begin: number of the image to which the annotation's first line belongs.
        start_frame: number of the image on which the tracker started.
        fps: frames per second; left out where unknown.
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
    cell = np.empty((1, 1), object)
    cell[0, 0] = result
    file = io.BytesIO()
    writable: Any = file  # taken by scipy, not by its stubs
    scipy.io.savemat(writable, {"results": cell}, do_compression=True)
    return file.getvalue()


def _check_expansion(data: bytes, where: str) -> None:
    """Refuse a file whose compressed variables would fill the memory."""
    at = 128
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II" if data[126:128] == b"IM" else ">II", data, at)
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            try:
                unpacker.decompress(data[at + 8 : at + 8 + size], MAX_FILE)
            except zlib.error as error:
                raise DataError(f"{where}: is not a readable MATLAB file: {error}") from None
            if unpacker.unconsumed_tail:
                raise DataError(f"{where}: expands to more than {MAX_FILE >> 20} MiB; refused")
        at += 8 + size
