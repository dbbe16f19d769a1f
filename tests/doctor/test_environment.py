from pathlib import Path

import cv2
import pytest
import torch
from command import document, trackbench

from trackbench.doctor import environment


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "bad"), ((3, 11), "good"), ((3, 13), "good"), ((3, 14), "bad")]
)
def test_versions_of_python(version: tuple[int, int], state: str) -> None:
    assert environment.python(version).state == state


def test_packages_that_are_missing_or_too_old_are_named_with_the_command() -> None:
    missing, old = environment.packages(["no-such-package>=2", "numpy<1", "numpy>=1", "other; extra == 'dev'"])
    assert (missing.subject, missing.mend) == ("no-such-package", "pip install 'no-such-package>=2'")
    assert "needed is <1" in old.text


def test_all_packages_of_this_environment_are_good() -> None:
    assert [finding.state for finding in environment.packages()] == ["good"]


def test_a_gpu_that_pytorch_was_not_built_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(environment, "nvidia_driver", lambda: "570.1")
    monkeypatch.setattr(torch.version, "cuda", None)
    finding = environment.torch_device()
    assert finding.state == "bad"
    assert "is built for the CPU, and there is a GPU" in finding.text
    monkeypatch.setattr(environment, "nvidia_driver", lambda: None)
    assert environment.torch_device().state == "good"


def test_reduced_precision_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in environment.precision()] == ["good"]
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        (finding,) = environment.precision()
    finally:
        torch.set_float32_matmul_precision(before)
    assert finding.state == "bad"
    assert "'medium'" in finding.text
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    (finding,) = environment.precision()
    assert "forces TF32" in finding.text


def test_two_opencvs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.opencv().state == "good"
    assert cv2.__version__ in environment.opencv().text
    monkeypatch.setattr(environment, "_version", lambda name: "5" if "headless" not in name else None)
    finding = environment.opencv()
    assert "opencv-python and opencv-contrib-python overwrite each other" in finding.text
    assert finding.mend.startswith("pip uninstall -y opencv-python opencv-contrib-python")


def test_disks_that_are_slow_or_cannot_be_written_are_found(tmp_path: Path) -> None:
    assert environment.disk(tmp_path / "runs", 1 << 20, 1.0).state == "good"
    assert environment.disk(tmp_path / "runs", 1 << 20, float("inf")).mend == "give --runs DIR on a local disk"
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_faults_and_exits_with_1(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.disk, "__defaults__", (1 << 20, 0.0))
    found = document("doctor")
    assert found["faults"] == 0
    subjects = {row["subject"]: row["state"] for row in found["findings"]}
    assert subjects["Python"] == subjects["PyAV"] == subjects["numba"] == "good"
    monkeypatch.setenv("TRACKBENCH_DATA", "/no/such/folder")
    result = trackbench("doctor", code=1)
    assert "✗ TRACKBENCH_DATA: /no/such/folder: there is no such folder" in result.stdout
