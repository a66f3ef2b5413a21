"""Build the wheel, install it into an empty environment, start it, and request a result."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.packs import GOOD, LEG_DAY, ROOT
from tests.support.running import Running

pytestmark = pytest.mark.xdist_group("running")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--disable-pip-version-check", "-w", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def test_wheel_contains_packs_templates_migrations_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packs = {f"widget/packs/leg-day/{path.relative_to(LEG_DAY)}" for path in LEG_DAY.rglob("*") if path.is_file()}

    assert packs <= names
    assert {"widget/py.typed", "widget/storage/migrations/versions/0001_initial.py"} <= names
    shipped = {str(path.relative_to(ROOT)) for path in ROOT.glob("widget/**/*.html")}
    assert shipped <= names


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """Return the command of a new environment with the wheel and this environment's dependencies."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-deps", "--disable-pip-version-check", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), "install", *options], check=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    Path(paths["purelib"], "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "recovery-quiz"


def test_installed_wheel_runs_and_answers_a_quiz(installed: Path, tmp_path: Path) -> None:
    running = Running(tmp_path / "home", [str(installed)], tmp_path)
    running.environment.pop("PYTHONPATH", None)
    running.start()
    try:
        quiz = json.loads(running.get("/v1/shops/demo/quizzes/leg-day"))
        data = json.dumps({"answers": GOOD, "version": quiz["version"]}).encode()
        request = urllib.request.Request(
            f"{running.base}/v1/shops/demo/quizzes/leg-day/responses", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            result = json.loads(answer.read())["result"]
    finally:
        running.stop()

    assert result["outcome"] == "products"
    assert result["products"]
    assert running.gone()
