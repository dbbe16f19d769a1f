"""No file takes much more memory or time than what its own size costs: files that stand for far more than they are.

They are read one after the other in a process of its own, which measures itself.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from trackbench.checkpoints.reader import read_state
from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.layouts.clips import read_truth
from trackbench.datasets.layouts.labels import read_labels
from trackbench.errors import TrackbenchError
from trackbench.files import read_bytes, read_json, read_toml, read_yaml
from trackbench.formats.archives import open_files
from trackbench.formats.json_results import read_json_result
from trackbench.formats.matlab import read_mat
from trackbench.formats.reading import (
    read_columns,
    read_confidences,
    read_own,
    read_trajectory,
)
from trackbench.frames import read_frame
from trackbench.regions import parse_region
from trackbench.regions.binary import format_trajectory, parse_trajectory
from trackbench.regions.files import read_boxes, read_regions
from trackbench.trax.trackers_ini import read_section

#: Most memory and processor time that reading may take, in bytes and seconds.
MEMORY, SECONDS = 1_500 << 20, 10

Make = Callable[[Path], None]


def text(content: str) -> Make:
    return data(content.encode)


def data(make: Callable[[], bytes]) -> Make:
    def write(path: Path) -> None:
        path.write_bytes(make())

    return write


def sparse(begin: bytes) -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(begin)
            file.truncate(1 << 40)

    return make


def zipped(members: dict[str, bytes | int], compression: int = zipfile.ZIP_DEFLATED) -> Make:
    """Return the maker of an archive; a number stands for so many megabytes of zeros."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members.items():
                with archive.open(name, "w", force_zip64=True) as file:
                    for _ in range(content if isinstance(content, int) else 1):
                        file.write(bytes(1 << 20) if isinstance(content, int) else content)

    return make


def tensors(count: int, size: tuple[int, ...], stride: tuple[int, ...], name: str = "a", elements: int = 4) -> bytes:
    """Return the pickle of ``count`` tensors that all look at one storage."""

    def word(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def number(value: int) -> bytes:
        content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(content)]) + content

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + number(elements) + b"tQ"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0) + numbers(size) + numbers(stride) + b"\x89}tR"
    )
    return b"\x80\x02}(" + b"".join(word(f"{name}{k}") + tensor for k in range(count)) + b"u."


def checkpoint(content: bytes, **members: bytes | int) -> Make:
    return zipped({"x/data.pkl": content, **{f"x/data/{name[1:]}": value for name, value in members.items()}})


def png(side: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pack = zlib.compressobj()
    pixels = b"".join(pack.compress(bytes(3 * side + 1)) for _ in range(side)) + pack.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def stored_masks() -> bytes:
    content = format_trajectory([parse_region("m0,0,8000,8000,0,1,63999998,1")])
    begin = struct.calcsize("<hI")
    return content[:2] + struct.pack("<I", 200) + content[begin:] * 200


def matlab(**variables: object) -> bytes:
    stream: Any = io.BytesIO()  # the stubs of scipy know paths alone
    scipy.io.savemat(stream, variables, do_compression=True)
    return stream.getvalue()


def vot(metadata: str) -> Make:
    def make(path: Path) -> None:
        (path / "a/color").mkdir(parents=True)
        for name, content in {"list.txt": "a\n", "a/groundtruth.txt": "1,2,3,4\n" * 2, "a/sequence": metadata}.items():
            (path / name).write_text(content)
        for number in (1, 2):
            (path / f"a/color/{number:08d}.jpg").write_bytes(b"")

    return make


def stamped(*names: str) -> Make:
    def make(path: Path) -> None:
        (path / "a").mkdir(parents=True)
        for name, content in {"list.txt": "a\n", "a/groundtruth.txt": "1,2,3,4\n" * 2}.items():
            (path / name).write_text(content)
        (path / "a/meta_info.ini").write_text("[METAINFO]\nresolution: (3, 4)\n")
        for name in names:
            (path / f"a/{name}.jpg").write_bytes(b"")

    return make


def read_dataset(path: Path) -> None:
    for sequence in open_dataset(str(path)).sequences:
        _ = sequence.ground_truth, sequence.details, sequence.frames


def read_archive(path: Path) -> None:
    files = open_files(path)
    for name in files.names:
        files.read(name)


def of_bytes(read: Callable[[bytes, str], object]) -> Callable[[Path], object]:
    return lambda path: read(read_bytes(path), str(path))


SMALL = pickle.dumps({"a": 1}, 2)
MASK = "m0,0,{0},{0},0,1,{1},1\n"
REFERENCES = "".join(f"a{k} = " + f"%(a{k - 1})s" * 10 + "\n" for k in range(1, 10))
ALIASES = "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}, *a{k - 1}]\n" for k in range(1, 40))
DEEP = b"\x80\x02}" + b")" + b"\x85" * 1_000_000 + b"K\x01s."
DOUBLING = b"(K\x01K\x02t" + b"2\x86" * 60

