"""The command line: one module a command, thin; what is heavy is imported inside the commands."""

from trackbench.cli.app import app

__all__ = ["app"]
