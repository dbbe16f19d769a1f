"""Sections of ``trackers.ini``, the registry in which vot-toolkit's users describe TraX programs.

=============================  ========================================================================================
``command``                    a command line; for ``traxpython`` a module or Python statements
``protocol``                   ``trax`` (default) or ``traxpython``; MATLAB's and others have no adapter here
``paths``                      folders for Python's path, relative to the file, joined by the path separator
``python``                     the interpreter of ``traxpython``
``linkpaths``                  folders of shared libraries, likewise
``env_NAME``, ``arg_name``     environment of the program; what it is told when it is started on a target
``timeout``                    seconds to wait for an answer
=============================  ========================================================================================
"""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Any

from trackbench.errors import UsageError, suggestion

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
        listed = ", ".join(known) or "none"
        raise UsageError(f"{path}: has no section [{name}]{suggestion(name, known)} (its sections: {listed})")
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
    return options


def sections(path: Path) -> list[str]:
    """Return the names of the sections in a file; none where there is no file.

    Raises:
        UsageError: it cannot be read.
    """
    return _read(path).sections() if path.is_file() else []


def _read(path: Path) -> configparser.ConfigParser:
    # The toolkit reads with the same parser and its defaults: % is written %%, names of keys are lower case.
    config = configparser.ConfigParser()
    try:
        config.read_string(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; --set ini=FILE names another") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from None
    return config


def _has(key: str, prefix: str) -> bool:
    return key.startswith(prefix) and len(key) > len(prefix)
