"""A worker process for tests: it does what the sweeping tasks do, over and over, until it is killed."""

from __future__ import annotations

import time

from widget.actions.send_letter import send_due_letters
from widget.parts import build_parts
from widget.settings import read_settings


def main() -> None:
    parts = build_parts(read_settings(default_env="local"))
    while True:
        send_due_letters(parts, seconds=1.0)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
