"""Commands ``recovery-quiz demo …``."""

from __future__ import annotations

from dataclasses import asdict

import click

from widget.commands.opening import opened_services
from widget.commands.reports import as_json, progress_bar
from widget.demo.load_demo import DAYS, VISITS, load_demo


@click.group()
def demo() -> None:
    """The demo store."""


@demo.command()
@click.option("--days", type=click.IntRange(1, 365), default=DAYS, show_default=True, help="Number of days of traffic.")
@click.option(
    "--visits",
    type=click.IntRange(1, 2_000_000),
    default=VISITS,
    show_default=True,
    help="Approximate number of visits.",
)
@click.option("--again", is_flag=True, help="Load again, in addition to existing traffic.")
@click.option("--json", "json_out", is_flag=True)
def load(days: int, visits: int, again: bool, json_out: bool) -> None:
    """Generate realistic sample traffic for the demo store, to explore in the console: this month and the last.

    Visits, answers, orders, and emails belong to fictitious people; no email is sent.
    """
    with opened_services() as services, progress_bar("visits", "visit") as progress:
        loaded = load_demo(services, days=days, number=visits, again=again, progress=progress)
        public_url = services.settings.public_url
    if json_out:
        as_json({"loaded": loaded is not None, **(asdict(loaded) if loaded else {})})
    elif loaded is None:
        click.echo("Sample traffic is already loaded. Use --again to add more.")
    else:
        click.echo(
            f"{loaded.visits:,} visits, {loaded.completed:,} completed quizzes ({loaded.responses:,} of them kept as "
            f"responses), {loaded.orders:,} orders, {loaded.emails:,} emails.\n"
            f"See them under Results in the console: {public_url}/console/"
        )
