"""What all commands share: their common options, how they print, how they fail."""

from __future__ import annotations

import functools
import json
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TextIO, TypeVar

import typer

from trackbench.cli import completion
from trackbench.errors import SeveralErrors, TrackbenchError, unforeseen
from trackbench.quoting import grouped, printable

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")
R = TypeVar("R")

DATASETS_OPTION = typer.Option(
    "--dataset",
    "-d",
    help="Data set: a name of `trackbench list datasets`, or a folder. Repeatable.",
    autocompletion=completion.datasets,
)
Datasets = Annotated[list[str], DATASETS_OPTION]
Root = Annotated[
    Path | None, typer.Option(help="Folder that holds the data set. Default: `data add`, TRACKBENCH_DATA.")
]
Runs = Annotated[Path, typer.Option(envvar="TRACKBENCH_RUNS", help="Folder of stored results.")]
Protocol = Annotated[str | None, typer.Option(help="Default: the data set's.", autocompletion=completion.protocols)]
Convention = Annotated[
    str | None,
    typer.Option(help="Whose scoring rules. Default: the data set's.", autocompletion=completion.conventions),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a tracker's option. Repeatable."),
]
SetEach = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[TRACKER.]KEY=VALUE",
        help="Set an option of all trackers, or with its name before it of one of them. Repeatable.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Checkpoint to use instead of the kept one.")]
RandomWeights = Annotated[bool, typer.Option("--random-weights", help="Run without a checkpoint.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else there.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: whatever fails becomes one line and an exit code, an interruption exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _print_warning
                return command(*args, **kwargs)
        except TrackbenchError as error:
            if kwargs.get("debug"):
                raise
            for each in error.errors if isinstance(error, SeveralErrors) else (error,):
                print_error(str(each))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            if kwargs.get("debug"):
                raise
            print_error("interrupted; everything finished so far is kept, the same command continues")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output (head, less) has gone; there is nobody left to tell.
            sys.stdout = None
            raise typer.Exit(1) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except (Exception, SystemExit) as error:
            if kwargs.get("debug"):
                raise
            print_error(f"{unforeseen(error)} (--debug shows the traceback)")
            raise typer.Exit(1) from None

    return wrapped


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line; those of other packages with their place."""
    own = Path(filename).is_relative_to(Path(__file__).parents[1])
    place = "" if own else f"{Path(filename).name}:{lineno}: {category.__name__}: "
    typer.echo(printable(f"{place}{message}"), err=True)


def end_on_sigterm() -> None:
    """Treat SIGTERM, by which schedulers of clusters end a job, as the interruption by Ctrl-C."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def print_error(message: str) -> None:
    """Print one line of error on standard error."""
    typer.secho(f"trackbench: {printable(message)}", err=True, fg=typer.colors.RED)


def exit_without(refused: Mapping[str, str]) -> None:
    """Say which runs were left out, and why, and end with code 1; where none was, do nothing."""
    for line in grouped(refused):
        print_error(f"left out: {line}")
    if refused:
        raise typer.Exit(1)


def print_detail(line: str) -> None:
    """Print a line that belongs to the error above it, on standard error."""
    typer.secho(printable(line), err=True, dim=True)


def print_line(text: str) -> None:
    """Print one line of results on standard output."""
    typer.echo(printable(text))


def print_json(document: dict[str, Any]) -> None:
    """Print the one JSON document of a command; NaN becomes null."""
    typer.echo(json.dumps({"schema": 1, **_plain(document)}, indent=2, allow_nan=False))


def output() -> Console:
    """Return the console for results; wide enough for its tables when it is not a terminal."""
    from trackbench.cli.console import SafeConsole

    return SafeConsole(highlight=False) if sys.stdout.isatty() else SafeConsole(highlight=False, width=160)


def messages(quiet: bool = False) -> Console:
    """Return the console for messages and progress, mute if ``quiet``."""
    from trackbench.cli.console import MessageConsole

    return MessageConsole(stderr=True, highlight=False, soft_wrap=True, markup=False, quiet=quiet)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    return value
