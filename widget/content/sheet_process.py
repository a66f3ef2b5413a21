"""Reading of .xlsx workbooks in a child process with limited time and memory, so that a hostile file does no harm.

``python -m widget.content.sheet_process`` reads the workbook from standard input and writes its rows as JSON to
standard output.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator

from widget.content.workbook import BadSheet, workbook_rows

SECONDS = 10
MEMORY = 768 * 1024 * 1024
BUSY_SECONDS = 2
_at_once = threading.BoundedSemaphore(2)


def read_workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of a workbook. Raises BadSheet."""
    if not _at_once.acquire(timeout=BUSY_SECONDS):
        raise BadSheet("other sheets are being processed: try again in a moment")
    try:
        done = subprocess.run(  # It runs our own module.
            [sys.executable, "-m", "widget.content.sheet_process"],
            input=data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadSheet(
            f"reading the file took more than {SECONDS} seconds: save only this sheet and try again"
        ) from error
    finally:
        _at_once.release()
    try:
        outcome = json.loads(done.stdout)
    except ValueError as error:
        raise BadSheet("this is not a readable .xlsx file, or it needs too much memory") from error
    if "error" in outcome:
        raise BadSheet(outcome["error"], outcome.get("row", 0), outcome.get("column", ""))
    yield from outcome["rows"]


def main() -> None:
    """Read a workbook from standard input, and write its rows or an error to standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        data: dict[str, object] = {"rows": list(workbook_rows(sys.stdin.buffer.read()))}
    except BadSheet as error:
        data = {"error": error.message, "row": error.row, "column": error.column}
    except Exception:  # A broken file can cause any error in the library; users get the same message for all.
        data = {"error": "this is not a readable .xlsx file"}
    sys.stdout.write(json.dumps(data))


if __name__ == "__main__":
    main()
