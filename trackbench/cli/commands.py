"""The group of all commands: a word that is none of them gets the right one as a hint."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from trackbench.cli.shared import print_error
from trackbench.errors import suggestion

#: Words of other tools -> what they are here.
WORDS: dict[str, str] = {
    "evaluate": "`trackbench run` runs trackers, `trackbench report` scores what is stored",
    "eval": "`trackbench run` runs trackers, `trackbench report` scores what is stored",
    "test": "`trackbench run` runs trackers over benchmarks",
    "benchmark": "`trackbench run` runs trackers over benchmarks",
    "score": "`trackbench report` scores what is stored",
    "analyze": "`trackbench report` scores what is stored",
    "analyse": "`trackbench report` scores what is stored",
    "analysis": "`trackbench report` scores what is stored",
    "plot": "`trackbench report` draws plots, `trackbench figure` pictures of frames",
    "compare": "`trackbench report` compares trackers, `trackbench diff` two runs",
    "resume": "the same `trackbench run` goes on where it stopped",
    "download": "`trackbench data download NAME DIR`",
    "datasets": "`trackbench list datasets`",
    "trackers": "`trackbench list trackers`",
    "runs": "`trackbench list runs`",
    "ls": "`trackbench list trackers|datasets|runs`",
    "submit": "`trackbench pack SERVER --tracker T` writes what servers take",
    "initialize": "`trackbench vot workspace DIR` writes a workspace of vot-toolkit",
    "info": "`trackbench show NAME` prints a definition, `trackbench doctor` checks the installation",
    "help": "`trackbench --help`",
}


class Commands(TyperGroup):
    """The commands of trackbench."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is asked for; where there is none, say what was meant and end."""
        word = args[0] if args else ""
        asked = bool(word) and not word.startswith("-") and not ctx.resilient_parsing  # the shell asks quietly
        if asked and self.get_command(ctx, word) is None:
            known = WORDS.get(word.lower())
            hint = f": {known}" if known else f"{suggestion(word, self.commands)} (`trackbench --help` shows all)"
            print_error(f"there is no command '{word}'{hint}")
            raise typer.Exit(2)
        return super().resolve_command(ctx, args)
