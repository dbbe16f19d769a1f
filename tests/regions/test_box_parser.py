"""Compiled parsing reads what Python's own reads, to the last bit, and leaves all else to it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from trackbench.errors import DataError
from trackbench.regions import box_parser  # noqa: F401  # loaded, it parses short texts as well
from trackbench.regions.files import parse_box_table, read_boxes

FORMS = ("{!r}", "{:.4f}", "{:.18e}", "{:.17g}", "{:.12f}", "{:.0f}", "+{:.3f}")


def test_every_number_is_the_nearest() -> None:
    generator = random.Random(3)
    values = [generator.uniform(0.2, 10) ** generator.randint(1, 4) for _ in range(40_000)]
    words = [generator.choice(FORMS).format(value) for value in values]
    words += ["0.1", "9007199254740993", "9007199254740995.5", "123456789.123456789", "0", "-0.0", ".5", "7."]
    text = "".join(",".join(words[row : row + 4]) + "\n" for row in range(0, len(words), 4))
    boxes = parse_box_table(text.encode())
    assert boxes is not None
    np.testing.assert_array_equal(boxes, np.reshape([float(word) for word in words], (-1, 4)))


@pytest.mark.parametrize("text", ["1,2,3,4", "1 2\t3 ; 4\n", "1,2,3,4\r\n1 , 2, 3,4\r\n\r\n", "1;2;3;4 \n"])
def test_separators(text: str) -> None:
    boxes = parse_box_table(text.encode())
    assert boxes is not None
    assert boxes.tolist() == [[1, 2, 3, 4]] * text.count("4")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "1,2,3\n",
        "1,2,3,4,5\n",
        "1,2,,3,4\n",
        "1,2,3,4\n\n1,2,3,4\n",
        "1-2,3,4,5\n",
        ".,1,2,3\n",
        "1e,2,3,4\n",
        "1,2,3,-\n",
        "1_0,2,3,4\n",
        "x,2,3,4\n",
        "NaN,NaN,NaN,NaN\n",
        "1,2,3,0.12345678901234567890123\n",
    ],
)
def test_other_texts_are_left(text: str, tmp_path: Path) -> None:
    assert parse_box_table(text.encode()) is None
    path = tmp_path / "boxes.txt"
    path.write_text(text)
    if text.startswith("NaN") or text.endswith("123\n"):
        assert read_boxes(path).shape == (1, 4)
    else:
        with pytest.raises(DataError, match=r"boxes\.txt: "):
            read_boxes(path)
