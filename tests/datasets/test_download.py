"""Downloads from a server of our own: resumed, checked, unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command import document, trackbench
from samples import write_dataset

from trackbench.datasets import download
from trackbench.datasets.download import fetch_dataset, fetch_file, read_description, unpack
from trackbench.errors import DataError
from trackbench.schemas import DatasetDefinition, Download


class Server:
    """Serves bytes by path, notes what is asked for, and breaks off where it is told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.break_after: dict[str, list[int]] = {}
        """Path -> bytes of the body after which the connection ends, answer by answer."""
        self.ranges = True
        self.errors: dict[str, list[int]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, wanted = request.path[1:], request.headers.get("Range")
        self.asked.append((path, wanted))
        if self.errors.get(path):
            request.send_error(self.errors[path].pop(0))
            return
        if path not in self.files:
            request.send_error(404)
            return
        body, start = self.files[path], 0
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(body)}")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        cut = self.break_after.get(path)
        request.wfile.write(body[start : start + cut.pop(0)] if cut else body[start:])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


CONTENT = bytes(range(256)) * 40


def test_a_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.files["a.bin"] = CONTENT
    server.break_after["a.bin"] = [1000, 500]
    told: list[int] = []
    wanted = Download(url=server.url("a.bin"), size=len(CONTENT), checksum=hashlib.sha1(CONTENT).hexdigest())
    size, checksum = fetch_file(wanted, tmp_path / "a.bin", lambda _, there, of: told.append(there))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert (size, checksum) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert [header for _, header in server.asked] == [None, "bytes=1000-", "bytes=1500-"]
    assert told[-1] == len(CONTENT)
    assert not list(tmp_path.glob("*.part"))


def test_a_stopped_command_goes_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TRIES", 1)
    server.files["a.bin"] = CONTENT
    server.break_after["a.bin"] = [1000]
    with pytest.raises(DataError, match=r"cannot be fetched: .*; the same command goes on from here"):
        fetch_file(Download(url=server.url("a.bin")), tmp_path / "a.bin")
    assert (tmp_path / "a.bin.part").stat().st_size == 1000
    fetch_file(Download(url=server.url("a.bin")), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_the_whole_file_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.files["a.bin"] = CONTENT
    server.break_after["a.bin"] = [1000]
    fetch_file(Download(url=server.url("a.bin")), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("there", [CONTENT, CONTENT + b"more"])
def test_what_is_already_whole_is_not_fetched_again(server: Server, tmp_path: Path, there: bytes) -> None:
    server.files["a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(there)
    fetch_file(Download(url=server.url("a.bin")), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_wrong_files_are_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.files["a.bin"] = CONTENT
    with pytest.raises(DataError, match=f"has {len(CONTENT)} bytes; expected 5"):
        fetch_file(Download(url=server.url("a.bin"), size=5), tmp_path / "a.bin")
    with pytest.raises(DataError, match=r"has md5 [0-9a-f]{32}; expected 00000"):
        fetch_file(Download(url=server.url("a.bin"), checksum="0" * 32), tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_errors_of_servers(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing.bin: the server answers 404"):
        fetch_file(Download(url=server.url("nothing.bin")), tmp_path / "x")
    assert len(server.asked) == 1
    server.files["a.bin"] = CONTENT
    server.errors["a.bin"] = [503, 502]
    fetch_file(Download(url=server.url("a.bin")), tmp_path / "a.bin")
    assert len(server.asked) == 4
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(DataError, match=r"cannot be fetched: Connection refused"):
        fetch_file(Download(url=server.url("a.bin")), tmp_path / "a.bin")


def test_archives_cannot_leave_their_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../outside.txt", "x")
    with pytest.raises(DataError, match="would leave the archive's folder"):
        unpack(tmp_path / "bad.zip", tmp_path / "in")
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        member = tarfile.TarInfo("../outside.txt")
        tar.addfile(member, io.BytesIO())
    with pytest.raises(DataError, match=r"bad.tar: is damaged"):
        unpack(tmp_path / "bad.tar", tmp_path / "in")
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="is not a readable zip archive"):
        unpack(tmp_path / "no.zip", tmp_path / "in")
    assert not (tmp_path / "outside.txt").exists()


def test_data_download_fetches_a_data_set_and_remembers_it(server: Server, workplace: Path) -> None:
    server.files["set.zip"] = zipped(workplace / "data")
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text(
        f'title = "Mine"\nlayout = "folder"\n[[downloads]]\nurl = "{server.url("set.zip")}"\n'
        f"size = {len(server.files['set.zip'])}\n"
    )
    assert "`trackbench data download mine DIR`" in trackbench("run", "drift", "-d", "mine", code=2).stderr
    row = document("data", "download", "mine", "there")
    assert (row["sequences"], row["fetched"]) == (3, 1)
    assert document("data", "download", "mine", "there")["fetched"] == 0
    assert len(server.asked) == 1
    (listed,) = document("data", "list")["datasets"]
    assert (listed["name"], listed["folder"], listed["ready"]) == ("mine", str(workplace / "there"), True)
    assert "mine: 3 of 3 sequences in" in trackbench("data", "list").stdout
    trackbench("run", "drift", "-d", "mine")


def test_a_data_set_that_needs_a_form_says_where_it_is(workplace: Path) -> None:
    message = trackbench("data", "download", "got10k-test", "there", code=2).stderr
    assert "has no address from which it comes without a form" in message
    assert "got-10k.aitestunion.com" in message
    assert not (workplace / "there").exists()


def test_vot_descriptions_are_followed(server: Server, workplace: Path) -> None:
    write_dataset(workplace / "vot", 2, 4)
    sequences = []
    for name in ("s1", "s2"):
        images, folder = workplace / "vot" / name / "img", workplace / "annotation" / name
        folder.mkdir(parents=True)
        (folder / "groundtruth.txt").write_bytes((workplace / "vot" / name / "groundtruth.txt").read_bytes())
        server.files[f"main/{name}/color.zip"], server.files[f"main/{name}.zip"] = zipped(images), zipped(folder)
        color = server.files[f"main/{name}/color.zip"]
        sequences.append(
            {
                "name": name,
                "fps": 30,
                "channels": {
                    "color": {
                        "url": f"{name}/color.zip",
                        "pattern": "%04d.jpg",
                        "compressed": len(color),
                        "checksum": hashlib.sha1(color).hexdigest(),
                        "uncompressed": 1,
                    }
                },
                "annotations": {"url": f"{name}.zip", "uncompressed": 1, "uid": "x"},
            }
        )
    server.files["main/description.json"] = json.dumps({"name": "V", "sequences": sequences}).encode()
    definition = DatasetDefinition(title="V", layout="vot", description=server.url("main/description.json"))
    assert fetch_dataset(definition.called("v"), workplace / "got") == 4
    assert (workplace / "got/list.txt").read_text() == "s1\ns2\n"
    assert "channels.color=color/%04d.jpg" in (workplace / "got/s1/sequence").read_text()
    trackbench("run", "drift", "-d", "./got", "--protocol", "one-pass")
    server.files["main/description.json"] = json.dumps({"sequences": [{"name": "../x"}]}).encode()
    with pytest.raises(DataError, match="cannot name a folder"):
        fetch_dataset(definition.called("v"), workplace / "other")
    server.files["main/description.json"] = b"[]"
    with pytest.raises(DataError, match=r"nowhere.json: the server answers 404"):
        read_description(server.url("nowhere.json"), workplace)
    with pytest.raises(DataError, match="is no description of a VOT data set"):
        fetch_dataset(definition.called("v"), workplace / "other")
