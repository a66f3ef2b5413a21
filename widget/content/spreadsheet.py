"""Export and import of mappings as spreadsheets: CSV and XLSX.

Spreadsheet programs interpret text that starts with = + - or @ as a formula (CWE-1236, OWASP "CSV Injection"). Such
text cells are exported with a leading apostrophe, which the import removes. Numbers, such as a weight of -10, stay
numbers. The import accepts what Excel writes: a byte order mark, semicolons, CRLF, curly quotes, 16-bit encodings.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.sheet_process import read_workbook
from widget.content.workbook import MAX_ROWS, BadSheet

MAX_BYTES = 20_000_000
MAX_UNPACKED = 20_000_000
MAX_CELL = 10_000
_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_TEXT_COLUMNS = ("id", "when", "effect", "target", "reason", "note")
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\u00a0": " "})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
Cells = dict[str, str]


# Export ----------------------------------------------------------------------------------------------


def neutral(text: str) -> str:
    """Return a text that spreadsheet programs do not interpret as a formula, without control characters."""
    clean = _CONTROL.sub("", text)
    return f"'{clean}" if clean.startswith(_STARTS) else clean


def restored(text: str) -> str:
    """Undo ``neutral``."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_STARTS) else text


def csv_sheet(rows: list[Cells]) -> bytes:
    """Return the rows as CSV in UTF-8, with the byte order mark that Excel needs to read accents."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, MAPPING_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                name: neutral(row.get(name, "")) if name in _TEXT_COLUMNS else row.get(name, "")
                for name in MAPPING_COLUMNS
            }
        )
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def xlsx_sheet(rows: list[Cells]) -> bytes:
    """Return the rows as a workbook with a sheet named mappings. Texts are text cells; weights are numbers."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("mappings")
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDEFG", (24, 44, 10, 28, 8, 60, 40), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.append(list(MAPPING_COLUMNS))
    for row in rows:
        sheet.append([_cell(sheet, name, row.get(name, "")) for name in MAPPING_COLUMNS])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(sheet: Any, name: str, text: str) -> Any:
    if name == "weight":
        return int(text) if re.fullmatch(r"[+-]?\d{1,15}", text) else text or None
    cell = WriteOnlyCell(sheet, value=_LOOKS_ESCAPED.sub("_x005F_", ILLEGAL_CHARACTERS_RE.sub("", neutral(text))))
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


# Import ----------------------------------------------------------------------------------------------


def read_sheet(path: Path) -> list[tuple[int, Cells]]:
    """Read a sheet and return (row number, cells by column) of each row. Raises BadSheet."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadSheet(f"{path.name} is {size // 1_000_000} MB; the limit is {MAX_BYTES // 1_000_000} MB")
    return sheet_rows(path.read_bytes(), path.name)


def sheet_rows(data: bytes, name: str) -> list[tuple[int, Cells]]:
    """Parse a sheet from bytes, as ``read_sheet`` does; ``name`` is used in messages. Raises BadSheet."""
    if len(data) > MAX_BYTES:
        raise BadSheet(f"{name} is {len(data) // 1_000_000} MB; the limit is {MAX_BYTES // 1_000_000} MB")
    grid = _xlsx_rows(data) if data[:4] == b"PK\x03\x04" else _csv_rows(data)
    rows = list(_by_column(grid))
    if not rows:
        raise BadSheet("the sheet has a header but no rows: to remove all rows, edit mappings.csv")
    return rows


def _by_column(grid: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, Cells]]:
    header: list[str] | None = None
    for number, raw in grid:
        cells = [cell.strip() for cell in raw]
        while cells and not cells[-1] and len(cells) > len(header or MAPPING_COLUMNS):
            cells.pop()
        if not any(cells):
            continue
        if header is None:
            header = [cell.casefold() for cell in cells if cell]
            _check_header(header, number)
            continue
        if len(cells) > len(header):
            raise BadSheet(f"this row has {len(cells)} cells, but the header has {len(header)}", number)
        row = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True))
        yield number, {name: _clean(name, text, number) for name, text in row.items()}  # Missing columns stay missing.
    if header is None:
        raise BadSheet(f"the first line must be {','.join(MAPPING_COLUMNS)}")


def _check_header(header: list[str], number: int) -> None:
    unknown = [name for name in header if name not in MAPPING_COLUMNS]
    missing = [name for name in ("id", "when", "effect", "target") if name not in header]
    if unknown or missing or len(set(header)) != len(header):
        wrong = unknown or missing or ["a column appears twice"]
        raise BadSheet(f"the first line must be {','.join(MAPPING_COLUMNS)} (check: {', '.join(wrong)})", number)


def _clean(name: str, text: str, number: int) -> str:
    if len(text) > MAX_CELL:
        raise BadSheet(f"the cell has {len(text):,} characters; the limit is {MAX_CELL:,}", number, name)
    if name not in ("reason", "note"):
        text = text.translate(_CURLY)
    text = restored(text)
    if _CONTROL.search(text):
        raise BadSheet("the cell contains a control character", number, name)
    if name == "weight":
        text = text.replace("−", "-").removesuffix(".0")  # Spreadsheets may write U+2212 as the minus sign.
    return text


def _csv_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(data)
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, 1):
            if number > MAX_ROWS + 1:
                raise BadSheet(f"there are more than {MAX_ROWS:,} rows")
            if row and row[0].startswith("sep="):
                continue
            yield number, row
    except csv.Error as error:
        raise BadSheet(f"cannot read this row: {error}", number + 1) from error


def _decoded(data: bytes) -> str:
    """Decode UTF-8, or the UTF-16 that Excel saves as "Unicode text". Raises BadSheet for any other encoding."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise BadSheet('this is not UTF-8: save the sheet as "CSV UTF-8" or as .xlsx', row) from error


def _xlsx_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    _refuse_bombs(data)
    yield from read_workbook(data)


def _refuse_bombs(data: bytes) -> None:
    """Reject a small file that unpacks to a huge one before it is unpacked. Raises BadSheet."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except zipfile.BadZipFile as error:
        raise BadSheet("this is not a readable .xlsx file") from error
    if unpacked > MAX_UNPACKED:
        raise BadSheet(f"the file unpacks to {unpacked // 1_000_000} MB: too large for a sheet of mappings")
