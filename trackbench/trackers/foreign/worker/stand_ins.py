"""Stand-ins for what a repository imports and does not need while it tracks, and for what newer libraries removed.

A stand-in comes into play where the real thing is missing, and each one is recorded.
"""

from __future__ import annotations

import collections
import collections.abc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence
from typing import Any

from .process import DoorError

#: Packages for drawing, logging, downloading and training data: top-level name -> what pip calls it.
INERT = {
    "visdom": "visdom",
    "jpeg4py": "jpeg4py",
    "lmdb": "lmdb",
    "tensorboard": "tensorboard",
    "tensorboardX": "tensorboardX",
    "wandb": "wandb",
    "tikzplotlib": "tikzplotlib",
    "pycocotools": "pycocotools",
    "thop": "thop",
    "colorama": "colorama",
    "gdown": "gdown",
}

#: The same of trackit: logging, communication between machines, decoders of images that come decoded.
TRACKIT_INERT = {"wandb": "wandb", "zmq": "pyzmq", "exifread": "exifread", "turbojpeg": "PyTurboJPEG"}

#: Functions that torchvision 0.7 removed; repositories after DETR import them where the version's first three letters
#: read as a number below 0.7, which those of 0.28 do. Nothing calls them while it tracks.
TORCHVISION = {"torchvision.ops": "_new_empty_tensor", "torchvision.ops.misc": "_output_size"}

#: Names that numpy 1.24 removed -> what they were.
ALIASES = {"int": int, "float": float, "bool": bool, "object": object}


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder on ``sys.meta_path``: what no other finder has, it makes up, if it is on its list.

    Args:
        packages: top-level name -> what pip calls it.
    """

    def __init__(self, packages: dict[str, str]) -> None:
        self._packages = packages
        self.used: list[str] = []
        """Names of the packages that were made up."""
        self.tracking = False
        """Whether calling a stand-in is an error, as it is once the tracker tracks."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Return a spec for a package on the list, and for torch._six, which torch 1.13 removed."""
        top = fullname.partition(".")[0]
        if top in self._packages or fullname == "torch._six":
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        """Return the made-up module."""
        if spec.name == "torch._six":
            self._note(spec.name)
            module = types.ModuleType(spec.name)
            vars(module).update(
                string_classes=(str, bytes), int_classes=int, container_abcs=collections.abc, inf=float("inf")
            )
            return module
        top = spec.name.partition(".")[0]
        self._note(top)
        return _InertModule(spec.name, self, self._packages[top])

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing."""

    def aliases(self) -> None:
        """Give numpy the names back that it removed."""
        import numpy as np

        for name, value in ALIASES.items():
            if name not in vars(np):
                setattr(np, name, value)
                self._note("numpy." + name)

    def torchvision(self) -> None:
        """Give torchvision, where it is there, back what it removed; a function that tracking calls is an error."""
        if importlib.util.find_spec("torchvision") is None:
            return
        for module, name in TORCHVISION.items():
            place = importlib.import_module(module)
            if not hasattr(place, name):
                setattr(place, name, Inert(module + "." + name, self, "torchvision==0.6"))
                self._note(module + "." + name)
        if importlib.util.find_spec("torchvision.models.utils") is None:
            # torchvision 0.10 removed it; it held torch's function.
            from torch.hub import load_state_dict_from_url

            utils = types.ModuleType("torchvision.models.utils")
            utils.load_state_dict_from_url = load_state_dict_from_url  # type: ignore[attr-defined]
            sys.modules[utils.__name__] = utils
            self._note(utils.__name__)

    def _note(self, name: str) -> None:
        if name not in self.used:
            self.used.append(name)


class _InertModule(types.ModuleType):
    def __init__(self, name: str, finder: StandIns, package: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._finder, self._package = finder, package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert(self.__name__ + "." + name, self._finder, self._package)


class Inert:
    """Something of a made-up package: it can be called, looked into and derived from, and does nothing."""

    def __init__(self, name: str, finder: StandIns, package: str) -> None:
        self._name, self._finder, self._package = name, finder, package

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do nothing; an error while the tracker tracks."""
        if self._finder.tracking:
            message = "{} is called while tracking, but its package is not installed: pip install {}"
            raise DoorError(message.format(self._name, self._package))
        # As a decorator it gives the function back.
        return args[0] if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType) else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert(self._name + "." + name, self._finder, self._package)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (object,)


def stand_in(packages: dict[str, str]) -> StandIns:
    """Install the finder behind all others."""
    finder = StandIns(packages)
    sys.meta_path.append(finder)
    return finder
