"""Fail if the tables in code differ from those that the migrations create."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from widget.storage.database import open_database
from widget.storage.migrate import drift, upgrade


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder, 'drift.db')}")
        upgrade(engine)
        differences = drift(engine)
        engine.dispose()
    if differences:
        sys.exit("The tables have no migration for:\n" + "\n".join(map(str, differences)))
    print("Migrations and tables agree.")


if __name__ == "__main__":
    main()