#: How each file is made, and what reads it.
FILES: dict[str, tuple[Make, Callable[[Path], object]]] = {
    "weights, compressed": (checkpoint(SMALL, _0=600), read_state),
    "weights, compressed pickle": (zipped({"x/data.pkl": 600}), read_state),
    "weights, compressed byte order": (zipped({"x/data.pkl": SMALL, "x/byteorder": 600}), read_state),
    "weights, many members": (checkpoint(SMALL, **{f"_{k}": 16 for k in range(40)}), read_state),
    "weights, lists": (zipped({"x/data.pkl": b"\x80\x02(" + b"]" * (30 << 20) + b"l."}), read_state),
    "weights, strides of 0": (checkpoint(tensors(1, (10**6, 10**6), (0, 0)), _0=bytes(16)), read_state),
    "weights, large views": (checkpoint(tensors(60, (1000, 1000), (0, 0)), _0=bytes(16)), read_state),
    "weights, names": (checkpoint(tensors(60_000, (1,), (1,)), _0=bytes(16)), read_state),
    "weights, a long name": (checkpoint(tensors(1, (1,), (1,), "a" * (50 << 20)), _0=bytes(16)), read_state),
    "weights, a deep key": (data(lambda: DEEP), read_state),
    "weights, a key of many paths": (data(lambda: b"\x80\x02}" + DOUBLING + b"K\x01s."), read_state),
    "weights, a value of many paths": (data(lambda: b"\x80\x02}U\x01a" + DOUBLING + b"s."), read_state),
    "weights, a long number": (
        data(lambda: b"\x80\x02\x8b" + struct.pack("<i", 60 << 20) + b"\x7f" * (60 << 20)),
        read_state,
    ),
    "weights, long digits": (data(lambda: b"\x80\x02L" + b"9" * (20 << 20) + b"\n."), read_state),
    "weights, sparse": (sparse(b"\x80\x02"), read_state),
    "safetensors, header": (data(lambda: (1 << 62).to_bytes(8, "little") + b"{" + bytes(100)), read_state),
    "image, sparse": (sparse(b"\xff\xd8\xff"), read_frame),
    "image, 16000 x 16000": (data(lambda: png(16_000)), read_frame),
    "image, 8000 x 8000": (data(lambda: png(8_000)), read_frame),
    "masks, 100 of 16384": (text(MASK.format(16384, 2**28 - 2) * 100), read_regions),
    "masks, 100 of 8192": (text(MASK.format(8192, 2**26 - 2) * 100), read_regions),
    "masks, 1000 of 2048": (text(MASK.format(2048, 2**22 - 2) * 1000), read_regions),
    "masks, stored": (data(stored_masks), lambda path: parse_trajectory(read_bytes(path))),
    "masks, lengths that wrap": (text(f"m0,0,2,2,{2**63 - 1},{2**63 - 1},6\n"), read_regions),
    "boxes, 4 million lines": (text("1,2,3,4\n" * 4_000_000), read_boxes),
    "boxes, 4 million wrong lines": (text("1,2,3,x\n" * 4_000_000), read_boxes),
    "boxes, blanks": (text(" " * 30_000_000 + "x"), read_boxes),
    "boxes, one line": (text("1," * 15_000_000), read_boxes),
    "regions, one line": (text("1," * 15_000_000), read_regions),
    "truth, one line": (text("1," * 15_000_000), read_truth),
    "truth, 4 million lines": (text("1,2,3,4,5,6\n" * 4_000_000), read_truth),
    "result, one line": (text("1," * 15_000_000), of_bytes(read_trajectory)),
    "own result, one line": (text("1," * 15_000_000), of_bytes(read_own)),
    "times, one line": (text("1," * 15_000_000), of_bytes(read_columns)),
    "confidences, 4 million lines": (text("1\n" * 4_000_000), of_bytes(read_confidences)),
    "result, header": (text("x," * 15_000_000), of_bytes(read_trajectory)),
    "boxes, header": (text("x," * 15_000_000), read_boxes),
    "results, numbered": (
        text("{" + ",".join(f'"{k}":[1,2,3,4]' for k in range(400_000)) + "}"),
        of_bytes(read_json_result),
    ),
    "JSON, deep": (text("[" * 10_000_000), of_bytes(read_json_result)),
    "JSON, wide": (text("[" + "[]," * 5_000_000 + "[]]"), of_bytes(read_json_result)),
    "document, deep": (text('{"a":' * 3_000_000), read_json),
    "labels": (text("0 " * 15_000_000 + "x"), lambda path: read_labels(path, 3)),
    "VOT, length": (vot("channels.color=color/%08d.jpg\nlength=1000000000000\n"), read_dataset),
    "VOT, pattern": (vot("channels.color=color/%0999999999d.jpg\nlength=2\n"), read_dataset),
    "GOT-10k, time stamps": (stamped("20240607120000", "20240607120001"), read_dataset),
    "GOT-10k, a number and a time stamp": (stamped("00000001", "20240607120001"), read_dataset),
    "archive, compressed": (zipped({"T/a.txt": 600}), read_archive),
    "archive, many members": (zipped({f"T/a{k}.txt": 60 for k in range(15)}), read_archive),
    "archive, many names": (zipped({f"T/a{k}.txt": b"" for k in range(60_000)}), read_archive),
    "archive, sparse": (sparse(b"PK\3\4"), read_archive),
    "MATLAB, compressed": (data(lambda: matlab(**{f"v{k}": np.zeros(1 << 21) for k in range(40)})), of_bytes(read_mat)),
    "YAML, aliases": (text("a0: &a0 [1, 2]\n" + ALIASES), read_yaml),
    "YAML, deep": (text("[" * 100_000), read_yaml),
    "YAML, deep mappings": (text("{a: " * 60_000), read_yaml),
    "YAML, wide": (text("a: [" + "1, " * 80_000 + "1]\n"), read_yaml),
    "TOML, wide": (text("a = [" + "1," * 100_000 + "1]\n"), read_toml),
    "TOML, dotted": (text("".join("a." * 900 + f"b{k} = 1\n" for k in range(130))), read_toml),
    "INI, references": (
        text("[mine]\na0 = xxxxxxxxxx\n" + REFERENCES + "command = %(a9)s\n"),
        lambda path: read_section(path, "mine"),
    ),
}


def measure(folder: Path) -> None:
    """Read every file; print a line of JSON for each: name, bytes, seconds and what was said."""
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))  # what needs more is an error, and no danger
    for name, (make, read) in FILES.items():
        path = folder / "file"
        make(path)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, begun, said = _memory("VmRSS"), time.process_time(), ""
        try:
            read(path)
        except TrackbenchError as error:
            said = str(error)
        except BaseException as error:
            said = f"{type(error).__name__}\n{error}"
        taken = _memory("VmHWM") - before
        print(json.dumps([name, taken, time.process_time() - begun, said]), flush=True)
        subprocess.run(["rm", "-rf", str(path)], check=True)


def _memory(key: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) << 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_no_file_takes_much_memory_or_time(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, env=os.environ)
    found = {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}
    assert found.keys() == FILES.keys(), done.stderr[-2000:]
    for name, (memory, seconds, said) in found.items():
        assert memory < MEMORY, (name, memory >> 20)
        assert seconds < SECONDS, (name, seconds)
        assert said.isprintable(), (name, said)
        assert len(said) < 500, (name, said)


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
