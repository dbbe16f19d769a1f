"""``trackbench weights``: official checkpoints, verified and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, guarded, messages, output, print_error, print_json, print_line

#: What is said where no weights are kept.
NO_WEIGHTS = "no weights are kept; `trackbench weights add NAME FILE` adds some"

weights_app = typer.Typer(help="Verify, convert and keep official checkpoints.", no_args_is_help=True)


@weights_app.command("add")
@guarded
def add(
    tracker: Annotated[
        str, typer.Argument(help="A name of `trackbench list trackers`.", autocompletion=completion.trackers)
    ],
    file: Annotated[
        Path,
        typer.Argument(help="The official file: .pth, .pth.tar, .pt, TorchScript, safetensors, or a zip around one."),
    ],
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM=TO", help="Call a part of the names in FILE otherwise (encoder=backbone). Repeatable."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Where FILE keeps weights several times: the key to take (model_ema)."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Keep FILE as the weights of TRACKER, if every name in it fits. Nothing in the file is executed.

    Of a tracker defined in the working folder's `trackers/`, the class is imported: that runs code.

    A checkpoint of a changed network runs with `trackbench run TRACKER --weights FILE --set KEY=VALUE`, or under a
    definition of its own in `trackers/`.

    [bold]Example[/bold]

    trackbench weights add aiatrack ~/Downloads/AIATRACK_ep0500.pth.tar

    trackbench weights add mytracker epoch_90.ckpt --rename encoder.body=backbone
    """
    import warnings

    from trackbench.checkpoints.weight_cache import cache_weights, cached_path
    from trackbench.errors import UsageError
    from trackbench.trackers.classes import load_class
    from trackbench.trackers.matching import read_weights
    from trackbench.trackers.networks import Networked
    from trackbench.trackers.settings import resolve_settings

    settings = resolve_settings(tracker)
    model = load_class(settings.definition)
    if settings.definition.value.weights is None or not issubclass(model, Networked):
        raise UsageError(f"{settings.name} takes no checkpoint")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        match = read_weights(file, settings.name, model, settings.options, _pairs(rename or []), key)
    made = cache_weights(settings.definition.same_as, match.weights, file)
    path = cached_path(made.tracker)
    notes = [str(warning.message) for warning in said if issubclass(warning.category, UserWarning)]
    if json:
        print_json(
            {
                "tracker": made.tracker,
                "file": path,
                "source": made.source,
                "sha256": made.sha256,
                "tensors": len(match.weights),
                "unused": match.unused,
                "warnings": notes,
            }
        )
        return
    for line in notes:
        messages().print(line)
    unused = f", {len(match.unused)} known and not needed" if match.unused else ""
    print_line(f"{made.tracker}: {len(match.weights)} tensors{unused}; kept in {path}")
    print_line(f"sha256 of {file}: {made.sha256}")
    published = settings.definition.value.weights.sha256
    if published is not None:
        print_line("It is the published file." if published == made.sha256 else "It is NOT the published file.")
    note = settings.definition.value.weights.note
    if note:
        print_line(f"Expected: {note}")


def _pairs(rename: list[str]) -> list[tuple[str, str]]:
    from trackbench.errors import UsageError

    for text in rename:
        if text.count("=") != 1 or not text.partition("=")[0].strip("."):
            raise UsageError(f"--rename '{text}': expected FROM=TO, parts of names such as encoder.body=backbone")
    return [(old, new) for old, _, new in (text.partition("=") for text in rename)]


@weights_app.command("list")
@guarded
def list_weights(json: Json = False, debug: Debug = False) -> None:
    """List the weights that are kept. The exit code is 1 where some are damaged; the others are listed."""
    from dataclasses import asdict

    from trackbench.checkpoints.weight_cache import cached_path, cached_trackers, origin
    from trackbench.errors import TrackbenchError

    rows: list[dict[str, Any]] = []
    damaged: list[str] = []
    for name in cached_trackers():
        try:
            made = origin(name)
        except TrackbenchError as error:
            damaged.append(str(error))
            continue
        if made is not None:
            rows.append({**asdict(made), "file": str(cached_path(name))})
    for reason in damaged:
        print_error(reason)
    if json:
        print_json({"weights": rows})
    else:
        _show_kept(rows)
    if damaged:
        raise typer.Exit(1)


def _show_kept(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    if not rows:
        messages().print(NO_WEIGHTS)
        return
    table = Table("tracker", "official file", "sha256", "added", "kept in")
    for row in rows:
        table.add_row(row["tracker"], row["source"], row["sha256"][:16], row["added"], row["file"])
    output().print(table)


@weights_app.command("check")
@guarded
def check(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRACKER...]", help="Default: all that are kept.", autocompletion=completion.kept_weights
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check that kept weights are undamaged and fit their trackers. The exit code is 1 where one does not."""
    from trackbench.checkpoints.weight_cache import cached_trackers, is_intact
    from trackbench.errors import TrackbenchError
    from trackbench.trackers.settings import resolve_settings

    names = [resolve_settings(name).definition.same_as for name in trackers] if trackers else cached_trackers()
    rows: list[dict[str, Any]] = []
    for name in names:
        try:
            _check_fit(name)
            reason = None if is_intact(name) else "damaged: the tensors are not those that were kept"
        except TrackbenchError as error:
            reason = str(error)
        rows.append({"tracker": name, "ok": reason is None, "reason": reason})
    if json:
        print_json({"weights": rows})
    else:
        if not rows:
            messages().print(NO_WEIGHTS)
        for row in rows:
            if row["ok"]:
                print_line(f"{row['tracker']}: undamaged, fits")
            else:
                print_error(f"{row['tracker']}: {row['reason']}")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@weights_app.command("remove")
@guarded
def remove(
    trackers: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACKER...", help="Names of `trackbench weights list`.", autocompletion=completion.kept_weights
        ),
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove kept weights. Stored results stay; the official files that they were read from are not touched.

    [bold]Example[/bold]

    trackbench weights remove dcfnet
    """
    from trackbench.checkpoints.weight_cache import cached_trackers, remove_cached
    from trackbench.errors import UsageError, fold_name, suggestion

    kept = {fold_name(name): name for name in cached_trackers()}
    for name in trackers:
        if fold_name(name) not in kept:
            known = f" (kept: {', '.join(kept.values())})" if kept else " (none are kept)"
            raise UsageError(f"no weights of '{name}' are kept{suggestion(name, kept.values())}{known}")
    removed = [remove_cached(kept[fold_name(name)]) for name in trackers]
    if json:
        print_json({"removed": removed})
        return
    for path in removed:
        print_line(f"removed {path}")


def _check_fit(name: str) -> None:
    """Raise where the kept weights of a tracker are missing, unreadable or do not fit its network."""
    from trackbench.trackers.classes import load_class
    from trackbench.trackers.networks import Networked
    from trackbench.trackers.settings import resolve_settings
    from trackbench.trackers.weights import choose_weights

    settings = resolve_settings(name)
    model = load_class(settings.definition)
    weights = choose_weights(settings, None, random=False, seed=0)
    if weights is not None and issubclass(model, Networked):
        weights.load(settings, model)
