"""Consoles that show what files say, and never act upon it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from trackbench.quoting import printable, printable_lines


class SafeConsole(Console):
    """A console on which control characters of a text are spelled out, in tables and progress bars too.

    Names such as ``trax:six:`` stay as they are: rich would make an emoji of what stands between colons.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def on_broken_pipe(self) -> None:
        """Say so by an error of its own, where rich would leave the program: commands end in silence then."""
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; of texts, only what is visible and line breaks get through.

        In a narrow terminal the cells of tables are folded: of a name that is cut, nobody can copy the rest.
        """
        if isinstance(renderable, Table):
            for column in renderable.columns:
                if not column.no_wrap:
                    column.overflow = "fold"
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable_lines(segment.text), segment.style)


class MessageConsole(SafeConsole):
    """A console for messages, each on one line."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, texts on one line."""
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)
