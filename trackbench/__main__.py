"""``python -m trackbench`` and the console script ``trackbench``."""

from trackbench.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
