"""Packs as files: errors with their position, and lossless export and import."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.packs import LEG_DAY, MINI
from widget.content.files import NoPack, PackFiles, read_folder
from widget.content.reader import Reading, read_files, read_pack
from widget.content.stored import load_pack
from widget.content.writer import canonical_files


def mini_with(name: str, old: str, new: str) -> Reading:
    files, _ = read_folder(MINI)
    assert old in files[name]
    return read_files({**files, name: files[name].replace(old, new, 1)}, [])


@pytest.mark.parametrize("folder", [MINI, LEG_DAY])
def test_exported_pack_reads_back_equal_and_exports_to_the_same_bytes(folder: Path) -> None:
    reading = read_pack(folder)
    assert reading.pack is not None
    first = canonical_files(reading.pack, reading.files)
    again = read_files(first, [])

    assert again.pack == reading.pack
    assert canonical_files(again.pack, first) == first


def test_shipped_pack_and_mini_pack_have_no_errors() -> None:
    assert read_pack(MINI).errors == []
    assert read_pack(LEG_DAY).errors == []


def test_unreadable_file_does_not_hide_unrelated_problems() -> None:
    files, _ = read_folder(LEG_DAY)
    outcome = read_files({**files, "safety.yaml": "- [", "locales/fr.yaml": "{}"}, [])
    assert {problem.problem.code for problem in outcome.problems} == {"unreadable", "unused_locale"}


def test_packs_with_equal_files_share_one_loaded_pack() -> None:
    files, _ = read_folder(MINI)
    assert load_pack(files) is load_pack(dict(reversed(files.items())))
    assert load_pack({**files, "tips/more.md": files["tips/massage.md"]}) is not load_pack(files)


def test_pack_values_such_as_00123_and_no_stay_text() -> None:
    files, _ = read_folder(MINI)
    renamed = {**files, "products.yaml": files["products.yaml"].replace("STICK-40", "00123")}
    renamed["mappings.csv"] = files["mappings.csv"].replace("STICK-40", "00123")
    renamed["products.yaml"] = renamed["products.yaml"].replace("name: Stick", "name: no")
    assert read_files(renamed, []).pack.product_by_sku["00123"].name == "no"


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "words"),
    [
        ("mappings.csv", "area = calves &", "area = calfs &", 2, "unknown option 'calfs' in question 'area', did you mean 'calves'?"),
        ("mappings.csv", "area = quads", "aera = quads", 3, "unknown question 'aera', did you mean 'area'?"),
        ("mappings.csv", "sku:ROLL-30", "sku:ROLL-3O", 5, "unknown SKU 'ROLL-3O', did you mean 'ROLL-30'?"),
        ("mappings.csv", "tip:massage", "tip:masage", 10, "unknown tip 'masage', did you mean 'massage'?"),
        ("mappings.csv", ",exclude,form", ",exlude,form", 7, "did you mean 'exclude'?"),
        ("mappings.csv", "boost,form:cream,20", "boost,form:cream,200", 3, "must be at most 100"),
        ("mappings.csv", "soreness >= 7", "soreness => 7", 6, "at character"),
        ("quiz.yaml", "kind: scale", "kind: scael", 18, "did you mean 'scale'?"),
        ("quiz.yaml", "show_if: area = knees", "show_if: soreness > 3", 13, "asked later"),
        ("quiz.yaml", "max: 2", "max: 9", 4, "there are 3 options"),
        ("quiz.yaml", "optional: true", "optional: yes", 31, "must be true or false"),
        ("safety.yaml", "when: warning = fever", "when: apply = rub-in", 3, "may be skipped"),
        ("safety.yaml", "when: warning = fever", "when: ''", 3, "no condition"),
        ("safety.yaml", "outcome: see_doctor", "outcome: doctor", 4, "did you mean 'see_doctor'?"),
        ("pack.yaml", "stock: hide", "stok: hide", 13, "unknown key 'stok', did you mean 'stock'?"),
        ("pack.yaml", "id: more", "id: fallback", 11, "reserved"),
        ("products.yaml", "sku: SALVE-50", "sku: CREAM-60", 2, "used twice"),
        ("products.yaml", "price: 2499", "price: 24.99", 2, "must be a whole number"),
        ("tips/move.md", "title: move", "titel: move", 2, "unknown key 'titel', did you mean 'title'?"),
    ],
)  # fmt: skip
def test_pack_error_names_file_line_and_closest_match(name: str, old: str, new: str, line: int, words: str) -> None:
    errors = mini_with(name, old, new).errors

    assert any(error.file == name and error.line == line and words in error.problem.message for error in errors), [
        error.data() for error in errors
    ]


def test_all_problems_of_a_pack_are_reported_together() -> None:
    files, _ = read_folder(MINI)
    broken: PackFiles = {
        **files,
        "mappings.csv": files["mappings.csv"].replace("area = quads", "area = qads").replace(",5,Fresh", ",x,Fresh"),
        "quiz.yaml": files["quiz.yaml"].replace("kind: scale", "kind: scael"),
        "pack.yaml": files["pack.yaml"] + "title: again\n",
    }
    reading = read_files(broken, [])

    assert reading.pack is None
    assert {error.file for error in reading.errors} == {"mappings.csv", "quiz.yaml", "pack.yaml"}
    assert "duplicate_key" in {error.problem.code for error in reading.errors}


@pytest.mark.parametrize(
    "text",
    [
        "{a: [",
        "a: &x [*x]",
        "- !!python/object:os.system x",
        "\x00",
        "? [a]\n: b",
        "a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]",
    ],
)
def test_malformed_yaml_is_reported_as_an_error_of_its_file(text: str) -> None:
    files, _ = read_folder(MINI)
    reading = read_files({**files, "pack.yaml": text}, [])

    assert any(error.file == "pack.yaml" for error in reading.errors)


@pytest.mark.parametrize("text", ["", "id;when\n", 'id,when,effect,target\nx,"a', "id,when,effect,target\na,b\n"])
def test_malformed_mappings_csv_is_reported_as_an_error_of_its_file(text: str) -> None:
    files, _ = read_folder(MINI)

    assert any(error.file == "mappings.csv" for error in read_files({**files, "mappings.csv": text}, []).errors)


def test_missing_pack_folder_or_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NoPack):
        read_folder(tmp_path / "none")
    assert {error.file for error in read_pack(tmp_path).errors} == {
        "pack.yaml",
        "quiz.yaml",
        "safety.yaml",
        "mappings.csv",
        "products.yaml",
    }


def test_pack_with_a_warning_is_still_read() -> None:
    reading = mini_with("mappings.csv", "form:roll-on|spray", "form:gel")

    assert reading.pack is not None
    assert any("no product has the form 'gel'" in problem.problem.message for problem in reading.problems)


def test_product_url_with_a_javascript_scheme_is_an_error() -> None:
    assert mini_with("products.yaml", "price: 2999,", 'price: 2999, url: "javascript:alert(1)",').errors


@pytest.mark.parametrize(
    "broken", ["{{ shop.nmae }}", '[[buton "x" quiz_url]]', '[[button "x" nowhere]]', "{% if product.form %}"]
)
def test_email_template_that_cannot_be_rendered_is_an_error_before_publishing(broken: str) -> None:
    from widget.actions.content.check_emails import email_problems

    files, _ = read_folder(LEG_DAY)
    assert email_problems(read_files(files, []).pack) == []
    name = "emails/review/body.md"
    problems = email_problems(read_files({**files, name: files[name] + f"\n{broken}\n"}, []).pack)

    assert [problem.place for problem in problems] == [(name,)]


def test_unreadable_file_is_reported_without_follow_up_errors() -> None:
    files, _ = read_folder(MINI)
    errors = read_files({**files, "quiz.yaml": "questions:\n\t- id: area\n"}, []).errors

    assert [(error.file, error.line) for error in errors] == [("quiz.yaml", 2)]
