"""Mappings as spreadsheets: a lossless round trip, and no partial import."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tests.support.packs import LEG_DAY, ROOT
from widget.cli import main
from widget.content.files import read_folder, write_folder
from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.spreadsheet import csv_sheet, neutral, read_sheet, restored, xlsx_sheet
from widget.content.workbook import BadSheet

ROW = dict.fromkeys(MAPPING_COLUMNS, "") | {
    "id": "row-one",
    "when": "apply = rub-in",
    "effect": "boost",
    "target": "form:cream",
    "weight": "-10",
}
WRITERS = {"csv": csv_sheet, "xlsx": xlsx_sheet}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    files, _ = read_folder(LEG_DAY)
    write_folder(tmp_path / "pack", files)
    return tmp_path / "pack"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["content", *map(str, arguments)])


@pytest.mark.parametrize("kind", WRITERS)
def test_export_and_import_of_a_sheet_changes_nothing(kind: str, pack: Path) -> None:
    sheet = pack.parent / f"m.{kind}"
    before = (pack / "mappings.csv").read_bytes()
    assert run("export", pack, "--mappings", sheet).exit_code == 0
    completed = run("import", pack, "--mappings", sheet, "--yes")
    assert completed.exit_code == 0, completed.output
    assert "0 added, 0 changed, 0 removed" in completed.output
    assert (pack / "mappings.csv").read_bytes() == before


def test_escaped_characters_of_a_workbook_are_read() -> None:
    rows = read_sheet(ROOT / "tests" / "payloads" / "real-world" / "mappings-with-x000D.xlsx")

    assert rows[0][1]["reason"] == "You like to rub it in:\na cream sinks in as you go."
    assert not any("_x" in text for _, cells in rows for text in cells.values())


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "text", ["=1+1", "+49", "-5 % off", "@here", "'quoted", "'=x", "\ttab", "“curly”", "a\nb", "", "_x000D_ as it is"]
)
def test_formula_like_text_is_neutralized_in_the_sheet_and_restored_on_import(
    kind: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / f"m.{kind}"
    path.write_bytes(WRITERS[kind]([{**ROW, "reason": text}]))
    cells = _raw(path)
    assert not cells["reason"].startswith(("=", "+", "-", "@", "\t"))
    assert cells["weight"] == "-10"
    assert read_sheet(path)[0][1]["reason"] in (text, text.strip())


def _raw(path: Path) -> dict[str, str]:
    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
        return dict(zip(rows[0], rows[1], strict=True))
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    assert isinstance(sheet["E2"].value, int), "a weight stays a number"
    return {str(head.value): str(cell.value or "") for head, cell in zip(sheet[1], sheet[2], strict=True)}


@given(st.text(max_size=30))
def test_neutralized_text_is_restored_without_control_characters(text: str) -> None:
    clean = restored(neutral(text))
    assert clean == "".join(item for item in text if item in "\t\n\r" or (ord(item) >= 32 and item != "\x7f"))


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffid;when;effect;target;weight\r\nrow-one;apply = rub-in;boost;form:cream;−10\r\n".encode(),
        b"id\twhen\teffect\ttarget\tweight\nrow-one\tapply = rub-in\tboost\tform:cream\t-10\n",
        b"sep=;\nid;when;effect;target;weight\nrow-one;apply = rub-in;boost;form:cream;-10\n",
        b"weight,Target,EFFECT,when,id\n-10,form:cream,boost,apply = rub-in,row-one\n\n,,,,\n",
        "id;when;effect;target;weight\nrow-one;“apply” = rub-in;boost;form:cream;-10\n".encode("utf-16"),
    ],
)
def test_sheet_variants_of_spreadsheet_programs_are_read(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(data)
    ((_, cells),) = read_sheet(tmp_path / "m.csv")
    assert (cells["id"], cells["target"], cells["weight"]) == ("row-one", "form:cream", "-10")


def test_sheet_import_previews_changed_rows_and_writes_only_with_yes(pack: Path) -> None:
    sheet = pack.parent / "m.csv"
    run("export", pack, "--mappings", sheet)
    lines = sheet.read_bytes().decode("utf-8-sig").split("\r\n")
    lines[1] = lines[1].replace(",30,", ",31,")
    del lines[3]
    lines.insert(5, "brand-new,apply = rich,boost,form:salve,4,,")
    sheet.write_text("\r\n".join(lines), "utf-8")
    before = (pack / "mappings.csv").read_bytes()
    completed = run("import", pack, "--mappings", sheet)
    assert "1 added, 1 changed, 1 removed" in completed.output
    assert "weight: 30 → 31" in completed.output
    assert (pack / "mappings.csv").read_bytes() == before
    assert run("import", pack, "--mappings", sheet, "--yes").exit_code == 0
    assert "brand-new,apply = rich,boost,form:salve,4" in (pack / "mappings.csv").read_text()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",30,", ",thirty,", ["row 2", "column weight"]),
        ("apply = rub-in", "apply = rub-im", ["row 2", "column when", "did you mean 'rub-in'"]),
        ("form:cream", "from:cream", ["row 2", "column target"]),
        ("rub-in-salve", "rub-in-cream", ["row 3", "used twice"]),
        ("id,when", "id,whenn", ["whenn"]),
    ],
)
def test_invalid_row_stops_the_whole_import_with_row_column_and_reason(
    pack: Path, old: str, new: str, words: list[str]
) -> None:
    sheet = pack.parent / "m.csv"
    run("export", pack, "--mappings", sheet)
    sheet.write_text(sheet.read_text("utf-8-sig").replace(old, new, 1), "utf-8")
    before = (pack / "mappings.csv").read_bytes()
    completed = run("import", pack, "--mappings", sheet, "--yes")
    assert completed.exit_code == 1
    for word in words:
        assert word in completed.output
    assert (pack / "mappings.csv").read_bytes() == before


def _formula(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(MAPPING_COLUMNS))
    sheet.append(["row-one", "", "boost", "form:cream", "=5+5", "", ""])
    book.save(path)


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 300_000_000)


def _broken_zip(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and no more")


def _latin(path: Path) -> None:
    path.write_bytes("id,when,effect,target\nrow,,boost,form:crème\n".encode("latin-1"))


def _control(path: Path) -> None:
    path.write_bytes(b"id,when,effect,target,reason\nrow,,boost,form:cream,bad\x07bell\n")


def _long(path: Path) -> None:
    path.write_text("id,when,effect,target,reason\nrow,,boost,form:cream," + "x" * 20_000)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(200_000_000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_formula, "row 2, column weight: the cell contains a formula"),
        (_bomb, "unpacks to"),
        (_broken_zip, "not a readable .xlsx file"),
        (_latin, "not UTF-8"),
        (_control, "row 2, column reason: the cell contains a control character"),
        (_long, "row 2, column reason"),
        (_huge, "200 MB"),
    ],
)
def test_file_that_is_not_a_mapping_sheet_is_refused_with_a_clear_message(make, words: str, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    make(path)
    with pytest.raises(BadSheet) as refused:
        read_sheet(path)
    assert words in str(refused.value)
