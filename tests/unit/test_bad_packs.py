"""Malformed and hostile packs: each causes a clear error with file and line, no traceback, and no written file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.packs import LEG_DAY
from widget.cli import main
from widget.content.files import read_folder, write_folder
from widget.content.mapping_table import MAX_ROWS, mapping_rows

GOOD = (
    '{"area":["calves"],"trained":["today"],"signs":["none"],"soreness":["4"],"health":["none"],"recover":["massage"],'
    '"apply":["rub-in"],"moment":["gym"],"scent":["fresh"],"often":["few"]}'
)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    files, _ = read_folder(LEG_DAY)
    write_folder(tmp_path / "pack", files)
    return tmp_path / "pack"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _cyclic(pack: Path) -> None:
    edit(
        pack / "quiz.yaml",
        "    text: Where are you sore?",
        "    text: Where are you sore?\n    show_if: knee-kind = front",
    )


def _forward(pack: Path) -> None:
    edit(pack / "quiz.yaml", "show_if: area = knees", "show_if: scent = fresh")


def _endless(pack: Path) -> None:
    edit(pack / "quiz.yaml", "show_if: area = knees", "show_if: " + " & ".join(["area = knees"] * 5000))


def _double_id(pack: Path) -> None:
    edit(pack / "quiz.yaml", "- id: scent", "- id: apply")


def _double_key(pack: Path) -> None:
    edit(pack / "quiz.yaml", "    kind: multi\n", "    kind: multi\n    kind: multi\n")


def _latin(pack: Path) -> None:
    (pack / "products.yaml").write_bytes("- {sku: A, name: Crème}\n".encode("latin-1"))


def _utf16(pack: Path) -> None:
    (pack / "mappings.csv").write_bytes((pack / "mappings.csv").read_text().encode("utf-16"))


def _huge(pack: Path) -> None:
    with (pack / "mappings.csv").open("wb") as file:
        file.truncate(200_000_000)


def _deep(pack: Path) -> None:
    (pack / "quiz.yaml").write_text("questions: " + "[" * 100_000)


def _many_rows(pack: Path) -> None:
    with (pack / "mappings.csv").open("a") as file:
        file.writelines(f"row-{at},apply = rub-in,boost,form:cream,1,,\n" for at in range(100_000))


def _link_out(pack: Path) -> None:
    (pack / "mappings.csv").unlink()
    (pack / "mappings.csv").symlink_to("/etc/passwd")


def _broken_link(pack: Path) -> None:
    (pack / "tips" / "new.md").symlink_to(pack / "nowhere")


def _linked_folder(pack: Path) -> None:
    (pack / "locales").rename(pack.parent / "locales")
    (pack / "locales").symlink_to(pack.parent / "locales")


def _pipe(pack: Path) -> None:
    (pack / "safety.yaml").unlink()
    os.mkfifo(pack / "safety.yaml")


@pytest.mark.parametrize(
    ("spoil", "file", "words"),
    [
        (_cyclic, "quiz.yaml:", "asked later"),
        (_forward, "quiz.yaml:", "asked later"),
        (_endless, "quiz.yaml:", "characters"),
        (_double_id, "quiz.yaml:", "used twice"),
        (_double_key, "quiz.yaml:", "appears twice"),
        (_latin, "products.yaml:1", "not UTF-8"),
        (_utf16, "mappings.csv:1", "not UTF-8"),
        (_huge, "mappings.csv:1", "larger than 8 MB"),
        (_deep, "quiz.yaml:1", "nested more than"),
        (_many_rows, "mappings.csv:", "more than 10,000 rows"),
        (_link_out, "mappings.csv:1", "not a regular file"),
        (_broken_link, "tips/new.md:1", "not a regular file"),
        (_linked_folder, "locales:1", "not a regular file"),
        (_pipe, "safety.yaml:1", "not a regular file"),
    ],
)
@pytest.mark.parametrize("command", ["check", "coverage"])
def test_malformed_pack_is_refused_with_file_and_line(
    pack: Path, spoil: Callable[[Path], None], file: str, words: str, command: str
) -> None:
    spoil(pack)
    completed = run("content", command, pack)
    assert completed.exit_code == 1, completed.output
    assert isinstance(completed.exception, SystemExit), completed.exception
    assert file in completed.output
    assert words in completed.output


def test_reading_mapping_rows_stops_at_the_maximum() -> None:
    rows = "id,when,effect,target\n" + "".join(f"row-{at},,boost,form:cream\n" for at in range(100_000))
    outcome: list[str] = []
    read = sum(1 for _ in mapping_rows(rows, lambda line, code, message: outcome.append(code)))
    assert (read, outcome) == (MAX_ROWS, ["too_many_rows"])


def test_question_with_a_thousand_idle_options_gets_one_finding(pack: Path) -> None:
    options = "".join(f"      - {{id: o-{at}, text: Option {at}}}\n" for at in range(1000))
    with (pack / "quiz.yaml").open("a") as file:
        file.write(f"\n  - id: many\n    kind: single\n    text: Which?\n    options:\n{options}")
    completed = run("content", "coverage", pack, "--json")
    assert completed.exit_code == 0
    assert completed.output.count('"question_changes_nothing"') == 1
    assert completed.output.count('"option_changes_nothing"') <= 2


def test_format_does_not_write_through_a_symlink_at_its_temporary_file(pack: Path) -> None:
    victim = pack.parent / "victim"
    victim.write_text("precious")
    (pack / ".mappings.csv.new").symlink_to(victim)
    edit(pack / "mappings.csv", "apply = rub-in,boost,form:cream,", "apply=rub-in,boost,form:cream,")
    assert run("content", "format", pack).exit_code == 0
    assert victim.read_text() == "precious"
    assert not (pack / "mappings.csv").is_symlink()


# Commands --------------------------------------------------------------------------------------------


def test_coverage_command_prints_a_report_and_fails_on_an_error(pack: Path) -> None:
    completed = run("content", "coverage", pack)
    assert completed.exit_code == 0
    assert "Every answer path was checked." in completed.output
    assert "of answer paths, not of shoppers" in completed.output
    edit(pack / "pack.yaml", "checks:\n", "checks:\n  option_changes_nothing: error\n")
    assert run("content", "coverage", pack).exit_code == 1


def test_compare_command_reports_changed_paths_and_responses(pack: Path) -> None:
    edit(pack / "mappings.csv", "apply = rub-in,boost,form:cream,30", "apply = rub-in,boost,form:cream,3")
    responses = pack.parent / "responses.jsonl"
    responses.write_text(GOOD + "\n" + GOOD + "\n")
    completed = run("content", "compare", LEG_DAY, pack, "--responses", responses)
    assert completed.exit_code == 0, completed.output
    assert "of answer paths change" in completed.output
    assert "of real responses change" in completed.output
    assert "because of rub-in-cream" in completed.output
    responses.write_text('{"area": [1]}\n')
    assert "line 1" in run("content", "compare", LEG_DAY, pack, "--responses", responses).output


def test_compare_command_compares_two_versions_of_a_shop_on_its_responses(pack: Path, tmp_path: Path) -> None:
    environment = {"RECOVERY_HOME": str(tmp_path / "home"), "RECOVERY_LOG_LEVEL": "error"}
    runner = CliRunner(env=environment)
    assert runner.invoke(main, ["shop", "add", "demo", "--name", "Demo"]).exit_code == 0
    for folder in (LEG_DAY, pack):
        if folder == pack:
            edit(pack / "mappings.csv", "form:cream,30", "form:cream,3")
        completed = runner.invoke(main, ["content", "import", str(folder), "--publish"])
        assert completed.exit_code == 0, completed.output
    completed = runner.invoke(main, ["content", "compare", "1", "live", "--shop", "demo", "--json"])
    assert completed.exit_code == 0, completed.output
    assert '"responses": 0' in completed.output
    assert '"changed": 0' not in completed.output


def test_why_not_option_explains_any_product() -> None:
    for sku in ("CREAM-60", "CREAM-120", "SPRAY-100", "SALVE-30"):
        completed = run("recommend", LEG_DAY, "--answers", GOOD, "--explain", "--why-not", sku)
        assert completed.exit_code == 0
        assert f"{sku} is " in completed.output
    assert "did you mean 'CREAM-60'" in run("recommend", LEG_DAY, "--answers", GOOD, "--why-not", "CREAM-6").output
