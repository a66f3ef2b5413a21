"""The files of a pack: reading a folder into a dict of texts and writing it back, without parsing."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from widget.domain.content.problem import ERROR, WARNING, Problem

PackFiles = dict[str, str]
"""Text by path inside the pack (with /)."""

MAX_BYTES = 8_000_000
REQUIRED = ("pack.yaml", "quiz.yaml", "safety.yaml", "mappings.csv", "products.yaml")
_KNOWN = re.compile(
    r"pack\.yaml|claims\.yaml|quiz\.yaml|safety\.yaml|mappings\.csv|products\.yaml|README\.md|tips/[a-z0-9-]+\.md"
    r"|emails/sequences\.yaml|emails/[a-z0-9-]+/(subject\.txt|body\.mjml|body\.md)|locales/[A-Za-z0-9-]+\.yaml"
)


class NoPack(ValueError):
    """The given path is not a folder with a pack."""


def read_folder(folder: Path) -> tuple[PackFiles, list[Problem]]:
    """Read all known files of a pack folder as text. Raises NoPack if there is no such folder."""
    if not folder.is_dir():
        raise NoPack(f"{folder} is not a folder: provide the folder of a content pack, such as content/leg-day")
    files: PackFiles = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()) or (path.is_dir() and _KNOWN.fullmatch(name)):
            if _KNOWN.fullmatch(name) or path.is_symlink():
                message = f"'{name}' is not a regular file: links, pipes, and folders are not allowed in its place"
                problems.append(Problem(ERROR, (name,), "no_file", message))
            continue
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if not _KNOWN.fullmatch(name):
            message = f"'{name}' is not a pack file and is ignored"
            problems.append(Problem(WARNING, (name,), "unknown_file", message))
            continue
        text = _read(path, name, problems)
        if text is not None:
            files[name] = text
    problems += [
        Problem(ERROR, (name,), "missing_file", f"the file {name} is missing")
        for name in REQUIRED
        if name not in files and not any(problem.place[0] == name for problem in problems)
    ]
    return files, problems


def _read(path: Path, name: str, problems: list[Problem]) -> str | None:
    if path.stat().st_size > MAX_BYTES:
        problems.append(Problem(ERROR, (name,), "too_large", f"the file is larger than {MAX_BYTES // 1_000_000} MB"))
        return None
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        message = f"the file is not UTF-8 (line {line}, byte {error.start})"
        problems.append(Problem(ERROR, (name, f"line {line}"), "not_utf8", message))
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_folder(folder: Path, files: PackFiles) -> None:
    """Write the files. Each is replaced atomically, so an interrupted export leaves no partial file."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically. A symbolic link at its path is replaced, never followed."""
    mode = path.stat().st_mode & 0o777 if path.is_file() else 0o644
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".new", delete=False) as fresh:
        fresh.write(data)
    try:
        Path(fresh.name).chmod(mode)
        os.replace(fresh.name, path)  # noqa: PTH105  # os.replace is atomic.
    except BaseException:
        Path(fresh.name).unlink(missing_ok=True)
        raise
