"""Parsing of mappings.csv into rows of text, with structural problems reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

MAPPING_COLUMNS = ("id", "when", "effect", "target", "weight", "reason", "note")
MAX_ROWS = 10_000
_NEEDED = {"id", "when", "effect", "target"}
_HEADER = f"the first line must be {','.join(MAPPING_COLUMNS)}"
Tell = Callable[[int, str, str], None]
"""Callback for problems, with line, code, and message."""


def mapping_rows(text: str | None, tell: Tell) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) of each row. A wrong header ends it; rows of the wrong length are reported only."""
    reader = csv.reader(io.StringIO(text or "", newline=""), strict=True)
    header: list[str] | None = None
    before = count = 0
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            count += 1
            if count > MAX_ROWS + 1:
                tell(
                    line,
                    "too_many_rows",
                    f"there are more than {MAX_ROWS:,} rows: split the quiz, or combine conditions",
                )
                return
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                if not _NEEDED <= set(header) <= set(MAPPING_COLUMNS) or len(set(header)) != len(header):
                    tell(line, "bad_header", _HEADER)
                    return
            elif len(row) != len(header):
                tell(line, "row_length", f"this row has {len(row)} cells, but the header has {len(header)}")
            else:
                yield line, dict(zip(header, row, strict=True))
    except csv.Error as error:
        tell(before + 1, "unreadable", f"cannot read this row: {error}")
    if header is None and text is not None:
        tell(1, "bad_header", _HEADER)
