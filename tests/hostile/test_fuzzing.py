"""Mutated files end in a value or in one short line, whatever reader they are given to."""

from __future__ import annotations

import functools
import io
import itertools
import json
import math
import os
import random
import resource
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
import torch
from safetensors.torch import save

from trackbench.checkpoints.reader import read_state
from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.layouts import otb, tnl2k, uav
from trackbench.datasets.layouts.labels import read_labels
from trackbench.datasets.layouts.vot import read_metadata
from trackbench.definitions import DATASETS, TRACKERS
from trackbench.errors import TrackbenchError
from trackbench.files import parse_toml, read_json, read_yaml
from trackbench.formats.archives import open_files
from trackbench.formats.json_results import read_json_result
from trackbench.formats.matlab import read_mat
from trackbench.formats.reading import read_columns, read_confidences, read_own, read_trajectory
from trackbench.frames import read_frame, read_image
from trackbench.quoting import MESSAGE
from trackbench.regions import parse_region
from trackbench.regions.binary import format_trajectory, parse_trajectory
from trackbench.regions.files import read_boxes, read_regions
from trackbench.reports.style import read_style
from trackbench.results.records import FailureRecord, ManifestRecord, SessionRecord, read_record
from trackbench.trackers.foreign.onnx_graph import Graph
from trackbench.trackers.settings import parse_setting
from trackbench.trackers.zoo.siamattn.configuration import options_from_yaml
from trackbench.training.recipe import load_recipe
from trackbench.trax.trackers_ini import read_section, sections

Reader = Callable[[bytes], object]

SEED = 16
#: Most memory and processor time that reading may take, in bytes and seconds.
MEMORY, SECONDS = 1_500 << 20, 10
BOX = b"1,2,3,4\n5,6,7,8\n"
REGIONS = b"1\n10,20,30.5,40\n1,2,3,4,5,6,7,8\nm1,2,2,2,1,2\n"
#: What is put into files: bounds of integers, digits without end, control characters, other types, deep nesting.
PIECES = (
    *(b"9" * 5000, b"-1", b"1e999", b"nan", b"18446744073709551615", b"9223372036854775807", b"0x10", b"_", b"1e5"),
    *(b"\x00", b"\x1b[2J", b"\xff", b"\xe2\x80\xae", b"\n", b",", b"[" * 2000, b"{", b"]", b"m", b"%(x)s", b"=", b"."),
    *(b"[[", b"]]", b'"', b"'", b"true", b"null", b"%0999999999d", b"..", b"/", b"\xed\xb0\x80", b"[]", b"{}", b"-"),
)


def as_text(read: Callable[[str], object]) -> Reader:
    return lambda data: read(data.decode(errors="surrogateescape"))


