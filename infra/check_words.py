"""Reject retired names, and text that no tracked file may contain.

``retired_words.txt`` lists the names, one regular expression per line. ``ALLOWED`` lists the files that may contain
one, each with its reason.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("widget", "workers", "tests", "infra/*.py", "content", "README.md", "SECURITY.md", "pyproject.toml")
ALLOWED = {
    "infra/check_words.py": "this check",
    "tests/architecture/test_words.py": "the test of this check",
}
"""Files that may contain a retired name, each with its reason."""
ANYWHERE = re.compile(
    r"pypi\.or[g]|pythonhoste[d]|registry\.npmj[s]|deb\.debia[n]\.org|/hom[e]/[a-z]+/|/roo[t]/",
)
"""Host names of package registries, and machine-specific paths."""


def tracked(*paths: str) -> list[Path]:
    """Return the files that git tracks under these paths."""
    listed = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def retired() -> list[tuple[re.Pattern[str], str]]:
    """Return (pattern, word to use instead) of each line of the list."""
    lines = (ROOT / "infra" / "retired_words.txt").read_text().splitlines()
    found = [line.rpartition(" # ") for line in lines if line and not line.startswith("#")]
    return [(re.compile(pattern, re.MULTILINE), word) for pattern, _, word in found]


def problems() -> list[str]:
    """Return every occurrence of forbidden text as "file:line: message"."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: names a package registry or a path of one machine"
        for path in tracked()
        if path.name != "LICENSE"
        for number, line in lines_of(path)
        if ANYWHERE.search(line)
    ]
    patterns = retired()
    for path in tracked(*CODE):
        if str(path.relative_to(ROOT)) in ALLOWED or path.suffix in (".csv", ".eml"):
            continue
        lines = lines_of(path)
        text = "\n".join(line for _, line in lines)
        there = [(pattern, word) for pattern, word in patterns if pattern.search(text)]  # Most files have none.
        for number, line in lines if there else []:
            for pattern, word in there:
                if match := pattern.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]!r} was retired: use {word}")
    return found


def lines_of(path: Path) -> list[tuple[int, str]]:
    """Return numbered lines; none for a binary file or a broken link."""
    try:
        return list(enumerate(path.read_text().splitlines(), 1))
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return []


if __name__ == "__main__":
    if found := problems():
        sys.exit("\n".join(found))
    print("No retired name, no registry and no machine path.")
