"""Trackers that see the whole video before they answer: one call a sequence."""

from __future__ import annotations

from typing import Any

from . import python_class
from .process import DoorError
from .shared import shortened


class Door(python_class.Door):
    """One object of the class for each sequence."""

    def initialize(self, tracker: Any, image: Any, target: dict[str, Any]) -> dict[str, Any]:
        """Remember what the call needs; it comes with the second frame, so that its time counts as tracking."""
        if not target.get("paths"):
            raise DoorError("{} needs the frames of the whole video, and here are none".format(self.options["tracker"]))
        return {"target": target, "first": image, "answers": None, "index": 0}

    def track(self, tracker: Any, image: Any, memory: dict[str, Any]) -> dict[str, Any]:
        """Return the next of the answers."""
        if memory["answers"] is None:
            memory["answers"] = self._all(tracker, memory)
        memory["index"] += 1
        return self._read(memory["answers"][memory["index"]], image.shape[:2])

    def _all(self, tracker: Any, memory: dict[str, Any]) -> list[Any]:
        target, what = memory["target"], self.options["tracker"]
        region = self._value("region", memory["first"], target)
        with self._computing():
            answer = getattr(tracker, self._shape["track"])(list(target["paths"]), region)
        answers = python_class.picked(answer, self._shape["all"], what)
        if not hasattr(answers, "__len__") or len(answers) != len(target["paths"]):
            count = len(answers) if hasattr(answers, "__len__") else shortened(answers)
            message = "{} answered {} regions for {} frames; expected one a frame, the first among them"
            raise DoorError(message.format(what, count, len(target["paths"])))
        return list(answers)