def checkpoint(zipped: bool) -> bytes:
    stream = io.BytesIO()
    document = {"net": {"a.weight": torch.ones(2, 3)}, "epoch": 3}
    torch.save(document, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("T/a.txt", BOX * 50)
    return stream.getvalue()


def read_archive(path: Path) -> None:
    files = open_files(path)
    for name in files.names:
        files.read(name)


def image(ending: str) -> bytes:
    picture = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    return bytes(cv2.imencode(ending, picture)[1])


def matlab() -> bytes:
    stream: Any = io.BytesIO()  # the stubs of scipy know paths alone
    scipy.io.savemat(stream, {"results": {"type": "rect", "res": np.ones((3, 4)), "len": 3.0, "fps": 20.0}})
    return stream.getvalue()


IN_MEMORY: dict[str, tuple[bytes, Reader]] = {
    "region": (b"m1,2,2,2,1,2", as_text(parse_region)),
    "bin": (format_trajectory([parse_region(line) for line in REGIONS.decode().split()]), parse_trajectory),
    "trajectory": (BOX, lambda data: read_trajectory(data, "f")),
    "own": (REGIONS, lambda data: read_own(data, "f")),
    "columns": (b"0.1 0.2\n0.1 0.2\n", lambda data: read_columns(data, "f")),
    "confidences": (b"0.1\n\n0.2\n", lambda data: read_confidences(data, "f")),
    "json": (b'{"res": [[1, 2, 3, 4]], "fps": 1}', lambda data: read_json_result(data, "f")),
    "toml": (b'title = "a"\n[options]\nx = [1, {y = 2.5}]\n', as_text(lambda text: parse_toml(text, "f"))),
    "set": (b"a.b=[1, 2]", as_text(parse_setting)),
}


def in_a_file(read: Callable[[Path], object], path: Path = Path("f")) -> Reader:
    def written(data: bytes) -> object:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read(path)

    return written


def in_a_dataset(name: str) -> Reader:
    """Return a reader of a folder of two frames in which one file is another."""

    def read(path: Path) -> None:
        dataset = open_dataset(str(Path("data", path.parts[1])))
        for sequence in dataset.sequences:
            _ = sequence.ground_truth, sequence.details, sequence.sentence, sequence.frames

    folder = Path("data", name.partition("/")[0])
    for path, content in {**WHOLE, **LAYOUTS[folder.name]}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return in_a_file(read, Path("data", name))


#: Files of a data set of each layout.
WHOLE = {f"a/{number:08d}.jpg": b"" for number in (1, 2)}
LAYOUTS: dict[str, dict[str, bytes]] = {
    "vot": {"list.txt": b"a\n", "a/groundtruth.txt": BOX, "a/sequence": b"channels.color=%08d.jpg\nlength=2\nfps=30\n"}
    | {"a/occlusion.tag": b"0\n1\n", "a/anchor.value": b"0\n1\n"},
    "got10k": {"list.txt": b"a\n", "a/groundtruth.txt": BOX, "a/absence.label": b"0\n1\n", "a/cover.label": b"8\n3\n"}
    | {"a/meta_info.ini": b"[METAINFO]\nurl: x\nresolution: (640, 480)\nobject_class: dog\n"},
    "lasot": {"a-1/groundtruth.txt": BOX, "a-1/full_occlusion.txt": b"0,1", "a-1/out_of_view.txt": b"0,1"}
    | {"a-1/nlp.txt": b"a dog", "a-1/img/00000001.jpg": b"", "a-1/img/00000002.jpg": b""},
    "folder": {"a/groundtruth.txt": b"10,20,30.5,40\n1,2,3,4,5,6,7,8\n"},
}
DATASET = b'title = "D"\nlayout = "folder"\ncount = 1\nframes = 2\nattributes = {A = "b"}\n'
GRAPH = b'model = "x.onnx"\n[outputs]\nbox = "b"\nscore_map = "s"\n'
RECIPE = b'title = "a"\nsame_as = "siamattn"\nbatch = 3\n[optimiser]\nlr = 1.0\n'
MANIFEST = json.dumps({"tracker": "a", "identity": {"a": 1}, "padded": {"b": {"c": 1}}, "sessions": [{"started": "x"}]})


def on_disk() -> dict[str, tuple[bytes, Reader]]:
    ini = b"[mine]\ncommand = run %(x)s\nx = 1\nenv_A = 2\n"
    tracker = b'title = "Odd"\nclass = "a:B"\n[options]\nx = 1\n[card]\npaper = "p"\n'
    readers = {
        "checkpoint": (checkpoint(True), in_a_file(read_state)),
        "old checkpoint": (checkpoint(False), in_a_file(read_state)),
        "safetensors": (save({"a": torch.ones(2)}), in_a_file(read_state)),
        "archive": (archive(), in_a_file(read_archive)),
        "yaml": (b"A:\n  B: [1, 2.5]\n  C: {d: 1}\n", in_a_file(read_yaml)),
        "siamattn yaml": (b"TRACK:\n  INSTANCE_SIZE: 255\n", in_a_file(options_from_yaml)),
        "ini": (ini, in_a_file(lambda found: (sections(found), read_section(found, "mine")))),
        "document": (b'{"a": [1, {"b": null}]}', in_a_file(read_json)),
        "manifest": (MANIFEST.encode(), in_a_file(lambda path: read_record(path, ManifestRecord))),
        "session": (b'{"started": "x", "versions": {"a": "1"}}', in_a_file(lambda p: read_record(p, SessionRecord))),
        "failure": (b'{"reason": "x", "traceback": "y"}', in_a_file(lambda path: read_record(path, FailureRecord))),
        "boxes": (BOX, in_a_file(read_boxes)),
        "regions": (REGIONS, in_a_file(read_regions)),
        "labels": (b"0,1,0", in_a_file(lambda path: read_labels(path, 3))),
        "vot metadata": (b"width=3\nheight=4\nlength=2\nfps=3\n", in_a_file(read_metadata)),
        "style": (b'order = ["a"]\n[trackers.a]\nname = "b"\n', in_a_file(read_style)),
        "onnx": (GRAPH, in_a_file(Graph.read)),
        "recipe": (RECIPE, in_a_file(lambda path: load_recipe(path.stem), Path("trackers/recipes/odd.toml"))),
        "tracker": (tracker, in_a_file(lambda path: TRACKERS.get(path.stem), Path("trackers/odd.toml"))),
        "data set": (DATASET, in_a_file(lambda path: DATASETS.get(path.stem), Path("datasets/odd.toml"))),
        "mat": (matlab(), lambda data: read_mat(data, "f")),
    }
    for ending in (".jpg", ".png", ".bmp", ".webp"):
        readers[f"image {ending}"] = image(ending), in_a_file(read_frame)
        readers[f"deep image {ending}"] = image(ending), in_a_file(read_image)
    for layout, files in LAYOUTS.items():
        for name, content in files.items():
            if not name.endswith(".jpg"):
                readers[f"{layout}/{name}"] = content, in_a_dataset(f"{layout}/{name}")
    return readers


def mutated(data: bytes, draw: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randint(0, len(content))
        match draw.randint(0, 5):
            case 0 if content:
                content[min(at, len(content) - 1)] = draw.randrange(256)
            case 1:
                del content[at : at + draw.randint(1, 20)]
            case 2:
                content[at:at] = draw.choice(PIECES)
            case 3:
                content[at:at] = content[at : at + draw.randint(1, 50)]
            case 4:
                end = at + draw.randint(1, 8)
                content[at:end] = draw.choice(PIECES)
            case _:
                content[at : at + 4] = draw.randbytes(4)
    return bytes(content)


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def judge(name: str, content: bytes, read: Reader) -> None:
    before, peak, said = time.process_time(), peak_memory(), ""
    try:
        read(content)
    except TrackbenchError as error:
        said = str(error)
    except Exception as error:
        raise AssertionError(f"{name}: {type(error).__name__}: {error} from {content!r}") from error
    assert said.isprintable(), (name, content, said)
    assert len(said) <= MESSAGE, (name, content, said)
    assert time.process_time() - before < SECONDS, (name, content)
    assert peak_memory() - peak < MEMORY, (name, content)


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[bytes, Reader]]]:
    monkeypatch.chdir(tmp_path)
    # Of this format alone there need be no benchmarks: to look for each in every folder takes its time.
    lasot = DATASETS.get("lasot")
    monkeypatch.setattr(DATASETS, "readable", lambda: [lasot])
    for layout in (otb, tnl2k, uav):
        monkeypatch.setattr(layout, "benchmark", functools.cache(layout.benchmark))
    error_output = os.dup(2)  # the decoders of images complain there
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    yield IN_MEMORY | on_disk()
    os.dup2(error_output, 2)
    os.close(error_output)


