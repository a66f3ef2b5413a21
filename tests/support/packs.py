"""Packs and answers for tests."""

from __future__ import annotations

from pathlib import Path

from widget.actions.content.import_content import import_content
from widget.actions.content.publish_content import publish_content
from widget.content.files import PackFiles, read_folder
from widget.services import Services

ROOT = Path(__file__).resolve().parents[2]


MINI = ROOT / "tests" / "packs" / "mini"


LEG_DAY = ROOT / "content" / "leg-day"


GOOD = {
    "area": ["calves"],
    "trained": ["yesterday"],
    "signs": ["none"],
    "soreness": ["5"],
    "health": ["none"],
    "recover": ["massage"],
    "apply": ["hands-free"],
    "moment": ["gym"],
    "scent": ["fresh"],
    "often": ["few"],
}


def leg_day_files() -> PackFiles:
    files, problems = read_folder(LEG_DAY)
    assert not problems
    return files


def publish_files(services: Services, files: PackFiles, shop: str = "demo") -> int:
    version = import_content(services, shop=shop, files=files)
    publish_content(services, shop=shop, quiz=version.quiz, number=version.number, checked=True)
    return version.number
