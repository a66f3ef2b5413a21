"""Rows of an .xlsx workbook, read with openpyxl. Call it only where time and memory are limited."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import openpyxl
from openpyxl.utils.escape import unescape

from widget.content.mapping_table import MAPPING_COLUMNS

MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class BadSheet(ValueError):
    """A spreadsheet that cannot be imported. ``row`` counts from 1, including the header; ``column`` is a name."""

    message: str
    row: int = 0
    column: str = ""

    def __str__(self) -> str:
        where = f"row {self.row}" + (f", column {self.column}" if self.column else "") if self.row else ""
        return f"{where}: {self.message}" if where else self.message


def workbook_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    sheet = book["mappings"] if "mappings" in book.sheetnames else book.worksheets[0]
    sheet.reset_dimensions()  # The dimensions stored in a file are often wrong.
    for number, row in enumerate(sheet.iter_rows(max_col=len(MAPPING_COLUMNS) + 1), 1):
        if number > MAX_ROWS + 1:
            raise BadSheet(f"there are more than {MAX_ROWS:,} rows")
        cells = []
        for at, cell in enumerate(row):
            if cell.data_type == "f":
                column = MAPPING_COLUMNS[at] if at < len(MAPPING_COLUMNS) else str(at + 1)
                raise BadSheet("the cell contains a formula: paste its value instead", number, column)
            if cell.data_type == "e":
                column = MAPPING_COLUMNS[at] if at < len(MAPPING_COLUMNS) else str(at + 1)
                raise BadSheet(f"the cell contains an error ({cell.value})", number, column)
            cells.append(_as_text(cell.value))
        yield number, cells


def _as_text(value: object) -> str:
    """Return a cell as text, with line breaks as ``\\n``.

    Characters that XML cannot hold, and the carriage return, are written as ``_x000D_`` (ECMA-376, part 1, 22.9.2.19);
    a text that looks like that begins with ``_x005F_``.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return unescape(str(value)).replace("\r\n", "\n").replace("\r", "\n")
