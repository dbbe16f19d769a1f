"""``python -m trackbench`` and the console script ``trackbench``."""

import io
import sys

from trackbench.cli import app


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks is shown with a replacement character.
        sys.stdout.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
