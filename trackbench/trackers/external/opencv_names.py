"""Which trackers the installed OpenCV has, read from its stub files: listing trackers then loads no OpenCV."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

#: Options that name a file; OpenCV's parameter objects call them the same.
FILES = ("backbone", "neckhead", "net", "model", "kernel_cls1", "kernel_r1", "modelTxt", "modelBin")


def variants() -> list[tuple[str, str | None]]:
    """Return the name of each tracker that the installed OpenCV has, and what it needs, None where that is nothing."""
    spec = importlib.util.find_spec("cv2")
    names = from_stubs(Path(spec.origin).parent) if spec is not None and spec.origin is not None else None
    if names is None:  # a build without stubs
        from trackbench.trackers.external.opencv import installed, needed_files

        names = {name: needed_files(name) for name in installed()}
    return [(name, needs(files) if files else None) for name, files in sorted(names.items())]


def from_stubs(package: Path) -> dict[str, list[str]] | None:
    """Return lower-case name -> the options that name its files, or None where there are no stubs.

    Args:
        package: folder of the package cv2.
    """
    names: dict[str, list[str]] = {}
    # The contrib wheels keep older classes in cv2.legacy; where both have a name, the newer one wins.
    stubs = [package / name for name in ("legacy/__init__.pyi", "__init__.pyi")]
    if not stubs[1].is_file():
        return None
    for stub in stubs:
        text = stub.read_text(encoding="utf-8") if stub.is_file() else ""
        for match in re.finditer(r"^class Tracker(\w+)\b.*\n((?:[ \t].*\n|\n)*)", text, re.MULTILINE):
            if re.search(r"^    def create\(", match[2], re.MULTILINE):
                attributes = re.findall(r"^        (\w+): ", match[2], re.MULTILINE)
                names[match[1].lower()] = [key for key in FILES if key in attributes]
    return names


def needs(files: list[str]) -> str:
    """Return in words which options are needed."""
    return "needs " + " ".join(f"--set {key}=FILE" for key in files)
