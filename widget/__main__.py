"""Entry point of ``python -m widget``."""

from widget.cli import main

main()
