"""The documentation site and the release build."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.support.packs import ROOT
from widget.cli import COMMANDS
from widget.settings import DESCRIBED, PREFIX


def loaded(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = loaded("infra/docs/build.py")
    build.PAGES = tmp_path_factory.mktemp("docs") / "pages"
    build.assemble()
    return Path(build.PAGES)


def test_every_page_of_the_navigation_exists(pages: Path) -> None:
    navigation = (ROOT / "infra" / "docs" / "mkdocs.yml").read_text().partition("nav:")[2]
    names = re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)

    assert names
    assert [name for name in names if not (pages / name).is_file()] == []
    assert yaml.safe_load(navigation)


def test_every_link_between_pages_leads_to_a_page(pages: Path) -> None:
    for path in pages.rglob("*.md"):
        for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)[^)]*\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).is_file(), f"{path.name}: {target}"


def test_reference_pages_describe_every_route_setting_and_command(pages: Path) -> None:
    api, settings, commands = ((pages / f"{name}.md").read_text() for name in ("api", "settings", "commands"))

    assert "POST `/v1/shops/{shop}/quizzes/{quiz}/responses`" in api
    assert [item.name for item in DESCRIBED if f"`{PREFIX}{item.name}`" not in settings] == []
    assert [name for name in COMMANDS if f"## recovery-quiz {name}\n" not in commands] == []


@pytest.mark.parametrize(
    ("changelog", "uncommitted", "url", "number"),
    [
        ("## 1.2.0, Nov 30, 2026\n", "", "https://quiz.test/docs", 0),
        ("## 1.2.0, not released\n", "", "https://quiz.test/docs", 1),
        ("## 1.1.0, Nov 30, 2026\n", "", "https://quiz.test/docs", 1),
        ("## 1.2.0, Nov 30, 2026\n", " M README.md", "https://quiz.test/docs", 1),
        ("## 1.2.0, Nov 30, 2026\n", "", "https://recovery-quiz.example/docs", 1),
        ("", "?? new", "https://recovery-quiz.example/docs", 3),
    ],
)
def test_release_needs_a_dated_changelog_section_no_uncommitted_changes_and_real_addresses(
    changelog: str, uncommitted: str, url: str, number: int
) -> None:
    found = loaded("infra/release.py").problems(changelog, "1.2.0", uncommitted, {"Documentation": url})

    assert len(found) == number
