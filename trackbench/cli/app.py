"""Puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from trackbench.cli.check import check
from trackbench.cli.commands import Commands
from trackbench.cli.data import data_app
from trackbench.cli.diff import diff
from trackbench.cli.doctor import doctor
from trackbench.cli.explain import explain
from trackbench.cli.export import export
from trackbench.cli.figure import figure
from trackbench.cli.import_ import import_results
from trackbench.cli.import_scores import import_scores
from trackbench.cli.list_ import list_app
from trackbench.cli.merge import merge
from trackbench.cli.methods import methods
from trackbench.cli.pack import pack
from trackbench.cli.profile import profile
from trackbench.cli.publish import publish
from trackbench.cli.report import report
from trackbench.cli.reproduce import reproduce
from trackbench.cli.run import run
from trackbench.cli.search import search
from trackbench.cli.shared import guarded
from trackbench.cli.show import show
from trackbench.cli.statistics import statistics
from trackbench.cli.status import status
from trackbench.cli.synthesize import synthesize
from trackbench.cli.track import track
from trackbench.cli.train import train
from trackbench.cli.video import video
from trackbench.cli.vot import vot_app
from trackbench.cli.weights import weights_app

app = typer.Typer(
    name="trackbench",
    cls=Commands,
    help="Run single-object trackers over the field's benchmarks and turn the results into numbers to publish.",
    epilog="Example: trackbench run dcf -d otb100 --root ~/data/OTB && trackbench report -d otb100 --root ~/data/OTB",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        from trackbench.results.manifest import versions

        for name, version in versions().items():
            typer.echo(f"{name} {version}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the versions that matter.")
    ] = False,
) -> None:
    """Run single-object trackers over the field's benchmarks and turn the results into numbers to publish."""


app.command("run")(guarded(run))
app.command("status")(guarded(status))
app.command("merge")(guarded(merge))
app.command("report")(guarded(report))
app.command("explain")(guarded(explain))
app.command("methods")(guarded(methods))
app.command("profile")(guarded(profile))
app.command("doctor")(guarded(doctor))
app.command("reproduce")(guarded(reproduce))
app.command("diff")(guarded(diff))
app.command("statistics")(guarded(statistics))
app.command("import")(guarded(import_results))
app.command("import-scores")(guarded(import_scores))
app.command("export")(guarded(export))
app.command("pack")(guarded(pack))
app.command("check")(guarded(check))
app.command("track")(guarded(track))
app.command("video")(guarded(video))
app.command("figure")(guarded(figure))
app.command("train")(guarded(train))
app.command("publish")(guarded(publish))
app.command("search")(guarded(search))
app.command("synthesize")(guarded(synthesize))
app.command("show")(guarded(show))
app.add_typer(list_app, name="list")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(vot_app, name="vot")
