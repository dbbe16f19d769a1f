"""Video predictors of the SAM 2 line that decide at the end of the video, as SAM2Long does: one call a video."""

from __future__ import annotations

import sys
from typing import Any, Callable

from .process import DoorError
from .sam2 import prepared


def maker(build: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Return what builds a tracker of whole videos over the predictor that ``build`` returns.

    Args:
        build: the package's own function, such as ``build_sam2_video_predictor``.
        options: ``state``: entries of the predictor's state; ``weights`` and ``device``.
    """

    def make(device: str, weights: str | None = None, **arguments: Any) -> WholeVideo:
        if weights is None:
            raise DoorError("needs --weights FILE")
        predictor = build(ckpt_path=weights, device=device, **arguments)
        return WholeVideo(predictor, options["state"])

    return make


class WholeVideo:
    """A predictor with the frames of one video.

    Args:
        predictor: the package's.
        state: entries that are set in the state of each video.
    """

    def __init__(self, predictor: Any, state: dict[str, Any]) -> None:
        self._predictor, self._state = predictor, state
        home = sys.modules[type(predictor).__module__]
        home.tqdm = lambda frames, *args, **kwargs: frames  # type: ignore[attr-defined]
        home.load_video_frames = lambda *args, **kwargs: self._opened  # type: ignore[attr-defined]

    def track(self, paths: list[str], region: Any) -> list[Any]:
        """Return a mask bool (H, W) of each frame.

        Args:
            paths: of the images.
            region: x, y, w, h, or a mask (H, W) of the first frame.
        """
        import numpy as np

        frames = Frames(paths, self._predictor)
        self._opened = frames, *frames.size
        state = self._predictor.init_state("")
        state.update(self._state)
        if np.ndim(region) == 2:
            self._predictor.add_new_mask(state, 0, 0, np.asarray(region) > 0)
        else:
            x, y, w, h = region
            box = np.array([x, y, x + w, y + h], np.float32)
            self._predictor.add_new_points_or_box(state, frame_idx=0, obj_id=0, box=box)
        answer = self._predictor.propagate_in_video(state)
        # SAM2Long returns all at once; the package's own loop yields frame by frame.
        logits = answer[1] if isinstance(answer, tuple) else [item[2] for item in answer]
        if len(logits) != len(paths):
            raise DoorError(f"the predictor answered {len(logits)} masks for {len(paths)} frames")
        return [(frame[0, 0] > 0).cpu().numpy() for frame in logits]


class Frames:
    """The frames of a video as the predictor takes them, each read when it is looked at."""

    def __init__(self, paths: list[str], predictor: Any) -> None:
        self._paths, self._predictor = paths, predictor
        height, width = self._read(0).shape[:2]
        self.size = height, width
        """Height and width in pixels."""

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Any:
        return prepared(self._read(index), self._predictor)

    def _read(self, index: int) -> Any:
        import numpy as np
        from PIL import Image

        return np.array(Image.open(self._paths[index]).convert("RGB"))
