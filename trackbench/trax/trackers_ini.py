"""Sections of ``trackers.ini``, the registry in which vot-toolkit's users describe TraX programs.

=============================  ========================================================================================
``command``                    a command line; for ``traxpython`` a module or Python statements
``protocol``                   ``trax`` (default), ``traxpython`` or ``python``; MATLAB's have no adapter here
``paths``                      folders for Python's path, relative to the file, joined by the path separator
``python``                     the interpreter of ``traxpython``
``linkpaths``                  folders of shared libraries, likewise
``env_NAME``, ``arg_name``     environment of the program; what it is told when it is started on a target
``folder``                     where the program runs and ``paths`` begin, relative to the file
``timeout``                    seconds to wait for an answer
=============================  ========================================================================================
"""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Any

from trackbench.errors import DataError, UsageError, suggestion
from trackbench.files import MAX_SETTINGS, read_text
from trackbench.quoting import listed, printable

DEFAULT = Path("trackers.ini")
#: Keys that mean the same here; the others of the toolkit describe a tracker, or how the toolkit handles it.
_SAME = ("command", "protocol", "python", "timeout")


def read_section(path: Path, name: str) -> dict[str, Any]:
    """Return the options of :class:`~trackbench.trax.client.TraxOptions` in one section of a file.

    Raises:
        UsageError: no such file or section, or one without a command.
    """
    config = _read(path)
    known = config.sections()
    if name not in known:
        raise UsageError(
            f"{path}: has no section [{name}]{suggestion(name, known)} (its sections: {listed(known) or 'none'})"
        )
    try:
        section = dict(config[name])
    except configparser.InterpolationError as error:
        raise UsageError(f"{path}: section [{name}]: {' '.join(str(error).split())}") from None
    if not section.get("command"):
        raise UsageError(f"{path}: section [{name}]: key 'command' is missing")
    if section.get("socket", "").lower() in ("1", "true", "yes", "on"):
        raise UsageError(f"{path}: section [{name}]: key 'socket' is set; expected a program that talks by its streams")
    options: dict[str, Any] = {key: section[key] for key in _SAME if key in section}
    for key in ("paths", "linkpaths"):
        if section.get(key):
            options[key] = section[key].split(os.pathsep)
    options["env"] = {key[4:].upper(): os.path.expandvars(value) for key, value in section.items() if _has(key, "env_")}
    options["arguments"] = {key[4:]: value for key, value in section.items() if _has(key, "arg_")}
    options["folder"] = path.resolve().parent
    if section.get("folder"):
        options["folder"] = options["directory"] = options["folder"] / section["folder"]
    return options


def sections(path: Path) -> list[str]:
    """Return the names of the sections in a file; none where there is no file.

    Raises:
        UsageError: it cannot be read.
    """
    return _read(path).sections() if path.is_file() else []


def _read(path: Path) -> configparser.ConfigParser:
    # The toolkit reads with the same parser and its defaults: % is written %%, names of keys are lower case.
    config = configparser.ConfigParser(interpolation=_BoundedInterpolation())
    try:
        config.read_string(read_text(path, MAX_SETTINGS), printable(str(path)))
    except DataError as error:
        raise UsageError(f"{error}; --set ini=FILE names another") from None
    except (configparser.Error, AttributeError) as error:  # Python 3.11 fails on an option before any section
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from None
    return config


class _BoundedInterpolation(configparser.BasicInterpolation):
    """The parser's own references, of which one may stand for many: not for more than a file of settings holds."""

    def _interpolate_some(self, parser: Any, option: str, accum: list[str], rest: str, *more: Any) -> None:
        if len(accum) > 1000:
            raise configparser.InterpolationDepthError(option, "", rest[:80])
        super()._interpolate_some(parser, option, accum, rest, *more)  # type: ignore[misc]


def _has(key: str, prefix: str) -> bool:
    return key.startswith(prefix) and len(key) > len(prefix)
