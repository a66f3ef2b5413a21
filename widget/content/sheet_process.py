"""Read an .xlsx workbook in a process of its own: it has little time and little memory, and takes nobody along.

Run as ``python -m widget.content.sheet_process``: the workbook on standard input, rows as JSON on standard output.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator

SECONDS = 10
MEMORY = 768 * 1024 * 1024
BUSY_SECONDS = 2
_at_once = threading.BoundedSemaphore(2)


class SheetTrouble(ValueError):
    """The text says why the workbook was not read; ``row`` and ``column`` where, if anywhere."""

    def __init__(self, text: str, row: int = 0, column: str = "") -> None:
        super().__init__(text)
        self.row, self.column = row, column


def read_workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of a workbook. Raises SheetTrouble."""
    if not _at_once.acquire(timeout=BUSY_SECONDS):
        raise SheetTrouble("other sheets are being read right now: try again in a moment")
    try:
        done = subprocess.run(  # Our own module.
            [sys.executable, "-m", "widget.content.sheet_process"],
            input=data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SheetTrouble(f"reading it took over {SECONDS} seconds: save this sheet alone") from error
    finally:
        _at_once.release()
    try:
        outcome = json.loads(done.stdout)
    except ValueError as error:
        raise SheetTrouble("this is no .xlsx file that can be read, or it needs too much memory") from error
    if "error" in outcome:
        raise SheetTrouble(outcome["error"], outcome.get("row", 0), outcome.get("column", ""))
    yield from outcome["rows"]


def main() -> None:
    """Read what comes in; whatever goes wrong is told in the answer."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from widget.content.spreadsheet import BadSheet, workbook_rows

    try:
        data: dict[str, object] = {"rows": list(workbook_rows(sys.stdin.buffer.read()))}
    except BadSheet as error:
        data = {"error": error.message, "row": error.row, "column": error.column}
    except Exception:  # Whatever a broken file makes the library stumble over, it is one thing to the reader.
        data = {"error": "this is no .xlsx file that can be read"}
    sys.stdout.write(json.dumps(data))


if __name__ == "__main__":
    main()
