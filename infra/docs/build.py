"""Build the documentation site into var/site, from the guides, the files of the repository, and the code itself.

The API, the settings, and the commands are described by the program: those pages are generated, never out of date.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGES = ROOT / "var" / "docs"
COPIED = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "content/README.md": "content.md",
}
METHODS = ("get", "post", "put", "patch", "delete")


def api_page(spec: Mapping[str, Any]) -> str:
    """Return the page of the public API from its OpenAPI document."""
    lines = [f"# {spec['info']['title']}", "", spec["info"].get("description", ""), ""]
    lines += ["The running service shows the same at `/v1/docs`, and the document itself at `/v1/openapi.json`.", ""]
    for path, operations in sorted(spec["paths"].items()):
        for method in METHODS:
            if method in operations:
                lines += _operation(method, path, operations[method])
    return "\n".join(lines)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## {method.upper()} `{path}`", "", operation.get("summary", ""), "", operation.get("description", ""))
    parameters = [item for item in operation.get("parameters", []) if "name" in item]
    if parameters:
        yield from ("", "| parameter | in | required | meaning |", "|---|---|---|---|")
        for item in parameters:
            required = "yes" if item.get("required") else "no"
            yield f"| `{item['name']}` | {item['in']} | {required} | {_cell(item.get('description', ''))} |"
    yield from ("", "| status | meaning |", "|---|---|")
    for status, response in sorted(operation.get("responses", {}).items()):
        yield f"| {status} | {_cell(response.get('description', ''))} |"
    yield ""


def settings_page() -> str:
    """Return the page of all settings."""
    from widget.settings import DESCRIBED, PREFIX

    lines = [
        "# Settings",
        "",
        "All settings are environment variables. `recovery-quiz settings` shows the current values.",
        "",
    ]
    lines += ["| variable | meaning | default |", "|---|---|---|"]
    lines += [f"| `{PREFIX}{item.name}` | {_cell(item.meaning)} | {_cell(item.default)} |" for item in DESCRIBED]
    return "\n".join(lines)


def commands_page() -> str:
    """Return the page of all commands, as their ``--help`` describes them."""
    from widget.cli import main

    lines = ["# Commands", ""]
    context = click.Context(main, info_name="recovery-quiz")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is not None:
            lines += _command(command, f"recovery-quiz {name}")
    return "\n".join(lines)


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path, terminal_width=100)
    yield from (f"## {path}", "", "```text", command.get_help(context), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _command(child, f"{path} {name}")


def decisions_page(folder: Path) -> str:
    """Return the list of all decisions, newest first."""
    lines = ["# Decisions", "", "What was decided, why, and what was weighed.", ""]
    for path in sorted(folder.glob("[0-9]*.md"), reverse=True):
        title = path.read_text().partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the application, without a database or a network."""
    from flask import Flask

    from widget.web import api

    app = Flask("widget", static_folder=None)
    return dict(api.register(app).spec.to_dict())


def linked(text: str) -> str:
    """Point links between files of the repository to their pages; other files are named as code."""

    def one(match: re.Match[str]) -> str:
        label, target = match[1], match[2]
        if "://" in target or target.startswith("#"):
            return match[0]
        name = target.split("#")[0].removeprefix("./").removeprefix("../")
        return f"[{label}]({COPIED[name]})" if name in COPIED else label

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)", one, text)


def assemble() -> None:
    """Write all pages to var/docs."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(HERE / "pages", PAGES)
    for source, page in COPIED.items():
        (PAGES / page).write_text(linked((ROOT / source).read_text()))
    decisions = ROOT / "infra" / "decisions"
    shutil.copytree(decisions, PAGES / "decisions")
    for path in (PAGES / "decisions").glob("*.md"):
        path.write_text(re.sub(r"(?<!!)\[([^\]]+)\]\((?!http)(?!\d)[^)]+\)", r"\1", path.read_text()))
    (PAGES / "decisions" / "index.md").write_text(decisions_page(decisions))
    (PAGES / "api.md").write_text(api_page(openapi()))
    (PAGES / "settings.md").write_text(settings_page())
    (PAGES / "commands.md").write_text(commands_page())


def main() -> None:
    assemble()
    command = [sys.executable, "-m", "mkdocs", "build", "--clean", "--quiet", "--config-file", str(HERE / "mkdocs.yml")]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    print("The documentation is in var/site: open var/site/index.html")


if __name__ == "__main__":
    main()
