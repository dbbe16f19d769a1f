"""Real time: a tracker that is slower than the video misses frames."""

from __future__ import annotations

from trackbench.protocols.base import Answer, EpisodeGenerator, Init
from trackbench.trackers.base import Prediction

#: Slow answers after each start that cost nothing (vot-toolkit's stacks).
GRACE = 3
#: Frames per second of a video whose metadata do not say.
FPS = 30.0


def real_time(script: EpisodeGenerator, fps: float, speed: float | None = None, grace: int = GRACE) -> EpisodeGenerator:
    """Let another protocol's run see what a tracker would have told in time.

    The rules are those of vot-toolkit: an answer that takes longer than a frame leaves a debt of the time beyond it.
    While the debt is longer than a frame, the tracker is not asked and its last answer is repeated, which pays one
    frame of the debt; what is left then is forgotten.

    Args:
        script: the run.
        fps: frames per second of the video.
        speed: frames per second of the tracker; None: as measured. Starting takes as long as tracking.
        grace: so many slow answers after each start leave no debt.
    """
    interval = 1 / fps
    debt, left = 0.0, grace
    last: Answer | None = None
    request = next(script)
    while True:
        if isinstance(request, Init):
            debt, left = 0.0, grace
        if last is not None and debt > interval:
            debt -= interval
            answer = last._replace(seconds=float("nan"))
        else:
            answer = yield request
            seconds = answer.seconds if speed is None else 1 / speed
            debt = 0.0
            if seconds > interval and left > 0:
                left -= 1
            elif seconds > interval:
                debt = seconds - interval
            # Whoever asks right after a start that took too long is told where the start was.
            last = answer._replace(prediction=Prediction(request.region)) if isinstance(request, Init) else answer
        try:
            request = script.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
