"""What decoders print by themselves, without the name of the file, is kept from standard error."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

_redirected = threading.Lock()


@functools.cache
def quieten_libraries() -> None:
    """Keep what OpenCV and Pillow say about files from standard error, unless the user has set what OpenCV prints."""
    import cv2

    if "OPENCV_LOG_LEVEL" not in os.environ:
        logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions in cv2 itself
        logging.setLogLevel(0)  # that a file cannot be decoded is raised as well
    warnings.filterwarnings("ignore", module=r"PIL\.")


@contextlib.contextmanager
def standard_error_closed() -> Iterator[None]:
    """Lose what any library prints meanwhile: only for the rare file that is known to be damaged."""
    with _redirected:
        kept = os.dup(2)
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
