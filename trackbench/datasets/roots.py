"""Where data sets lie: ``--root``, the environment variable ``TRACKBENCH_DATA``, or the user's configuration."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import tomlkit
from tomlkit.exceptions import TOMLKitError

from trackbench.errors import DataError, UsageError, reason
from trackbench.files import MAX_SETTINGS, read_text, write_text


def configuration_file() -> Path:
    """Return the user's configuration file, which need not exist."""
    return Path(platformdirs.user_config_dir("trackbench", appauthor=False)) / "config.toml"


def remembered() -> dict[str, Path]:
    """Return the folders that ``trackbench data add`` has remembered, data set -> folder.

    Raises:
        UsageError: the configuration file cannot be understood.
    """
    data = _load().get("data", {})
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise UsageError(f"{configuration_file()}: table 'data': expected data set names with a folder each")
    return {str(name): Path(str(folder)) for name, folder in data.items()}


def remember(name: str, folder: Path) -> Path:
    """Write into the configuration that data set ``name`` is in ``folder``; returns the configuration file.

    Raises:
        UsageError: the file cannot be understood or written.
    """
    document = _load()
    if not isinstance(document.get("data"), dict):
        document["data"] = tomlkit.table()
    document["data"][name] = str(folder.resolve())
    path = configuration_file()
    write_text(path, tomlkit.dumps(document))
    return path


def candidate_roots(name: str, folders: tuple[str, ...], root: Path | None) -> list[Path]:
    """Return the folders in which data set ``name`` may lie, the likeliest first.

    Args:
        name: the data set.
        folders: alternative names of its folder under a data root.
        root: the user's ``--root``, which then is the only place.

    Raises:
        UsageError: ``root`` is not a folder.
    """
    if root is not None:
        if not root.is_dir():
            raise UsageError(f"--root {root}: there is no such folder")
        bases = [root]
    else:
        own = remembered().get(name)
        if own is not None:
            return [own]
        bases = [Path(base) for base in os.environ.get("TRACKBENCH_DATA", "").split(os.pathsep) if base]
    return [place for base in bases for place in (base, *(base / folder for folder in (name, *folders)))]


def _load() -> tomlkit.TOMLDocument:
    path = configuration_file()
    try:
        return tomlkit.parse(read_text(path, MAX_SETTINGS)) if path.exists() else tomlkit.document()
    except (DataError, TOMLKitError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read: {reason(error, path)}") from None
