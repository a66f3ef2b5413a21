"""``content format``: it normalizes conditions and targets and leaves everything else unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.packs import LEG_DAY
from widget.cli import main
from widget.content.files import read_folder, write_folder
from widget.content.formatting import formatted_files, plain_condition, plain_targets
from widget.content.reader import read_pack
from widget.domain.quiz.condition import MAX_CHARACTERS, MAX_TERMS, ConditionError, parse_condition


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("area=calves|knees&soreness>=7", "area = calves|knees & soreness >= 7"),
        ("  not  area != calves   or a=b ", "not area != calves or a = b"),
        ("", ""),
        ("cannot be read & &", "cannot be read & &"),
    ],
)
def test_conditions_are_normalized(text: str, plain: str) -> None:
    assert plain_condition(text) == plain


def test_targets_are_normalized() -> None:
    assert plain_targets('form:cream ;tag: menthol| fresh;sku:"A|B"') == 'form:cream; tag:menthol|fresh; sku:"A|B"'


def test_shipped_pack_is_formatted() -> None:
    assert formatted_files(read_folder(LEG_DAY)[0]) == {}


def test_format_command_keeps_comments_and_everything_else(tmp_path: Path) -> None:
    files, _ = read_folder(LEG_DAY)
    mixed = dict(files)
    mixed["safety.yaml"] = files["safety.yaml"].replace("when: signs = breathing\n", "when: signs=breathing\n")
    mixed["mappings.csv"] = files["mappings.csv"].replace(
        "apply = rub-in,boost,form:cream,", "apply=rub-in,boost,form:cream ,"
    )
    mixed["quiz.yaml"] = files["quiz.yaml"].replace("show_if: area = knees", "show_if: 'area=knees'")
    write_folder(tmp_path, mixed)
    assert CliRunner().invoke(main, ["content", "format", str(tmp_path), "--check"]).exit_code == 1
    assert CliRunner().invoke(main, ["content", "format", str(tmp_path)]).exit_code == 0
    for name in ("safety.yaml", "mappings.csv"):
        assert (tmp_path / name).read_text() == files[name]
    assert "show_if: 'area = knees'" in (tmp_path / "quiz.yaml").read_text()
    assert CliRunner().invoke(main, ["content", "format", str(tmp_path), "--check"]).exit_code == 0


def test_unreadable_condition_in_a_file_is_reported_with_its_character(tmp_path: Path) -> None:
    files, _ = read_folder(LEG_DAY)
    files["mappings.csv"] = files["mappings.csv"].replace(
        "area = knees,boost,form:salve", "area = & knees,boost,form:salve"
    )
    write_folder(tmp_path, files)
    (outcome,) = [error.problem.message for error in read_pack(tmp_path).errors]
    assert "at character 8" in outcome
    assert "area = ▸& knees" in outcome


def test_condition_with_brackets_or_over_the_limits_is_refused() -> None:
    with pytest.raises(ConditionError):
        parse_condition("a = " + "x" * MAX_CHARACTERS)
    with pytest.raises(ConditionError):
        parse_condition(" & ".join(["a = b"] * (MAX_TERMS + 1)))
    with pytest.raises(ConditionError):
        parse_condition("((((a = b))))")
