"""Recordings of the official training code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch


def recording(reference: Path, tracker: str) -> dict[str, np.ndarray]:
    with np.load(reference / "parity" / f"losses_{tracker}.npz") as file:
        return {name: file[name] for name in file.files}


def cases(record: dict[str, np.ndarray], prefix: str, end: str) -> list[str]:
    return [name[len(prefix) : -len(end)] for name in record if name.startswith(prefix) and name.endswith(end)]


def unpacked(masks: np.ndarray, size: int) -> np.ndarray:
    return np.unpackbits(masks, axis=-1)[..., :size].astype(bool)


def leaf(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array)).requires_grad_()


def assert_gradient(found: torch.Tensor | None, wanted: np.ndarray) -> None:
    assert found is not None
    largest = float(np.abs(wanted).max()) if wanted.size else 0.0
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-6 + 1e-5 * largest)


def close(found: object, wanted: object, absolute: float = 2e-7) -> None:
    np.testing.assert_allclose(float(found), float(wanted), rtol=2e-6, atol=absolute)  # type: ignore[arg-type]
