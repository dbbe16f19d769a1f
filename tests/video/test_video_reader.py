import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from video.clips import COLOURS, left_edge, picture, write_clip

from trackbench.errors import DataError
from trackbench.frames.video import as_rate, count_frames, read_video, video_info
from trackbench.frames.video_paths import frame_paths, is_frame_of_video, read_video_frame


def test_frames_come_in_the_order_in_which_they_are_shown(tmp_path: Path) -> None:
    """With B-frames, that is not the order of the file."""
    clip = write_clip(tmp_path / "clip.mp4", 24, (128, 64), bf="3", g="12")
    found = list(read_video(clip))
    assert [frame.index for frame in found] == list(range(24))
    assert [left_edge(frame.image) for frame in found] == [8 + 2 * index for index in range(24)]
    assert count_frames(clip) == 24
    assert video_info(clip) == ((128, 64), 25.0, 24)


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = [0, 0.04, 0.2, 0.21, 0.9, 1.4]
    clip = write_clip(tmp_path / "clip.mkv", 6, times=times)
    found = list(read_video(clip))
    assert [frame.seconds for frame in found] == pytest.approx(times, abs=1e-3)
    assert [left_edge(frame.image) for frame in found] == [8, 10, 12, 14, 16, 18]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotation_flag_turns_the_picture_as_players_do(tmp_path: Path, turn: int) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2, turn=turn)
    image = next(read_video(clip)).image
    # The flag counts counter-clockwise, as numpy does.
    expected = np.rot90(picture(0), turn // 90)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 4
    assert video_info(clip).size == (image.shape[1], image.shape[0])


@pytest.mark.parametrize(
    ("pixels", "codec", "ending"),
    [
        ("yuv420p", "libx264", "mp4"),
        ("yuv422p", "libx264", "mp4"),
        ("yuv444p", "libx264", "mkv"),
        ("yuv420p10le", "libx264", "mp4"),
        ("yuvj420p", "mjpeg", "avi"),
        ("gray", "ffv1", "mkv"),
        ("bgr0", "ffv1", "mkv"),
        ("bgra", "ffv1", "mkv"),
        ("gbrp10le", "ffv1", "mkv"),
        ("yuv411p", "ffv1", "mkv"),
        ("gbrp16le", "ffv1", "mkv"),
    ],
)
@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_colours_survive_every_pixel_format(tmp_path: Path, pixels: str, codec: str, ending: str, colour: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    wanted = np.array(COLOURS["grey"] if pixels == "gray" else COLOURS[colour])
    clip = write_clip(tmp_path / f"clip.{ending}", 2, pixels=pixels, codec=codec, colour=tuple(wanted.tolist()))
    image = next(read_video(clip)).image
    assert image.dtype == np.uint8
    assert image.shape == (64, 96, 3)
    assert np.abs(image[30:34, 14:18].reshape(-1, 3).mean(axis=0) - wanted).max() < 8


def test_odd_sizes_are_read_as_they_are(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 3, (97, 65), "yuv444p")
    assert [frame.image.shape for frame in read_video(clip)] == [(65, 97, 3)] * 3


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        next(read_video(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"text\.mp4: is not a readable video"):
        video_info(tmp_path / "text.mp4")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(DataError, match="holds no video stream"):
        video_info(tmp_path / "sound.mkv")


def test_truncated_file_gives_what_it_holds(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "clip.ts", 50, codec="libx264", g="5")
    (tmp_path / "cut.ts").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 5 < sum(1 for _ in read_video(tmp_path / "cut.ts")) < 50


@pytest.mark.parametrize(("fps", "text"), [(25, "25"), (29.97, "30000/1001"), (23.976, "24000/1001"), (12.5, "25/2")])
def test_rates_are_fractions(fps: float, text: str) -> None:
    assert str(as_rate(fps)) == text


def test_paths_of_frames_are_read_in_any_order(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 20, (128, 64), bf="2")
    paths = frame_paths(clip, 20)
    assert all(map(is_frame_of_video, paths))
    order = [0, 1, 2, 7, 6, 19, 3, 4]
    assert [left_edge(read_video_frame(paths[index])) for index in order] == [8 + 2 * index for index in order]


def test_threads_share_one_decoder(tmp_path: Path) -> None:
    paths = frame_paths(write_clip(tmp_path / "clip.mp4", 30, (128, 64)), 30)
    with ThreadPoolExecutor(4) as pool:
        edges = list(pool.map(lambda path: left_edge(read_video_frame(path)), paths))
    assert edges == [8 + 2 * index for index in range(30)]


def test_frame_beyond_the_end_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3)
    with pytest.raises(DataError, match="has 3 frames; frame 6 was asked for"):
        read_video_frame(frame_paths(clip, 6)[5])


def test_memory_does_not_grow_with_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (320, 240)
    one = size[0] * size[1] * 3
    monkeypatch.setattr("trackbench.frames.video_paths.KEPT", 4 * one)
    paths = frame_paths(write_clip(tmp_path / "clip.mp4", 60, size), 60)
    tracemalloc.start()
    for path in paths:
        read_video_frame(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * one
