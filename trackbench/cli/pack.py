"""``trackbench pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, Root, Runs, messages, print_error, print_json


def pack(
    server: Annotated[Literal["got10k", "trackingnet", "lasot", "vot"], typer.Argument(help="Who will score.")],
    *,
    tracker: Annotated[
        str, typer.Option(help="A tracker of `trackbench list runs`.", autocompletion=completion.stored)
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Default: the server's usual one; for vot: which challenge (vot2018).",
            autocompletion=completion.datasets,
        ),
    ] = None,
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="The archive. Default: TRACKER-DATASET.zip.")] = None,
    repetition: Annotated[
        int | None, typer.Option(min=1, help="Take this one, where more are stored than the server takes.")
    ] = None,
    repeat_last: Annotated[
        bool, typer.Option("--repeat-last", help="Write the box before where the server would not take the answer.")
    ] = False,
    without_times: Annotated[
        bool, typer.Option("--without-times", help="got10k: leave out the times, which make the speed on the server.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check a stored run and pack it for the benchmark's server or organiser. Lists all that it would not take.

    [bold]Examples[/bold]

    trackbench pack got10k --tracker dcf

    trackbench pack trackingnet --tracker dcf --repeat-last --out dcf.zip

    trackbench pack vot -d vot2018 --tracker dcf
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import UsageError
    from trackbench.files import folder_name
    from trackbench.formats.exporting import find_run
    from trackbench.formats.submissions import SERVERS, pack_one_pass, pack_vot
    from trackbench.quoting import alike, listed

    if server == "vot":
        if repetition is not None or repeat_last or without_times:
            raise UsageError(
                "pack vot: takes results as they are, without --repetition, --repeat-last, --without-times"
            )
        if dataset is None:
            raise UsageError("pack vot: -d says which challenge, such as -d vot2018")
        package = pack_vot(runs, tracker, open_dataset(dataset, root))
    else:
        name = dataset or SERVERS[server].usual
        run = find_run(runs, tracker, name)
        package = pack_one_pass(
            server,
            run,
            open_dataset(name, root),
            repetition=repetition,
            repeat_last=repeat_last,
            times=not without_times,
        )
    path = out or Path(f"{folder_name(package.tracker)}-{package.dataset}.zip")
    written = None if package.problems else package.write(path)
    if json:
        print_json({"package": package.document() | {"archive": written}})
    numbered = {f"{number} {problem.where}": problem for number, problem in enumerate(package.problems)}
    for first, *others in alike({key: problem.reason for key, problem in numbered.items()}):
        places = listed([numbered[key].where for key in others], 3)
        more = f"; likewise {places}" if others else ""
        print_error(f"{numbered[first].where}: {numbered[first].reason}{more}")
    if written is None:
        problems = "1 problem" if len(package.problems) == 1 else f"{len(package.problems)} problems"
        print_error(f"{problems}, nothing is written")
        raise typer.Exit(1)
    say = messages(quiet).print
    repetitions = ", ".join(f"{count} of {what}" for what, count in package.runs.items())
    say(
        f"{package.tracker} for {server}: {package.sequences} sequences of {package.dataset}, {package.frames:,} frames"
    )
    say(f"{len(package.contents)} files; repetitions: {repetitions}")
    say(f"{written['path']}: {written['bytes']:,} bytes, SHA-256 {written['sha256']}")
