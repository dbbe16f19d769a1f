"""How fast images are decoded: ``python -m benchmarks.decoding [FOLDER]``.

Prints frames a second against cores, by library (OpenCV and simplejpeg), for threads of one
process, as the engine decodes, and for processes, as ``--workers`` does; each with its ratio to one thread of OpenCV.
FOLDER holds JPEG files; without it 1280x720 images of the synthetic benchmark are written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2

from trackbench.datasets.synthetic import synthesize
from trackbench.frames import Decoder, read_frame


def read(decoder: Decoder, path: Path) -> int:
    """Decode an image; returns its bytes, so that no pixels travel between processes."""
    return read_frame(path, decoder=decoder).nbytes


def threaded(paths: list[Path], workers: int, decoder: Decoder) -> float:
    """Return frames a second of threads."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(read, [decoder] * workers, paths[:workers]))  # the first call imports
        started = time.perf_counter()
        list(pool.map(read, [decoder] * len(paths), paths))
        return len(paths) / (time.perf_counter() - started)


def spread(paths: list[Path], workers: int, decoder: Decoder) -> float:
    """Return frames a second of processes, which are started before the clock is."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        warm = paths[: 4 * workers]
        list(pool.map(read, [decoder] * len(warm), warm))
        started = time.perf_counter()
        list(pool.map(read, [decoder] * len(paths), paths, chunksize=4))
        return len(paths) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=100)
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    counts = sorted({1, *(2**n for n in range(1, 8) if 2**n <= cores), cores})
    decoders: tuple[Decoder, ...] = ("opencv", "simplejpeg")
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder
        if folder is None:
            folder = Path(name)
            synthesize(folder, sequences=1, frames=min(arguments.images, 40), size=(1280, 720), layout="otb")
        found = sorted(path for path in folder.rglob("*.jp*g"))
        if not found:
            parser.error(f"{folder} holds no JPEG files")
        paths = (found * -(-arguments.images // len(found)))[: arguments.images]
        print(f"{len(paths)} images, OpenCV {cv2.__version__}, {cores} cores")
        base = None
        for decoder in decoders:
            for kind, measure in (("threads", threaded), ("processes", spread)):
                for count in counts:
                    rate = max(measure(paths, count, decoder) for _ in range(2))
                    base = base or rate
                    print(f"{decoder:<12}{count:>3} {kind:<10}{rate:>9.0f} frames/s {rate / base:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