def fuzz(readers: dict[str, tuple[bytes, Reader]], count: int, seconds: float = math.inf, seed: int = SEED) -> int:
    """Mutate the file of each reader in turn; those of data sets, which are slow, in one round of ten."""
    draw, begun, done = random.Random(seed), time.monotonic(), 0
    for turn in itertools.count():
        for name, (data, read) in readers.items():
            if done >= count or time.monotonic() - begun > seconds:
                return done
            if turn % 10 == 0 or "/" not in name:
                judge(name, mutated(data, draw), read)
                done += 1
    raise AssertionError("the turns have no end")


# Configurations warn of keys that they do not know: of each that a mutation makes.
pytestmark = pytest.mark.filterwarnings("ignore:.*unknown keys")


def test_what_is_mutated_can_be_read(readers: dict[str, tuple[bytes, Reader]]) -> None:
    for name, (data, read) in readers.items():
        if name != "onnx":  # whose graph is not there
            read(data)


def test_mutated_files_end_in_one_line(readers: dict[str, tuple[bytes, Reader]]) -> None:
    assert fuzz(readers, 5_000, seconds=3) >= len(readers)


@pytest.mark.slow
def test_many_more_mutated_files_end_in_one_line(readers: dict[str, tuple[bytes, Reader]]) -> None:
    assert fuzz(readers, 100_000, seed=17) == 100_000


@pytest.mark.exhaustive
def test_a_million_mutated_files_end_in_one_line(readers: dict[str, tuple[bytes, Reader]]) -> None:
    assert fuzz(readers, 1_000_000, seed=18) == 1_000_000
