"""Compiled reading of text that holds nothing but four numbers a line, as nearly all results and annotations do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackbench.jit import jit

#: Powers of ten that float64 holds exactly.
POWERS = 10.0 ** np.arange(23)
#: Decimal digits that always fit into 64 bits.
DIGITS = 19
#: Whole numbers up to here are float64 numbers.
WHOLE = np.uint64(2**53)
#: Splits a float64 into two halves of 26 bits (Veltkamp).
SPLITTER = 134217729.0


@jit()
def _half(value: float) -> float:
    product = SPLITTER * value
    return product - (product - value)


@jit()
def _quotient(digits: np.uint64, power: float) -> float:
    """Return the float64 number nearest to digits / power: a quotient, corrected by what is left of the division."""
    high = float(digits)
    quotient = high / power
    if digits <= WHOLE:
        return quotient
    low = float(np.int64(digits - np.uint64(high)))
    # The exact product of quotient and power is product + rest (Dekker).
    product = quotient * power
    a, b = _half(quotient), _half(power)
    rest = ((a * b - product) + a * (power - b) + (quotient - a) * b) + (quotient - a) * (power - b)
    return quotient + (((high - product) - rest) + low) / power


@jit()
def parse(text: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the numbers of each line.

    Args:
        text: ASCII, ending with a line feed. A comma, a semicolon, a tab or blanks separate.

    Returns:
        float64 (N, 4), each column contiguous; of no rows where a line is not four plain numbers, or a number has too
        many digits for this way.
    """
    end, at, row, column, lines = len(text), 0, 0, 0, 0
    for character in text:
        lines += character == 10
    boxes = np.empty((4, lines)).T
    while at < end:
        while text[at] == 32 or text[at] == 9:
            at += 1
        negative = text[at] == 45
        at += text[at] == 45 or text[at] == 43
        begin, digits, power = at, np.uint64(0), 0
        while text[at] == 48:
            at += 1
        start = at
        digit = np.int64(text[at]) - 48
        while 0 <= digit <= 9:
            digits = digits * np.uint64(10) + np.uint64(digit)
            at += 1
            digit = np.int64(text[at]) - 48
        digits_read, count = at - begin, at - start
        if text[at] == 46:
            at += 1
            begin = at
            while count == 0 and text[at] == 48:
                at += 1
            start = at
            digit = np.int64(text[at]) - 48
            while 0 <= digit <= 9:
                digits = digits * np.uint64(10) + np.uint64(digit)
                at += 1
                digit = np.int64(text[at]) - 48
            power = begin - at
            digits_read, count = digits_read - power, count + at - start
        if digits_read == 0 or count > DIGITS:
            return boxes[:0]
        if text[at] == 101 or text[at] == 69:
            at += 1
            down = text[at] == 45
            at += text[at] == 45 or text[at] == 43
            begin, exponent = at, 0
            while 48 <= text[at] <= 57 and at - begin < 4:
                exponent = exponent * 10 + (text[at] - 48)
                at += 1
            if at == begin:
                return boxes[:0]
            power += -exponent if down else exponent
        if power <= 0 and -power < len(POWERS):
            value = _quotient(digits, POWERS[-power])
        elif 0 < power < len(POWERS) and digits <= WHOLE:
            value = float(digits) * POWERS[power]
        else:
            return boxes[:0]
        boxes[row, column] = -value if negative else value
        column += 1

        blanks = at
        while text[at] == 32 or text[at] == 9:
            at += 1
        if text[at] == 13 and text[at + 1] == 10:
            at += 1
        if text[at] == 10:
            if column != 4:
                return boxes[:0]
            row, column = row + 1, 0
            at += 1
        elif column == 4:
            return boxes[:0]
        elif text[at] == 44 or text[at] == 59:
            at += 1
        elif at == blanks:
            return boxes[:0]
    return boxes
