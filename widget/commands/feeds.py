"""The command ``recovery-quiz shop import-feed``: import a store's product feed from a file or a URL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import click

from widget.actions.catalog.fetch_feed import fetched_feed
from widget.actions.catalog.import_feed import FEED_FAILED, FEED_STOPPED, FEED_UNCHANGED, Asked, FeedReport, import_feed
from widget.commands.opening import opened_services
from widget.commands.reports import as_json, progress_bar
from widget.stores.feed_item import BadFeed
from widget.stores.feeds import FEED_KINDS
from widget.stores.fetching import NotFetched

WHO = "command line"
EVERYTHING = 10**9


@click.command("import-feed")
@click.argument("slug")
@click.argument("file_or_url")
@click.option(
    "--force", "force", is_flag=True, help="Import even if too many of the known products are missing or changed."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print the report as JSON.")
def import_feed_command(slug: str, file_or_url: str, force: bool, json_wanted: bool) -> None:
    """Import price, stock, name, URL, and image of products from a feed. Exits with 1 if nothing was imported.

    FILE_OR_URL: a Google Merchant feed (RSS 2.0 or TSV) or Shopify's products.json; URLs must start with https://.
    """
    with opened_services() as services, _opened(file_or_url) as files, progress_bar("Reading the feed", "kB") as bar:
        base = file_or_url if "://" in file_or_url else ""
        most = EVERYTHING if force else 0
        asked = Asked(who=WHO, uploaded=not base, allow_missing=most, allow_changed=most, base=base)
        report = import_feed(services, shop=slug, files=files, asked=asked, progress=_by_size(files, bar))
    if json_wanted:
        as_json(asdict(report))
    else:
        _print(report)
    if report.outcome in (FEED_FAILED, FEED_STOPPED):
        raise SystemExit(1)


@contextmanager
def _opened(file_or_url: str) -> Iterator[list[BinaryIO]]:
    try:
        if "://" in file_or_url:
            with fetched_feed(file_or_url) as files:
                yield files
        else:
            with Path(file_or_url).open("rb") as file:
                yield [file]
    except OSError as error:
        raise click.UsageError(f"{file_or_url} cannot be read: {error.strerror}.") from error
    except (NotFetched, BadFeed) as error:
        raise click.ClickException(f"Nothing was changed: {error}.") from error


def _by_size(files: Sequence[BinaryIO], bar: Callable[[int, int], None] | None) -> Callable[[int], None] | None:
    """Return a progress callback in bytes, since the number of items is unknown until the end."""
    if bar is None:
        return None
    total = sum(os.fstat(file.fileno()).st_size for file in files)
    return lambda _: bar(sum(file.tell() for file in files) // 1024, total // 1024)


def _print(report: FeedReport) -> None:
    if report.error:
        click.secho(report.error, fg="red")
    elif report.outcome == FEED_UNCHANGED:
        click.secho("The feed has not changed.", fg="green")
    else:
        counts = f"{report.items:,} items, {report.matched} matched, {len(report.changed)} changed"
        click.secho(f"{FEED_KINDS[report.kind]}: {counts}.", fg="green")
    for text in report.problems:
        click.echo(f"  {text}")
    if report.problems_more:
        click.echo(f"  … and {report.problems_more:,} more")
    if report.outcome == FEED_STOPPED:
        for text in report.suspicious:
            click.echo(f"  {text}")
        if report.missing:
            click.echo(f"Missing: {', '.join(report.missing)}.")
        click.echo("To import anyway, run with --force.")
