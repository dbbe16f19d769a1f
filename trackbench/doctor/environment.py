"""Checks of what is installed: Python, packages, PyTorch and its device, OpenCV, numba, PyAV, the disk."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement

from trackbench.doctor.findings import Finding, bad, good, note
from trackbench.results.hardware import nvidia_driver

#: Python versions that are tested: from, to before.
PYTHONS = ((3, 11), (3, 14))
#: Distributions that all install the module ``cv2``; the last one installed overwrites the others.
OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
#: Bytes that are written to measure a disk, and the speed below which decoding waits for it, in bytes a second.
PROBE, SLOW = 32 << 20, 50 << 20


def environment(runs: Path) -> Iterator[Finding]:
    """Yield the findings about this environment.

    Args:
        runs: the folder of stored results, whose disk is measured.
    """
    yield python()
    yield from packages()
    yield torch_device()
    yield from precision()
    yield opencv()
    yield numba()
    yield video()
    yield disk(runs)


def python(version: tuple[int, int] | None = None) -> Finding:
    """Check the version of Python."""
    major, minor = version or sys.version_info[:2]
    text = f"{major}.{minor}" if version else sys.version.split()[0]
    if PYTHONS[0] <= (major, minor) < PYTHONS[1]:
        return good("Python", text)
    return bad("Python", f"{text}; tested are 3.11 to 3.13", "python3.12 -m venv .venv")


def packages(requirements: list[str] | None = None) -> Iterator[Finding]:
    """Check that the packages that trackbench needs are there in versions that it takes.

    Args:
        requirements: as in ``pyproject.toml``; default: those of the installed distribution.
    """
    if requirements is None:
        try:
            requirements = importlib.metadata.requires("trackbench") or []
        except importlib.metadata.PackageNotFoundError:
            yield note("packages", "trackbench is not installed, it is run from its source", "pip install -e .")
            return
    count, faults = 0, 0
    for text in requirements:
        try:
            needed = Requirement(text)
        except InvalidRequirement:
            continue
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            version = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            faults += 1
            yield bad(needed.name, "is not installed", f"pip install '{needed.name}{needed.specifier}'")
            continue
        if not needed.specifier.contains(version, prereleases=True):
            faults += 1
            fault = f"{version} is installed; needed is {needed.specifier}"
            yield bad(needed.name, fault, f"pip install '{needed.name}{needed.specifier}'")
    if not faults:
        yield good("packages", f"all {count} that are needed, in versions that are taken")


def torch_device() -> Finding:
    """Check that PyTorch uses the GPU where there is one."""
    import torch

    version = torch.__version__
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        cuda = torch.version.cuda
        try:
            total = float(torch.ones(8, device="cuda").sum())
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            return bad(
                "PyTorch", f"{version} cannot compute on {names[0]}: {reason}", "see https://pytorch.org/get-started"
            )
        if total != 8:
            return bad("PyTorch", f"{version} computes wrongly on {names[0]}", "check the driver and the GPU")
        return good("PyTorch", f"{version}, CUDA {cuda}, {', '.join(names)}")
    driver = nvidia_driver()
    if driver is None:
        return good("PyTorch", f"{version} on the CPU; no NVIDIA driver is installed")
    if torch.version.cuda is None:
        mend = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128"
        return bad("PyTorch", f"{version} is built for the CPU, and there is a GPU (driver {driver})", mend)
    fault = f"{version} for CUDA {torch.version.cuda} finds no GPU with driver {driver}"
    return bad("PyTorch", fault, "update the NVIDIA driver, or install a PyTorch for an older CUDA")


def precision() -> Iterator[Finding]:
    """Check that nothing lets float32 be computed in less; such settings change boxes without a word."""
    import torch

    faults = []
    if torch.backends.cuda.matmul.allow_tf32:
        faults.append("matrix products on GPUs may use TF32")
    if torch.get_float32_matmul_precision() != "highest":
        faults.append(f"float32 matrix products have precision '{torch.get_float32_matmul_precision()}'")
    if torch.get_default_dtype() != torch.float32:
        faults.append(f"the default type is {torch.get_default_dtype()}")
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "1":
        faults.append("NVIDIA_TF32_OVERRIDE=1 forces TF32")
    if faults:
        yield bad(
            "float32", "; ".join(faults), "unset NVIDIA_TF32_OVERRIDE; torch.set_float32_matmul_precision('highest')"
        )
    else:
        yield good("float32", "computed in full")


def opencv() -> Finding:
    """Check that one OpenCV is installed, and say whether it has the contributed trackers."""
    import cv2

    here = [name for name in OPENCVS if _version(name)]
    version = cv2.__version__
    if len(here) > 1:
        mend = f"pip uninstall -y {' '.join(here)} && pip install {here[0]}"
        return bad("OpenCV", f"{version}: {' and '.join(here)} overwrite each other", mend)
    trackers = [name for name in ("CSRT", "KCF", "MIL") if hasattr(cv2, f"Tracker{name}_create")]
    trackers = trackers or (["MIL"] if hasattr(cv2, "TrackerMIL") else [])
    has = f"trackers {', '.join(trackers)}" if trackers else "no trackers"
    return good("OpenCV", f"{version} ({here[0] if here else 'not from PyPI'}), {has}")


def numba() -> Finding:
    """Check that numba compiles."""
    import numba as library

    try:
        result = library.njit(lambda x: x * 2.0)(21.0)
    except Exception as error:  # whatever its compiler raises is the finding
        return bad(
            "numba",
            f"{library.__version__} cannot compile: {type(error).__name__}: {error}",
            "pip install -U numba llvmlite",
        )
    if result != 42:
        return bad("numba", f"{library.__version__} computes {result} for 42", "pip install -U numba llvmlite")
    return good("numba", f"{library.__version__} compiles")


def video() -> Finding:
    """Check that videos can be read, and written as browsers play them."""
    try:
        import av
    except ImportError as error:
        return bad("PyAV", f"cannot be loaded: {error}", "pip install --force-reinstall av")
    if "libx264" not in av.codecs_available:
        return bad("PyAV", f"{av.__version__} cannot write H.264", "pip install --force-reinstall --only-binary av av")
    return good("PyAV", f"{av.__version__} reads videos and writes H.264")


def disk(folder: Path, probe: int = PROBE, slow: float = SLOW) -> Finding:
    """Measure the disk on which results are stored, or the next folder above that is there.

    Args:
        folder: the folder of results.
        probe: bytes to write.
        slow: bytes a second below which the disk is a fault.
    """
    place = folder.resolve()
    while not place.is_dir():
        place = place.parent
    subject = "disk"
    try:
        free = shutil.disk_usage(place).free
        if free < 8 * probe:
            return bad(subject, f"{place}: {free >> 20} MB are free", "make room, or give --runs DIR on another disk")
        with TemporaryDirectory(dir=place, prefix=".doctor-") as temporary:
            file = Path(temporary) / "probe"
            block = os.urandom(1 << 20)
            begin = time.perf_counter()
            with file.open("wb") as stream:
                for _ in range(max(1, probe >> 20)):
                    stream.write(block)
                stream.flush()
                os.fsync(stream.fileno())
            speed = file.stat().st_size / (time.perf_counter() - begin)
    except OSError as error:
        return bad(subject, f"{place}: cannot be written: {error.strerror}", "give --runs DIR where you may write")
    text = f"{place}: writes {speed / 1e6:.0f} MB/s, {free >> 30} GB are free"
    if speed < slow:
        return bad(subject, text, "give --runs DIR on a local disk")
    return good(subject, text)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
