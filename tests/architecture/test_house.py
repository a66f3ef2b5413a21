"""Conventions of the code base that a reviewer would otherwise have to check by hand."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.packs import ROOT
from widget.cli import COMMANDS
from widget.settings import DESCRIBED, PREFIX
from widget.storage.tables import TABLES
from workers.app import app as celery

README = (ROOT / "README.md").read_text()
SOURCES = [*sorted((ROOT / "widget").rglob("*.py")), *sorted((ROOT / "workers").rglob("*.py"))]


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return listed.splitlines()


def test_every_beat_entry_names_a_task_and_expires_and_no_task_uses_a_countdown() -> None:
    from widget.settings import read_settings
    from workers.app import configure

    configure(
        read_settings(
            {
                "RECOVERY_ENV": "local",
                "RECOVERY_HOME": "/tmp/rq-house",
                "RECOVERY_SECRET_KEYS": "k" * 20 + "abcdefghijklmnop",
                "RECOVERY_SUPPRESSION_KEY": "s" * 20 + "abcdefghijklmnop",
            }
        )
    )
    celery.loader.import_default_modules()
    for entry in celery.conf.beat_schedule.values():
        assert entry["task"] in celery.tasks
        assert entry["options"]["expires"] >= 60  # Clocks of two hosts differ, and expiry compares them.
    assert not any(re.search(r"\b(eta|countdown)\s*=", path.read_text()) for path in SOURCES)


def test_every_command_and_setting_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert f"`{command}`" in README or f"recovery-quiz {command}" in README, command
    for setting in DESCRIBED:
        assert f"{PREFIX}{setting.name}" in README or f"`{setting.name}`" in README, setting.name


SHARED_TABLES = {
    "shops": "they are the shops",
    "users": "a person may belong to several shops: memberships say to which",
    "sessions": "of a person, in all of their shops at once",
    "invitations": "of a person, in all of their shops at once",
    "unmatched_reports": "no shop is known for them",
    "rate_limits": "the provider counts all shops together",
}


def test_every_table_has_a_shop_id_unless_listed_as_shared() -> None:
    for table in TABLES:
        assert table.__tablename__ in SHARED_TABLES or "shop_id" in table.__table__.columns, table.__tablename__


def test_every_package_has_a_docstring() -> None:
    for path in (ROOT / "widget").rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_every_public_function_of_an_action_has_a_docstring() -> None:
    """Actions are the functions that other packages call, so each has a docstring."""
    for path in (ROOT / "widget" / "actions").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_files_and_functions_stay_short() -> None:
    written = [path for path in SOURCES if "migrations" not in path.parts]  # Migrations are generated.
    long_files = [path.name for path in written if len(path.read_text().splitlines()) > 340]
    long_functions = []
    for path in written:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno > 50:
                long_functions.append(f"{path.name}: {node.name}")

    assert long_files == []
    assert long_functions == []


def test_views_write_no_queries() -> None:
    """Views read through functions of the storage package, and write through actions."""
    for path in (ROOT / "widget" / "web").rglob("*.py"):
        assert not re.search(r"^from sqlalchemy import ", path.read_text(), re.MULTILINE), path


def test_tests_import_no_helpers_from_other_test_modules() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        imported = re.findall(r"^\s*from (tests\.\S+) import", path.read_text(), re.MULTILINE)
        assert not [name for name in imported if ".test_" in name or name.endswith("conftest")], path


def test_source_code_uses_aware_utc_times_only() -> None:
    for path in SOURCES:
        assert not re.search(r"utcnow\(|datetime\.now\(\)|datetime\.today\(", path.read_text()), path


def test_lock_files_contain_hashes_and_no_urls() -> None:
    for name in ("run", "dev"):
        text = (ROOT / "requirements" / f"{name}.lock").read_text()
        assert "://" not in text
        for requirement in re.findall(r"^[a-z0-9_.\[\],-]+==.*$", text, re.MULTILINE):
            assert requirement.endswith("\\"), requirement


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", ".ci/run", "content/README.md"]
)
def test_repository_contains_its_standard_files(name: str) -> None:
    assert name in tracked() or (ROOT / name).exists()


def test_images_linked_in_the_readme_exist() -> None:
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert Path(ROOT, picture).exists(), picture


def test_pack_commands_import_no_database_or_queue_drivers() -> None:
    """Importing no drivers makes checking a pack start a second sooner."""
    drivers = ("sqlalchemy", "alembic", "psycopg", "redis", "celery", "openpyxl")
    code = (
        f"import sys, widget.commands.packs, widget.commands.impact; print([d for d in {drivers} if d in sys.modules])"
    )
    stdout = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert stdout.strip() == "[]"
