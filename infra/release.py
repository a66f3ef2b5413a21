"""Build a release into dist/: the wheel, its software bill of materials (CycloneDX), and checksums.

Refuses to build from uncommitted changes, a version that the changelog does not describe, or with URLs of the reserved
domain .example (RFC 2606) in its metadata. ``--draft`` skips these checks, to try the build.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


def project() -> dict[str, Any]:
    """Return the ``[project]`` table of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def problems(changelog: str, number: str, uncommitted: str, urls: Mapping[str, str]) -> list[str]:
    """Return what stands in the way of a release; empty if nothing does."""
    found = []
    reserved = [name for name, url in urls.items() if (urlsplit(url).hostname or "").endswith(".example")]
    if reserved:
        found.append(f"Set the project's own addresses in [project.urls] of pyproject.toml: {', '.join(reserved)}.")
    if uncommitted:
        found.append("There are uncommitted changes: commit them first.")
    heading = re.search(rf"^## {re.escape(number)}(.*)$", changelog, re.MULTILINE)
    if heading is None:
        found.append(f"CHANGELOG.md has no section ## {number}: describe the release there.")
    elif not re.fullmatch(r", [A-Z][a-z]{2} \d{1,2}, \d{4}", heading[1]):
        found.append(f"CHANGELOG.md gives no date for {number}: write ## {number}, Nov 30, 2026.")
    return found


def build() -> Path:
    """Build the wheel and check its metadata; return its path."""
    shutil.rmtree(DIST, ignore_errors=True)
    run("build", "--no-isolation", "--wheel", "--outdir", str(DIST), str(ROOT))
    wheel = next(DIST.glob("*.whl"))
    run("twine", "check", "--strict", str(wheel))
    return wheel


def bill_of_materials(number: str) -> Path:
    """Write the software bill of materials of the locked dependencies."""
    path = DIST / f"recovery_quiz-{number}.cdx.json"
    lock = ROOT / "requirements" / "run.lock"
    options = ["--output-reproducible", "--of", "JSON", "-o", str(path), "--pyproject", str(ROOT / "pyproject.toml")]
    run("cyclonedx_py", "requirements", *options, str(lock))
    return path


def checksums(*paths: Path) -> None:
    """Write SHA256SUMS, for ``sha256sum --check``."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


def main() -> None:
    number = project()["version"]
    status = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = problems((ROOT / "CHANGELOG.md").read_text(), number, status.stdout.strip(), project()["urls"])
    if found and "--draft" not in sys.argv:
        sys.exit("\n".join(found))
    wheel = build()
    checksums(wheel, bill_of_materials(number))
    print("\n".join(f"dist/{path.name}" for path in sorted(DIST.iterdir())))


if __name__ == "__main__":
    main()
