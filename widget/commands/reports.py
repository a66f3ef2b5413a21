"""Printing of reports on content."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from widget.content.reading import Located, Reading
from widget.path_coverage.compare import Comparison
from widget.path_coverage.report import Coverage, Finding

_MARKS = {"error": ("✗", "red"), "warning": ("!", "yellow"), "info": ("·", "blue")}
_BAR = 24
_MAX_LINES = 200


def as_json(data: Any) -> None:
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


@contextmanager
def progress_bar(what: str, unit: str = "question") -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on standard error if it is a terminal; otherwise yield None."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn(what), BarColumn(), TextColumn(f"{unit} {{task.completed}} of {{task.total}}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_problems(pack: Path, reading: Reading) -> None:
    """Print all problems with file and line, errors first, and whether the pack can be published."""
    outcome = sorted(reading.problems, key=lambda problem: list(_MARKS).index(problem.problem.severity))
    for item in outcome[:_MAX_LINES]:
        _print_problem(pack, item)
    more = len(reading.problems) - _MAX_LINES
    if more > 0:
        click.echo(f"… and {more} more. Use --json to see all.")
    errors = len(reading.errors)
    findings = len(reading.problems) - errors
    if errors:
        click.secho(
            f"Errors: {errors}, findings: {findings}. This pack cannot be published until the errors are fixed.",
            fg="red",
        )
    else:
        click.secho(f"No errors, {findings} findings. This pack can be published.", fg="green")


def _print_problem(pack: Path, located: Located) -> None:
    mark, color = _MARKS[located.problem.severity]
    where = click.style(f"{pack / located.file}:{located.line}", bold=True)
    click.echo(f"{click.style(mark, fg=color)} {where}  {located.problem.message}")


# The path check --------------------------------------------------------------------------------------


def print_coverage(pack: Path, coverage: Coverage, line: Callable[[tuple[str | int, ...]], int]) -> None:
    """Print the report of the path check."""
    click.secho(f"{coverage.paths:,} answer paths in {coverage.classes:,} classes. {coverage.sureness}", bold=True)
    click.echo("Shares are of answer paths, not of shoppers.")
    _print_shares("Outcomes", coverage.outcomes, coverage.paths)
    _print_shares("Products shown", coverage.shown, coverage.paths)
    _print_shares("Tips shown", coverage.tips, coverage.paths)
    click.echo()
    for finding in coverage.findings:
        _print_finding(pack, finding, line(finding.where))
    errors = sum(finding.severity == "error" for finding in coverage.findings)
    color = "red" if errors else "green"
    click.secho(f"{len(coverage.findings)} findings, {errors} of them errors.", fg=color)


def _print_shares(title: str, counts: dict[str, int], total: int) -> None:
    click.secho(f"\n{title}", bold=True)
    width = max(map(len, counts), default=0)
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        part = count / total if total else 0
        click.echo(f"  {name:<{width}}  {'█' * round(part * _BAR):<{_BAR}} {part:7.2%}  {count:,}")


def _print_finding(pack: Path, finding: Finding, line: int) -> None:
    mark, color = _MARKS[finding.severity]
    where = click.style(f"{pack / str(finding.where[0])}:{line}", bold=True)
    click.echo(f"{click.style(mark, fg=color)} {where}  {finding.message}  [{finding.code}]")
    if finding.example is not None:
        click.echo(f"    recommend {shlex.quote(str(pack))} --answers {_answers(finding.example)}")


def _answers(answers: dict[str, list[str]]) -> str:
    return shlex.quote(orjson.dumps(answers).decode())


# The comparison --------------------------------------------------------------------------------------


def print_comparison(comparison: Comparison) -> None:
    """Print what an edit changes."""
    exact = "" if comparison.exact else " (estimated from a sample)"
    click.secho(f"{_part(comparison.changed, comparison.paths)} of answer paths change{exact}.", bold=True)
    if comparison.responses is not None and comparison.responses_changed is not None:
        share = _part(comparison.responses_changed, comparison.responses)
        click.secho(f"{share} of real responses change.", bold=True)
    click.secho("\nProducts shown, before → after", bold=True)
    for sku, shown in comparison.products.items():
        real = comparison.response_products.get(sku)
        more = f"   responses {real['before']:,} → {real['after']:,}" if real else ""
        mark = " " if shown["before"] == shown["after"] else "±"
        click.echo(f"  {mark} {sku:<16} {shown['before']:>16,} → {shown['after']:>16,}{more}")
    for example in comparison.examples:
        _print_example(example)
    for title, findings in (("New findings", comparison.new), ("Fixed findings", comparison.fixed)):
        if findings:
            click.secho(f"\n{title}", bold=True)
        for finding in findings:
            mark, color = _MARKS[finding.severity]
            click.echo(f"{click.style(mark, fg=color)} {finding.message}  [{finding.code}]")


def _part(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({count / total:.2%})" if total else "0 of 0"


def _print_example(example: dict[str, Any]) -> None:
    paths = f" ({example['paths']:,} paths)" if example["paths"] else ""
    click.echo(f"\n  {_answers(example['answers'])}{paths}")
    for name in ("before", "after"):
        click.echo(f"    {name:<7} {_result(example[name])}")
    if example["rows"]:
        click.echo(f"    because of {', '.join(example['rows'])}")


def _result(result: dict[str, Any] | None) -> str:
    if result is None:
        return "answers rejected"
    products = ", ".join(card["sku"] for card in result["products"]) or "no product"
    tips = ", ".join(tip["id"] for tip in result["tips"]) or "no tip"
    return f"{result['outcome']}: {products}; {tips}"
